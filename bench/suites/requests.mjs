import { inRounds, measureRun, startLoad } from '../measure.mjs';
import { missing, startPeer } from '../peers/index.mjs';

/** How many connections send requests at a time. */
const CONNECTIONS = 50;

/** A poll (POST) of a known sid, and a handshake, through every peer that can do it. */
export async function poll(context) {
  const names = [
    'fastPath: false', 'original', 'floor', 'net floor', 'http-proxy', 'http-proxy-3', 'httpxy', '@socket.io/sticky', 'HAProxy', 'nginx',
  ];
  return [await compare(context, { id: 'poll', title: 'poll with a known sid', names })];
}

export async function handshake(context) {
  const names = ['fastPath: false', 'MemoryStore', 'original', 'HAProxy'];
  return [await compare(context, { id: 'handshake', title: 'handshake, stored before it leaves', names })];
}

async function compare(context, { id, title, names }) {
  const { rounds, ms, warmUp, firstWarmUp } = context.scale.turn;
  const chosen = [...context.subjects, ...names.filter((name) => context.peers?.includes(name) ?? true)];
  const skipped = Object.fromEntries(chosen.filter(missing).map((name) => [name, missing(name)]));
  const hosts = await context.startHosts();
  const peers = new Map();
  for (const name of chosen.filter((one) => !missing(one))) {
    peers.set(name, await startPeer(name, context.optionsOf(name, { hosts: hosts.ports })));
  }
  const load = startLoad();
  const measured = await inRounds(rounds, [...peers.keys()], async (name, round) => {
    const peer = peers.get(name);
    await load.call('open', { port: peer.port, connections: CONNECTIONS });
    // The original does not wait for Redis to have what the polls will ask for.
    await context.settle();
    const run = await measureRun(load, peer, { work: id, ms, warmUp: round === 0 ? firstWarmUp : warmUp });
    await load.call('close');
    return run;
  });
  for (const one of [load, hosts, ...peers.values()]) await one.end();
  return { id, title, unit: 'request', hosts: hosts.kind, peers: { ...Object.fromEntries(measured), ...skipped } };
}
