// events: EventEmitter, once, on.

function need(listener) {
  if (typeof listener !== 'function') throw internal.invalidType('listener', 'of type function', listener);
}

function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}
EventEmitter.init = function init() {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
  }
  this._maxListeners = this._maxListeners || undefined;
};
const proto = EventEmitter.prototype;
proto._events = undefined;
proto._eventsCount = 0;
proto._maxListeners = undefined;

function add(emitter, type, listener, first) {
  need(listener);
  if (emitter._events === undefined) EventEmitter.init.call(emitter);
  if (emitter._events.newListener !== undefined) emitter.emit('newListener', type, listener.listener ?? listener);
  const list = emitter._events[type];
  if (list === undefined) {
    emitter._events[type] = [listener];
    emitter._eventsCount++;
  } else if (first) {
    list.unshift(listener);
  } else {
    list.push(listener);
  }
  return emitter;
}

function wrapOnce(emitter, type, listener) {
  need(listener);
  const wrapped = function (...args) {
    emitter.removeListener(type, wrapped);
    return listener.apply(this, args);
  };
  wrapped.listener = listener;
  return wrapped;
}

const methods = {
  setMaxListeners(n) { this._maxListeners = n; return this; },
  getMaxListeners() { return this._maxListeners ?? EventEmitter.defaultMaxListeners; },
  emit(type, ...args) {
    const list = this._events?.[type];
    if (list === undefined) {
      if (type !== 'error') return false;
      if (args[0] instanceof Error) throw args[0];
      const error = new Error(`Unhandled error. (${typeof args[0] === 'string' ? `'${args[0]}'` : internal.inspect(args[0])})`);
      error.code = 'ERR_UNHANDLED_ERROR';
      error.context = args[0];
      throw error;
    }
    for (const listener of [...list]) listener.apply(this, args);
    return true;
  },
  addListener(type, listener) { return add(this, type, listener, false); },
  prependListener(type, listener) { return add(this, type, listener, true); },
  once(type, listener) { return add(this, type, wrapOnce(this, type, listener), false); },
  prependOnceListener(type, listener) { return add(this, type, wrapOnce(this, type, listener), true); },
  removeListener(type, listener) {
    need(listener);
    const list = this._events?.[type];
    if (list === undefined) return this;
    const at = list.findLastIndex((l) => l === listener || l.listener === listener);
    if (at === -1) return this;
    this._events[type] = list.toSpliced(at, 1);
    if (this._events[type].length === 0) {
      delete this._events[type];
      this._eventsCount--;
    }
    if (this._events.removeListener !== undefined) this.emit('removeListener', type, listener);
    return this;
  },
  removeAllListeners(type) {
    if (this._events === undefined) return this;
    if (type === undefined) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    } else if (this._events[type] !== undefined) {
      delete this._events[type];
      this._eventsCount--;
    }
    return this;
  },
  listeners(type) { return (this._events?.[type] ?? []).map((l) => l.listener ?? l); },
  rawListeners(type) { return [...(this._events?.[type] ?? [])]; },
  listenerCount(type) { return this._events?.[type]?.length ?? 0; },
  eventNames() { return this._events === undefined ? [] : Reflect.ownKeys(this._events); },
};
for (const name of Object.keys(methods)) proto[name] = methods[name];
proto.on = proto.addListener;
proto.off = proto.removeListener;

EventEmitter.defaultMaxListeners = 10;
EventEmitter.EventEmitter = EventEmitter;
EventEmitter.errorMonitor = Symbol('events.errorMonitor');
EventEmitter.captureRejectionSymbol = Symbol.for('nodejs.rejection');
EventEmitter.listenerCount = (emitter, type) => emitter.listenerCount(type);
EventEmitter.once = (emitter, type, { signal } = {}) => new Promise((resolve, reject) => {
  if (signal?.aborted) {
    reject(signal.reason);
    return;
  }
  if (typeof emitter.addEventListener === 'function') {
    emitter.addEventListener(type, (event) => resolve([event]), { once: true });
    return;
  }
  const fail = (err) => {
    emitter.removeListener(type, done);
    reject(err);
  };
  const done = (...args) => {
    emitter.removeListener('error', fail);
    resolve(args);
  };
  emitter.once(type, done);
  if (type !== 'error') emitter.once('error', fail);
  signal?.addEventListener('abort', () => {
    emitter.removeListener('error', fail);
    fail(signal.reason);
  });
});
EventEmitter.on = async function* on(emitter, type) {
  const queue = [];
  let wake;
  let failed;
  const push = (...args) => {
    queue.push(args);
    wake?.();
  };
  const fail = (err) => {
    failed = { err };
    wake?.();
  };
  emitter.on(type, push);
  emitter.on('error', fail);
  try {
    for (;;) {
      while (queue.length > 0) yield queue.shift();
      if (failed) throw failed.err;
      await new Promise((resolve) => { wake = resolve; });
    }
  } finally {
    emitter.removeListener(type, push);
    emitter.removeListener('error', fail);
  }
};
internal.modules.events = EventEmitter;
