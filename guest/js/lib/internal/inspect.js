// Values as text, the way Node prints them: util.inspect and util.format.
//
// A value becomes a list of entries ("a: 1"), which are then laid out: on one line if they fit and nest no more than
// three levels, in columns if they are more than six short array elements, else one a line.

const custom = Symbol.for('nodejs.util.inspect.custom');
const getOwn = Object.getOwnPropertyDescriptor;
const hasOwn = (object, key) => Object.prototype.hasOwnProperty.call(object, key);
const functionText = Function.prototype.toString;
const typedTag = getOwn(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const dateTime = Date.prototype.getTime;
const dateISO = Date.prototype.toISOString;
const mapEach = Map.prototype.forEach;
const setEach = Set.prototype.forEach;
const mapSize = getOwn(Map.prototype, 'size').get;
const setSize = getOwn(Set.prototype, 'size').get;

const defaults = {
  showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100,
  maxStringLength: 10000, breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
};

// What an entry belongs to decides how its key is shown and how entries are laid out.
const OBJECT = 0;
const ELEMENT = 1;
const ARRAY = 2;

const identifier = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
const needsEscape = /[\x00-\x1f\x27\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const toEscape = /[\x00-\x1f\x27\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const short = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\', "'": "\\'" };

function escapeChar(c) {
  if (short[c]) return short[c];
  const code = c.charCodeAt(0);
  return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
}

function quote(text) {
  if (!needsEscape.test(text)) return `'${text}'`;
  let mark = "'";
  if (text.includes("'")) {
    if (!text.includes('"')) mark = '"';
    else if (!text.includes('`') && !text.includes('${')) mark = '`';
  }
  return mark + text.replace(toEscape, (c) => (c === "'" && mark !== "'" ? c : escapeChar(c))) + mark;
}

// How many columns a text takes on a terminal.
function width(text) {
  let n = 0;
  for (const c of text) {
    const code = c.codePointAt(0);
    if (code < 0x300) {
      if (code >= 32 && (code < 127 || code >= 160)) n++;
    } else if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200f) || code === 0xfe0f ||
               (code >= 0x20d0 && code <= 0x20ff)) {
      continue;
    } else {
      n += (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
        (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
        (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
        (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd) ? 2 : 1;
    }
  }
  return n;
}

const styles = {
  special: [36, 39], number: [33, 39], bigint: [33, 39], boolean: [33, 39], undefined: [90, 39], null: [1, 22],
  string: [32, 39], symbol: [32, 39], date: [35, 39], regexp: [31, 39],
};
function paint(ctx, text, style) {
  const pair = ctx.colors && styles[style];
  return pair ? `\u001b[${pair[0]}m${text}\u001b[${pair[1]}m` : text;
}

function formatNumber(value) {
  return Object.is(value, -0) ? '-0' : `${value}`;
}

function formatPrimitive(ctx, value) {
  switch (typeof value) {
    case 'string': {
      let rest = '';
      let text = value;
      if (text.length > ctx.maxStringLength) {
        const more = text.length - ctx.maxStringLength;
        text = text.slice(0, ctx.maxStringLength);
        rest = `... ${more} more character${more > 1 ? 's' : ''}`;
      }
      if (ctx.compact !== true && text.length > 16 && text.length > ctx.breakLength - ctx.indent - 4 &&
          text.includes('\n')) {
        const lines = text.split(/(?<=\n)/);
        return lines.map((line) => paint(ctx, quote(line), 'string')).join(` +\n${' '.repeat(ctx.indent + 2)}`) + rest;
      }
      return paint(ctx, quote(text), 'string') + rest;
    }
    case 'number': return paint(ctx, formatNumber(value), 'number');
    case 'bigint': return paint(ctx, `${value}n`, 'bigint');
    case 'boolean': return paint(ctx, `${value}`, 'boolean');
    case 'undefined': return paint(ctx, 'undefined', 'undefined');
    case 'symbol': return paint(ctx, Symbol.prototype.toString.call(value), 'symbol');
    default: return paint(ctx, 'null', 'null');
  }
}

// Name of the class, or null where there is none because no prototype has a constructor.
function constructorName(object) {
  const first = object;
  for (let o = object; o; o = Object.getPrototypeOf(o)) {
    const desc = getOwn(o, 'constructor');
    if (desc !== undefined && typeof desc.value === 'function' && desc.value.name !== '' && isInstance(first, desc.value)) {
      const name = `${desc.value.name}`;
      return name === 'Iterator' ? 'Object' : name;
    }
  }
  return null;
}

function isInstance(object, constructor) {
  try {
    return object instanceof constructor;
  } catch {
    return false;
  }
}

function prefixOf(constructor, tag, fallback, size = '') {
  if (constructor === null) {
    return tag !== '' && fallback !== tag ? `[${fallback}${size}: null prototype] [${tag}] ` : `[${fallback}${size}: null prototype] `;
  }
  return tag !== '' && constructor !== tag ? `${constructor}${size} [${tag}] ` : `${constructor}${size} `;
}

function visibleKeys(ctx, value) {
  const symbols = Object.getOwnPropertySymbols(value);
  if (ctx.showHidden) return Object.getOwnPropertyNames(value).concat(symbols);
  let keys;
  try {
    keys = Object.keys(value);
  } catch {
    keys = Object.getOwnPropertyNames(value);
  }
  for (const s of symbols) {
    if (Object.prototype.propertyIsEnumerable.call(value, s)) keys.push(s);
  }
  return keys;
}

function isIndex(key) {
  if (typeof key !== 'string' || key.length > 10) return false;
  const n = +key;
  return n >>> 0 === n && n !== 0xffffffff && `${n}` === key;
}

function namedKeys(ctx, value) {
  return visibleKeys(ctx, value).filter((key) => !isIndex(key));
}

function functionBase(value, constructor, tag) {
  const text = functionText.call(value);
  if (text.startsWith('class') && text.endsWith('}')) {
    const head = text.slice(5, text.indexOf('{'));
    if (!head.includes('(') || /^\s+[^\s(]*\s+extends\s/.test(head)) return classBase(value, constructor, tag);
  }
  const kind = sys.kind(value) || 'Function';
  const type = kind === 'AsyncFunction' || kind === 'GeneratorFunction' || kind === 'AsyncGeneratorFunction' ? kind : 'Function';
  let base = `[${type}`;
  if (constructor === null) base += ' (null prototype)';
  base += value.name === '' || typeof value.name !== 'string' ? ' (anonymous)' : `: ${value.name}`;
  base += ']';
  if (constructor !== type && constructor !== null) base += ` ${constructor}`;
  if (tag !== '' && constructor !== tag) base += ` [${tag}]`;
  return base;
}

function classBase(value, constructor, tag) {
  let base = `class ${(hasOwn(value, 'name') && value.name) || '(anonymous)'}`;
  if (constructor !== 'Function' && constructor !== null) base += ` [${constructor}]`;
  if (tag !== '' && constructor !== tag) base += ` [${tag}]`;
  if (constructor === null) return `[${base} extends null]`;
  const parent = Object.getPrototypeOf(value).name;
  return parent ? `[${base} extends ${parent}]` : `[${base}]`;
}

function stackOf(error) {
  let stack;
  try {
    stack = error.stack;
  } catch { /* a getter of the program's own */ }
  return stack ? `${stack}` : Error.prototype.toString.call(error);
}

// Shows the class where the stack begins with the plain name only.
function improveStack(stack, constructor, name, tag) {
  let length = name.length;
  if (constructor !== null && !(name.endsWith('Error') && stack.startsWith(name) &&
      (stack.length === length || stack[length] === ':' || stack[length] === '\n'))) return stack;
  let fallback = 'Error';
  if (constructor === null) {
    const start = /^([A-Z][a-z_ A-Z0-9[\]()-]+)(?::|\n\s+at)/.exec(stack) || /^([a-z_A-Z0-9-]*Error)$/.exec(stack);
    fallback = (start && start[1]) || '';
    length = fallback.length;
    fallback = fallback || 'Error';
  }
  const prefix = prefixOf(constructor, tag, fallback).slice(0, -1);
  if (name === prefix) return stack;
  if (prefix.includes(name)) return length === 0 ? `${prefix}: ${stack}` : `${prefix}${stack.slice(length)}`;
  return `${prefix} [${name}]${stack.slice(length)}`;
}

function errorBase(ctx, error, constructor, tag, keys) {
  const name = error.name != null ? `${error.name}` : 'Error';
  let stack = stackOf(error);
  for (const key of ['name', 'message', 'stack']) {
    const at = keys.indexOf(key);
    if (at !== -1 && stack.includes(error[key])) keys.splice(at, 1);
  }
  if ('cause' in error && !keys.includes('cause')) keys.push('cause');
  if (Array.isArray(error.errors) && !keys.includes('errors')) keys.push('errors');
  stack = improveStack(stack, constructor, name, tag);
  const message = error.message;
  let at = typeof message === 'string' && message !== '' ? stack.indexOf(message) : -1;
  if (at !== -1) at += message.length;
  if (stack.indexOf('\n    at', at) === -1) stack = `[${stack}]`;
  if (ctx.indent !== 0) stack = stack.replaceAll('\n', `\n${' '.repeat(ctx.indent)}`);
  return stack;
}

function hexBytes(bytes, max) {
  let text = '';
  for (let i = 0; i < Math.min(max, bytes.length); i++) text += `${i ? ' ' : ''}${bytes[i].toString(16).padStart(2, '0')}`;
  const more = bytes.length - max;
  return more > 0 ? `${text} ... ${more} more byte${more > 1 ? 's' : ''}` : text;
}

function formatList(ctx, length, item) {
  const shown = Math.min(Math.max(0, ctx.maxArrayLength), length);
  const output = [];
  for (let i = 0; i < shown; i++) output.push(item(i));
  if (length > shown) output.push(moreItems(length - shown));
  return output;
}

function moreItems(n) {
  return `... ${n} more item${n > 1 ? 's' : ''}`;
}

function formatArray(ctx, value, depth) {
  const limit = Math.min(Math.max(0, ctx.maxArrayLength), value.length);
  const output = [];
  let i = 0;
  while (i < value.length && output.length < limit) {
    if (hasOwn(value, i)) {
      output.push(formatProperty(ctx, value, depth, i, ELEMENT));
      i++;
      continue;
    }
    let end = i + 1;
    if (value.length - i > 100000) {
      const next = Object.keys(value).find((key) => isIndex(key) && +key > i);
      end = next === undefined ? value.length : +next;
    } else {
      while (end < value.length && !hasOwn(value, end)) end++;
    }
    output.push(paint(ctx, `<${end - i} empty item${end - i > 1 ? 's' : ''}>`, 'undefined'));
    i = end;
  }
  if (i < value.length) output.push(moreItems(value.length - i));
  return output;
}

function formatEntries(ctx, each, value, size, depth, pairs) {
  const limit = Math.min(Math.max(0, ctx.maxArrayLength), size);
  const output = [];
  ctx.indent += 2;
  each.call(value, (v, k) => {
    if (output.length >= limit) return;
    output.push(pairs ? `${formatValue(ctx, k, depth)} => ${formatValue(ctx, v, depth)}` : formatValue(ctx, v, depth));
  });
  if (size > limit) output.push(moreItems(size - limit));
  ctx.indent -= 2;
  return output;
}

function formatProperty(ctx, value, depth, key, type) {
  const desc = getOwn(value, key) || { value: value[key], configurable: true, enumerable: true };
  let text;
  if ('value' in desc) {
    ctx.indent += 2;
    text = formatValue(ctx, desc.value, depth);
    ctx.indent -= 2;
  } else if (desc.get !== undefined) {
    const label = desc.set !== undefined ? 'Getter/Setter' : 'Getter';
    text = paint(ctx, `[${label}]`, 'special');
    if (ctx.getters && (ctx.getters === true || (ctx.getters === 'get' && desc.set === undefined) ||
        (ctx.getters === 'set' && desc.set !== undefined))) {
      try {
        const got = desc.get.call(value);
        ctx.indent += 2;
        text = got !== null && typeof got === 'object' ? `${paint(ctx, `[${label}]`, 'special')} ${formatValue(ctx, got, depth)}`
          : `${paint(ctx, `[${label}:`, 'special')} ${formatPrimitive(ctx, got)}${paint(ctx, ']', 'special')}`;
        ctx.indent -= 2;
      } catch (err) {
        text = `[${label}: <Inspection threw (${err.message})>]`;
      }
    }
  } else {
    text = desc.set !== undefined ? paint(ctx, '[Setter]', 'special') : paint(ctx, 'undefined', 'undefined');
  }
  if (type === ELEMENT) return text;
  let name;
  if (typeof key === 'symbol') {
    name = `[${paint(ctx, Symbol.prototype.toString.call(key).replace(/[\x00-\x1f\x27\x5c\x7f-\x9f]/g, escapeChar), 'symbol')}]`;
  } else if (key === '__proto__') {
    name = "['__proto__']";
  } else if (desc.enumerable === false) {
    name = `[${`${key}`.replace(/[\x00-\x1f\x27\x5c\x7f-\x9f]/g, escapeChar)}]`;
  } else {
    name = identifier.test(key) ? `${key}` : paint(ctx, quote(`${key}`), 'string');
  }
  return `${name}: ${text}`;
}

// More than six short elements stand in columns, numbers to the right.
function inColumns(ctx, output, value) {
  let total = 0;
  let longest = 0;
  const more = ctx.maxArrayLength < output.length ? 1 : 0; // "... n more items" stands alone
  const count = output.length - more;
  const widths = [];
  for (let i = 0; i < count; i++) {
    widths[i] = ctx.colors ? width(output[i].replace(/\u001b\[\d\d?m/g, '')) : width(output[i]);
    total += widths[i] + 2;
    if (widths[i] > longest) longest = widths[i];
  }
  const cell = longest + 2;
  if (cell * 3 + ctx.indent >= ctx.breakLength || !(total / cell > 5 || longest <= 6)) return output;
  const biased = Math.max(cell - 3 - Math.sqrt(cell - total / output.length), 1);
  const columns = Math.min(Math.round(Math.sqrt(2.5 * biased * count) / biased),
    Math.floor((ctx.breakLength - ctx.indent) / cell), ctx.compact * 4, 15);
  if (columns <= 1) return output;
  const columnWidths = [];
  for (let i = 0; i < columns; i++) {
    let w = 0;
    for (let j = i; j < count; j += columns) if (widths[j] > w) w = widths[j];
    columnWidths.push(w + 2);
  }
  let right = value !== undefined;
  for (let i = 0; right && i < output.length; i++) right = typeof value[i] === 'number' || typeof value[i] === 'bigint';
  const rows = [];
  for (let i = 0; i < count; i += columns) {
    const end = Math.min(i + columns, count);
    let row = '';
    for (let j = i; j < end; j++) {
      const last = j === end - 1;
      const room = columnWidths[j - i] - widths[j] - 2;
      if (right) row += ' '.repeat(room) + output[j] + (last ? '' : ', ');
      else row += last ? output[j] : `${output[j]}, ${' '.repeat(room)}`;
    }
    rows.push(row);
  }
  if (more) rows.push(output[count]);
  return rows;
}

function layOut(ctx, output, base, braces, type, depth, value) {
  const head = `${base ? `${base} ` : ''}${braces[0]}`;
  if (ctx.compact !== true) {
    if (typeof ctx.compact === 'number' && ctx.compact >= 1) {
      const entries = output.length;
      if (type === ARRAY && entries > 6) output = inColumns(ctx, output, value);
      if (ctx.deepest - depth < ctx.compact && entries === output.length && fits(ctx, output,
        output.length + ctx.indent + braces[0].length + base.length + 10, base)) {
        const joined = output.join(', ');
        if (!joined.includes('\n')) return `${head} ${joined} ${braces[1]}`;
      }
    }
    const line = `\n${' '.repeat(ctx.indent)}`;
    return `${head}${line}  ${output.join(`,${line}  `)}${line}${braces[1]}`;
  }
  if (fits(ctx, output, 0, base)) return `${braces[0]}${base ? ` ${base}` : ''} ${output.join(', ')} ${braces[1]}`;
  const line = `\n${' '.repeat(ctx.indent)}`;
  const pad = base === '' && braces[0].length === 1 ? ' ' : `${base ? ` ${base}` : ''}\n${' '.repeat(ctx.indent)}  `;
  return `${braces[0]}${pad}${output.join(`,${line}  `)} ${braces[1]}`;
}

function fits(ctx, output, start, base) {
  let total = output.length + start;
  if (total + output.length > ctx.breakLength) return false;
  for (const text of output) {
    total += ctx.colors ? text.replace(/\u001b\[\d\d?m/g, '').length : text.length;
    if (total > ctx.breakLength) return false;
  }
  return base === '' || !base.includes('\n');
}

function formatProxy(ctx, [target, handler], depth) {
  if (depth > ctx.depth && ctx.depth !== null) return paint(ctx, '[Proxy]', 'special');
  ctx.indent += 2;
  const output = [formatValue(ctx, target, depth + 1), formatValue(ctx, handler, depth + 1)];
  ctx.indent -= 2;
  return layOut(ctx, output, '', ['Proxy [', ']'], ARRAY, depth + 1);
}

function formatValue(ctx, value, depth, inTyped) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) {
    /* the object that stands for a missing tool has type "undefined" */
    if (value === undefined || value !== Object(value)) return formatPrimitive(ctx, value);
  }
  const context = value;
  const proxy = sys.proxy(value);
  if (proxy !== undefined) {
    if (proxy[0] === null) return paint(ctx, '<Revoked Proxy>', 'special');
    if (ctx.showProxy) return formatProxy(ctx, proxy, depth);
    let inner = proxy;
    while (inner !== undefined && inner[0] !== null) {
      value = inner[0];
      inner = sys.proxy(value);
    }
    if (inner !== undefined) return paint(ctx, '<Revoked Proxy>', 'special');
  }
  if (ctx.customInspect) {
    const own = value[custom];
    if (typeof own === 'function' && own !== inspect) {
      const left = ctx.depth === null ? null : ctx.depth - depth;
      const result = own.call(context, left, { ...ctx.user, stylize: (text, style) => paint(ctx, `${text}`, style) }, inspect);
      if (result !== context) {
        if (typeof result !== 'object' || result === null) {
          return typeof result === 'string' ? result.replaceAll('\n', `\n${' '.repeat(ctx.indent)}`) : formatPrimitive(ctx, result);
        }
        return formatValue(ctx, result, depth);
      }
    }
  }
  if (ctx.seen.includes(value)) {
    let index = 1;
    if (ctx.circular === undefined) {
      ctx.circular = [value];
    } else {
      index = ctx.circular.indexOf(value) + 1;
      if (index === 0) index = ctx.circular.push(value);
    }
    return paint(ctx, `[Circular *${index}]`, 'special');
  }
  return formatObject(ctx, value, depth, inTyped);
}

function formatObject(ctx, value, depth, inTyped) {
  const kind = sys.kind(value);
  const constructor = constructorName(value);
  let tag = value[Symbol.toStringTag];
  if (typeof tag !== 'string' || (tag !== '' && (ctx.showHidden ? hasOwn(value, Symbol.toStringTag) : Object.prototype.propertyIsEnumerable.call(value, Symbol.toStringTag)))) tag = '';
  let keys;
  let base = '';
  let braces = ['{', '}'];
  let type = OBJECT;
  let entries = () => []; // takes the depth inside the value
  const typed = typedTag.call(value);

  if (Array.isArray(value)) {
    const prefix = constructor !== 'Array' || tag !== '' ? prefixOf(constructor, tag, 'Array', `(${value.length})`) : '';
    keys = namedKeys(ctx, value);
    braces = [`${prefix}[`, ']'];
    if (value.length === 0 && keys.length === 0) return `${braces[0]}]`;
    type = ARRAY;
    entries = () => formatArray(ctx, value, depth);
  } else if (kind === 'Set' || kind === 'Map') {
    const size = (kind === 'Set' ? setSize : mapSize).call(value);
    const prefix = prefixOf(constructor, tag, kind, `(${size})`);
    keys = visibleKeys(ctx, value);
    if (size === 0 && keys.length === 0) return `${prefix}{}`;
    braces = [`${prefix}{`, '}'];
    entries = () => formatEntries(ctx, kind === 'Set' ? setEach : mapEach, value, size, depth, kind === 'Map');
  } else if (typed !== undefined) {
    keys = namedKeys(ctx, value);
    const prefix = prefixOf(constructor, tag, typed, `(${value.length})`);
    braces = [`${prefix}[`, ']'];
    if (value.length === 0 && keys.length === 0) return `${braces[0]}]`;
    type = ARRAY;
    entries = () => formatList(ctx, value.length, (i) => formatPrimitive(ctx, value[i]));
  } else if (kind === 'Map Iterator' || kind === 'Set Iterator') {
    keys = visibleKeys(ctx, value);
    braces = [`[${tag}] {`, '}'];
  } else {
    keys = visibleKeys(ctx, value);
    const number = kind === 'Number' || kind === 'String' || kind === 'Boolean' || kind === 'BigInt' || kind === 'Symbol';
    if (kind === 'Arguments' || kind === 'MappedArguments') {
      braces[0] = '[Arguments] {';
      if (keys.length === 0) return '[Arguments] {}';
    } else if (typeof value === 'function') {
      base = functionBase(value, constructor, tag);
      if (keys.length === 0) return paint(ctx, base, 'special');
    } else if (kind === 'RegExp') {
      base = RegExp.prototype.toString.call(constructor !== null ? value : new RegExp(value));
      const prefix = prefixOf(constructor, tag, 'RegExp');
      if (prefix !== 'RegExp ') base = `${prefix}${base}`;
      if (keys.length === 0 || (ctx.depth !== null && depth > ctx.depth)) return paint(ctx, base, 'regexp');
    } else if (kind === 'Date') {
      base = Number.isNaN(dateTime.call(value)) ? 'Invalid Date' : dateISO.call(value);
      const prefix = prefixOf(constructor, tag, 'Date');
      if (prefix !== 'Date ') base = `${prefix}${base}`;
      if (keys.length === 0) return paint(ctx, base, 'date');
    } else if (kind === 'Error' || kind === 'DOMException' || value instanceof Error) {
      base = errorBase(ctx, value, constructor, tag, keys);
      if (keys.length === 0) return base;
    } else if (kind === 'ArrayBuffer' || kind === 'SharedArrayBuffer') {
      const prefix = prefixOf(constructor, tag, kind);
      if (inTyped && keys.length === 0) return `${prefix}{ byteLength: ${value.byteLength} }`;
      braces[0] = `${prefix}{`;
      entries = () => [`[Uint8Contents]: <${hexBytes(new Uint8Array(value), Math.min(50, value.byteLength))}${value.byteLength > 50 ? ` ... ${value.byteLength - 50} more byte${value.byteLength > 51 ? 's' : ''}` : ''}>`,
        `byteLength: ${formatPrimitive(ctx, value.byteLength)}`];
    } else if (kind === 'DataView') {
      braces[0] = `${prefixOf(constructor, tag, 'DataView')}{`;
      entries = () => {
        ctx.indent += 2;
        const list = [`byteLength: ${formatPrimitive(ctx, value.byteLength)}`, `byteOffset: ${formatPrimitive(ctx, value.byteOffset)}`,
          `buffer: ${formatValue(ctx, value.buffer, depth)}`];
        ctx.indent -= 2;
        return list;
      };
    } else if (kind === 'Promise') {
      braces[0] = `${prefixOf(constructor, tag, 'Promise')}{`;
      entries = () => {
        const [state, result] = sys.promise(value);
        if (state === 0) return [paint(ctx, '<pending>', 'special')];
        ctx.indent += 2;
        const text = formatValue(ctx, result, depth);
        ctx.indent -= 2;
        return [state === 2 ? `${paint(ctx, '<rejected>', 'special')} ${text}` : text];
      };
    } else if (kind === 'WeakSet' || kind === 'WeakMap') {
      braces[0] = `${prefixOf(constructor, tag, kind)}{`;
      entries = () => [paint(ctx, '<items unknown>', 'special')];
    } else if (kind === 'WeakRef') {
      braces[0] = `${prefixOf(constructor, tag, kind)}{`;
      entries = () => {
        ctx.indent += 2;
        const text = formatValue(ctx, value.deref(), depth);
        ctx.indent -= 2;
        return [text];
      };
    } else if (number) {
      const primitive = Object.getPrototypeOf(value) === null ? value : value.valueOf();
      const isSymbol = kind === 'Symbol';
      if (kind === 'String') keys = keys.filter((key) => !isIndex(key));
      base = `[${kind}`;
      if (kind !== constructor) base += constructor === null ? ' (null prototype)' : ` (${constructor})`;
      base += `: ${isSymbol ? Symbol.prototype.toString.call(primitive) : formatPrimitive({ ...ctx, colors: false }, primitive)}]`;
      if (tag !== '' && tag !== constructor) base += ` [${tag}]`;
      if (keys.length === 0) return paint(ctx, base, kind.toLowerCase());
    } else if (kind === 'Module') {
      braces[0] = `${prefixOf(constructor, tag, 'Module').replace(/ \[Module\]/, '')}{`;
    } else if (constructor === 'Object') {
      if (tag !== '') braces[0] = `${prefixOf(constructor, tag, 'Object')}{`;
      if (keys.length === 0) return `${braces[0]}}`;
    } else {
      braces[0] = `${prefixOf(constructor, tag, 'Object')}{`;
      if (keys.length === 0) return `${braces[0]}}`;
    }
  }

  if (ctx.depth !== null && depth > ctx.depth) {
    const name = prefixOf(constructor, tag, Array.isArray(value) ? 'Array' : 'Object').slice(0, -1);
    return paint(ctx, constructor === null ? name : `[${name}]`, 'special');
  }
  depth += 1;
  ctx.seen.push(value);
  ctx.deepest = depth;
  const output = entries(depth);
  for (const key of keys) output.push(formatProperty(ctx, value, depth, key, type));
  ctx.seen.pop();
  if (ctx.circular !== undefined) {
    const index = ctx.circular.indexOf(value);
    if (index !== -1) {
      const reference = paint(ctx, `<ref *${index + 1}>`, 'special');
      if (base === '') braces[0] = `${reference} ${braces[0]}`;
      else base = `${reference} ${base}`;
    }
  }
  if (ctx.sorted) {
    const compare = ctx.sorted === true ? undefined : ctx.sorted;
    if (type === OBJECT) output.sort(compare);
    else if (keys.length > 1) output.splice(output.length - keys.length, keys.length, ...output.slice(output.length - keys.length).sort(compare));
  }
  return layOut(ctx, output, base, braces, type, depth, value);
}

function inspect(value, options, ...legacy) {
  const ctx = { ...defaults, indent: 0, deepest: 0, seen: [], circular: undefined, user: undefined };
  if (typeof options === 'boolean') {
    ctx.showHidden = options;
    if (legacy.length > 0 && legacy[0] !== undefined) ctx.depth = legacy[0];
    if (legacy.length > 1) ctx.colors = legacy[1];
  } else if (options) {
    for (const key of Object.keys(options)) {
      if (hasOwn(defaults, key) || key === 'stylize') ctx[key] = options[key];
    }
  }
  ctx.user = options && typeof options === 'object' ? { ...defaults, ...options } : { ...defaults };
  if (ctx.maxArrayLength === null) ctx.maxArrayLength = Infinity;
  if (ctx.maxStringLength === null) ctx.maxStringLength = Infinity;
  if (ctx.depth === undefined) ctx.depth = 2;
  return formatValue(ctx, value, 0);
}
inspect.custom = custom;
inspect.defaultOptions = defaults;
inspect.colors = { reset: [0, 0], bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39] };
inspect.styles = Object.fromEntries(Object.keys(styles).map((key) => [key, key]));

// %s of an object: its own toString where a program gave it one.
function ownString(value) {
  for (let o = value; o !== null; o = Object.getPrototypeOf(o)) {
    if (!hasOwn(o, 'toString')) continue;
    if (o === value) return true;
    const builtin = o === Object.prototype || o === Error.prototype || o === Array.prototype || o === Date.prototype ||
      o === Function.prototype || o === RegExp.prototype;
    return !builtin;
  }
  return false;
}

function formatOne(spec, value, options) {
  switch (spec) {
    case 's':
      if (typeof value === 'number') return formatNumber(value);
      if (typeof value === 'bigint') return `${value}n`;
      if (typeof value !== 'object' || value === null || ownString(value)) return String(value);
      if (value instanceof Date) return inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
      return inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
    case 'd':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'symbol' || typeof value === 'object' && value !== null ? formatNumber(typeof value === 'symbol' ? NaN : Number(value)) : formatNumber(Number(value));
    case 'i':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'symbol' ? 'NaN' : formatNumber(Number.parseInt(value));
    case 'f': return typeof value === 'symbol' ? 'NaN' : formatNumber(Number.parseFloat(value));
    case 'j':
      try {
        return `${JSON.stringify(value)}`;
      } catch (err) {
        if (/circular/i.test(err.message)) return '[Circular]';
        throw err;
      }
    case 'o': return inspect(value, { ...options, showHidden: true, showProxy: true, depth: 4 });
    default: return inspect(value, options);
  }
}

function formatWithOptions(options, ...args) {
  const first = args[0];
  let text = '';
  let next = 0;
  if (typeof first === 'string') {
    if (args.length === 1) return first;
    next = 1;
    let from = 0;
    for (let at = first.indexOf('%'); at !== -1 && at < first.length - 1; at = first.indexOf('%', at)) {
      const spec = first[at + 1];
      if (spec === '%') {
        text += first.slice(from, at + 1);
        from = at += 2;
      } else if (next < args.length && 'sdifjoOc'.includes(spec)) {
        text += first.slice(from, at);
        text += spec === 'c' ? '' : formatOne(spec, args[next], options);
        next++;
        from = at += 2;
      } else {
        at++;
      }
    }
    text += first.slice(from);
  }
  for (; next < args.length; next++) {
    const value = args[next];
    text += `${next > 0 ? ' ' : ''}${typeof value === 'string' ? value : inspect(value, { ...options, compact: 3, depth: options.depth === undefined ? 2 : options.depth })}`;
  }
  return text;
}

internal.inspect = inspect;
internal.formatWithOptions = formatWithOptions;
internal.format = function format(...args) { return formatWithOptions({}, ...args); };
internal.stringWidth = width;
