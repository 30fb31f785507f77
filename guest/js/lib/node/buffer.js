// buffer: Buffer over Uint8Array.

const encodings = {
  utf8: 0, 'utf-8': 0, latin1: 1, binary: 1, ascii: 1, ucs2: 2, 'ucs-2': 2, utf16le: 2, 'utf-16le': 2, hex: 3, base64: 4, base64url: 5,
};
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

function encodingOf(name) {
  if (name === undefined || name === null || name === '') return 0;
  const kind = encodings[`${name}`.toLowerCase()];
  if (kind === undefined) throw internal.codeError(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name}`);
  return kind;
}
internal.encodingOf = encodingOf;

function wrap(bytes) {
  return Object.setPrototypeOf(bytes, Buffer.prototype);
}
internal.toBuffer = wrap;

function outOfRange(name, range, value) {
  return internal.codeError(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${range}. Received ${typeof value === 'number' ? value : internal.inspect(value)}`);
}
internal.outOfRange = outOfRange;

class Buffer extends Uint8Array {
  static poolSize = 8192;

  static from(value, encoding, length) {
    if (typeof value === 'string') return wrap(sys.encode(value, encodingOf(encoding)));
    if (value instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer)) {
      return new Buffer(value, encoding, length);
    }
    if (ArrayBuffer.isView(value) || Array.isArray(value)) return wrap(Uint8Array.from(value));
    if (value !== null && typeof value === 'object') {
      const plain = value.valueOf?.();
      if (plain !== undefined && plain !== null && plain !== value && (typeof plain === 'string' || typeof plain === 'object')) {
        return Buffer.from(plain, encoding, length);
      }
      if (value.type === 'Buffer' && Array.isArray(value.data)) return wrap(Uint8Array.from(value.data));
      if (typeof value.length === 'number') return wrap(Uint8Array.from(value));
    }
    throw internal.codeError(TypeError, 'ERR_INVALID_ARG_TYPE', `The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received ${value == null ? value : typeof value === 'object' ? `an instance of ${value.constructor?.name}` : `type ${typeof value} (${internal.inspect(value)})`}`);
  }
  static alloc(size, fill, encoding) {
    if (typeof size !== 'number') throw internal.invalidType('size', 'of type number', size);
    if (!(size >= 0 && size <= 0x7fffffff)) throw outOfRange('size', '>= 0 && <= 4294967296', size);
    const buffer = new Buffer(size);
    return fill === undefined || fill === 0 || size === 0 ? buffer : buffer.fill(fill, encoding);
  }
  static allocUnsafe(size) { return Buffer.alloc(size); }
  static allocUnsafeSlow(size) { return Buffer.alloc(size); }
  static isBuffer(value) { return value instanceof Buffer; }
  static isEncoding(name) { return typeof name === 'string' && name.toLowerCase() in encodings; }
  static byteLength(value, encoding) {
    if (typeof value !== 'string') {
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
      throw internal.invalidType('string', 'of type string or an instance of Buffer or ArrayBuffer', value);
    }
    return encodingOf(encoding) === 0 ? sys.byteLength(value) : sys.encode(value, encodingOf(encoding)).length;
  }
  static concat(list, total) {
    if (!Array.isArray(list)) throw internal.invalidType('list', 'an instance of Array', list);
    total ??= list.reduce((n, item) => n + item.length, 0);
    const result = Buffer.alloc(total);
    let at = 0;
    for (const item of list) {
      if (!(item instanceof Uint8Array)) throw internal.invalidType(`list[${list.indexOf(item)}]`, 'an instance of Buffer or Uint8Array', item);
      if (at + item.length > total) {
        result.set(item.subarray(0, total - at), at);
        break;
      }
      result.set(item, at);
      at += item.length;
    }
    return result;
  }
  static compare(a, b) { return sys.compare(a, b); }
  static of(...items) { return wrap(Uint8Array.from(items)); }

  toString(encoding, start = 0, end = this.length) {
    const kind = encodingOf(encoding);
    start = Math.max(0, start | 0);
    end = Math.min(this.length, end | 0);
    if (start >= end) return '';
    const bytes = start === 0 && end === this.length ? this : this.subarray(start, end);
    if (`${encoding}`.toLowerCase() === 'ascii') return sys.decode(Uint8Array.from(bytes, (b) => b & 127), 1);
    return sys.decode(bytes, kind);
  }
  toLocaleString(encoding) { return this.toString(encoding); }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  equals(other) {
    if (!(other instanceof Uint8Array)) throw internal.invalidType('otherBuffer', 'an instance of Buffer or Uint8Array', other);
    return sys.compare(this, other) === 0;
  }
  compare(other, start = 0, end = other.length, from = 0, to = this.length) {
    return sys.compare(this.subarray(from, to), other.subarray(start, end));
  }
  slice(start, end) { return this.subarray(start, end); }
  subarray(start, end) {
    const view = super.subarray(start, end);
    return view instanceof Buffer ? view : wrap(view);
  }
  copy(target, at = 0, start = 0, end = this.length) {
    const part = this.subarray(start, Math.min(end, start + Math.max(0, target.length - at)));
    target.set(part, at);
    return part.length;
  }
  write(text, offset, length, encoding) {
    if (typeof offset === 'string') [offset, length, encoding] = [0, undefined, offset];
    else if (typeof length === 'string') [length, encoding] = [undefined, length];
    offset ??= 0;
    const room = Math.min(length ?? Infinity, this.length - offset);
    let bytes = sys.encode(text, encodingOf(encoding));
    if (bytes.length > room) bytes = bytes.subarray(0, room);
    if (encodingOf(encoding) === 0 && bytes.length === room) bytes = bytes.subarray(0, bytes.length - internal.unfinished(bytes));
    this.set(bytes, offset);
    return bytes.length;
  }
  fill(value, offset, end, encoding) {
    if (typeof offset === 'string') [offset, encoding] = [0, offset];
    else if (typeof end === 'string') [end, encoding] = [this.length, end];
    offset ??= 0;
    end ??= this.length;
    if (typeof value === 'number' || typeof value === 'boolean') return super.fill(+value & 255, offset, end);
    const bytes = typeof value === 'string' ? sys.encode(value, encodingOf(encoding)) : value;
    if (bytes.length === 0) return super.fill(0, offset, end);
    for (let i = offset; i < end; i++) this[i] = bytes[(i - offset) % bytes.length];
    return this;
  }
  indexOf(value, from = 0, encoding) {
    if (typeof from === 'string') [from, encoding] = [0, from];
    if (typeof value === 'number') return super.indexOf(value & 255, from);
    if (from < 0) from = Math.max(0, this.length + from);
    return sys.indexOf(this, typeof value === 'string' ? sys.encode(value, encodingOf(encoding)) : value, from);
  }
  lastIndexOf(value, from = this.length, encoding) {
    if (typeof value === 'number') return super.lastIndexOf(value & 255, from);
    const bytes = typeof value === 'string' ? sys.encode(value, encodingOf(encoding)) : value;
    let last = -1;
    for (let at = sys.indexOf(this, bytes, 0); at !== -1 && at <= from; at = sys.indexOf(this, bytes, at + 1)) last = at;
    return last;
  }
  includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; }
  swap16() { return swap(this, 2); }
  swap32() { return swap(this, 4); }
  swap64() { return swap(this, 8); }
  readUIntBE(offset, n) { return integer(this, offset, n, false, false); }
  readUIntLE(offset, n) { return integer(this, offset, n, true, false); }
  readIntBE(offset, n) { return integer(this, offset, n, false, true); }
  readIntLE(offset, n) { return integer(this, offset, n, true, true); }
  writeUIntBE(value, offset, n) { return putInteger(this, value, offset, n, false); }
  writeUIntLE(value, offset, n) { return putInteger(this, value, offset, n, true); }
  writeIntBE(value, offset, n) { return putInteger(this, value, offset, n, false); }
  writeIntLE(value, offset, n) { return putInteger(this, value, offset, n, true); }
  get parent() { return this.buffer; }
  get offset() { return this.byteOffset; }
  [inspectCustom]() {
    let text = '';
    for (let i = 0; i < Math.min(50, this.length); i++) text += ` ${this[i].toString(16).padStart(2, '0')}`;
    const more = this.length - 50;
    return `<Buffer${text || ' '}${more > 0 ? ` ... ${more} more byte${more > 1 ? 's' : ''}` : ''}>`;
  }
}

function swap(buffer, n) {
  if (buffer.length % n !== 0) throw internal.codeError(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${n * 8}-bits`);
  for (let i = 0; i < buffer.length; i += n) buffer.subarray(i, i + n).reverse();
  return buffer;
}
function integer(buffer, offset, n, little, signed) {
  let value = 0;
  for (let i = 0; i < n; i++) value = value * 256 + buffer[offset + (little ? n - 1 - i : i)];
  return signed && value >= 2 ** (8 * n - 1) ? value - 2 ** (8 * n) : value;
}
function putInteger(buffer, value, offset, n, little) {
  let rest = value < 0 ? value + 2 ** (8 * n) : value;
  for (let i = 0; i < n; i++) {
    buffer[offset + (little ? i : n - 1 - i)] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return offset + n;
}

// readInt32LE and its kin, over a DataView.
const numbers = [
  ['Int8', 1], ['Uint8', 1, 'UInt8'], ['Int16', 2], ['Uint16', 2, 'UInt16'], ['Int32', 4], ['Uint32', 4, 'UInt32'],
  ['Float32', 4, 'Float'], ['Float64', 8, 'Double'], ['BigInt64', 8], ['BigUint64', 8, 'BigUInt64'],
];
for (const [type, size, alias] of numbers) {
  for (const end of size === 1 ? [''] : ['LE', 'BE']) {
    const view = (buffer, offset) => {
      if (typeof offset !== 'number') throw internal.invalidType('offset', 'of type number', offset);
      if (!Number.isInteger(offset)) throw outOfRange('offset', 'an integer', offset);
      if (offset < 0 || offset + size > buffer.length) {
        if (buffer.length < size) throw internal.codeError(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds');
        throw outOfRange('offset', `>= 0 and <= ${buffer.length - size}`, offset);
      }
      return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    };
    const read = function (offset = 0) { return view(this, offset)[`get${type}`](offset, end === 'LE'); };
    const write = function (value, offset = 0) {
      view(this, offset)[`set${type}`](offset, value, end === 'LE');
      return offset + size;
    };
    for (const name of new Set([alias || type, type])) {
      Object.defineProperty(Buffer.prototype, `read${name}${end}`, { value: read, writable: true, configurable: true });
      Object.defineProperty(Buffer.prototype, `write${name}${end}`, { value: write, writable: true, configurable: true });
    }
  }
}
for (const key of ['readUIntBE', 'readUIntLE', 'writeUIntBE', 'writeUIntLE']) {
  Buffer.prototype[key.replace('UInt', 'Uint')] = Buffer.prototype[key];
}

Object.defineProperty(globalThis, 'Buffer', { value: Buffer, writable: true, configurable: true });
internal.modules.buffer = {
  Buffer, atob: globalThis.atob, btoa: globalThis.btoa, kMaxLength: 0x7fffffff, constants: { MAX_LENGTH: 0x7fffffff, MAX_STRING_LENGTH: 0x1fffffe8 },
  INSPECT_MAX_BYTES: 50, isUtf8: (bytes) => { try { sys.decode(bytes, 0, true); return true; } catch { return false; } },
};
