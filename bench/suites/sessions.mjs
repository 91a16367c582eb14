import { startResponder } from '../hosts.mjs';
import { measureRun, spread, startLoad, warm } from '../measure.mjs';
import { startPeer } from '../peers/index.mjs';

const CONNECTIONS = 50;

/** More sessions than the warm-up opens. */
const SPARE = 50_000;

/** How many sessions it takes until what they hold stands out from what else the heap does. */
const MEASURABLE = 10_000;

/** Bound sessions in the process: what each holds, and what a poll costs that may be of any of them. */
export async function sessions(context) {
  const { counts, rounds, ms } = context.scale.sessions;
  const hosts = await startResponder();
  const lines = {};
  for (const name of context.subjects) {
    // Those that the warm-up opens stay, too: none leaves the cache or expires between two readings.
    const options = context.optionsOf(name, { hosts: hosts.ports, options: { cacheSize: counts.at(-1) + SPARE, keyExpiry: 3600 } });
    const peer = await startPeer(name, options);
    const load = startLoad();
    await load.call('open', { port: peer.port, connections: CONNECTIONS });
    await context.settle();
    await load.call('run', { work: 'handshake', ms: 500 });
    await load.call('grow', counts[0]);
    await warm(load, peer, { work: 'spread', ms });
    const before = await peer.call('memory');
    lines[name] = [];
    for (const count of counts) {
      await load.call('grow', count);
      const { held } = await peer.call('memory');
      const bytes = count >= MEASURABLE ? (held - before.held) / (count - counts[0]) : undefined;
      const runs = [];
      for (let i = 0; i < rounds; i += 1) {
        // A full garbage collection also throws away code, which has to be compiled again.
        if (i === 0) await warm(load, peer, { work: 'spread', ms });
        runs.push(await measureRun(load, peer, { work: 'spread', ms, warmUp: context.scale.warmUp }));
      }
      const [cpu, rps, p50, p99] = ['cpu', 'rps', 'p50', 'p99'].map((key) => spread(runs.map((run) => run[key])));
      lines[name].push({ x: count, cpu, rps, p50, p99, bytes: bytes && spread([bytes]) });
    }
    await load.end();
    await peer.end();
  }
  await hosts.end();
  const title = 'poll of any of the sessions that are bound';
  return [{ id: 'sessions', title, unit: 'request', x: 'sessions', hosts: hosts.kind, lines }];
}
