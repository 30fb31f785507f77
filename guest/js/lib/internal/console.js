// console: text to stdout and stderr, each call written at once.

const { formatWithOptions, inspect } = internal;
let indent = '';
const counts = Object.create(null);
const timers = Object.create(null);

function print(fd, args) {
  let text = args.length === 1 && typeof args[0] === 'string' ? args[0] : formatWithOptions({}, ...args);
  if (indent !== '') text = indent + text.replaceAll('\n', `\n${indent}`);
  sys.write(fd, `${text}\n`);
}

function duration(ms) {
  if (ms >= 1000) {
    let rest = ms / 1000;
    if (rest < 60) return `${rest.toFixed(3)}s`;
    const pad = (n) => `${n}`.padStart(2, '0');
    const hours = Math.floor(rest / 3600);
    rest -= hours * 3600;
    const minutes = Math.floor(rest / 60);
    rest -= minutes * 60;
    const seconds = rest.toFixed(3);
    return hours ? `${hours}:${pad(minutes)}:${pad(Math.floor(rest))} (h:mm:ss)` : `${minutes}:${seconds.padStart(6, '0')} (m:ss.mmm)`;
  }
  return `${Number(ms.toFixed(3))}ms`;
}

function timeText(label, method) {
  const start = timers[label];
  if (start === undefined) {
    sys.write(2, `(node) Warning: No such label '${label}' for ${method}\n`);
    return undefined;
  }
  return `${label}: ${duration(sys.now() - start)}`;
}

// ---- table

function tableText(head, rows) {
  const widths = head.map((h, i) => Math.max(internal.stringWidth(h), ...rows.map((row) => internal.stringWidth(row[i] ?? ''))) + 2);
  const rule = widths.map((w) => '─'.repeat(w));
  const row = (cells) => `│${widths.map((w, i) => {
    const cell = cells[i] ?? '';
    return ` ${cell}${' '.repeat(w - 1 - internal.stringWidth(cell))}`;
  }).join('│')}│\n`;
  return `┌${rule.join('┬')}┐\n${row(head)}├${rule.join('┼')}┤\n${rows.map(row).join('')}└${rule.join('┴')}┘`;
}

function cellText(value) {
  return inspect(value, { maxArrayLength: 3, breakLength: Infinity, depth: value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 2 ? -1 : 0 });
}

function table(data, columns) {
  if (data === null || typeof data !== 'object') return console.log(data);
  const isMap = sys.kind(data) === 'Map';
  const isSet = sys.kind(data) === 'Set';
  if (isMap) {
    const rows = [...data].map(([key, value], i) => [`${i}`, cellText(key), cellText(value)]);
    return console.log(tableText(['(iteration index)', 'Key', 'Values'], rows));
  }
  const names = [];
  const rows = [];
  let plain = false;
  const indexes = isSet ? [...data].map((v, i) => [`${i}`, v]) : Object.keys(data).map((key) => [key, data[key]]);
  for (const [index, item] of indexes) {
    const row = { index, cells: Object.create(null), value: undefined };
    if (item === null || (typeof item !== 'object' && typeof item !== 'function')) {
      plain = true;
      row.value = cellText(item);
    } else {
      for (const key of columns || Object.keys(item)) {
        if (!names.includes(key)) names.push(key);
        row.cells[key] = Object.prototype.hasOwnProperty.call(item, key) ? cellText(item[key]) : '';
      }
    }
    rows.push(row);
  }
  const head = [isSet ? '(iteration index)' : '(index)', ...names];
  if (plain) head.push('Values');
  return console.log(tableText(head, rows.map((row) => {
    const cells = [row.index, ...names.map((name) => row.cells[name] ?? '')];
    if (plain) cells.push(row.value ?? '');
    return cells;
  })));
}

const methods = {
  log(...args) { print(1, args); },
  warn(...args) { print(2, args); },
  dir(value, options) { print(1, [inspect(value, { customInspect: false, ...options })]); },
  time(label = 'default') {
    label = `${label}`;
    if (timers[label] !== undefined) sys.write(2, `(node) Warning: Label '${label}' already exists for console.time()\n`);
    else timers[label] = sys.now();
  },
  timeEnd(label = 'default') {
    const text = timeText(`${label}`, 'console.timeEnd()');
    if (text !== undefined) print(1, [text]);
    delete timers[`${label}`];
  },
  timeLog(label = 'default', ...rest) {
    const text = timeText(`${label}`, 'console.timeLog()');
    if (text !== undefined) print(1, [text, ...rest]);
  },
  trace(...args) {
    const error = { name: 'Trace', message: formatWithOptions({}, ...args) };
    Error.captureStackTrace(error, methods.trace);
    print(2, [`Trace${error.message ? `: ${error.message}` : ''}${error.stack}`]);
  },
  assert(ok, ...args) {
    if (ok) return;
    if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift(args.length ? 'Assertion failed:' : 'Assertion failed');
    print(2, args);
  },
  clear() {},
  count(label = 'default') {
    label = `${label}`;
    counts[label] = (counts[label] || 0) + 1;
    print(1, [`${label}: ${counts[label]}`]);
  },
  countReset(label = 'default') {
    if (counts[`${label}`] === undefined) sys.write(2, `(node) Warning: Count for '${label}' does not exist\n`);
    else counts[`${label}`] = 0;
  },
  group(...args) {
    if (args.length > 0) print(1, args);
    indent += '  ';
  },
  groupEnd() { indent = indent.slice(2); },
  table,
};
methods.debug = methods.info = methods.dirxml = methods.log;
methods.error = methods.warn;
methods.groupCollapsed = methods.group;

const order = ['log', 'warn', 'dir', 'time', 'timeEnd', 'timeLog', 'trace', 'assert', 'clear', 'count', 'countReset',
  'group', 'groupEnd', 'table', 'debug', 'info', 'dirxml', 'error', 'groupCollapsed'];
const console = {};
for (const name of order) console[name] = methods[name];
Object.defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true });
Object.defineProperty(globalThis, 'console', { value: console, writable: true, configurable: true });
internal.modules = Object.create(null);
internal.modules.console = console;
