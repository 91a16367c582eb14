/** The tiers of the tests: what each needs beside Node.js, and arguments of jest that it takes. */
export const TIERS = {
  core: { programs: ['redis-server'], args: [] },
  compat: { programs: ['redis-server', 'nginx', 'haproxy', 'chromium', 'python3'], args: [] },
  // A crowd has the machine to itself.
  load: { programs: ['redis-server'], args: ['--runInBand'] },
};

/** What depends on the version of Node.js, by what of it. */
const OF_NODE = {
  HTTP: [
    'forwarding', 'forwarding-bodies', 'forwarding-hosts', 'bad-input', 'bad-input-bodies', 'bad-input-connections',
    'bad-input-hosts', 'framing', 'has-left', 'handshake', 'upgrade', 'upgrade-life', 'response-parser-fuzz',
    'admin/security', 'admin/connections', 'closing', 'servers-shared',
  ],
  streams: ['connection', 'streaming', 'streaming-backpressure', 'faults/connections', 'faults/proxies'],
  TLS: ['cli/reload-tls', 'host-tls', 'compat/servers/https'],
  cluster: ['cli/workers', 'cli/process'],
  warnings: ['warnings'],
  'Socket.IO': ['compat/compatibility'],
};

/** The files that `npm run test:nodes` runs on each version. */
export const FILES_OF_NODE = Object.values(OF_NODE).flat().map((name) => `test/${name}.test.ts`);
