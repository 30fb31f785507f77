// Timers, immediates, next-tick callbacks. The C loop asks for each kind when it is due (see main.c).

let heap = []; // by time, then by order of setting; cleared ones stay until they would be due
let waiting = 0; // timers in the heap that keep the program alive
let serial = 0;
let ticks = [];
let immediates = [];
const live = Object.create(null); // timers by id, for clearTimeout(number)
let lastId = 0;

const before = (a, b) => a.when < b.when || (a.when === b.when && a.serial < b.serial);

function push(timer) {
  if (timer.referenced) waiting++;
  timer.queued = true;
  let i = heap.push(timer) - 1;
  while (i > 0) {
    const up = (i - 1) >> 1;
    if (!before(timer, heap[up])) break;
    heap[i] = heap[up];
    i = up;
  }
  heap[i] = timer;
}

function pop() {
  const top = heap[0];
  top.queued = false;
  if (top.referenced) waiting--;
  const last = heap.pop();
  if (heap.length > 0) {
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
  return top;
}

function tellNext() {
  while (heap.length > 0 && heap[0].gone) pop();
  sys.wake(waiting === 0 ? Infinity : heap[0].when);
}

class Timeout {
  constructor(callback, delay, args, repeat) {
    delay = +delay;
    if (!(delay >= 1 && delay <= 2147483647)) delay = 1;
    this._idleTimeout = Math.trunc(delay);
    this._onTimeout = callback;
    this._repeat = repeat ? this._idleTimeout : null;
    Object.defineProperties(this, {
      args: { value: args, writable: true }, gone: { value: false, writable: true }, referenced: { value: true, writable: true },
      queued: { value: false, writable: true }, when: { value: 0, writable: true }, serial: { value: 0, writable: true }, id: { value: ++lastId, writable: true },
    });
    live[this.id] = this;
    start(this);
  }
  ref() { return hold(this, true); }
  unref() { return hold(this, false); }
  hasRef() { return this.referenced; }
  refresh() { if (!this.gone) { takeOut(this); start(this); } return this; }
  close() { clearTimeout(this); return this; }
  [Symbol.toPrimitive]() { return this.id; }
  [Symbol.dispose || Symbol.for('Symbol.dispose')]() { clearTimeout(this); }
}

function hold(timer, referenced) {
  if (timer.referenced !== referenced) {
    timer.referenced = referenced;
    if (timer.queued) waiting += referenced ? 1 : -1;
    tellNext();
  }
  return timer;
}

function takeOut(timer) {
  const rest = heap.filter((t) => t !== timer);
  heap = [];
  waiting = 0;
  rest.forEach(push);
}

function start(timer) {
  timer.when = sys.now() + timer._idleTimeout;
  timer.serial = ++serial;
  push(timer);
  tellNext();
}

// A timer is no value of a script that ends with setTimeout(…).
const noJSON = { value() { return undefined; }, writable: true, configurable: true };

function needFunction(callback) {
  if (typeof callback !== 'function') throw internal.invalidType('callback', 'of type function', callback);
}

function setTimeout(callback, delay, ...args) {
  needFunction(callback);
  return new Timeout(callback, delay, args, false);
}
function setInterval(callback, delay, ...args) {
  needFunction(callback);
  return new Timeout(callback, delay, args, true);
}
function clearTimeout(timer) {
  if (typeof timer === 'number' || typeof timer === 'string') timer = live[timer];
  if (!(timer instanceof Timeout) || timer.gone) return;
  timer.gone = true;
  delete live[timer.id];
  hold(timer, false);
}
function clearInterval(timer) { clearTimeout(timer); }

class Immediate {
  constructor(callback, args) {
    this._onImmediate = callback;
    Object.defineProperty(this, 'args', { value: args });
  }
  ref() { return this; }
  unref() { return this; }
  hasRef() { return true; }
}
Object.defineProperty(Timeout.prototype, 'toJSON', noJSON);
Object.defineProperty(Immediate.prototype, 'toJSON', noJSON);

function setImmediate(callback, ...args) {
  needFunction(callback);
  const immediate = new Immediate(callback, args);
  immediates.push(immediate);
  sys.wantImmediates();
  return immediate;
}
function clearImmediate(immediate) {
  immediates = immediates.filter((i) => i !== immediate);
}
function queueMicrotask(callback) {
  needFunction(callback);
  internal.resolved.then(callback);
}
internal.resolved = Promise.resolve();

internal.nextTick = (callback, ...args) => {
  needFunction(callback);
  ticks.push([callback, args]);
  sys.wantTicks();
};

internal.runTicks = () => {
  while (ticks.length > 0) {
    const batch = ticks;
    ticks = [];
    for (let i = 0; i < batch.length; i++) {
      try {
        batch[i][0](...batch[i][1]);
      } catch (err) {
        ticks = batch.slice(i + 1).concat(ticks);
        if (ticks.length > 0) sys.wantTicks();
        throw err;
      }
    }
  }
};

// One timer at a time: promise jobs run between two callbacks, as in Node.
internal.runTimers = () => {
  const now = sys.now();
  while (heap.length > 0 && heap[0].gone) pop();
  if (heap.length > 0 && heap[0].when <= now) {
    const timer = pop();
    if (timer._repeat === null) {
      timer.gone = true;
      delete live[timer.id];
    }
    try {
      timer._onTimeout(...timer.args);
    } finally {
      if (timer._repeat !== null && !timer.gone) start(timer);
      tellNext();
    }
    return;
  }
  tellNext();
};

internal.runImmediates = () => {
  const batch = immediates;
  immediates = [];
  for (let i = 0; i < batch.length; i++) {
    try {
      batch[i]._onImmediate(...batch[i].args);
    } catch (err) {
      immediates = batch.slice(i + 1).concat(immediates);
      throw err;
    }
  }
  if (immediates.length > 0) sys.wantImmediates();
};

internal.timers = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
for (const [name, value] of Object.entries({ ...internal.timers, queueMicrotask })) {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
}

function promised(set) {
  return (delay, value, { signal } = {}) => new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = set(() => resolve(value), delay);
    signal?.addEventListener?.('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
const promises = {
  setTimeout: promised(setTimeout),
  setImmediate: (value) => new Promise((resolve) => { setImmediate(() => resolve(value)); }),
  async* setInterval(delay, value) {
    for (;;) {
      await promises.setTimeout(delay);
      yield value;
    }
  },
  scheduler: { wait: (delay, options) => promises.setTimeout(delay, undefined, options), yield: () => promises.setImmediate() },
};
internal.modules.timers = { ...internal.timers, promises };
internal.modules['timers/promises'] = promises;
setTimeout[Symbol.for('nodejs.util.promisify.custom')] = promises.setTimeout;
setImmediate[Symbol.for('nodejs.util.promisify.custom')] = promises.setImmediate;
