// Kills, freezes and restarts the parts of a whole installation at random, and counts what its clients lose by it.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startBalancer } from './balancer.mjs';
import { Dice } from './dice.mjs';
import { Operator } from './operator.mjs';
import { HostPart, ProxyPart, RedisPart } from './parts.mjs';
import { Record } from './record.mjs';
import { Remote } from './remote.mjs';
import { until } from './until.mjs';

/** How long parts fail, until the members of the fleet have to agree, in ms. */
const ROUND = 20_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: '200' },
  },
});
const [minutes, seed, clientCount] = [values.minutes, values.seed, values.clients].map(Number);
if (!(minutes > 0) || !Number.isSafeInteger(seed) || !(clientCount >= 12)) {
  console.error('usage: npm run chaos -- [--minutes N] [--seed N] [--clients N, from 12]');
  process.exit(2);
}

const record = new Record();
const redis = await new RedisPart().start();
const hosts = await Promise.all([1, 2, 3, 4].map(() => new HostPart(redis.url, (remote) => record.watchHost(remote)).start()));
// The last host has to be added.
const configured = hosts.slice(0, -1).map(({ name }) => name);
const options = { redisUrl: redis.url, hosts: configured, fleet: true, drainTimeout: 1000, keepAliveTimeout: 5000 };
const proxies = await Promise.all([1, 2, 3].map(() => new ProxyPart(options).start()));

// Most clients keep to a proxy while it lives, as with a load balancer that keeps connections together; a quarter has
// each connection sent to any.
const live = () => proxies.filter(({ well }) => well);
const balancers = await Promise.all([
  ...proxies.map((proxy) => startBalancer(() => (proxy.well ? proxy : live()[0])?.port)),
  startBalancer(() => live()[Math.floor(Math.random() * live().length)]?.port),
]);
const operator = new Operator(hosts, configured, live, record);

const TRANSPORTS = [['polling'], ['websocket'], ['polling', 'websocket']];
const crowds = [1, 2].map(() => new Remote(fileURLToPath(new URL('./clients.mjs', import.meta.url))));
for (const crowd of crowds) record.watchClients(crowd, hosts, redis, proxies);

async function startClients(round) {
  const specifications = Array.from({ length: clientCount }, (_, i) => ({
    name: `${round}-${i}`,
    url: balancers[i % 4 === 3 ? 3 : Math.floor(i / 3) % 3].url,
    transports: TRANSPORTS[i % 3],
    pause: 500,
  }));
  await Promise.all(crowds.map((crowd, i) => crowd.call('start', specifications.filter((_, k) => k % 2 === i))));
  await allConnected();
}

async function allConnected() {
  const counts = async () => (await Promise.all(crowds.map((crowd) => crowd.call('connected')))).reduce((a, b) => a + b);
  await until('all clients are connected', async () => await counts() === clientCount, 30_000);
}

/** Ends all clients, and measures the proxies when their connections have ended. */
async function rest() {
  await Promise.all(crowds.map((crowd) => crowd.call('stop')));
  return Promise.all(proxies.map(async (proxy) => {
    let usage;
    await until('sockets are closed', async () => {
      usage = await proxy.remote.call('usage');
      return usage.sockets <= proxy.atStart.sockets;
    }, 20_000).catch(() => {});
    return usage;
  }));
}

const freeze = async (part, dice) => {
  part.signal('SIGSTOP');
  await sleep(dice.between(500, 4000));
  part.signal('SIGCONT');
};
const restart = async (part, dice) => {
  await part.kill();
  await sleep(dice.between(0, 2000));
  await part.start();
};
const FAULTS = {
  'host killed, and started again': [hosts, restart],
  'host frozen': [hosts, freeze],
  'proxy killed, and started again': [proxies, restart],
  'proxy frozen': [proxies, freeze],
  'proxy closed, and started again': [proxies, async (proxy, dice) => {
    await proxy.close();
    await restart(proxy, dice);
  }],
  'Redis killed, and started again empty': [[redis], restart],
  'Redis frozen': [[redis], freeze],
  'Redis without what the fleet wrote': [[redis], () => redis.forgetFleet()],
};

async function wreak(end, dice) {
  while (performance.now() < end) {
    const kind = dice.oneOf(Object.keys(FAULTS));
    const [parts, fault] = FAULTS[kind];
    const part = dice.oneOf(parts);
    record.fault(kind, part.port);
    await part.trouble(() => fault(part, dice));
    await sleep(dice.between(500, 2500));
  }
}

/** Rounds of faults and of what an operator does. After each one, the members of the fleet have to agree. */
async function wreakInRounds(end) {
  for (let round = 1; performance.now() < end; round += 1) {
    record.note(`round ${round}`);
    const roundEnd = Math.min(end, performance.now() + ROUND);
    await Promise.all([wreak(roundEnd, new Dice(seed, round, 1)), operator.operate(roundEnd, new Dice(seed, round, 2))]);
    try {
      await operator.settle(new Dice(seed, round, 3));
    } catch (error) {
      failures.push(`round ${round}: ${error.message}`);
    }
  }
}

/** Broadcasts numbers in turn, each when someone has seen the one before, or cannot any more. */
async function broadcast(signal) {
  for (let number = 1; !signal.aborted; number += 1) {
    const host = hosts.find(({ well }) => well);
    await host?.remote.call('broadcast', number).catch(() => {});
    await until('it is seen', () => record.hasNews(number), 1000).catch(() => {});
    await sleep(100);
  }
}

console.log(`chaos: ${minutes} min, ${clientCount} clients, a fleet of 3 proxies, 4 hosts, Redis; ` +
  `seed ${seed} (--seed ${seed} repeats the faults of each round)`);
const failures = [];
try {
  await startClients(1);
  const broadcasting = new AbortController();
  const broadcasts = broadcast(broadcasting.signal);
  await wreakInRounds(performance.now() + minutes * 60_000);
  await allConnected().catch((error) => failures.push(error.message));
  broadcasting.abort();
  await broadcasts;
  await record.settle();
  const after = await rest();
  // A second crowd on what is left of the first: what grows by it is a leak, and not what a process keeps once.
  await startClients(2);
  const again = await rest();
  await record.settle();
  report(after, again);
} finally {
  await operator.end();
  for (const balancer of balancers) balancer.close();
  await Promise.all([...crowds, ...hosts, ...proxies].map((part) => part.kill()));
  await redis.end();
}
if (failures.length > 0) console.error(record.notes.join('\n'));
for (const failure of failures) console.error(`failed: ${failure} (seed ${seed})`);
process.exit(failures.length === 0 ? 0 : 1);

function report(after, again) {
  const rows = [...record.faults].map(([kind, count]) => [kind, count]);
  rows.push(
    ['connections, and reconnections', `${record.connections}, ${record.reconnections}`],
    ['reconnections with recovered state', record.recoveries],
    ['messages sent, and acknowledged', `${record.sent}, ${record.acknowledged}`],
    ['requests of a session refused', record.refusals],
    ['… since Redis failed, by a proxy that had not seen it', record.storeRefusals],
    ['… opened as Redis failed, by a proxy that had it back first', record.earlyRefusals],
    ['… since Redis failed, known only to a proxy that has ended', record.orphanRefusals],
    ['… of a host that was removed, or that not every proxy had yet', record.unlistedRefusals],
    ['misrouted: live on a live host, and refused', record.misrouted.length],
    ['lost: acknowledged, and not seen', record.lost],
    ['seen twice', record.duplicates],
    ['broadcasts missed after recovery', record.missed],
  );
  rows.push(
    ['what a member was told and could not do', operator.refused],
    ['members have agreed: how often, and after how many ms at most',
      `${operator.agreements.length}, ${Math.max(...operator.agreements).toFixed()}`],
  );
  let leaked = 0;
  proxies.forEach(({ atStart }, i) => {
    const mb = (usage) => (usage.heapUsed / 1e6).toFixed(1);
    leaked += Math.max(0, again[i].sockets - atStart.sockets);
    if (again[i].heapUsed - after[i].heapUsed > 3e6) leaked += 1;
    rows.push([`proxy ${i + 1}: sockets at its start, after, after another crowd`,
      `${atStart.sockets}, ${after[i].sockets}, ${again[i].sockets}`]);
    rows.push([`proxy ${i + 1}: heap in MB at its start, after, after another crowd`,
      `${mb(atStart)}, ${mb(after[i])}, ${mb(again[i])}`]);
  });
  rows.push(['leaked', leaked]);
  console.log(`\n| what | count |\n| --- | --- |\n${rows.map(([what, count]) => `| ${what} | ${count} |`).join('\n')}\n`);
  const wrong = { misrouted: record.misrouted.length, lost: record.lost, twice: record.duplicates, missed: record.missed, leaked };
  for (const [what, count] of Object.entries(wrong)) if (count > 0) failures.push(`${count} ${what}`);
}
