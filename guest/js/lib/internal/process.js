// process: arguments, environment, exit, streams of output.

let code; // process.exitCode
let exiting = false;
const listeners = Object.create(null);

const exitText = (value) => {
  if (value !== undefined && value !== null && !Number.isInteger(typeof value === 'string' && value !== '' ? +value : value)) {
    throw internal.invalidType('code', 'of type number', value);
  }
};

function emitExit() {
  if (exiting) return;
  exiting = true;
  process.emit('exit', +(code ?? 0));
}

class ProcessStream {
  constructor(fd) { this.fd = fd; }
  write(data, encoding, callback) {
    if (typeof data !== 'string' && !ArrayBuffer.isView(data)) {
      throw internal.invalidType('chunk', 'of type string or an instance of Buffer or Uint8Array', data);
    }
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    sys.write(this.fd, data);
    const done = typeof encoding === 'function' ? encoding : callback;
    if (typeof done === 'function') internal.nextTick(done);
    return true;
  }
  end(data, encoding, callback) {
    if (data !== undefined && typeof data !== 'function') this.write(data, encoding);
    const done = [data, encoding, callback].find((f) => typeof f === 'function');
    if (done) internal.nextTick(done);
    return this;
  }
  get isTTY() { return false; }
  get writable() { return true; }
  on() { return this; }
  once() { return this; }
  off() { return this; }
  removeListener() { return this; }
  cork() {}
  uncork() {}
}

let env;
function readEnv() {
  const object = Object.create(null);
  for (const item of sys.env()) {
    const at = item.indexOf('=');
    if (at > 0) object[item.slice(0, at)] = item.slice(at + 1);
  }
  Object.setPrototypeOf(object, Object.prototype);
  return new Proxy(object, {
    set(target, key, value) {
      target[key] = `${value}`;
      return true;
    },
  });
}

let argv;
let stdin;
const hrtime = (previous) => {
  const now = sys.nanoseconds();
  let pair = [Number(now / 1000000000n), Number(now % 1000000000n)];
  if (previous) {
    pair = [pair[0] - previous[0], pair[1] - previous[1]];
    if (pair[1] < 0) pair = [pair[0] - 1, pair[1] + 1e9];
  }
  return pair;
};
hrtime.bigint = () => sys.nanoseconds();

const process = {
  title: 'capful',
  version: 'v20.20.2',
  versions: { node: '20.20.2', quickjs: '0.17.0' },
  arch: 'wasm32',
  platform: 'linux',
  release: { name: 'node' },
  get argv() { return argv ??= ['/usr/bin/node', internal.mainPath(), ...sys.args().slice(1)]; },
  set argv(value) { argv = value; },
  get env() { return env ??= readEnv(); },
  set env(value) { env = value; },
  execArgv: [],
  execPath: '/usr/bin/node',
  get argv0() { return 'node'; },
  get pid() { return sys.ids()[0]; },
  get ppid() { return sys.ids()[1]; },
  stdout: new ProcessStream(1),
  stderr: new ProcessStream(2),
  get stdin() { return stdin ??= internal.makeStdin(); },
  get exitCode() { return code; },
  set exitCode(value) {
    exitText(value);
    code = value;
    sys.wantExit();
  },
  exit(value) {
    if (value !== undefined) {
      exitText(value);
      code = value;
    }
    emitExit();
    sys.exit(+(code ?? 0));
  },
  abort() { sys.exit(134); },
  cwd: () => sys.cwd(),
  chdir(path) { sys.chdir(`${path}`); },
  hrtime,
  nextTick: internal.nextTick,
  uptime: () => internal.sinceStart() / 1000,
  memoryUsage() {
    const used = sys.memory();
    return { rss: used, heapTotal: used, heapUsed: used, external: 0, arrayBuffers: 0 };
  },
  cpuUsage: () => ({ user: Math.round(internal.sinceStart() * 1000), system: 0 }),
  umask: () => 0o22,
  getuid: () => 1000,
  geteuid: () => 1000,
  getgid: () => 1000,
  getegid: () => 1000,
  emitWarning(warning) {
    const text = typeof warning === 'string' ? `Warning: ${warning}` : `${warning.name}: ${warning.message}`;
    sys.write(2, `(node:${sys.ids()[0]}) ${text}\n`);
  },
  on(event, listener) {
    (listeners[event] ??= []).push(listener);
    sys.wantExit();
    return process;
  },
  once(event, listener) {
    const once = (...args) => {
      process.off(event, once);
      return listener(...args);
    };
    return process.on(event, once);
  },
  off(event, listener) {
    if (listeners[event]) listeners[event] = listeners[event].filter((f) => f !== listener);
    return process;
  },
  listeners: (event) => [...(listeners[event] || [])],
  listenerCount: (event) => (listeners[event] || []).length,
};
// A program that puts a function of its own here hears of the end, too.
let emit = function emit(event, ...args) {
  const list = listeners[event];
  if (!list || list.length === 0) return false;
  for (const listener of [...list]) listener.apply(process, args);
  return true;
};
Object.defineProperty(process, 'emit', {
  get: () => emit,
  set(value) {
    emit = value;
    sys.wantExit();
  },
  enumerable: true,
  configurable: true,
});
process.addListener = process.on;
process.removeListener = process.off;
process.memoryUsage.rss = () => sys.memory();
Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true });
Object.defineProperty(globalThis, 'process', { value: process, writable: true, configurable: true });
internal.modules.process = process;

// Asked for only after sys.wantExit: most programs end with 0 and nobody listens.
internal.exitCode = () => {
  emitExit();
  return +(code ?? 0);
};

// Time since the process began; the image was made long before.
let started;
internal.sinceStart = () => {
  started ??= sys.now();
  return sys.now() - started;
};
