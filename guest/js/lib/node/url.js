// url: URL and URLSearchParams for the schemes that scripts use.

const ports = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
const bytesEscape = (c) => Array.from(sys.encode(c, 0), (b) => `%${b.toString(16).toUpperCase().padStart(2, '0')}`).join('');
const escape = (text, set) => text.toWellFormed().replace(set, bytesEscape);
const PATH = /[\x00-\x20"#<>?`{}\x7f-\u{10ffff}]/gu;
const QUERY = /[\x00-\x20"#<>'\x7f-\u{10ffff}]/gu;
const OPAQUE_QUERY = /[\x00-\x20"#<>\x7f-\u{10ffff}]/gu;
const HASH = /[\x00-\x20"<>`\x7f-\u{10ffff}]/gu;
const USER = /[\x00-\x20"#<>?`{}/:;=@[\\\]^|\x7f-\u{10ffff}]/gu;

// Percent escapes to text; what is not well-formed UTF-8 becomes U+FFFD.
function unescape(text) {
  if (!text.includes('%')) return text;
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => sys.decode(hexBytes(run), 0));
}
function hexBytes(run) {
  const bytes = new Uint8Array(run.length / 3);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(run.slice(3 * i + 1, 3 * i + 3), 16);
  return bytes;
}

const formEncode = (text) => text.toWellFormed().replace(/[^A-Za-z0-9*\-._]/gu, (c) => (c === ' ' ? '+' : bytesEscape(c)));
const formDecode = (text) => unescape(text.replaceAll('+', ' '));

class URLSearchParams {
  #list = [];
  #owner;
  constructor(init = '', owner) {
    this.#owner = owner instanceof Owner ? owner : undefined;
    if (init === null || (typeof init !== 'object' && typeof init !== 'function')) {
      this.#parse(`${init}`);
    } else if (typeof init[Symbol.iterator] === 'function') {
      for (const pair of init) {
        const items = [...pair];
        if (items.length !== 2) throw internal.codeError(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
        this.#list.push([`${items[0]}`, `${items[1]}`]);
      }
    } else {
      for (const key of Object.keys(init)) this.#list.push([key, `${init[key]}`]);
    }
  }
  #parse(text) {
    if (text[0] === '?') text = text.slice(1);
    for (const part of text.split('&')) {
      if (part === '') continue;
      const at = part.indexOf('=');
      this.#list.push(at === -1 ? [formDecode(part), ''] : [formDecode(part.slice(0, at)), formDecode(part.slice(at + 1))]);
    }
  }
  #changed() { this.#owner?.set(`${this}`); }
  static reset(params, text) {
    params.#list = [];
    params.#parse(text);
  }
  append(name, value) { this.#list.push([`${name}`, `${value}`]); this.#changed(); }
  delete(name, value) {
    this.#list = this.#list.filter(([k, v]) => k !== `${name}` || (value !== undefined && v !== `${value}`));
    this.#changed();
  }
  get(name) { return this.#list.find(([k]) => k === `${name}`)?.[1] ?? null; }
  getAll(name) { return this.#list.filter(([k]) => k === `${name}`).map(([, v]) => v); }
  has(name, value) { return this.#list.some(([k, v]) => k === `${name}` && (value === undefined || v === `${value}`)); }
  set(name, value) {
    const at = this.#list.findIndex(([k]) => k === `${name}`);
    if (at === -1) {
      this.#list.push([`${name}`, `${value}`]);
    } else {
      this.#list[at][1] = `${value}`;
      this.#list = this.#list.filter(([k], i) => i <= at || k !== `${name}`);
    }
    this.#changed();
  }
  sort() {
    this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#changed();
  }
  forEach(callback, self) { for (const [k, v] of this.#list) callback.call(self, v, k, this); }
  * entries() { for (const [k, v] of this.#list) yield [k, v]; }
  * keys() { for (const [k] of this.#list) yield k; }
  * values() { for (const [, v] of this.#list) yield v; }
  [Symbol.iterator]() { return this.entries(); }
  get size() { return this.#list.length; }
  toString() { return this.#list.map(([k, v]) => `${formEncode(k)}=${formEncode(v)}`).join('&'); }
  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    if (this.#list.length === 0) return 'URLSearchParams {}';
    const items = this.#list.map(([k, v]) => `${inspect(k)} => ${inspect(v)}`);
    const line = items.join(', ');
    return line.length < 56 ? `URLSearchParams { ${line} }` : `URLSearchParams {\n  ${items.join(',\n  ')} }`;
  }
}
class Owner {
  constructor(set) { this.set = set; }
}

function invalid(input, base) {
  const error = internal.codeError(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
  error.input = input;
  if (base !== undefined) error.base = base;
  return error;
}

function ipv4(host) {
  const parts = host.split('.');
  if (parts[parts.length - 1] === '' && parts.length > 1) parts.pop();
  if (!/^(0x[0-9a-f]*|\d+)$/i.test(parts[parts.length - 1])) return host;
  if (parts.length > 4) return undefined;
  const numbers = parts.map((p) => (/^0x[0-9a-f]*$/i.test(p) ? parseInt(p.slice(2) || '0', 16) : /^0[0-7]*$/.test(p) ? parseInt(p, 8) : /^\d+$/.test(p) ? +p : NaN));
  const last = numbers.pop();
  if (numbers.some((n) => !(n <= 255)) || !(last < 256 ** (4 - numbers.length))) return undefined;
  let value = last;
  numbers.forEach((n, i) => { value += n * 256 ** (3 - i); });
  return [24, 16, 8, 0].map((s) => Math.floor(value / 2 ** s) % 256).join('.');
}

function parseHost(host, special) {
  if (host[0] === '[') return /^\[[0-9a-fA-F:.]+\]$/.test(host) ? host.toLowerCase() : undefined;
  if (!special) return /[\x00\t\n\r #/:<>?@[\\\]^|]/.test(host) ? undefined : escape(host, /[\x00-\x1f\x7f-\u{10ffff}]/gu);
  const name = unescape(host).toLowerCase();
  if (name === '' || /[\x00-\x20#/:<>?@[\\\]^|%\x7f]/.test(name)) return undefined;
  return ipv4(/[^\x00-\x7f]/.test(name) ? name.split('.').map(punycode).join('.') : name);
}

// Names outside ASCII in their xn-- form (RFC 3492).
function punycode(label) {
  label = label.normalize('NFC');
  if (!/[^\x00-\x7f]/.test(label)) return label;
  const points = Array.from(label, (c) => c.codePointAt(0));
  let out = points.filter((p) => p < 128).map((p) => String.fromCharCode(p)).join('');
  const basic = out.length;
  let done = basic;
  if (basic) out += '-';
  let n = 128;
  let delta = 0;
  let bias = 72;
  const digit = (d) => String.fromCharCode(d < 26 ? d + 97 : d + 22);
  while (done < points.length) {
    const next = Math.min(...points.filter((p) => p >= n));
    delta += (next - n) * (done + 1);
    n = next;
    for (const p of points) {
      if (p < n) delta++;
      if (p !== n) continue;
      let q = delta;
      for (let k = 36; ; k += 36) {
        const t = Math.min(Math.max(k - bias, 1), 26);
        if (q < t) break;
        out += digit(t + ((q - t) % (36 - t)));
        q = Math.floor((q - t) / (36 - t));
      }
      out += digit(q);
      let d = done === basic ? Math.floor(delta / 700) : delta >> 1;
      d += Math.floor(d / (done + 1));
      let k = 0;
      for (; d > 455; k += 36) d = Math.floor(d / 35);
      bias = k + Math.floor((36 * d) / (d + 38));
      delta = 0;
      done++;
    }
    delta++;
    n++;
  }
  return `xn--${out}`;
}

function parsePath(path, special, base = []) {
  const out = base;
  const parts = path.split(special ? /[/\\]/ : '/');
  parts.forEach((part, i) => {
    const plain = part.replace(/%2e/gi, '.');
    const last = i === parts.length - 1;
    if (plain === '..') {
      out.pop();
      if (last) out.push('');
    } else if (plain === '.') {
      if (last) out.push('');
    } else {
      out.push(escape(part, PATH));
    }
  });
  return out;
}

function parseUrl(text, base) {
  let rest = text.replace(/^[\x00-\x20]+|[\x00-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
  const u = { protocol: '', username: '', password: '', hostname: null, port: '', path: [], opaque: undefined, search: '', hash: '' };
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(rest);
  const at = rest.indexOf('#');
  if (at !== -1) {
    u.emptyHash = rest.slice(at) === '#';
    u.hash = u.emptyHash ? '' : `#${escape(rest.slice(at + 1), HASH)}`;
    rest = rest.slice(0, at);
  }
  if (scheme && !(base && scheme[1].toLowerCase() + ':' === base.protocol && ports[base.protocol] !== undefined && !/^[^:]+:[/\\]/.test(rest))) {
    u.protocol = `${scheme[1].toLowerCase()}:`;
    rest = rest.slice(scheme[0].length);
    base = undefined;
  } else if (!base) {
    return undefined;
  } else {
    if (scheme) rest = rest.slice(scheme[0].length);
    u.protocol = base.protocol;
    if (base.opaque !== undefined && !(rest === '' && u.hash !== '')) return undefined;
  }
  const special = ports[u.protocol] !== undefined;
  const query = rest.indexOf('?');
  const hasQuery = query !== -1;
  if (hasQuery) {
    u.emptyQuery = rest.length === query + 1;
    u.search = rest.length === query + 1 ? '' : `?${escape(rest.slice(query + 1), special ? QUERY : OPAQUE_QUERY)}`;
    rest = rest.slice(0, query);
  }
  const slashes = special ? (base ? /^[/\\]{2}[/\\]*/ : u.protocol === 'file:' ? /^[/\\]{2}/ : /^[/\\]*/) : /^\/\//;
  const lead = slashes.exec(rest);
  if (lead && !(u.protocol === 'file:' && lead[0] === '')) {
    rest = rest.slice(lead[0].length);
    const end = rest.search(special ? /[/\\]/ : /\//);
    let authority = end === -1 ? rest : rest.slice(0, end);
    rest = end === -1 ? '' : rest.slice(end);
    const user = authority.lastIndexOf('@');
    if (user !== -1) {
      const colon = authority.slice(0, user).indexOf(':');
      u.username = escape(authority.slice(0, colon === -1 ? user : colon), USER);
      u.password = colon === -1 ? '' : escape(authority.slice(colon + 1, user), USER);
      authority = authority.slice(user + 1);
    }
    const port = /:(\d*)$/.exec(authority);
    if (port) {
      if (+port[1] > 65535) return undefined;
      u.port = port[1] === '' || `${+port[1]}` === ports[u.protocol] ? '' : `${+port[1]}`;
      authority = authority.slice(0, -port[0].length);
    }
    if (authority === '' && (u.protocol === 'file:' || !special)) u.hostname = '';
    else {
      u.hostname = parseHost(authority, special);
      if (u.hostname === undefined) return undefined;
      if (u.protocol === 'file:' && u.hostname === 'localhost') u.hostname = '';
    }
    u.path = rest === '' ? (special ? [''] : []) : parsePath(rest.slice(1), special);
    return u;
  }
  if (base) {
    Object.assign(u, { username: base.username, password: base.password, hostname: base.hostname, port: base.port });
    if (rest === '') {
      u.path = [...base.path];
      u.opaque = base.opaque;
      if (!hasQuery) u.search = base.search;
    } else if (rest[0] === '/' || (special && rest[0] === '\\')) {
      u.path = parsePath(rest.slice(1), special);
    } else {
      u.path = parsePath(rest, special, base.path.slice(0, -1));
    }
    return u;
  }
  if (u.protocol === 'file:') {
    u.hostname = '';
    u.path = parsePath(rest.replace(/^[/\\]/, ''), true);
  } else if (rest[0] === '/') {
    u.path = parsePath(rest.slice(1), false);
  } else {
    u.opaque = escape(rest, /[\x00-\x1f\x7f-\u{10ffff}]/gu);
  }
  return u;
}

class URL {
  #u;
  #params;
  constructor(input, base) {
    if (arguments.length === 0) throw internal.codeError(TypeError, 'ERR_MISSING_ARGS', 'The "url" argument must be specified');
    let parent;
    if (base !== undefined) {
      parent = parseUrl(`${base}`);
      if (parent === undefined) throw invalid(`${input}`, `${base}`);
    }
    this.#u = parseUrl(`${input}`, parent);
    if (this.#u === undefined) throw invalid(`${input}`, base === undefined ? undefined : `${base}`);
  }
  static canParse(input, base) {
    const parent = base === undefined ? undefined : parseUrl(`${base}`);
    return (base === undefined || parent !== undefined) && parseUrl(`${input}`, parent) !== undefined;
  }
  get href() {
    const u = this.#u;
    let text = u.protocol;
    if (u.hostname !== null) {
      text += '//';
      if (u.username || u.password) text += `${u.username}${u.password ? `:${u.password}` : ''}@`;
      text += this.host;
    }
    return `${text}${this.pathname}${u.search}${u.emptyQuery && u.search === '' ? '?' : ''}${u.hash}${u.emptyHash && u.hash === '' ? '#' : ''}`;
  }
  set href(value) {
    const u = parseUrl(`${value}`);
    if (u === undefined) throw invalid(`${value}`);
    this.#u = u;
    if (this.#params) URLSearchParams.reset(this.#params, u.search);
  }
  get origin() { return ports[this.#u.protocol] && this.#u.protocol !== 'file:' ? `${this.#u.protocol}//${this.host}` : 'null'; }
  get protocol() { return this.#u.protocol; }
  set protocol(value) {
    const next = `${`${value}`.replace(/:.*$/s, '').toLowerCase()}:`;
    if (/^[a-z][a-z0-9+.-]*:$/.test(next) && (ports[next] === undefined) === (ports[this.#u.protocol] === undefined)) {
      this.#u.protocol = next;
      if (this.#u.port === ports[next]) this.#u.port = '';
    }
  }
  get username() { return this.#u.username; }
  set username(value) { if (this.#u.hostname) this.#u.username = escape(`${value}`, USER); }
  get password() { return this.#u.password; }
  set password(value) { if (this.#u.hostname) this.#u.password = escape(`${value}`, USER); }
  get host() { return `${this.#u.hostname ?? ''}${this.#u.port ? `:${this.#u.port}` : ''}`; }
  set host(value) {
    const match = /^(.*?)(?::(\d*))?$/.exec(`${value}`.replace(/[/?#\\].*$/s, ''));
    this.hostname = match[1];
    if (match[2] !== undefined) this.port = match[2];
  }
  get hostname() { return this.#u.hostname ?? ''; }
  set hostname(value) {
    if (this.#u.opaque !== undefined) return;
    const host = parseHost(`${value}`.replace(/[/?#\\:].*$/s, ''), ports[this.#u.protocol] !== undefined);
    if (host !== undefined) this.#u.hostname = host;
  }
  get port() { return this.#u.port; }
  set port(value) {
    const match = /^\d+/.exec(`${value}`);
    if (`${value}` === '') this.#u.port = '';
    else if (match && +match[0] <= 65535) this.#u.port = `${+match[0]}` === ports[this.#u.protocol] ? '' : `${+match[0]}`;
  }
  get pathname() {
    const u = this.#u;
    if (u.opaque !== undefined) return u.opaque;
    return u.path.length === 0 ? '' : `/${u.path.join('/')}`;
  }
  set pathname(value) {
    if (this.#u.opaque !== undefined) return;
    const special = ports[this.#u.protocol] !== undefined;
    this.#u.path = parsePath(`${value}`.replace(special ? /^[/\\]/ : /^\//, '').replace(/[?#]/g, bytesEscape), special);
  }
  get search() { return this.#u.search; }
  set search(value) {
    const text = `${value}`.replace(/^\?/, '');
    this.#u.emptyQuery = false;
    this.#u.search = text === '' ? '' : `?${escape(text, QUERY)}`;
    if (this.#params) URLSearchParams.reset(this.#params, this.#u.search);
  }
  get searchParams() {
    return this.#params ??= new URLSearchParams(this.#u.search, new Owner((text) => { this.#u.search = text === '' ? '' : `?${text}`; }));
  }
  get hash() { return this.#u.hash; }
  set hash(value) {
    const text = `${value}`.replace(/^#/, '');
    this.#u.emptyHash = false;
    this.#u.hash = text === '' ? '' : `#${escape(text, HASH)}`;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    const fields = {};
    for (const key of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'searchParams', 'hash']) fields[key] = this[key];
    return `URL ${inspect(fields, options)}`;
  }
}

for (const value of [URL, URLSearchParams]) {
  for (const name of Object.getOwnPropertyNames(value.prototype)) {
    if (name !== 'constructor') Object.defineProperty(value.prototype, name, { enumerable: true });
  }
  Object.defineProperty(value.prototype, Symbol.toStringTag, { value: value.name, configurable: true });
  Object.defineProperty(globalThis, value.name, { value, writable: true, configurable: true });
}
const fileURLToPath = (url) => {
  const u = typeof url === 'string' ? new URL(url) : url;
  if (u.protocol !== 'file:') throw internal.codeError(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
  return decodeURIComponent(u.pathname);
};
const pathToFileURL = (path) => {
  const u = new URL('file:///');
  u.pathname = internal.modules.path.resolve(path).replaceAll('%', '%25');
  return u;
};
internal.modules.url = { URL, URLSearchParams, fileURLToPath, pathToFileURL };
