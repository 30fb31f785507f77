// assert: the checks, with messages that show both values.

const { inspect } = internal;

class AssertionError extends Error {
  constructor({ message, actual, expected, operator, stackStartFn }) {
    super(message);
    this.generatedMessage = false;
    this.code = 'ERR_ASSERTION';
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    if (stackStartFn) Error.captureStackTrace?.(this, stackStartFn);
  }
}
Object.defineProperty(AssertionError.prototype, 'name', { value: 'AssertionError', writable: true, configurable: true });

function fail(message, fallback, actual, expected, operator) {
  if (message instanceof Error) throw message;
  const error = new AssertionError({ message: message === undefined ? fallback() : `${message}`, actual, expected, operator });
  error.generatedMessage = message === undefined;
  throw error;
}

const both = (text, actual, expected) => () => {
  const a = inspect(actual, { depth: 10 });
  const b = inspect(expected, { depth: 10 });
  if (!`${a}${b}`.includes('\n') && a.length + b.length < 60) return `${text}\n\n${a} !== ${b}\n`;
  const left = a.split('\n');
  const right = b.split('\n');
  const lines = [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    if (left[i] === right[i]) lines.push(`  ${left[i]}`);
    else {
      if (left[i] !== undefined) lines.push(`+ ${left[i]}`);
      if (right[i] !== undefined) lines.push(`- ${right[i]}`);
    }
  }
  return `${text}\n+ actual - expected\n\n${lines.slice(0, 60).join('\n')}`;
};

function assert(value, message) {
  if (!value) fail(message, () => 'The expression evaluated to a falsy value', value, true, '==');
}

const checks = {
  ok(value, message) { assert(value, message); },
  equal(a, b, message) { if (!(a == b || (a !== a && b !== b))) fail(message, () => `${inspect(a)} == ${inspect(b)}`, a, b, '=='); },
  notEqual(a, b, message) { if (a == b) fail(message, () => `${inspect(a)} != ${inspect(b)}`, a, b, '!='); },
  strictEqual(a, b, message) { if (!Object.is(a, b)) fail(message, both('Expected values to be strictly equal:', a, b), a, b, 'strictEqual'); },
  notStrictEqual(a, b, message) { if (Object.is(a, b)) fail(message, () => `Expected "actual" to be strictly unequal to: ${inspect(b)}`, a, b, 'notStrictEqual'); },
  deepEqual(a, b, message) { if (!internal.isDeepEqual(a, b, false)) fail(message, both('Expected values to be loosely deep-equal:', a, b), a, b, 'deepEqual'); },
  notDeepEqual(a, b, message) { if (internal.isDeepEqual(a, b, false)) fail(message, () => `Expected "actual" not to be loosely deep-equal to: ${inspect(b)}`, a, b, 'notDeepEqual'); },
  deepStrictEqual(a, b, message) { if (!internal.isDeepEqual(a, b, true)) fail(message, both('Expected values to be strictly deep-equal:', a, b), a, b, 'deepStrictEqual'); },
  notDeepStrictEqual(a, b, message) { if (internal.isDeepEqual(a, b, true)) fail(message, () => `Expected "actual" not to be strictly deep-equal to: ${inspect(b)}`, a, b, 'notDeepStrictEqual'); },
  match(text, pattern, message) { if (!pattern.test(text)) fail(message, () => `The input did not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`, text, pattern, 'match'); },
  doesNotMatch(text, pattern, message) { if (pattern.test(text)) fail(message, () => `The input was expected to not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`, text, pattern, 'doesNotMatch'); },
  fail(message = 'Failed') { fail(message, () => 'Failed', undefined, undefined, 'fail'); },
  ifError(value) { if (value !== null && value !== undefined) throw value instanceof Error ? value : new AssertionError({ message: `ifError got unwanted exception: ${inspect(value)}`, actual: value, expected: null, operator: 'ifError' }); },
  throws(fn, expected, message) {
    let thrown;
    try {
      fn();
    } catch (err) {
      thrown = { err };
    }
    checkThrown(thrown, expected, message, 'throws', 'exception');
  },
  doesNotThrow(fn, message) {
    try {
      fn();
    } catch (err) {
      fail(typeof message === 'string' ? message : undefined, () => `Got unwanted exception.\nActual message: "${err?.message}"`, err, undefined, 'doesNotThrow');
    }
  },
  async rejects(promise, expected, message) {
    let thrown;
    try {
      await (typeof promise === 'function' ? promise() : promise);
    } catch (err) {
      thrown = { err };
    }
    checkThrown(thrown, expected, message, 'rejects', 'rejection');
  },
  async doesNotReject(promise, message) {
    try {
      await (typeof promise === 'function' ? promise() : promise);
    } catch (err) {
      fail(typeof message === 'string' ? message : undefined, () => `Got unwanted rejection.\nActual message: "${err?.message}"`, err, undefined, 'doesNotReject');
    }
  },
};

function checkThrown(thrown, expected, message, operator, word) {
  if (typeof expected === 'string') [expected, message] = [undefined, expected];
  if (thrown === undefined) fail(message, () => `Missing expected ${word}${typeof expected === 'function' && expected.name ? ` (${expected.name})` : ''}.`, undefined, expected, operator);
  const { err } = thrown;
  if (expected === undefined) return;
  if (expected instanceof RegExp) {
    if (!expected.test(`${err}`)) fail(message, () => `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(`${err}`)}\n`, err, expected, operator);
  } else if (typeof expected === 'function') {
    if (expected.prototype !== undefined && err instanceof expected) return;
    if (Object.prototype.isPrototypeOf.call(Error, expected)) throw err;
    if (expected.call({}, err) !== true) fail(message, () => `The ${expected.name ? `"${expected.name}" ` : ''}validation function is expected to return "true".`, err, expected, operator);
  } else {
    for (const key of [...Object.keys(expected), ...(expected instanceof Error ? ['name', 'message'] : [])]) {
      const ok = expected[key] instanceof RegExp && typeof err?.[key] === 'string' ? expected[key].test(err[key]) : internal.isDeepEqual(err?.[key], expected[key], true);
      if (!ok) fail(message, both('Expected values to be strictly deep-equal:', err, expected), err, expected, operator);
    }
  }
}

for (const name of Object.keys(checks)) assert[name] = checks[name];
assert.AssertionError = AssertionError;
const strict = Object.assign(function strict(value, message) { assert(value, message); }, assert, {
  equal: assert.strictEqual, notEqual: assert.notStrictEqual, deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual,
});
assert.strict = strict;
strict.strict = strict;
internal.modules.assert = assert;
internal.modules['assert/strict'] = strict;
