// path: POSIX only, as on Linux.

function need(value, name) {
  if (typeof value !== 'string') throw internal.invalidType(name, 'of type string', value);
}

// Takes out "." and "..", and slashes that follow one another.
function normalizeParts(path, absolute) {
  const out = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (out.length > 0 && out[out.length - 1] !== '..') out.pop();
      else if (!absolute) out.push('..');
    } else {
      out.push(part);
    }
  }
  return out.join('/');
}

const path = {
  sep: '/',
  delimiter: ':',
  resolve(...parts) {
    let joined = '';
    for (let i = parts.length - 1; i >= -1; i--) {
      const part = i >= 0 ? parts[i] : sys.cwd();
      if (i >= 0) need(part, `paths[${i}]`);
      if (part === '') continue;
      joined = joined === '' ? part : `${part}/${joined}`;
      if (part[0] === '/') break;
    }
    return `/${normalizeParts(joined, true)}`;
  },
  normalize(value) {
    need(value, 'path');
    if (value === '') return '.';
    const absolute = value[0] === '/';
    let text = normalizeParts(value, absolute);
    if (text === '' && !absolute) return value.endsWith('/') ? './' : '.';
    if (text !== '' && value.endsWith('/')) text += '/';
    return absolute ? `/${text}` : text;
  },
  isAbsolute(value) {
    need(value, 'path');
    return value[0] === '/';
  },
  join(...parts) {
    for (const part of parts) need(part, 'path');
    const joined = parts.filter((part) => part !== '').join('/');
    return joined === '' ? '.' : path.normalize(joined);
  },
  relative(from, to) {
    need(from, 'from');
    need(to, 'to');
    const a = path.resolve(from).split('/').filter(Boolean);
    const b = path.resolve(to).split('/').filter(Boolean);
    let same = 0;
    while (same < a.length && same < b.length && a[same] === b[same]) same++;
    return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
  },
  toNamespacedPath: (value) => value,
  dirname(value) {
    need(value, 'path');
    const text = value.replace(/\/+$/, '');
    if (text === '') return value === '' ? '.' : '/';
    const at = text.lastIndexOf('/');
    if (at === -1) return '.';
    if (at === 0) return '/';
    return at === 1 && text[0] === '/' ? '//' : text.slice(0, at);
  },
  basename(value, suffix) {
    if (suffix !== undefined) need(suffix, 'suffix');
    need(value, 'path');
    if (suffix === value) return '';
    const base = value.replace(/\/+$/, '').replace(/^.*\//s, '');
    if (suffix && base !== suffix && base.endsWith(suffix)) return base.slice(0, -suffix.length);
    return base;
  },
  extname(value) {
    need(value, 'path');
    const base = path.basename(value);
    const at = base.lastIndexOf('.');
    return at <= 0 || base === '..' ? '' : base.slice(at);
  },
  format(object) {
    if (object === null || typeof object !== 'object') throw internal.invalidType('pathObject', 'of type object', object);
    const dir = object.dir || object.root;
    const ext = object.ext ? `${object.ext[0] === '.' ? '' : '.'}${object.ext}` : '';
    const base = object.base || `${object.name || ''}${ext}`;
    if (!dir) return base;
    return dir === object.root ? `${dir}${base}` : `${dir}/${base}`;
  },
  parse(value) {
    need(value, 'path');
    const root = value[0] === '/' ? '/' : '';
    const base = path.basename(value);
    const ext = path.extname(value);
    let dir = '';
    const text = value.replace(/\/+$/, '');
    if (text.includes('/')) dir = path.dirname(value);
    else if (root) dir = '/';
    if (text === '' && root) return { root, dir: root, base: '', ext: '', name: '' };
    return { root, dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
  },
};
path.win32 = null;
path.posix = path;
internal.modules.path = path;
internal.modules['path/posix'] = path;
