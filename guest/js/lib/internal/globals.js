// The rest of the global object: text, events, performance, crypto basics, and what is not there on purpose.

const hidden = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
hidden('global', globalThis);

// ---- text

const decoders = { 'utf-8': 0, utf8: 0, 'unicode-1-1-utf-8': 0, latin1: 1, 'iso-8859-1': 1, ascii: 1, 'us-ascii': 1, 'windows-1252': 1, 'utf-16le': 2, 'utf-16': 2 };
const names = ['utf-8', 'windows-1252', 'utf-16le'];

const bytesOf = (input) => {
  if (input instanceof Uint8Array) return input;
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
};

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return sys.encode(`${text}`, 0); }
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const c of `${text}`) {
      const bytes = sys.encode(c, 0);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += c.length;
    }
    return { read, written };
  }
}

class TextDecoder {
  #kind;
  #rest = new Uint8Array(0);
  #started = false;
  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    this.#kind = decoders[`${label}`.trim().toLowerCase()];
    if (this.#kind === undefined) throw internal.codeError(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
    Object.defineProperties(this, { encoding: { value: names[this.#kind] }, fatal: { value: !!fatal }, ignoreBOM: { value: !!ignoreBOM } });
  }
  decode(input = new Uint8Array(0), { stream = false } = {}) {
    let bytes = bytesOf(input);
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
      this.#rest = new Uint8Array(0);
    }
    if (stream) {
      const keep = this.#kind === 0 ? unfinished(bytes) : this.#kind === 2 ? bytes.length % 2 : 0;
      this.#rest = bytes.slice(bytes.length - keep);
      bytes = bytes.subarray(0, bytes.length - keep);
    }
    let text = sys.decode(bytes, this.#kind, this.fatal);
    if (!this.#started && !this.ignoreBOM && this.#kind !== 1 && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    this.#started = stream && (this.#started || text.length > 0);
    return text;
  }
}

// How many bytes at the end begin a character that is not complete.
function unfinished(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const b = bytes[bytes.length - back];
    if (b >= 0xc0) return (b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2) > back ? back : 0;
    if (b < 0x80) return 0;
  }
  return 0;
}
internal.unfinished = unfinished;
hidden('TextEncoder', TextEncoder);
hidden('TextDecoder', TextDecoder);

// ---- events and abort

class Event {
  #type;
  #options;
  #prevented = false;
  constructor(type, options = {}) {
    this.#type = `${type}`;
    this.#options = options || {};
    this.timeStamp = internal.sinceStart();
  }
  get type() { return this.#type; }
  get cancelable() { return !!this.#options.cancelable; }
  get bubbles() { return !!this.#options.bubbles; }
  get defaultPrevented() { return this.#prevented; }
  preventDefault() { if (this.cancelable) this.#prevented = true; }
  stopPropagation() {}
  stopImmediatePropagation() { this.stopped = true; }
}
class CustomEvent extends Event {
  #detail;
  constructor(type, options = {}) {
    super(type, options);
    this.#detail = options?.detail ?? null;
  }
  get detail() { return this.#detail; }
}
class EventTarget {
  #listeners = Object.create(null);
  addEventListener(type, listener, options) {
    if (!listener) return;
    const list = (this.#listeners[type] ??= []);
    if (!list.some((l) => l.listener === listener)) list.push({ listener, once: !!options?.once });
  }
  removeEventListener(type, listener) {
    if (this.#listeners[type]) this.#listeners[type] = this.#listeners[type].filter((l) => l.listener !== listener);
  }
  dispatchEvent(event) {
    Object.defineProperty(event, 'target', { value: this, configurable: true });
    for (const item of [...(this.#listeners[event.type] || [])]) {
      if (item.once) this.removeEventListener(event.type, item.listener);
      if (typeof item.listener === 'function') item.listener.call(this, event);
      else item.listener.handleEvent(event);
      if (event.stopped) break;
    }
    return !event.defaultPrevented;
  }
}

const secret = Symbol('abort');
class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  onabort = null;
  constructor(key) {
    if (key !== secret) throw internal.codeError(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
    super();
  }
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }
  [secret](reason = new DOMException('This operation was aborted', 'AbortError')) {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const event = new Event('abort');
    if (typeof this.onabort === 'function') this.onabort(event);
    this.dispatchEvent(event);
  }
  static abort(reason) {
    const signal = new AbortSignal(secret);
    signal[secret](reason);
    return signal;
  }
  static timeout(ms) {
    const signal = new AbortSignal(secret);
    setTimeout(() => signal[secret](new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms).unref();
    return signal;
  }
  static any(signals) {
    const signal = new AbortSignal(secret);
    for (const s of signals) {
      if (s.aborted) {
        signal[secret](s.reason);
        break;
      }
      s.addEventListener('abort', () => signal[secret](s.reason));
    }
    return signal;
  }
}
class AbortController {
  #signal = new AbortSignal(secret);
  get signal() { return this.#signal; }
  abort(reason) { this.#signal[secret](reason); }
}
for (const value of [Event, CustomEvent, EventTarget, AbortSignal, AbortController]) hidden(value.name, value);

// ---- clock and random numbers

const performance = {
  now: () => internal.sinceStart(),
  get timeOrigin() { return Date.now() - internal.sinceStart(); },
  mark: (name) => ({ name, entryType: 'mark', startTime: internal.sinceStart(), duration: 0 }),
  measure: (name) => ({ name, entryType: 'measure', startTime: 0, duration: internal.sinceStart() }),
  toJSON() { return { timeOrigin: this.timeOrigin }; },
};
hidden('performance', performance);
internal.modules.perf_hooks = { performance };

const hex = (byte) => (byte + 256).toString(16).slice(1);
const crypto = {
  getRandomValues(array) {
    sys.random(bytesOf(array));
    return array;
  },
  randomUUID() {
    const b = sys.random(new Uint8Array(16));
    b[6] = (b[6] & 15) | 64;
    b[8] = (b[8] & 63) | 128;
    return [...b].map((v, i) => (i === 4 || i === 6 || i === 8 || i === 10 ? `-${hex(v)}` : hex(v))).join('');
  },
};
hidden('crypto', crypto);

// ---- structuredClone

function cloneError(what) {
  return new DOMException(`${what} could not be cloned.`, 'DataCloneError');
}
function clone(value, seen) {
  if (typeof value === 'symbol') throw cloneError(String(value));
  if (typeof value === 'function') throw cloneError(`${value}`);
  if (value === null || typeof value !== 'object') return value;
  if (seen.has(value)) return seen.get(value);
  const kind = sys.kind(value);
  const keep = (copy) => {
    seen.set(value, copy);
    return copy;
  };
  if (Array.isArray(value)) {
    const copy = keep(new Array(value.length));
    for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
    return copy;
  }
  if (ArrayBuffer.isView(value)) {
    const buffer = clone(value.buffer, seen);
    const Class = kind === 'DataView' ? DataView : globalThis[kind];
    return keep(kind === 'DataView' ? new DataView(buffer, value.byteOffset, value.byteLength) : new Class(buffer, value.byteOffset, value.length));
  }
  switch (kind) {
    case 'Date': return keep(new Date(+value));
    case 'RegExp': return keep(new RegExp(value.source, value.flags));
    case 'ArrayBuffer': return keep(value.slice(0));
    case 'Number': case 'String': case 'Boolean': case 'BigInt': return keep(Object(value.valueOf()));
    case 'Map': {
      const copy = keep(new Map());
      for (const [k, v] of [...value]) copy.set(clone(k, seen), clone(v, seen));
      return copy;
    }
    case 'Set': {
      const copy = keep(new Set());
      for (const v of [...value]) copy.add(clone(v, seen));
      return copy;
    }
    case 'Error': {
      const Class = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }[value.name] || Error;
      const copy = keep(new Class(value.message));
      Object.defineProperty(copy, 'stack', { value: value.stack, writable: true, configurable: true });
      if ('cause' in value) copy.cause = clone(value.cause, seen);
      return copy;
    }
    case 'Promise': case 'WeakMap': case 'WeakSet': case 'WeakRef': case 'Symbol':
      throw cloneError(`#<${kind}>`);
    default: {
      const copy = keep({});
      for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
      return copy;
    }
  }
}
function structuredClone(value) {
  if (arguments.length === 0) throw internal.codeError(TypeError, 'ERR_MISSING_ARGS', 'The "value" argument must be specified');
  return clone(value, new Map());
}
hidden('structuredClone', structuredClone);

// ---- not here

function fetch() {
  return Promise.reject(internal.noNetwork('fetch'));
}
hidden('fetch', fetch);
for (const name of ['XMLHttpRequest', 'WebSocket', 'EventSource']) {
  hidden(name, { [name]: class { constructor() { throw internal.noNetwork(name); } } }[name]);
}
