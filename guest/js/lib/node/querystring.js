// querystring: a=1&b=2 to an object and back.

const decode = (text) => {
  text = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
const encode = (value) => encodeURIComponent(typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint' || typeof value === 'boolean' ? `${value}`.toWellFormed() : '');
const parse = (text, sep = '&', eq = '=', { maxKeys = 1000 } = {}) => {
  const object = Object.create(null);
  if (typeof text !== 'string' || text === '') return object;
  let parts = text.split(sep);
  if (maxKeys > 0) parts = parts.slice(0, maxKeys);
  for (const part of parts) {
    if (part === '') continue;
    const at = part.indexOf(eq);
    const key = decode(at === -1 ? part : part.slice(0, at));
    const value = at === -1 ? '' : decode(part.slice(at + eq.length));
    if (!(key in object)) object[key] = value;
    else if (Array.isArray(object[key])) object[key].push(value);
    else object[key] = [object[key], value];
  }
  return object;
};
const stringify = (object, sep = '&', eq = '=') => {
  if (object === null || typeof object !== 'object') return '';
  return Object.keys(object).flatMap((key) => [object[key]].flat().map((value) => `${encode(key)}${eq}${encode(value)}`)).join(sep);
};
internal.modules.querystring = { parse, stringify, decode: parse, encode: stringify, escape: encode, unescape: decode };
