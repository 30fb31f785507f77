// os: what a script asks of the machine; the answers are those of the sandbox.

internal.modules.os = {
  EOL: '\n', devNull: '/dev/null',
  platform: () => 'linux', type: () => 'Linux', arch: () => 'wasm32', machine: () => 'wasm32', release: () => '6.0.0', version: () => '#1',
  hostname: () => 'sandbox', homedir: () => '/workspace', tmpdir: () => '/tmp', endianness: () => 'LE',
  uptime: () => Math.floor(sys.now() / 1000), loadavg: () => [0, 0, 0], totalmem: () => 4294967296, freemem: () => 4294967296 - sys.memory(),
  cpus: () => [{ model: 'wasm', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } }], availableParallelism: () => 1,
  networkInterfaces: () => ({}), userInfo: () => ({ uid: 1000, gid: 1000, username: 'user', homedir: '/workspace', shell: null }),
  constants: { signals: { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 }, errno: {} },
};
