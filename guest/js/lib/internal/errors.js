// Errors: the classes that tools throw, errors of system calls, and the report of an error that nobody handled.

class ToolError extends Error {
  constructor(message, details = {}) {
    super(message);
    for (const key of ['tool', 'code', 'data']) {
      if (details[key] !== undefined) this[key] = details[key];
    }
  }
}
class ToolDenied extends ToolError {}
for (const [constructor, name] of [[ToolError, 'ToolError'], [ToolDenied, 'ToolDenied']]) {
  Object.defineProperty(constructor.prototype, 'name', { value: name, writable: true, configurable: true });
  Object.defineProperty(globalThis, name, { value: constructor, writable: true, configurable: true });
}
internal.ToolError = ToolError;
internal.ToolDenied = ToolDenied;

const define = Object.defineProperty;

// The place of a failed call is where the program made it, not where the answer came in.
internal.withTrace = (error, trace) => {
  if (typeof trace === 'string' && trace !== '') {
    define(error, 'stack', { value: `${error.name}: ${error.message}${trace}`, writable: true, configurable: true });
  }
  return error;
};

internal.systemError = (code, text, errno, syscall, path, dest) => {
  const error = new Error(`${code}: ${text}, ${syscall}${path === undefined ? '' : ` '${path}'`}${dest === undefined ? '' : ` -> '${dest}'`}`);
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  if (dest !== undefined) error.dest = dest;
  return error;
};

// new TypeError etc. with one of Node's codes: the code shows in the stack, not in the name.
internal.codeError = (Base, code, message) => {
  const error = new Base(message);
  define(error, 'stack', { value: error.stack.replace(/^\w+/, `$& [${code}]`), writable: true, configurable: true });
  error.code = code;
  return error;
};

internal.invalidType = (name, expected, actual) => {
  let got;
  if (actual == null) got = `${actual}`;
  else if (typeof actual === 'function') got = `function ${actual.name}`;
  else if (typeof actual === 'object') got = actual.constructor && actual.constructor.name ? `an instance of ${actual.constructor.name}` : internal.inspect(actual, { depth: -1 });
  else {
    let shown = internal.inspect(actual, { colors: false });
    if (shown.length > 28) shown = `${shown.slice(0, 25)}...`;
    got = `type ${typeof actual} (${shown})`;
  }
  return internal.codeError(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" argument must be ${expected}. Received ${got}`);
};

// ---- the value of a program

internal.jsonValue = (value) => {
  if (typeof value === 'bigint') return `${value}`;
  const kind = sys.kind(value);
  if (kind === 'Map') {
    const entries = [...value];
    return entries.every(([key]) => typeof key === 'string') ? Object.fromEntries(entries) : entries;
  }
  if (kind === 'Set') return [...value];
  if (kind === 'RegExp') return `${value}`;
  if (kind === 'Error') return { name: value.name, message: value.message, ...value };
  if (kind === 'ArrayBuffer') return [...new Uint8Array(value)];
  if (ArrayBuffer.isView(value) && kind !== 'DataView') return Array.from(value);
  return value;
};

internal.valueError = (reason) => {
  if (reason instanceof TypeError && /circular structure/.test(reason.message)) {
    const error = new TypeError("The value of the script cannot be written as JSON: it contains itself (circular reference)");
    define(error, 'stack', { value: `${error.name}: ${error.message}`, writable: true, configurable: true });
    return error;
  }
  return reason;
};

// ---- the report

const frameLine = /^ +at (?:.* \()?(.*):(\d+):(\d+)\)?$/;

function firstPlace(stack) {
  for (const line of `${stack}`.split('\n')) {
    const match = frameLine.exec(line);
    if (match) return { file: match[1], line: +match[2], column: +match[3] };
  }
  return undefined;
}

function sourceOf(file) {
  if (file === sys.file()) return sys.source();
  try {
    return sys.readFile(file, true);
  } catch {
    return undefined;
  }
}

// The line and a caret under the place, as Node shows them; long lines are cut around it.
function snippetAt(place) {
  const source = sourceOf(place.file);
  const line = source === undefined ? undefined : source.split(/\r\n|\n|\r|\u2028|\u2029/)[place.line - 1];
  if (line === undefined) return undefined;
  let text = line;
  let column = Math.min(place.column, line.length + 1);
  if (column > 120) {
    text = text.slice(column - 60);
    column = 60;
  }
  text = text.slice(0, 200);
  return `${text}\n${text.slice(0, Math.max(column - 1, 0)).replace(/[^\t]/g, ' ')}^`;
}

function read(object, key) {
  try {
    return object[key];
  } catch {
    return undefined;
  }
}

// "foo is not defined": was a tool meant?
function hint(error) {
  if (!(error instanceof ReferenceError)) return '';
  const match = /^(\S+) is not defined$/.exec(read(error, 'message'));
  if (!match) return '';
  const near = internal.nearestTool(match[1]);
  return near === undefined ? '' : `; did you mean the tool ${near}?`;
}

internal.describeError = (error) => {
  const isError = error instanceof Error || sys.kind(error) === 'Error';
  const report = {};
  let text;
  if (isError) {
    const stack = read(error, 'stack');
    const more = hint(error);
    if (more) {
      try {
        error.message += more;
      } catch { /* frozen */ }
    }
    report.name = `${read(error, 'name') || 'Error'}`;
    report.message = `${read(error, 'message') ?? ''}`;
    const shown = typeof stack === 'string' ? stack.replace(/^(.*) is not defined\n/, (all) => (more ? all.replace('\n', `${more}\n`) : all)) : undefined;
    report.stack = shown;
    const place = firstPlace(stack);
    const snippet = place && snippetAt(place);
    if (place) Object.assign(report, place);
    if (snippet !== undefined) report.snippet = snippet;
    for (const key of ['code', 'tool', 'data']) {
      const value = read(error, key);
      if (value !== undefined && typeof value !== 'function') report[key] = value;
    }
    let body;
    try {
      body = internal.inspect(error);
    } catch {
      body = shown || `${report.name}: ${report.message}`;
    }
    text = `${snippet === undefined ? '' : `${place.file}:${place.line}\n${snippet}\n\n`}${body}\n`;
  } else {
    let body;
    try {
      body = internal.inspect(error);
    } catch {
      body = typeof error;
    }
    report.name = 'Error';
    report.message = `Uncaught ${body}`;
    text = `Uncaught ${body}\n`;
  }
  let json;
  try {
    json = JSON.stringify(report);
  } catch {
    delete report.data;
    for (const key of ['code', 'tool']) if (report[key] !== undefined) report[key] = `${report[key]}`;
    json = JSON.stringify(report);
  }
  return [text, json];
};
