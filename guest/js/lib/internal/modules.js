// Modules: what a name means, require(), and the text of files that are imported.

const cache = Object.create(null);
const { modules } = internal;

// There is no network and no host behind these: say so, and what to use.
const absent = {
  http: 'network', https: 'network', http2: 'network', net: 'network', tls: 'network', dgram: 'network', dns: 'network',
  'dns/promises': 'network', cluster: 'process', worker_threads: 'process', child_process: 'process', inspector: 'process',
  vm: 'process', v8: 'process', repl: 'process', wasi: 'process', tty: 'process',
};

internal.noNetwork = (name) => {
  const error = new Error(`${name} is not available: this sandbox has no network. Use the tools that were granted (tools.*); Object.keys(tools) lists them.`);
  error.code = 'ERR_NO_NETWORK';
  return error;
};

function builtin(name) {
  const bare = name.startsWith('node:') ? name.slice(5) : name;
  if (bare in modules) return bare;
  return undefined;
}

function refuse(name) {
  const bare = name.replace(/^node:/, '');
  if (absent[bare] === 'network') throw internal.noNetwork(`The module "${bare}"`);
  if (absent[bare] === 'process') {
    const error = new Error(`The module "${bare}" is not available in this sandbox. Use the tools that were granted (tools.*).`);
    error.code = 'ERR_NOT_AVAILABLE';
    throw error;
  }
}

function notFound(name, from, code = 'ERR_MODULE_NOT_FOUND') {
  const error = new Error(code === 'MODULE_NOT_FOUND' ? `Cannot find module '${name}'` : `Cannot find module '${name}' imported from ${from}`);
  error.code = code;
  return error;
}

internal.mainPath = () => {
  const file = sys.file();
  return file.startsWith('/') ? file : `${sys.cwd() === '/' ? '' : sys.cwd()}/${file.replace(/^.*\//, '')}`;
};

const isFile = (path) => {
  const st = sys.stat(path, true, false);
  return st !== undefined && st[2] !== 3;
};
const isDirectory = (path) => {
  const st = sys.stat(path, true, false);
  return st !== undefined && st[2] === 3;
};

function asFile(path) {
  for (const end of ['', '.js', '.mjs', '.cjs', '.json']) if (isFile(path + end)) return path + end;
  return undefined;
}

function asDirectory(path, conditions) {
  if (!isDirectory(path)) return undefined;
  const { join } = modules.path;
  if (isFile(`${path}/package.json`)) {
    const info = JSON.parse(sys.readFile(`${path}/package.json`, true));
    const entry = exported(info.exports, '.', conditions) ?? (conditions.includes('import') ? info.module : undefined) ?? info.main;
    if (typeof entry === 'string') {
      const found = asFile(join(path, entry)) ?? asFile(join(path, entry, 'index'));
      if (found !== undefined) return found;
    }
  }
  return asFile(`${path}/index`);
}

function exported(map, key, conditions) {
  if (map === undefined || map === null) return undefined;
  if (typeof map === 'string') return key === '.' ? map : undefined;
  if (Array.isArray(map)) return map.map((m) => exported(m, key, conditions)).find((m) => m !== undefined);
  if (Object.keys(map).some((k) => k.startsWith('.'))) {
    if (map[key] !== undefined) return chosen(map[key], conditions);
    for (const pattern of Object.keys(map)) {
      const star = pattern.indexOf('*');
      if (star === -1 || !key.startsWith(pattern.slice(0, star)) || !key.endsWith(pattern.slice(star + 1))) continue;
      const middle = key.slice(star, key.length - (pattern.length - star - 1));
      const target = chosen(map[pattern], conditions);
      if (typeof target === 'string') return target.replaceAll('*', middle);
    }
    return undefined;
  }
  return key === '.' ? chosen(map, conditions) : undefined;
}

function chosen(target, conditions) {
  if (target === null || typeof target !== 'object') return target ?? undefined;
  if (Array.isArray(target)) return target.map((t) => chosen(t, conditions)).find((t) => t !== undefined);
  for (const name of Object.keys(target)) {
    if (name !== 'default' && !conditions.includes(name)) continue;
    const found = chosen(target[name], conditions);
    if (found !== undefined) return found;
  }
  return undefined;
}

function resolvePath(name, from, conditions) {
  const { dirname, resolve, join } = modules.path;
  if (name.startsWith('file://')) name = decodeURIComponent(name.slice(7));
  if (/^(\.\.?(\/|$)|\/)/.test(name)) {
    const path = resolve(dirname(from), name);
    return asFile(path) ?? asDirectory(path, conditions);
  }
  const parts = name.split('/');
  const bare = parts.splice(0, name.startsWith('@') ? 2 : 1).join('/');
  const rest = parts.length ? `./${parts.join('/')}` : '.';
  for (let dir = dirname(from); ; dir = dirname(dir)) {
    const base = join(dir, 'node_modules', bare);
    if (isDirectory(base)) {
      if (rest === '.') return asDirectory(base, conditions);
      const info = isFile(`${base}/package.json`) ? JSON.parse(sys.readFile(`${base}/package.json`, true)) : {};
      const entry = exported(info.exports, rest, conditions) ?? (info.exports === undefined ? rest : undefined);
      if (entry === undefined) return undefined;
      return asFile(join(base, entry)) ?? asDirectory(join(base, entry), conditions);
    }
    if (dir === '/') return undefined;
  }
}

const fromOf = (base) => (base === undefined || base === sys.file() || !base.startsWith('/') ? internal.mainPath() : base);

// For import: "node:fs", or the path of a file.
internal.resolveModule = (name, base) => {
  const bare = builtin(name);
  if (bare !== undefined) return `node:${bare}`;
  refuse(name);
  const from = fromOf(base);
  const path = name.startsWith('node:') ? undefined : resolvePath(name, from, ['node', 'import']);
  if (path === undefined) throw notFound(name, from);
  return path;
};

internal.readModule = (path) => sys.readFile(path, true);

// What a CommonJS or JSON file, or a built-in module, gives.
internal.loadModule = (name) => (name.startsWith('node:') ? modules[name.slice(5)] : load(name));

internal.fillImportMeta = (meta, name) => {
  const path = name.startsWith('/') ? name : internal.mainPath();
  meta.dirname = modules.path.dirname(path);
  meta.filename = path;
  meta.url = `file://${encodeURI(path)}`;
  meta.resolve = (other) => {
    const found = internal.resolveModule(other, path);
    return found.startsWith('/') ? `file://${encodeURI(found)}` : found;
  };
};

function load(path) {
  if (cache[path]) return cache[path].exports;
  const module = new Module(path);
  cache[path] = module;
  try {
    const text = sys.readFile(path, true);
    if (path.endsWith('.json')) {
      try {
        module.exports = JSON.parse(text.replace(/^\ufeff/, ''));
      } catch (err) {
        err.message = `${path}: ${err.message}`;
        throw err;
      }
    } else {
      const run = sys.compileFunction(text.replace(/^#!.*/, ''), path);
      run.call(module.exports, module.exports, module.require, module, path, modules.path.dirname(path));
    }
  } catch (err) {
    delete cache[path];
    throw err;
  }
  module.loaded = true;
  return module.exports;
}

function Module(path) {
  this.id = path;
  this.path = modules.path.dirname(path);
  this.exports = {};
  this.filename = path;
  this.loaded = false;
  this.children = [];
  this.paths = [];
  this.require = makeRequire(() => path);
}

function makeRequire(from) {
  const require = (name) => {
    if (typeof name !== 'string') throw internal.invalidType('id', 'of type string', name);
    const bare = builtin(name);
    if (bare !== undefined) return modules[bare];
    refuse(name);
    const path = resolvePath(name, from(), ['node', 'require']);
    if (path === undefined) throw notFound(name, from(), 'MODULE_NOT_FOUND');
    return load(path);
  };
  require.resolve = (name) => {
    const bare = builtin(name);
    if (bare !== undefined) return name;
    const path = resolvePath(name, from(), ['node', 'require']);
    if (path === undefined) throw notFound(name, from(), 'MODULE_NOT_FOUND');
    return path;
  };
  require.cache = cache;
  return require;
}

const main = { id: '.', exports: {}, loaded: false, children: [], paths: [], get filename() { return internal.mainPath(); } };
main.require = makeRequire(internal.mainPath);
main.require.main = main;

const hidden = (name, desc) => Object.defineProperty(globalThis, name, { configurable: true, ...desc });
hidden('require', { value: main.require, writable: true });
hidden('module', { value: main, writable: true });
hidden('exports', { value: main.exports, writable: true });
hidden('__filename', { get: internal.mainPath });
hidden('__dirname', { get: () => modules.path.dirname(internal.mainPath()) });

modules.module = {
  createRequire: (from) => makeRequire(() => (`${from}`.startsWith('file://') ? decodeURIComponent(`${from}`.slice(7)) : `${from}`)),
  get builtinModules() { return Object.keys(modules).sort(); },
  isBuiltin: (name) => builtin(name) !== undefined,
};
