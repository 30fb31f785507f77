// util: inspect, format, promisify, types and the rest that scripts use.

const kindIs = (...kinds) => (value) => kinds.includes(sys.kind(value));
const typed = (name) => (value) => ArrayBuffer.isView(value) && sys.kind(value) === name;
const types = {
  isMap: kindIs('Map'), isSet: kindIs('Set'), isDate: kindIs('Date'), isRegExp: kindIs('RegExp'), isPromise: kindIs('Promise'),
  isWeakMap: kindIs('WeakMap'), isWeakSet: kindIs('WeakSet'), isNativeError: kindIs('Error'), isArrayBuffer: kindIs('ArrayBuffer'),
  isAnyArrayBuffer: kindIs('ArrayBuffer', 'SharedArrayBuffer'), isSharedArrayBuffer: kindIs('SharedArrayBuffer'), isDataView: kindIs('DataView'),
  isProxy: (value) => sys.proxy(value) !== undefined, isArgumentsObject: kindIs('Arguments', 'MappedArguments'),
  isAsyncFunction: kindIs('AsyncFunction', 'AsyncGeneratorFunction'), isGeneratorFunction: kindIs('GeneratorFunction', 'AsyncGeneratorFunction'),
  isGeneratorObject: kindIs('Generator', 'AsyncGenerator'), isMapIterator: kindIs('Map Iterator'), isSetIterator: kindIs('Set Iterator'),
  isBoxedPrimitive: kindIs('Number', 'String', 'Boolean', 'BigInt', 'Symbol'), isNumberObject: kindIs('Number'), isStringObject: kindIs('String'),
  isBooleanObject: kindIs('Boolean'), isBigIntObject: kindIs('BigInt'), isSymbolObject: kindIs('Symbol'), isModuleNamespaceObject: kindIs('Module'),
  isArrayBufferView: ArrayBuffer.isView, isTypedArray: (value) => ArrayBuffer.isView(value) && sys.kind(value) !== 'DataView',
};
for (const name of ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']) {
  types[`is${name}`] = typed(name);
}

const customPromisify = Symbol.for('nodejs.util.promisify.custom');
function promisify(original) {
  if (typeof original !== 'function') throw internal.invalidType('original', 'of type function', original);
  if (original[customPromisify]) return original[customPromisify];
  function fn(...args) {
    return new Promise((resolve, reject) => {
      Reflect.apply(original, this, [...args, (err, ...values) => (err ? reject(err) : resolve(values[0]))]);
    });
  }
  Object.setPrototypeOf(fn, Object.getPrototypeOf(original));
  return Object.defineProperties(fn, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = customPromisify;

function callbackify(original) {
  if (typeof original !== 'function') throw internal.invalidType('original', 'of type function', original);
  return function (...args) {
    const callback = args.pop();
    original.apply(this, args).then((value) => internal.nextTick(callback, null, value), (err) => internal.nextTick(callback, err));
  };
}

// Equality of values as assert.deepStrictEqual sees it (strict) or assert.deepEqual (loose).
function same(a, b, strict, seen) {
  if (strict ? Object.is(a, b) : a == b || (a !== a && b !== b)) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const kind = sys.kind(a);
  if (kind !== sys.kind(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  for (let i = seen.length - 1; i >= 0; i--) if (seen[i][0] === a) return seen[i][1] === b;
  seen.push([a, b]);
  const result = sameInside(a, b, kind, strict, seen);
  seen.pop();
  return result;
}

function sameInside(a, b, kind, strict, seen) {
  if (kind === 'Date' && +a !== +b && !(Number.isNaN(+a) && Number.isNaN(+b))) return false;
  if (kind === 'RegExp' && (`${a}` !== `${b}` || a.lastIndex !== b.lastIndex)) return false;
  if (kind === 'Error' && (a.message !== b.message || a.name !== b.name)) return false;
  if (['Number', 'String', 'Boolean', 'BigInt', 'Symbol'].includes(kind) && !Object.is(a.valueOf(), b.valueOf())) return false;
  if (kind === 'ArrayBuffer') return sys.compare(new Uint8Array(a), new Uint8Array(b)) === 0;
  if (ArrayBuffer.isView(a)) {
    const bytes = (v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
    if (kind.startsWith('Float') ? a.length !== b.length || !Array.from(a).every((v, i) => Object.is(v, b[i]) || (!strict && v === b[i])) : sys.compare(bytes(a), bytes(b)) !== 0) return false;
  }
  if (Array.isArray(a) && a.length !== b.length) return false;
  if (kind === 'Map' || kind === 'Set') {
    if (a.size !== b.size) return false;
    const rest = [...b];
    for (const item of a) {
      let at;
      if (kind === 'Map') at = rest.findIndex(([k, v]) => same(item[0], k, strict, seen) && same(item[1], v, strict, seen));
      else at = rest.findIndex((v) => same(item, v, strict, seen));
      if (at === -1) return false;
      rest.splice(at, 1);
    }
  }
  if (ArrayBuffer.isView(a)) return true;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) {
    if (!Object.prototype.propertyIsEnumerable.call(b, key) || !same(a[key], b[key], strict, seen)) return false;
  }
  if (!strict) return true;
  const symbols = (o) => Object.getOwnPropertySymbols(o).filter((s) => Object.prototype.propertyIsEnumerable.call(o, s));
  const mine = symbols(a);
  return mine.length === symbols(b).length && mine.every((s) => s in b && same(a[s], b[s], strict, seen));
}
internal.isDeepEqual = (a, b, strict) => same(a, b, strict, []);

function inherits(constructor, parent) {
  Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

function deprecate(fn, message) {
  let warned = false;
  return function (...args) {
    if (!warned) {
      warned = true;
      process.emitWarning(`${message}`);
    }
    return new.target ? Reflect.construct(fn, args, new.target) : fn.apply(this, args);
  };
}

// util.parseArgs: options by name and short name, positionals if allowed.
function parseArgs({ args = process.argv.slice(2), options = {}, strict = true, allowPositionals = !strict, tokens: wantTokens = false } = {}) {
  const values = Object.create(null);
  const positionals = [];
  const fail = (code, message) => { throw internal.codeError(TypeError, code, message); };
  const set = (name, value) => {
    const option = options[name];
    if (option?.multiple) (values[name] ??= []).push(value);
    else values[name] = value;
  };
  const take = (name, given, shown, queue) => {
    const option = options[name];
    if (option === undefined && strict) fail('ERR_PARSE_ARGS_UNKNOWN_OPTION', `Unknown option '${shown}'`);
    if (option?.type === 'string') {
      const value = given ?? (queue.length > 0 && !(strict && queue[0].startsWith('-') && queue[0] !== '-') ? queue.shift() : undefined);
      if (value === undefined && strict) fail('ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${shown} <value>' argument missing`);
      set(name, value ?? true);
    } else {
      if (given !== undefined && strict) fail('ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${shown}' does not take an argument`);
      set(name, given ?? true);
    }
  };
  const queue = [...args];
  while (queue.length > 0) {
    const arg = queue.shift();
    if (arg === '--') {
      positionals.push(...queue.splice(0));
    } else if (arg.startsWith('--')) {
      const at = arg.indexOf('=');
      const name = at === -1 ? arg.slice(2) : arg.slice(2, at);
      take(name, at === -1 ? undefined : arg.slice(at + 1), `--${name}`, queue);
    } else if (arg.startsWith('-') && arg !== '-') {
      for (let i = 1; i < arg.length; i++) {
        const letter = arg[i];
        const name = Object.keys(options).find((key) => options[key].short === letter) ?? letter;
        if (options[name]?.type === 'string' && i < arg.length - 1) {
          take(name, arg.slice(i + 1), `-${letter}`, queue);
          break;
        }
        take(name, undefined, `-${letter}`, queue);
      }
    } else {
      if (!allowPositionals) fail('ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL', `Unexpected argument '${arg}'. This command does not take positional arguments`);
      positionals.push(arg);
    }
  }
  for (const name of Object.keys(options)) {
    if (values[name] === undefined && options[name].default !== undefined) values[name] = options[name].default;
  }
  return wantTokens ? { values, positionals, tokens: [] } : { values, positionals };
}

const codes = { reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], inverse: [7, 27], black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39], gray: [90, 39], grey: [90, 39] };
const util = {
  inspect: internal.inspect,
  format: internal.format,
  formatWithOptions: internal.formatWithOptions,
  promisify, callbackify, inherits, deprecate, parseArgs, types,
  isDeepStrictEqual: (a, b) => internal.isDeepEqual(a, b, true),
  stripVTControlCharacters: (text) => `${text}`.replace(/[\u001b\u009b][[()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]/g, ''),
  styleText: (format, text) => [format].flat().reduce((t, f) => `\u001b[${codes[f][0]}m${t}\u001b[${codes[f][1]}m`, text),
  toUSVString: (text) => `${text}`.toWellFormed(),
  debuglog: () => Object.assign(() => {}, { enabled: false }),
  isArray: Array.isArray,
  TextEncoder: globalThis.TextEncoder,
  TextDecoder: globalThis.TextDecoder,
};
internal.modules.util = util;
internal.modules['util/types'] = types;
