import { inRounds, startLoad } from '../measure.mjs';
import { startAll } from '../peers/index.mjs';
import { isInstalled } from '../processes.mjs';
import { runWrk, warmByWrk } from '../load/wrk.mjs';

/** As many as a load has that others have measured with, so that figures can be compared. */
const CONNECTIONS = 64;

const TITLE = 'poll with a known sid, with wrk as the load';

/** The same polls from a load generator that costs next to nothing, so that proxy and hosts have the cores for themselves. */
export async function wrk(context) {
  const row = { id: 'wrk', title: TITLE, unit: 'request' };
  if (!isInstalled('wrk')) return [{ ...row, peers: { wrk: 'not installed: skipped' } }];
  const { rounds, seconds } = context.scale.wrk;
  const hosts = await context.startHosts();
  const names = [...context.subjects, 'fastPath: false', 'original', 'floor', 'http-proxy', 'HAProxy', 'nginx']
    .filter((name) => context.subjects.includes(name) || (context.peers?.includes(name) ?? true));
  const { peers, skipped } = await startAll(names, (name) => context.optionsOf(name, { hosts: hosts.ports }));
  const load = startLoad();
  const measured = await inRounds(rounds, [...peers.keys()], async (name, round) => {
    const peer = peers.get(name);
    await load.call('open', { port: peer.port, connections: CONNECTIONS });
    await context.settle();
    const sids = await load.call('sids');
    await load.call('close');
    const options = { port: peer.port, connections: CONNECTIONS, sids, seconds };
    if (round === 0) await warmByWrk(peer, options);
    return runWrk(peer, options);
  });
  for (const one of [load, hosts, ...peers.values()]) await one.end();
  return [{ ...row, hosts: hosts.kind, peers: { ...Object.fromEntries(measured), ...skipped } }];
}
