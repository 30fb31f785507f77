// capful.run: another program, as a process of its own, with what it is handed and nothing else.

const most = 16; // at a time; the others wait for their turn
const maxReport = 8 << 20; // bytes of value and error
const READ = 1;
const WRITE = 2;

const { setTimeout, clearTimeout } = internal.timers;
let running = 0;
const turns = []; // those who wait for theirs
const streams = Object.create(null); // [child, which] by descriptor

const known = ['args', 'stdin', 'env', 'cwd', 'files', 'tools', 'timeout', 'signal', 'name', 'maxOutput'];

function wrong(name, expected, actual) {
  return internal.invalidType(`options.${name}`, expected, actual);
}

function text(name, value) {
  if (typeof value !== 'string') throw wrong(name, 'of type string', value);
  if (value.includes('\0')) throw internal.codeError(TypeError, 'ERR_INVALID_ARG_VALUE', `options.${name} must not hold a NUL`);
  return value;
}

const list = (strings) => strings.map((s) => `${s}\0`).join('');

function number(name, value, otherwise) {
  if (value === undefined) return otherwise;
  if (!(typeof value === 'number' && value >= 1)) throw wrong(name, 'a number of at least 1', value);
  return value;
}

// ['/workspace/in'] or {'/workspace/in': 'ro'}: path and kind of each.
function dirsOf(files) {
  if (files === undefined) return [];
  if (files === null || typeof files !== 'object') throw wrong('files', 'an array of directories, or an object such as {"/workspace/in": "ro"}', files);
  if (Array.isArray(files)) return files.flatMap((path) => [text('files', path), 3]);
  return Object.keys(files).flatMap((path) => {
    const kind = { ro: 1, rw: 2 }[files[path]];
    if (kind === undefined) throw wrong('files', 'an object whose values are "ro" or "rw"', files[path]);
    return [text('files', path), kind];
  });
}

// {refund: tools.refund.narrow({…})}: name and key of each.
function toolsOf(tools) {
  if (tools === undefined) return [];
  if (tools === null || typeof tools !== 'object' || Array.isArray(tools)) throw wrong('tools', 'an object such as {lookup: tools.lookup}', tools);
  return Object.keys(tools).flatMap((name) => {
    const key = sys.toolKey(tools[name]);
    if (key === undefined) throw wrong(`tools.${name}`, 'a tool, or one that was narrowed', tools[name]);
    return [text('tools', name), key];
  });
}

function bytesOf(stdin) {
  if (stdin === undefined) return new Uint8Array(0);
  if (typeof stdin === 'string') return sys.encode(stdin, 0);
  if (stdin instanceof ArrayBuffer) return new Uint8Array(stdin);
  if (ArrayBuffer.isView(stdin)) return new Uint8Array(stdin.buffer, stdin.byteOffset, stdin.byteLength).slice();
  throw wrong('stdin', 'of type string or an instance of Uint8Array', stdin);
}

function read(code, options) {
  if (typeof code !== 'string') throw internal.invalidType('code', 'of type string', code);
  if (options === null || typeof options !== 'object') throw internal.invalidType('options', 'of type object', options);
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw internal.codeError(TypeError, 'ERR_INVALID_ARG_VALUE', `capful.run has no option "${key}"; there are: ${known.join(', ')}`);
  }
  const { args = [], env = {}, name = '<child>', signal } = options;
  if (!Array.isArray(args)) throw wrong('args', 'an array of strings', args);
  if (env === null || typeof env !== 'object') throw wrong('env', 'of type object', env);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrong('signal', 'an instance of AbortSignal', signal);
  const dirs = dirsOf(options.files);
  return {
    code,
    argv: list([text('name', name), ...args.map((a) => text('args', a))]),
    envp: list(Object.keys(env).map((key) => text('env', `${key}=${env[key]}`))),
    cwd: options.cwd === undefined ? dirs[0] ?? '/' : text('cwd', options.cwd),
    dirs,
    tools: toolsOf(options.tools),
    stdin: bytesOf(options.stdin),
    timeout: number('timeout', options.timeout, Infinity),
    maxOutput: number('maxOutput', options.maxOutput, 1 << 20),
    signal,
  };
}

// ---- while it runs

function stop(child, status, message) {
  if (child.ended) return;
  child.stopped ??= { status, message };
  sys.kill(child.pid);
}

function close(child, which) {
  const fd = child.fds[which];
  if (fd < 0) return;
  child.fds[which] = -1;
  sys.watch(fd, 0);
  sys.close(fd);
  delete streams[fd];
}

function feed(child) {
  while (child.fed < child.stdin.length) {
    const n = sys.writePipe(child.fds[0], child.stdin, child.fed);
    if (n < 0) break;
    if (n === 0) return;
    child.fed += n;
  }
  close(child, 0);
}

function join(pieces, length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < pieces.length; i++) {
    bytes.set(pieces[i], at);
    at += pieces[i].length;
  }
  return bytes;
}

function take(child, which) {
  const bytes = sys.readPipe(child.fds[which]);
  if (bytes.length === 0) {
    close(child, which);
    if (child.fds[1] < 0 && child.fds[2] < 0 && child.fds[3] < 0) finish(child);
    return;
  }
  if (child.stopped) return;
  const limit = which === 3 ? maxReport : child.maxOutput;
  child.lengths[which] += bytes.length;
  if (child.lengths[which] <= limit) {
    child.pieces[which].push(bytes);
    return;
  }
  child.lengths[which] -= bytes.length;
  stop(child, 'output', `it gave more than ${limit} bytes ${['', 'on stdout', 'on stderr', 'of value and error'][which]}`);
}

internal.childReady = (fd) => {
  const entry = streams[fd];
  if (entry === undefined) return;
  if (entry[1] === 0) feed(entry[0]);
  else take(entry[0], entry[1]);
};

// struct capful_report, again and again: the last value and the last error count.
function outcome(child) {
  const found = {};
  const bytes = join(child.pieces[3], child.lengths[3]);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 8 <= bytes.length;) {
    const kind = view.getUint32(at, true);
    const end = at + 8 + view.getUint32(at + 4, true);
    if (end > bytes.length) break; // it ended before all of it was written
    try {
      found[kind === 1 ? 'value' : 'error'] = JSON.parse(sys.decode(bytes.subarray(at + 8, end), 0, false));
    } catch { /* what is not JSON is nothing */ }
    at = end;
  }
  return found;
}

function finish(child) {
  child.ended = true;
  const exitCode = sys.reap(child.pid);
  close(child, 0);
  if (child.timer !== undefined) clearTimeout(child.timer);
  child.signal?.removeEventListener('abort', child.onAbort);
  running--;
  startWaiting();
  const { value, error } = outcome(child);
  let status = exitCode === 0 ? 'ok' : exitCode > 128 && exitCode < 160 && error === undefined ? 'killed' : 'error';
  let message = status === 'killed' ? `it was ended by a signal or a fault (exit code ${exitCode})` : `it ended with exit code ${exitCode}`;
  if (child.stopped) ({ status, message } = child.stopped);
  const result = { ok: status === 'ok', status, exitCode };
  if (status === 'ok') result.value = value;
  else result.error = child.stopped || error === undefined ? { name: 'Error', message } : error;
  result.stdout = sys.decode(join(child.pieces[1], child.lengths[1]), 0, false);
  result.stderr = sys.decode(join(child.pieces[2], child.lengths[2]), 0, false);
  child.resolve(result);
}

// ---- from the start

const reasons = { 44: 'a directory is not there, or is not held', 54: 'files must be directories', 69: 'a directory that is held read-only cannot be handed on to be written',
  1: 'too much is handed on, or programs are started too deep in one another', 8: 'a tool is not held any more', 33: 'too many files are open', 48: 'there is no memory left',
  6: 'no more programs can be started now', 28: 'a name of a tool is not one, or stands there twice' };

function refused(errno, job) {
  const error = new Error(`The program could not be started: ${reasons[errno] ?? `error ${errno}`}`);
  error.code = 'ERR_NOT_STARTED';
  error.files = job.dirs.filter((_, i) => i % 2 === 0);
  return error;
}

function watchAll(child, job) {
  for (let which = 0; which < 4; which++) {
    streams[child.fds[which]] = [child, which];
    if (which > 0) sys.watch(child.fds[which], READ);
  }
  if (job.stdin.length === 0) close(child, 0);
  else sys.watch(child.fds[0], WRITE);
  if (job.timeout !== Infinity) child.timer = setTimeout(() => stop(child, 'timeout', `it took more than ${job.timeout} ms`), job.timeout);
  if (job.signal) {
    child.onAbort = () => stop(child, 'aborted', 'it was aborted');
    job.signal.addEventListener('abort', child.onAbort);
  }
}

// Those that have the room may be waiting for us: not for ever.
function mayWait(job) {
  job.patience ??= sys.now() + 1000;
  if (sys.now() >= job.patience) return false;
  setTimeout(startWaiting, 5);
  return true;
}

// False: the host has no room for another now, but will have when another has ended.
function start(job) {
  if (job.signal?.aborted) {
    job.reject(job.signal.reason);
    return true;
  }
  const answer = sys.spawn(job.code, job.argv, job.envp, job.cwd, job.dirs, job.tools);
  if (answer === 6 && (running > 0 || mayWait(job))) return false;
  if (typeof answer === 'number') {
    job.reject(refused(answer, job));
    return true;
  }
  const [pid, ...fds] = answer;
  running++;
  watchAll({ pid, fds, pieces: [[], [], [], []], lengths: [0, 0, 0, 0], fed: 0, stdin: job.stdin, maxOutput: job.maxOutput, signal: job.signal, resolve: job.resolve }, job);
  return true;
}

function startWaiting() {
  while (turns.length > 0 && running < most) {
    const job = turns.shift();
    try {
      if (start(job)) continue;
    } catch (error) {
      job.reject(error);
      continue;
    }
    turns.unshift(job);
    return;
  }
}

async function run(code, options = {}) {
  const job = read(code, options);
  return new Promise((resolve, reject) => {
    job.resolve = resolve;
    job.reject = reject;
    turns.push(job);
    startWaiting();
  });
}

Object.defineProperty(globalThis, 'capful', { value: Object.freeze({ run }), writable: true, configurable: true });
