// fs and fs/promises. Calls are synchronous beneath; the promise and callback forms answer later, as a caller expects.

const { toBuffer } = internal;
const modes = { 3: 0o040755, 4: 0o100644, 7: 0o120777, 2: 0o020666, 1: 0o060666 };

// ---- arguments

function toPath(path, name = 'path') {
  if (path instanceof Uint8Array) path = sys.decode(path, 0);
  else if (path !== null && typeof path === 'object' && typeof path.href === 'string' && path.href.startsWith('file://')) path = decodeURIComponent(path.pathname);
  if (typeof path !== 'string') throw internal.invalidType(name, 'of type string or an instance of Buffer or URL', path);
  if (path.includes('\0')) {
    throw internal.codeError(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument '${name}' must be a string, Uint8Array, or URL without null bytes. Received ${internal.inspect(path)}`);
  }
  if (path === '') throw internal.systemError('ENOENT', 'no such file or directory', -2, 'open', '');
  return path;
}

const toTarget = (path) => {
  if (path instanceof FileHandle) return path.fd;
  return typeof path === 'number' ? needFd(path) : toPath(path);
};

function needFd(fd) {
  if (typeof fd !== 'number') throw internal.invalidType('fd', 'of type number', fd);
  if (!(Number.isInteger(fd) && fd >= 0 && fd <= 2147483647)) throw internal.outOfRange('fd', '>= 0 && <= 2147483647', fd);
  return fd;
}

function needEncoding(name) {
  if (name !== 'buffer' && !Buffer.isEncoding(name)) {
    throw internal.codeError(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'encoding' is invalid encoding. Received ${internal.inspect(name)}`);
  }
  return name;
}

function optionsOf(options, defaults = {}) {
  if (options === undefined || options === null || typeof options === 'function') return defaults;
  if (typeof options === 'string') return { ...defaults, encoding: needEncoding(options) };
  if (typeof options !== 'object') throw internal.invalidType('options', 'of type string or an instance of Object', options);
  if (options.encoding) needEncoding(options.encoding);
  return { ...defaults, ...options };
}

const dataOf = (data, encoding) => {
  if (typeof data === 'string') return encoding && internal.encodingOf(encoding) !== 0 ? sys.encode(data, internal.encodingOf(encoding)) : data;
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw internal.invalidType('data', 'of type string or an instance of Buffer, TypedArray, or DataView', data);
};

const access = { r: [1, 0], rs: [1, 0], 'r+': [3, 0], 'rs+': [3, 0], w: [2, 9], wx: [2, 13], 'w+': [3, 9], 'wx+': [3, 13],
  a: [6, 1], ax: [6, 5], 'a+': [7, 1], 'ax+': [7, 5], as: [6, 1], 'as+': [7, 1] };
const constants = {
  F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024,
  O_DIRECTORY: 65536, O_NOFOLLOW: 131072, O_SYNC: 1052672, COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2, COPYFILE_FICLONE_FORCE: 4,
  S_IFMT: 61440, S_IFREG: 32768, S_IFDIR: 16384, S_IFCHR: 8192, S_IFLNK: 40960, S_IRWXU: 448, S_IRUSR: 256, S_IWUSR: 128, S_IXUSR: 64,
  S_IRWXG: 56, S_IRGRP: 32, S_IWGRP: 16, S_IXGRP: 8, S_IRWXO: 7, S_IROTH: 4, S_IWOTH: 2, S_IXOTH: 1,
};

function flagsOf(flags = 'r') {
  if (typeof flags === 'number') {
    const kind = flags & 3;
    const create = (flags & 64 ? 1 : 0) | (flags & 128 ? 4 : 0) | (flags & 512 ? 8 : 0) | (flags & 65536 ? 2 : 0);
    return [(kind === 1 ? 2 : kind === 2 ? 3 : 1) | (flags & 1024 ? 4 : 0), create];
  }
  const found = access[flags] ?? access[`${flags}`.replace(/^(.)\+?(x?)\+?$/, (all, c, x) => `${c}${x}${all.includes('+') ? '+' : ''}`)];
  if (found === undefined) throw internal.codeError(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'flags' is invalid. Received ${internal.inspect(flags)}`);
  return found;
}

// ---- results

class Dirent {
  #type;
  constructor(name, type, parent) {
    this.name = name;
    this.parentPath = parent;
    this.path = parent;
    this.#type = type;
  }
  isFile() { return this.#type === 4; }
  isDirectory() { return this.#type === 3; }
  isSymbolicLink() { return this.#type === 7; }
  isBlockDevice() { return this.#type === 1; }
  isCharacterDevice() { return this.#type === 2; }
  isFIFO() { return false; }
  isSocket() { return this.#type === 5 || this.#type === 6; }
}

class Stats {
  #type;
  constructor([dev, ino, type, nlink, size, atime, mtime, ctime], big) {
    const n = big ? (value) => BigInt(Math.trunc(value)) : (value) => value;
    this.dev = n(dev);
    this.mode = n(modes[type] ?? 0o100644);
    this.nlink = n(nlink);
    this.uid = n(1000);
    this.gid = n(1000);
    this.rdev = n(0);
    this.blksize = n(4096);
    this.ino = n(ino);
    this.size = n(size);
    this.blocks = n(Math.ceil(size / 512));
    this.atimeMs = n(atime);
    this.mtimeMs = n(mtime);
    this.ctimeMs = n(ctime);
    this.birthtimeMs = n(ctime);
    this.atime = new Date(atime);
    this.mtime = new Date(mtime);
    this.ctime = new Date(ctime);
    this.birthtime = new Date(ctime);
    this.#type = type;
  }
  isFile() { return this.#type === 4; }
  isDirectory() { return this.#type === 3; }
  isSymbolicLink() { return this.#type === 7; }
  isBlockDevice() { return this.#type === 1; }
  isCharacterDevice() { return this.#type === 2; }
  isFIFO() { return false; }
  isSocket() { return this.#type === 5 || this.#type === 6; }
}

const text = (value, encoding) => (encoding === 'buffer' ? toBuffer(sys.encode(value, 0)) : value);

// ---- files

function readFileSync(path, options) {
  const { encoding, flag } = optionsOf(options, { encoding: null, flag: 'r' });
  let target = toTarget(path);
  let own = false;
  if (typeof target === 'number') sys.fstat(target);
  if (flag !== 'r' && typeof target === 'string') {
    target = sys.open(target, ...flagsOf(flag));
    own = true;
  }
  try {
    if (encoding && encoding !== 'buffer') {
      const kind = internal.encodingOf(encoding);
      return kind === 0 ? sys.readFile(target, true) : toBuffer(sys.readFile(target, false)).toString(encoding);
    }
    return toBuffer(sys.readFile(target, false));
  } finally {
    if (own) sys.close(target);
  }
}

function writeWith(path, data, options, defaultFlag) {
  const { encoding, flag } = optionsOf(options, { encoding: 'utf8', flag: defaultFlag });
  const target = toTarget(path);
  const bytes = dataOf(data, encoding);
  if (typeof target === 'number' || flag === 'w' || flag === 'a' || flag === 'wx') {
    sys.writeFile(target, bytes, flag === 'a', flag === 'wx');
    return;
  }
  const fd = sys.open(target, ...flagsOf(flag));
  try {
    sys.writeFile(fd, bytes, false, false);
  } finally {
    sys.close(fd);
  }
}
const writeFileSync = (path, data, options) => writeWith(path, data, options, 'w');
const appendFileSync = (path, data, options) => writeWith(path, data, options, 'a');

function existsSync(path) {
  try {
    return sys.exists(toPath(path));
  } catch {
    return false;
  }
}

function accessSync(path, mode = constants.F_OK) {
  const name = toPath(path);
  try {
    sys.stat(name, true, true);
  } catch (err) {
    throw internal.systemError(err.code, err.message.replace(/^\w+: (.*), stat .*$/s, '$1'), err.errno, 'access', name);
  }
  return void mode;
}

const statWith = (follow) => (path, options = {}) => {
  const found = sys.stat(toPath(path), follow, options?.throwIfNoEntry !== false);
  return found && new Stats(found, options?.bigint);
};
const statSync = statWith(true);
const lstatSync = statWith(false);
const fstatSync = (fd, options = {}) => new Stats(sys.fstat(needFd(fd)), options?.bigint);

function openSync(path, flags = 'r') {
  return sys.open(toPath(path), ...flagsOf(flags));
}
const closeSync = (fd) => sys.close(needFd(fd));

const positionOf = (position) => (typeof position === 'number' && position >= 0 ? position : typeof position === 'bigint' && position >= 0n ? Number(position) : -1);

function readSync(fd, buffer, offset, length, position) {
  if (offset !== null && typeof offset === 'object') ({ offset = 0, length = buffer.byteLength - offset, position = null } = offset);
  if (!ArrayBuffer.isView(buffer)) throw internal.invalidType('buffer', 'an instance of Buffer, TypedArray, or DataView', buffer);
  const bytes = buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  offset ??= 0;
  length ??= bytes.length - offset;
  return sys.read(needFd(fd), bytes, offset, length, positionOf(position));
}

function writeSync(fd, data, offset, length, position) {
  if (typeof data === 'string') {
    const bytes = sys.encode(data, internal.encodingOf(length));
    return writeAll(needFd(fd), bytes, positionOf(offset));
  }
  const bytes = dataOf(data);
  if (offset !== null && typeof offset === 'object') ({ offset = 0, length = bytes.length - offset, position = null } = offset);
  offset ??= 0;
  length ??= bytes.length - offset;
  return writeAll(needFd(fd), bytes.subarray(offset, offset + length), positionOf(position));
}

function writeAll(fd, bytes, position) {
  let done = 0;
  while (done < bytes.length) {
    const n = sys.writeSlice(fd, bytes, done, bytes.length - done, position < 0 ? -1 : position + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

function ftruncateSync(fd, length = 0) { sys.truncate(needFd(fd), length); }
function truncateSync(path, length = 0) {
  if (typeof path === 'number') {
    ftruncateSync(path, length);
    return;
  }
  const fd = openSync(path, 'r+');
  try {
    sys.truncate(fd, length);
  } finally {
    sys.close(fd);
  }
}

// ---- the tree

function readdirSync(path, options) {
  const { encoding, withFileTypes, recursive } = optionsOf(options, { encoding: 'utf8' });
  const root = toPath(path);
  const out = [];
  const walk = (dir, prefix) => {
    const list = sys.readdir(dir);
    const entries = [];
    for (let i = 0; i < list.length; i += 2) entries.push([list[i], list[i + 1]]);
    entries.sort((a, b) => (a[0] < b[0] ? -1 : 1));
    const below = [];
    for (const [name, type] of entries) {
      out.push(withFileTypes ? new Dirent(text(name, encoding), type, dir) : text(prefix + name, encoding));
      if (recursive && type === 3) below.push(name);
    }
    for (const name of below) walk(`${dir}/${name}`, `${prefix}${name}/`);
  };
  walk(root, '');
  return out;
}

function mkdirSync(path, options) {
  const name = toPath(path);
  if (!(options && typeof options === 'object' && options.recursive)) {
    sys.mkdir(name);
    return undefined;
  }
  let first;
  const make = (dir) => {
    const st = sys.stat(dir, true, false);
    if (st !== undefined) {
      if (st[2] !== 3) throw internal.systemError(dir === name ? 'EEXIST' : 'ENOTDIR', dir === name ? 'file already exists' : 'not a directory', dir === name ? -17 : -20, 'mkdir', name);
      return;
    }
    const parent = internal.modules.path.dirname(dir);
    if (parent !== dir) make(parent);
    try {
      sys.mkdir(dir);
      first ??= dir;
    } catch (err) {
      if (err.code !== 'EEXIST') throw err;
    }
  };
  make(name);
  return first;
}

function mkdtempSync(prefix) {
  for (;;) {
    const tail = Array.from(sys.random(new Uint8Array(6)), (b) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'[b % 62]).join('');
    try {
      sys.mkdir(`${toPath(prefix, 'prefix')}${tail}`);
      return `${prefix}${tail}`;
    } catch (err) {
      if (err.code !== 'EEXIST') throw err;
    }
  }
}

function removeTree(path) {
  const list = sys.readdir(path);
  for (let i = 0; i < list.length; i += 2) {
    const child = `${path}/${list[i]}`;
    if (list[i + 1] === 3) removeTree(child);
    else sys.unlink(child);
  }
  sys.rmdir(path);
}

function rmSync(path, options = {}) {
  const name = toPath(path);
  const st = sys.stat(name, false, false);
  if (st === undefined) {
    if (options?.force) return;
    throw internal.systemError('ENOENT', 'no such file or directory', -2, 'lstat', name);
  }
  if (st[2] !== 3) {
    sys.unlink(name);
  } else if (options?.recursive) {
    removeTree(name);
  } else {
    const error = new Error(`Path is a directory: rm returned EISDIR (is a directory) ${name}`);
    Object.defineProperty(error, 'name', { value: 'SystemError', writable: true, configurable: true });
    const info = { code: 'EISDIR', message: 'is a directory', path: name, syscall: 'rm', errno: 21 };
    throw Object.assign(error, { code: 'ERR_FS_EISDIR', info, errno: 21, syscall: 'rm', path: name });
  }
}

function rmdirSync(path, options) {
  const name = toPath(path);
  if (options?.recursive) rmSync(name, { recursive: true });
  else sys.rmdir(name);
}

const unlinkSync = (path) => sys.unlink(toPath(path));
const renameSync = (from, to) => sys.rename(toPath(from, 'oldPath'), toPath(to, 'newPath'));
const linkSync = (from, to) => sys.link(toPath(from, 'existingPath'), toPath(to, 'newPath'));
const symlinkSync = (target, path) => sys.symlink(toPath(target, 'target'), toPath(path));
const readlinkSync = (path, options) => text(sys.readlink(toPath(path)), optionsOf(options).encoding);
const chmodSync = (path, mode) => sys.chmod(toPath(path), typeof mode === 'string' ? parseInt(mode, 8) : mode);
const seconds = (time) => (time instanceof Date ? +time : typeof time === 'string' ? (Number.isNaN(+time) ? Date.parse(time) : +time * 1000) : time * 1000);
const utimesSync = (path, atime, mtime) => sys.utimes(toPath(path), seconds(atime), seconds(mtime));

function copyFileSync(from, to, mode = 0) {
  const source = toPath(from, 'src');
  const target = toPath(to, 'dest');
  let bytes;
  try {
    bytes = sys.readFile(source, false);
    sys.writeFile(target, bytes, false, (mode & 1) !== 0);
  } catch (err) {
    const code = err.code === 'EISDIR' ? 'EISDIR' : err.code;
    throw internal.systemError(code, err.message.replace(/^\w+: (.*?), .*$/s, '$1'), err.errno, 'copyfile', source, target);
  }
}

function cpSync(from, to, options = {}) {
  const source = toPath(from, 'src');
  const target = toPath(to, 'dest');
  const st = sys.stat(source, false, true);
  if (st[2] === 3) {
    if (!options?.recursive) throw Object.assign(new Error(`Recursive option not enabled, cannot copy a directory: ${source}`), { code: 'ERR_FS_EISDIR' });
    mkdirSync(target, { recursive: true });
    const list = sys.readdir(source);
    for (let i = 0; i < list.length; i += 2) cpSync(`${source}/${list[i]}`, `${target}/${list[i]}`, options);
  } else if (st[2] === 7) {
    sys.symlink(sys.readlink(source), target);
  } else if (options?.force !== false || !sys.exists(target)) {
    mkdirSync(internal.modules.path.dirname(target), { recursive: true });
    copyFileSync(source, target);
  }
}

function realpathSync(path, options) {
  const { resolve, join, dirname } = internal.modules.path;
  let rest = resolve(toPath(path)).split('/').filter(Boolean);
  let out = '/';
  for (let links = 0; rest.length > 0;) {
    const next = join(out, rest.shift());
    const st = sys.stat(next, false, true);
    if (st[2] === 7) {
      if (++links > 40) throw internal.systemError('ELOOP', 'too many symbolic links encountered', -40, 'realpath', `${path}`);
      rest = resolve(dirname(next), sys.readlink(next)).split('/').filter(Boolean).concat(rest);
      out = '/';
    } else {
      out = next;
    }
  }
  return text(out, optionsOf(options).encoding);
}
realpathSync.native = realpathSync;

class Dir {
  #entries;
  constructor(path) {
    this.path = path;
    this.#entries = readdirSync(path, { withFileTypes: true });
  }
  readSync() { return this.#entries.shift() ?? null; }
  async read() { return this.readSync(); }
  closeSync() {}
  async close() {}
  async* [Symbol.asyncIterator]() {
    for (let entry = this.readSync(); entry !== null; entry = this.readSync()) yield entry;
  }
  * [Symbol.iterator]() {
    for (let entry = this.readSync(); entry !== null; entry = this.readSync()) yield entry;
  }
}
const opendirSync = (path) => new Dir(toPath(path));

const sync = {
  readFileSync, writeFileSync, appendFileSync, existsSync, accessSync, statSync, lstatSync, fstatSync, openSync, closeSync, readSync,
  writeSync, truncateSync, ftruncateSync, readdirSync, mkdirSync, mkdtempSync, rmSync, rmdirSync, unlinkSync, renameSync, linkSync,
  symlinkSync, readlinkSync, chmodSync, utimesSync, copyFileSync, cpSync, realpathSync, opendirSync,
  fsyncSync: (fd) => sys.sync(needFd(fd)), fdatasyncSync: (fd) => sys.sync(needFd(fd)),
};

// ---- promises

class FileHandle {
  constructor(fd) { this.fd = fd; }
  async readFile(options) { return readFileSync(this.fd, options); }
  async writeFile(data, options) { return writeFileSync(this.fd, data, options); }
  async appendFile(data, options) { return writeFileSync(this.fd, data, options); }
  async read(buffer, offset, length, position) {
    if (!ArrayBuffer.isView(buffer)) {
      const options = buffer || {};
      buffer = options.buffer ?? Buffer.alloc(16384);
      ({ offset = 0, length = buffer.byteLength - offset, position = null } = options);
    }
    return { bytesRead: readSync(this.fd, buffer, offset, length, position), buffer };
  }
  async write(data, offset, length, position) { return { bytesWritten: writeSync(this.fd, data, offset, length, position), buffer: data }; }
  async stat(options) { return fstatSync(this.fd, options); }
  async truncate(length) { return ftruncateSync(this.fd, length); }
  async sync() { sys.sync(this.fd); }
  async datasync() { sys.sync(this.fd); }
  async close() {
    if (this.fd >= 0) sys.close(this.fd);
    this.fd = -1;
  }
  async* readLines(options) {
    const lines = readFileSync(this.fd, { encoding: 'utf8', ...options }).split(/\r?\n/);
    if (lines[lines.length - 1] === '') lines.pop();
    yield* lines;
  }
  async [Symbol.asyncDispose || Symbol.for('Symbol.asyncDispose')]() { await this.close(); }
}

const promises = { constants };
for (const [name, call] of Object.entries(sync)) {
  if (/^(exists|open|close|read|write|ftruncate|fstat|fsync|fdatasync)Sync$/.test(name)) continue;
  const short = name.slice(0, -4);
  promises[short] = { async [short](...args) { return call(...args); } }[short];
}
promises.open = async function open(path, flags) { return new FileHandle(openSync(path, flags)); };
promises.access = async function access(path, mode) { return accessSync(path, mode); };

// ---- callbacks

const fs = { ...sync, constants, Stats, Dirent, promises, F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };
const several = { read: (value, args) => [value, args[1]], write: (value, args) => [value, args[1]] };
for (const [name, call] of Object.entries(sync)) {
  const short = name.slice(0, -4);
  const form = function (...args) {
    const callback = args.findLast((arg) => typeof arg === 'function');
    if (callback === undefined) throw internal.invalidType('cb', 'of type function', args[args.length - 1]);
    const rest = args.slice(0, args.lastIndexOf(callback));
    let answer;
    try {
      const value = call(...rest);
      answer = short === 'exists' ? [value] : several[short] ? [null, ...several[short](value, rest)] : value === undefined ? [null] : [null, value];
    } catch (err) {
      if (/^ERR_INVALID/.test(err.code)) throw err;
      answer = short === 'exists' ? [false] : [err];
    }
    setImmediate(callback, ...answer);
  };
  Object.defineProperty(form, 'name', { value: short });
  fs[short] = form;
  if (promises[short]) form[Symbol.for('nodejs.util.promisify.custom')] = promises[short];
}

const noWatch = () => {
  throw Object.assign(new Error('Watching files is not available in this sandbox'), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
};
fs.watch = fs.watchFile = noWatch;

internal.modules.fs = fs;
internal.modules['fs/promises'] = promises;

internal.makeStdin = () => ({
  fd: 0,
  isTTY: false,
  readable: true,
  setEncoding() { return this; },
  resume() { return this; },
  pause() { return this; },
  on(event, listener) {
    if (event === 'data') setImmediate(() => { const all = readFileSync(0); if (all.length) listener(this.encoding ? `${all}` : all); this.ended?.(); });
    if (event === 'end') this.ended = listener;
    return this;
  },
  once(event, listener) { return this.on(event, listener); },
  async* [Symbol.asyncIterator]() {
    const buffer = Buffer.alloc(65536);
    for (;;) {
      const n = readSync(0, buffer, 0, buffer.length, null);
      if (n === 0) return;
      yield Buffer.from(buffer.subarray(0, n));
    }
  },
});
