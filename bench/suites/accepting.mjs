import { binaryOf } from '../../scripts/node-binary.mjs';
import { inRounds, startLoad } from '../measure.mjs';
import { startPeer } from '../peers/index.mjs';

const CONNECTIONS = 50;

/** The first major version whose servers can share a port by themselves (`reusePort`) that is supported for long. */
const NODE = '24';

const PEERS = { 'one process': ['SidStore', 1], 'two workers': ['workers', 2], 'two by reusePort': ['reusePort', 2] };

/**
 * Polls that each have a connection of their own: what it costs to take connections, and to hand them to workers. `first` is
 * what of that the first process takes, which only hands them over; `uneven` how much more one of two takes than the other.
 */
export async function accepting(context) {
  const { rounds, ms } = context.scale.accepting;
  const hosts = await context.startHosts();
  const peers = new Map();
  for (const [name, [kind, workers]] of Object.entries(PEERS)) {
    const options = { ...context.optionsOf('SidStore', { hosts: hosts.ports, execPath: binaryOf(NODE) }), workers };
    peers.set(name, await startPeer(kind, options));
  }
  const loads = [startLoad(), startLoad()];
  const measured = await inRounds(rounds, [...peers.keys()], async (name, round) => {
    const peer = peers.get(name);
    const usages = () => (PEERS[name][1] === 1 ? peer.call('usage').then((all) => [0, all]) : peer.call('usages'));
    await Promise.all(loads.map((load) => load.call('open', { port: peer.port, connections: CONNECTIONS })));
    const run = (duration) => Promise.all(loads.map((load) => load.call('reconnect', { ms: duration })));
    await run(round === 0 ? context.scale.firstWarmUp : context.scale.warmUp);
    const before = await usages();
    const runs = await run(ms);
    const used = (await usages()).map((one, i) => one - before[i]);
    await Promise.all(loads.map((load) => load.call('close')));
    const sum = (key) => runs.reduce((total, one) => total + one[key], 0);
    const [first, ...others] = used;
    return {
      cpu: used.reduce((total, one) => total + one) / sum('count'), rps: sum('rps'), p50: sum('p50') / runs.length,
      p99: sum('p99') / runs.length, first: first / sum('count'), uneven: Math.max(...others) / Math.min(...others),
    };
  });
  for (const one of [...loads, hosts, ...peers.values()]) await one.end();
  const title = `poll on a connection of its own, Node.js ${NODE}`;
  return [{ id: 'accepting', title, unit: 'request', hosts: hosts.kind, peers: Object.fromEntries(measured) }];
}
