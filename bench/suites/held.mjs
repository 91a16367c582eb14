import { setTimeout as sleep } from 'node:timers/promises';
import { startResponder } from '../hosts.mjs';
import { inRounds, measureRun, startLoad, warm } from '../measure.mjs';
import { missing, startPeer } from '../peers/index.mjs';

const CONNECTIONS = 50;

/** A poll while other sessions hold one: Engine.IO's clients always do. */
export async function held(context) {
  const { counts, rounds, ms, warmUp } = context.scale.held;
  const names = [...context.subjects, ...context.scale.held.peers.filter((name) => !missing(name))];
  const hosts = await startResponder();
  const peers = new Map();
  for (const name of names) {
    peers.set(name, await startPeer(name, context.optionsOf(name, { hosts: hosts.ports })));
  }
  const load = startLoad();
  const holder = startLoad();
  const measured = await inRounds(rounds, names, async (name, round) => {
    const peer = peers.get(name);
    await load.call('open', { port: peer.port, connections: CONNECTIONS });
    await context.settle();
    if (round === 0) await warm(load, peer, { work: 'poll', ms });
    else await load.call('run', { work: 'poll', ms: warmUp });
    const figures = {};
    let holding = 0;
    for (const count of counts) {
      await holder.call('hold', { port: peer.port, sessions: count - holding });
      holding = count;
      await arrived(hosts, count);
      const run = await measureRun(load, peer, { work: 'poll', ms, warmUp });
      for (const [key, value] of Object.entries(run)) figures[`${key} ${count}`] = value;
    }
    await hosts.release();
    await holder.call('close');
    await load.call('close');
    return figures;
  });
  for (const one of [load, holder, hosts, ...peers.values()]) await one.end();
  return [{
    id: 'held', title: 'poll while other sessions hold one', unit: 'request', x: 'held polls', hosts: hosts.kind,
    lines: Object.fromEntries([...measured].map(([name, figures]) => [name, pointsOf(counts, figures)])),
  }];
}

function pointsOf(counts, figures) {
  return counts.map((x) => {
    const [cpu, rps, p50, p99] = ['cpu', 'rps', 'p50', 'p99'].map((name) => figures[`${name} ${x}`]);
    return { x, cpu, rps, p50, p99 };
  });
}

/** Waits until so many polls wait at the hosts. */
async function arrived(hosts, count) {
  for (let i = 0; i < 400; i += 1) {
    if (await hosts.held() === count) return;
    await sleep(25);
  }
  throw new Error(`${await hosts.held()} polls are held, not ${count}`);
}
