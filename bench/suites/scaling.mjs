import { setTimeout as sleep } from 'node:timers/promises';
import { inRounds, inTurns, spread, startLoad } from '../measure.mjs';
import { startPeer } from '../peers/index.mjs';

const CONNECTIONS = 50;

/** The same with more hosts: polls, handshakes, and what the proxy does while nobody asks it anything. */
export async function hosts(context) {
  const { counts, rounds, ms, idle } = context.scale.hosts;
  const names = [...context.subjects, 'original'];
  const lines = { poll: {}, handshake: {}, idle: {} };
  for (const count of counts) {
    const servers = await context.startHosts(count);
    const peers = new Map();
    for (const name of names) {
      peers.set(name, await startPeer(name, context.optionsOf(name, { hosts: servers.ports })));
    }
    // Before any request: what those leave behind is not the health checks' cost.
    await context.settle();
    for (const name of context.subjects) {
      const before = await peers.get(name).call('usage');
      await sleep(idle);
      const cpu = spread([(await peers.get(name).call('usage') - before) / (idle / 1000)]);
      (lines.idle[name] ??= []).push({ x: count, cpu });
    }
    const load = startLoad();
    for (const work of ['poll', 'handshake']) {
      const turns = { work, connections: CONNECTIONS, settle: context.settle, rounds, ms, warmUp: context.scale.warmUp };
      const measured = await inTurns(load, peers, turns);
      for (const [name, figures] of measured) (lines[work][name] ??= []).push({ x: count, ...figures });
    }
    for (const one of [load, servers, ...peers.values()]) await one.end();
  }
  const curve = (id, title, unit, work) => ({ id, title, unit, x: 'hosts', lines: lines[work] });
  return [
    curve('hosts-poll', 'poll with a known sid, by hosts', 'request', 'poll'),
    curve('hosts-handshake', 'handshake, by hosts', 'request', 'handshake'),
    curve('hosts-idle', 'health checks alone, by hosts', 'second', 'idle'),
  ];
}

/** The same with more workers, which share the port. */
export async function workers(context) {
  const { rounds, ms } = context.scale.workers;
  const counts = workerCounts(context.machine.cores);
  const servers = await context.startHosts();
  const peers = new Map();
  for (const count of counts) {
    const options = context.optionsOf('workers', { hosts: servers.ports, workers: count });
    peers.set(count, await startPeer('workers', options));
  }
  const loads = Array.from({ length: Math.max(2, counts.at(-1)) }, () => startLoad());
  const measured = await inRounds(rounds, counts, async (count, round) => {
    const peer = peers.get(count);
    await Promise.all(loads.map((load) => load.call('open', { port: peer.port, connections: CONNECTIONS })));
    await context.settle();
    const run = (duration) => Promise.all(loads.map((load) => load.call('run', { work: 'poll', ms: duration })));
    await run(round === 0 ? context.scale.firstWarmUp : context.scale.warmUp);
    const before = await peer.call('usage');
    const runs = await run(ms);
    const used = await peer.call('usage') - before;
    await Promise.all(loads.map((load) => load.call('close')));
    const sum = (key) => runs.reduce((total, one) => total + one[key], 0);
    return { cpu: used / sum('count'), rps: sum('rps'), p50: sum('p50') / runs.length, p99: sum('p99') / runs.length };
  });
  for (const one of [...loads, servers, ...peers.values()]) await one.end();
  const points = [...measured].map(([x, figures]) => ({ x, ...figures }));
  const title = 'poll with a known sid, by workers';
  return [{ id: 'workers', title, unit: 'request', x: 'workers', lines: { 'socket.io-proxy2': points } }];
}

/** 1, 2, 4 … and as many as there are cores. */
function workerCounts(cores) {
  const counts = [];
  for (let count = 1; count < cores; count *= 2) counts.push(count);
  return [...counts, cores];
}
