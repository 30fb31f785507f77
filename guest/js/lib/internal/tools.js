// What the C side asks about tools: names and groups, and the errors of calls.

const { ToolError, ToolDenied, withTrace } = internal;
const joint = /[./:]/;

function all() {
  return sys.toolList().map((tool) => tool.name);
}

// Below a prefix, the next part of each name: tools "git.log" and "git.show" give "git" at the top.
internal.toolNames = (prefix) => {
  const names = [];
  const seen = Object.create(null);
  for (const name of all()) {
    if (prefix !== '' && !(name.startsWith(prefix) && joint.test(name[prefix.length] || ''))) continue;
    const part = prefix === '' ? name : name.slice(prefix.length + 1);
    if (!seen[part]) {
      seen[part] = true;
      names.push(part);
    }
  }
  return names;
};

internal.isToolGroup = (prefix) => {
  if (!/^[\w$.-]+$/.test(prefix)) return false;
  const loose = new RegExp(`^${prefix.replace(/[$-]/g, '\\$&').replaceAll('.', '[./:]')}[./:]`);
  return all().some((name) => loose.test(name));
};

// Edit distance, given up beyond `max`.
function distance(a, b, max) {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (next[j] < best) best = next[j];
    }
    if (best > max) return max + 1;
    row = next;
  }
  return row[b.length];
}

const plain = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

internal.nearestTool = (name) => {
  const wanted = plain(`${name}`).slice(0, 100);
  if (wanted === '') return undefined;
  let best;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const tool of all()) {
    const other = plain(tool);
    const last = plain(tool.split(joint).pop());
    const d = Math.min(distance(wanted, other, least), distance(wanted, last, least));
    if (d < least) {
      least = d;
      best = tool;
    }
  }
  return best;
};

internal.toolMissing = (name, detail, trace) => {
  const names = all();
  const near = internal.nearestTool(name);
  const shown = names.slice(0, 12).join(', ');
  let message = `There is no tool called "${name}"`;
  if (near !== undefined) message += `; did you mean "${near}"?`;
  if (names.length === 0) message += '. This run has no tools.';
  else message += ` Available: ${shown}${names.length > 12 ? ` and ${names.length - 12} more (Object.keys(tools))` : ''}.`;
  message = message.replace(/"( Available)/, '".$1');
  return withTrace(new ToolError(message, { tool: name, code: 'unknown_tool' }), trace);
};

internal.toolMisused = (name, [value], trace) => {
  let got = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) got = 'more than one argument';
  const call = /^[A-Za-z_$][\w$]*$/.test(name) ? `tools.${name}` : `tools[${JSON.stringify(name)}]`;
  return withTrace(new ToolError(`${call} takes one object with named arguments, such as ${call}({name: value}), not ${got}`,
    { tool: name, code: 'invalid_arguments' }), trace);
};

internal.toolRefused = (name, errno, trace) => {
  const texts = { 1: 'the arguments are too large', 59: 'it is not available here', 48: 'the host has no memory left',
    51: 'the host has no room left', 6: 'too many calls are under way' };
  return withTrace(new ToolError(`The call of ${name} could not be made: ${texts[errno] || `error ${errno}`}`,
    { tool: name, code: 'call_failed' }), trace);
};

internal.narrowingRefused = (name, why) => new ToolError(`${name} cannot be narrowed so: ${why || 'there is no memory for it'}`,
  { tool: name, code: 'narrowing' });

internal.toolFailed = (name, answer, trace, denied) => {
  const info = answer !== null && typeof answer === 'object' ? answer : { message: 'The answer of the tool could not be read', code: 'bad_answer' };
  const Class = denied ? ToolDenied : ToolError;
  const error = new Class(`${info.message ?? 'The tool failed'}`, { tool: info.tool ?? name, code: info.code, data: info.data });
  return withTrace(error, trace);
};
