import { existsSync } from 'node:fs';
import { isInstalled, start } from '../processes.mjs';
import { startCommand } from './command.mjs';
import { startHaproxy, startHaproxyWithPeers } from './haproxy.mjs';
import { LEARNS, nginxLearns, startNginxProxy, startStickyNginx } from './nginx.mjs';

/** Everything that is measured, by name. Each runs in processes of its own. */
const PEERS = {
  'socket.io-proxy2': script('./peers/ours.mjs'),
  /** Another build of it, as `--against` names it. */
  against: script('./peers/ours.mjs'),
  /** It leaves all requests to Node's `http`. */
  'fastPath: false': script('./peers/ours.mjs'),
  /** It stores no binding elsewhere, as HAProxy does not. */
  MemoryStore: script('./peers/ours.mjs'),
  /** It stores nothing: sids carry their hosts. */
  SidStore: script('./peers/ours.mjs'),
  'access listener': script('./peers/ours.mjs'),
  fleet: script('./peers/ours.mjs'),
  command: startCommand,
  'command, --access-log': startCommand,
  workers: script('./peers/workers.mjs'),
  reusePort: script('./peers/reuse-port.mjs'),
  original: script('./peers/original.mjs'),
  floor: script('./peers/floor.mjs'),
  'net floor': script('./peers/net-floor.mjs'),
  'http-proxy': script('./peers/http-proxy.mjs'),
  'http-proxy-3': script('./peers/http-proxy-3.mjs'),
  httpxy: script('./peers/httpxy.mjs'),
  'http-proxy-middleware': script('./peers/http-proxy-middleware.mjs'),
  'fast-proxy': script('./peers/fast-proxy.mjs'),
  '@fastify/http-proxy': script('./peers/fastify-http-proxy.mjs'),
  '@socket.io/sticky': script('./peers/sticky.mjs'),
  'net pipe': script('./peers/pipe.mjs'),
  HAProxy: startHaproxy,
  'HAProxy with peers': startHaproxyWithPeers,
  nginx: startNginxProxy,
  'nginx, sticky learn': startStickyNginx,
};

/** The programs that some peers are; CPU is read from `/proc` there. */
const PROGRAMS = {
  HAProxy: 'haproxy', 'HAProxy with peers': 'haproxy', nginx: 'nginx', 'nginx, sticky learn': 'nginx',
  command: 'node', 'command, --access-log': 'node',
};

/** Why a peer can't be measured here; `undefined` when it can. */
export function missing(name) {
  const program = PROGRAMS[name];
  if (program === undefined) return undefined;
  if (!isInstalled(program)) return 'not installed: skipped';
  if (name === 'nginx, sticky learn' && !nginxLearns()) return `needs nginx ${LEARNS}: skipped`;
  return existsSync('/proc/self/stat') ? undefined : 'no /proc to read its CPU from: skipped';
}

/** Starts all that can be measured here, in order. @returns them by name, and why the others were `skipped`. */
export async function startAll(names, optionsOf) {
  const peers = new Map();
  const skipped = {};
  for (const name of names) {
    const why = missing(name);
    if (why === undefined) peers.set(name, await startPeer(name, optionsOf(name)));
    else skipped[name] = why;
  }
  return { peers, skipped };
}

/** @returns its `port`, `call` (`usage`, and what else its script serves) and `end`. */
export function startPeer(name, options) {
  return PEERS[name](options);
}

function script(path) {
  return async (options) => {
    const remote = start(path, { execArgv: ['--expose-gc', ...options.execArgv ?? []], execPath: options.execPath });
    const port = await remote.call('start', options);
    return { port, call: (method, ...args) => remote.call(method, ...args), end: () => remote.end() };
  };
}
