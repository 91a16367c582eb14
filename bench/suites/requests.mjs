import { startResponder } from '../hosts.mjs';
import { inTurns, startLoad } from '../measure.mjs';
import { startAll } from '../peers/index.mjs';

/** How many connections send requests at a time. */
const CONNECTIONS = 50;

/** A poll (POST) of a known sid, and a handshake, through every peer that can do it. */
export const poll = (context) => compare(context, {
  id: 'poll', title: 'poll with a known sid',
  names: [
    'fastPath: false', 'MemoryStore', 'SidStore', 'original', 'floor', 'net floor', 'http-proxy', 'http-proxy-3', 'httpxy',
    'http-proxy-middleware', 'fast-proxy',
    '@fastify/http-proxy', '@socket.io/sticky', 'HAProxy', 'HAProxy with peers', 'nginx', 'nginx, sticky learn',
  ],
});

export const handshake = (context) => compare(context, {
  id: 'handshake', title: 'handshake, stored before it leaves',
  names: ['fastPath: false', 'MemoryStore', 'SidStore', 'original', 'HAProxy', 'HAProxy with peers', 'nginx, sticky learn'],
});

/** The poll of a browser that sends cookies: 14 fields. */
export const fields = (context) => compare(context, {
  id: 'fields', title: 'poll with 14 header fields', names: ['fastPath: false', 'floor', 'http-proxy', 'HAProxy'],
});

/** What a client waits for: a GET that its host answers some ms later. */
export const answered = (context) => compare(context, {
  id: 'answered', title: 'GET that is held for 5 ms, then answered', names: ['fastPath: false', 'floor', 'http-proxy', 'HAProxy'],
  // Enough of them wait at a time that the proxy is busy.
  connections: 200, startHosts: () => startResponder(3, { answerEvery: 5 }),
});

/** What else a proxy may be asked to do for each request. */
export const features = (context) => compare(context, {
  id: 'features', title: 'poll, and what else the proxy does', work: 'poll',
  names: ['access listener', 'fleet', 'command', 'command, --access-log'],
});

async function compare(context, { id, title, names, work = id, connections = CONNECTIONS, startHosts = context.startHosts }) {
  const hosts = await startHosts();
  const chosen = [...context.subjects, ...names.filter((name) => context.peers?.includes(name) ?? true)];
  const { peers, skipped } = await startAll(chosen, (name) => context.optionsOf(name, { hosts: hosts.ports }));
  const load = startLoad();
  // The original does not wait for Redis to have what the polls will ask for.
  const measured = await inTurns(load, peers, { work, connections, settle: context.settle, ...context.scale.turn });
  for (const one of [load, hosts, ...peers.values()]) await one.end();
  return [{ id, title, unit: 'request', hosts: hosts.kind, peers: { ...Object.fromEntries(measured), ...skipped } }];
}
