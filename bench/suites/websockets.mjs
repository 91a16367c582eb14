import { startResponder } from '../hosts.mjs';
import { inTurns, spread, startLoad } from '../measure.mjs';
import { startAll, startPeer } from '../peers/index.mjs';

const TUNNELS = 50;

/** A message there and back over open WebSockets: a small one, and one of 64 KiB. */
export async function websocket(context) {
  return [
    await exchange(context, { id: 'websocket', work: 'message', title: 'WebSocket message of 100 bytes there and back' }),
    await exchange(context, { id: 'websocket-64k', work: 'large message', title: 'WebSocket message of 64 KiB there and back' }),
  ];
}

async function exchange(context, { id, work, title }) {
  const hosts = await startResponder();
  const chosen = [...context.subjects, 'net pipe', 'HAProxy'];
  const { peers, skipped } = await startAll(chosen, (name) => context.optionsOf(name, { hosts: hosts.ports }));
  const load = startLoad('websockets');
  const turns = { work, connections: TUNNELS, settle: context.settle, ...context.scale.turn };
  const measured = await inTurns(load, peers, turns);
  for (const one of [load, hosts, ...peers.values()]) await one.end();
  return { id, title, unit: 'message', hosts: hosts.kind, peers: { ...Object.fromEntries(measured), ...skipped } };
}

/** What an open WebSocket and a held poll hold in the proxy's process while nothing is sent. */
export async function idle(context) {
  return [
    await memory(context, {
      id: 'idle', unit: 'WebSocket', names: [...context.subjects, 'net pipe'], load: 'websockets',
      open: (load, port, count) => load.call('open', { port, connections: count }),
    }),
    await memory(context, {
      id: 'idle-polls', unit: 'held poll', names: context.subjects, load: 'requests',
      open: (load, port, count) => load.call('hold', { port, sessions: count }),
    }),
  ];
}

async function memory(context, { id, unit, names, load: kind, open }) {
  const { base, sockets, rounds } = context.scale.idle;
  const hosts = await startResponder();
  const samples = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      const peer = await startPeer(name, context.optionsOf(name, { hosts: hosts.ports }));
      const load = startLoad(kind);
      // The first ones pay for the code that they run, and for the heap that the handshakes need while they last.
      await open(load, peer.port, base);
      const before = await peer.call('memory');
      await open(load, peer.port, sockets);
      const after = await peer.call('memory');
      samples.get(name).push([(after.rss - before.rss) / sockets, (after.held - before.held) / sockets]);
      await load.end();
      await peer.end();
    }
  }
  await hosts.end();
  const peers = Object.fromEntries([...samples].map(([name, all]) =>
    [name, { rss: spread(all.map(([rss]) => rss)), heap: spread(all.map(([, heap]) => heap)) }]));
  return { id, title: `memory of a ${unit} while nothing is sent`, unit, hosts: hosts.kind, peers };
}
