/** The tiers of the tests: what each needs beside Node.js, and arguments of jest that it takes. */
export const TIERS = {
  core: { programs: ['redis-server'], args: [] },
  compat: { programs: ['redis-server', 'nginx', 'haproxy', 'chromium', 'python3', 'helm'], args: [] },
  sid: { programs: ['redis-server', 'haproxy', 'chromium', 'python3'], args: [] },
  // A crowd has the machine to itself.
  load: { programs: ['redis-server'], args: ['--runInBand'] },
};

/** What depends on the version of Node.js, by what of it. */
const OF_NODE = {
  HTTP: [
    ...['', '-bodies', '-hosts'].map((part) => `forwarding/forwarding${part}`),
    ...['', '-bodies', '-connections', '-hosts'].map((part) => `serving/bad-input${part}`),
    'forwarding/framing', 'forwarding/has-left', 'forwarding/handshake',
    ...['', '-life', '-tracers'].map((part) => `forwarding/upgrade${part}`),
    'forwarding/response-parser-fuzz', 'admin/security', 'admin/connections', 'closing', 'serving/servers-shared',
    'forwarding/early-answer', 'forwarding/answer', 'forwarding/framing-fuzz', 'serving/other-upgrades',
    ...['', '-answers', '-watchers'].map((part) => `serving/fast-path${part}`),
  ],
  streams: [
    'forwarding/connection', 'forwarding/spent', 'forwarding/streaming', 'forwarding/streaming-backpressure',
    'faults/connections', 'faults/proxies',
  ],
  TLS: ['cli/reload-tls', 'hosts/host-tls', 'compat/servers/https'],
  cluster: ['cli/workers/workers', 'cli/process'],
  warnings: ['warnings'],
  'Socket.IO': ['compat/compatibility'],
};

/** The files that `npm run test:nodes` runs on each version. */
export const FILES_OF_NODE = Object.values(OF_NODE).flat().map((name) => `test/${name}.test.ts`);
