import { inRounds, spread, startLoad, warm } from '../measure.mjs';
import { startAll } from '../peers/index.mjs';

const CONNECTIONS = 50;

const US = 'socket.io-proxy2';

/** How long a poll takes where the proxy has half as much to do as it can. */
export async function latency(context) {
  const { rounds, ms, warmUp } = context.scale.latency;
  const hosts = await context.startHosts();
  const chosen = [...context.subjects, 'fastPath: false', 'http-proxy', 'HAProxy'];
  const { peers, skipped } = await startAll(chosen, (name) => context.optionsOf(name, { hosts: hosts.ports }));
  const load = startLoad();
  const open = async (name) => {
    await load.call('open', { port: peers.get(name).port, connections: CONNECTIONS });
    await context.settle();
  };
  const highest = [];
  for (const name of peers.keys()) {
    await open(name);
    await warm(load, peers.get(name), { work: 'poll', ms });
    for (let i = 0; name === US && i < 5; i += 1) highest.push((await load.call('run', { work: 'poll', ms })).rps);
    await load.call('close');
  }
  // The same for all, so that they are compared at the same work.
  const rate = spread(highest).median / 2;
  const measured = await inRounds(rounds, [...peers.keys()], async (name) => {
    await open(name);
    await load.call('pace', { ms: warmUp, rate });
    const before = await peers.get(name).call('usage');
    const { count, rps, p50, p99 } = await load.call('pace', { ms, rate });
    const cpu = (await peers.get(name).call('usage') - before) / count;
    await load.call('close');
    return { cpu, rps, p50, p99 };
  });
  for (const one of [load, hosts, ...peers.values()]) await one.end();
  const title = `poll at half of the highest rate: ${Math.round(rate).toLocaleString('en')} a second`;
  return [{ id: 'latency', title, unit: 'request', hosts: hosts.kind, peers: { ...Object.fromEntries(measured), ...skipped } }];
}
