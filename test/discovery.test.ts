import { EventEmitter } from 'node:events';
import { Discovery, type DiscoveryOptions } from '../src/discovery';
import { Host } from '../src/host';
import { Hosts } from '../src/hosts';
import { Leaving } from '../src/leaving';
import { onCleanup } from './support/cleanup';
import { stopClock } from './support/clock';
import { addresses, startDnsServer, type DnsServer, type Entry, type Zone } from './support/dns-server';
import { until } from './support/until';

const NAME = 'chat.example.test';

interface Discovering {
  server: DnsServer;
  hosts: Hosts;
  discovery: Discovery;
  /** What the hosts have told of, and failures, in order. */
  events: string[];
  /** Emits `change` with each of them. */
  changes: EventEmitter;
  /** Lets the server answer otherwise, and resolves once that has been taken in. */
  turn: (found: Zone[string]) => Promise<void>;
}

interface Given extends Partial<DiscoveryOptions> {
  pauses?: { least: number; most: number; mostAfterFailures: number };
}

/** Discovers hosts with short pauses, from a server of this test's own. */
async function discover(found: Zone[string], { pauses, ...options }: Given = {}): Promise<Discovering> {
  const server = await startDnsServer({ [NAME]: found });
  const hosts = new Hosts([], { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0 });
  const events: string[] = [];
  const changes = new EventEmitter();
  const add = (event: string): void => {
    events.push(event);
    changes.emit('change', event);
  };
  for (const event of ['added', 'removed', 'drained'] as const) hosts.on(event, ({ name }) => add(`${event} ${name}`));
  const discovery = new Discovery(
    { discover: { name: NAME, port: 3000 }, keyExpiry: 0, ...options }, hosts, (error) => add(error.message),
    { least: 20, most: 40, mostAfterFailures: 40, ...pauses },
  );
  onCleanup(() => discovery.stop());
  const turn = async (next: Zone[string]): Promise<void> => {
    server.zone = { [NAME]: next };
    // When it asks once more, it has taken in the answer before.
    await server.asked();
    await server.asked();
  };
  return { server, hosts, discovery, events, changes, turn };
}

function hostNamed(hosts: Hosts, name: string): Host {
  const host = hosts.get(name);
  if (!host) throw new Error(`${name} is no host`);
  return host;
}

const namesOf = (hosts: Hosts): string[] => hosts.all.map(({ name }) => name).sort();
const drainingOf = (hosts: Hosts): string[] => hosts.all.filter(({ draining }) => draining).map(({ name }) => name);

const service = (target: string, weight: number): Entry => ({ type: 'SRV', data: { target, port: 3000, weight } });

it('has the hosts once it has started, with their weights', async () => {
  const { hosts, discovery, events } = await discover(
    [service('pod-0', 3), service('pod-1', 1)], { discover: { name: NAME, port: undefined } },
  );
  await discovery.start();
  expect(hosts.all.map(({ name, weight }) => [name, weight]).sort()).toEqual([['pod-0:3000', 3], ['pod-1:3000', 1]]);
  expect(events.sort()).toEqual(['added pod-0:3000', 'added pod-1:3000']);
});

it('lets hosts join, and those that vanish leave', async () => {
  const { hosts, discovery, events, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0));
  await discovery.start();
  await turn(addresses(['127.0.0.2', '127.0.0.3'], 0));
  await turn(addresses(['127.0.0.3', '127.0.0.2'], 0));
  expect(namesOf(hosts)).toEqual(['127.0.0.2:3000', '127.0.0.3:3000']);
  expect(events.filter((event) => !event.startsWith('drained')).slice(2)).toEqual(['added 127.0.0.3:3000', 'removed 127.0.0.1:3000']);
});

it('drains a host that has vanished, until its last session is over', async () => {
  const { hosts, discovery, events, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0));
  await discovery.start();
  const host = hostNamed(hosts, '127.0.0.1:3000');
  hosts.report(host, undefined);
  host.sessions = 1;
  await turn(addresses(['127.0.0.2'], 0));
  await turn('NXDOMAIN');
  await turn(addresses(['127.0.0.2'], 0));
  expect(drainingOf(hosts)).toEqual([host.name]);
  host.sessions = 0;
  hosts.settle(host);
  await turn(addresses(['127.0.0.2'], 0));
  expect(events.slice(-2)).toEqual([`drained ${host.name}`, `removed ${host.name}`]);
});

it('keeps a host that seems to be drained for keyExpiry: other proxies may still bring its sessions', async () => {
  const { hosts, discovery, changes, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0), { keyExpiry: 1 });
  await discovery.start();
  const vanished = performance.now();
  const changed: [event: string, draining: string[]][] = [];
  changes.on('change', (event: string) => changed.push([event, drainingOf(hosts)]));
  await turn(addresses(['127.0.0.2'], 0));
  await until('it is removed', () => changed.length === 2);
  expect(changed).toEqual([['drained 127.0.0.1:3000', ['127.0.0.1:3000']], ['removed 127.0.0.1:3000', []]]);
  expect(performance.now() - vanished).toBeGreaterThan(1000);
});

it('lets a host leave at once that has vanished and is refused, with its sessions', async () => {
  const { hosts, discovery, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0), { keyExpiry: 60 });
  await discovery.start();
  const host = hostNamed(hosts, '127.0.0.1:3000');
  host.sessions = 1;
  hosts.report(host, 'refused');
  await turn(addresses(['127.0.0.1', '127.0.0.2'], 0));
  expect(namesOf(hosts)).toHaveLength(2);
  await turn(addresses(['127.0.0.2'], 0));
  expect(namesOf(hosts)).toEqual(['127.0.0.2:3000']);
});

it('lets a host leave that has vanished and is unreachable once nothing has come from it for 20 s', async () => {
  const clock = stopClock();
  const hosts = new Hosts([new Host('127.0.0.1:3000')], { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0 });
  const leaving = new Leaving(hosts, 60);
  onCleanup(() => leaving.stop());
  const [host] = hosts.all as [Host];
  host.sessions = 1;
  hosts.report(host, 'unreachable');
  leaving.drop(host.name);
  await clock.advance(15_000);
  // A session that is there was answered after all.
  host.answered();
  await clock.advance(20_000);
  expect(namesOf(hosts)).toEqual([host.name]);
  await clock.advance(1000);
  expect(namesOf(hosts)).toEqual([]);
});

it('lets dead hosts leave that had vanished before the name did', async () => {
  const { hosts, discovery, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0), { keyExpiry: 60 });
  await discovery.start();
  await turn(addresses(['127.0.0.2'], 0));
  await turn('NXDOMAIN');
  for (const host of hosts.all) hosts.report(host, 'refused');
  await turn('NXDOMAIN');
  expect(namesOf(hosts)).toEqual(['127.0.0.2:3000']);
});

it('loses nothing where each answer names a few of the hosts', async () => {
  const { hosts, discovery, events, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0), { keyExpiry: 60 });
  await discovery.start();
  const [first, second] = ['127.0.0.1:3000', '127.0.0.2:3000'].map((name) => hostNamed(hosts, name));
  for (let i = 0; i < 5; i += 1) {
    await turn(addresses(['127.0.0.1'], 0));
    expect(drainingOf(hosts)).toEqual([second?.name]);
    await turn(addresses(['127.0.0.2'], 0));
    expect(drainingOf(hosts)).toEqual([first?.name]);
  }
  await turn(addresses(['127.0.0.1', '127.0.0.2'], 0));
  expect(drainingOf(hosts)).toEqual([]);
  expect(hosts.all.map((host) => host === first || host === second)).toEqual([true, true]);
  expect(events.filter((event) => !event.startsWith('drained'))).toHaveLength(2);
});

it('keeps its hosts while the name does not resolve, and says so once until it does', async () => {
  const { hosts, discovery, events, turn } = await discover(addresses(['127.0.0.1'], 0));
  await discovery.start();
  for (const found of ['NXDOMAIN', 'SERVFAIL', 'REFUSED', []] satisfies Zone[string][]) await turn(found);
  expect(namesOf(hosts)).toEqual(['127.0.0.1:3000']);
  expect(drainingOf(hosts)).toEqual([]);
  expect(events).toEqual(['added 127.0.0.1:3000', `queryA ENOTFOUND ${NAME}`]);
  await turn(addresses(['127.0.0.1', '127.0.0.2'], 0));
  await turn('SERVFAIL');
  expect(events.slice(2)).toEqual(['added 127.0.0.2:3000', `queryA ESERVFAIL ${NAME}`]);
});

it('goes on asking where nothing is found at first, after pauses that grow', async () => {
  const { server, hosts, discovery, events } = await discover('NXDOMAIN', { pauses: { least: 20, most: 20, mostAfterFailures: 320 } });
  await discovery.start();
  expect(hosts.all).toEqual([]);
  expect(events).toEqual([`queryA ENOTFOUND ${NAME}`]);
  const pauses = (): number[] => server.queries.slice(1).map(({ at }, i) => at - (server.queries[i]?.at ?? 0));
  await until('nine queries', () => server.queries.length >= 9);
  const least = [20, 40, 80, 160, 320, 320, 320, 320];
  expect(least.map((ms, i) => (pauses()[i] ?? 0) >= ms - 2)).toEqual(least.map(() => true));
  // Without a bound it would be 2560 by now.
  expect(pauses()[7]).toBeLessThan(2500);
  server.zone = { [NAME]: addresses(['127.0.0.1'], 0) };
  await until('a host', () => hosts.all.length === 1);
  // From then on as ever.
  const known = server.queries.length;
  await until('ten queries more', () => server.queries.length >= known + 10);
  expect(Math.min(...pauses().slice(known))).toBeLessThan(300);
});

it.each([
  ['not before the TTL is over', 1, { least: 20, most: 60_000 }, 1000],
  ['not before a second is over, however short the TTL', 0, { least: 300, most: 60_000 }, 300],
  ['when a minute is over, however long the TTL', 3600, { least: 20, most: 300 }, 300],
])('asks again %s', async (_, ttl, bounds, expected) => {
  const { server, discovery } = await discover(addresses(['127.0.0.1'], ttl), { pauses: { mostAfterFailures: 20, ...bounds } });
  await discovery.start();
  await server.asked();
  await server.asked();
  const [first = NaN, second = NaN, third = NaN] = server.queries.map(({ at }) => at);
  for (const pause of [second - first, third - second]) {
    // A timer may be a millisecond early.
    expect(pause).toBeGreaterThan(expected - 2);
    // What it is not to be is a minute at least.
    expect(pause).toBeLessThan(20_000);
  }
});

it('changes a weight only where DNS does', async () => {
  const { hosts, discovery, turn } = await discover(
    [service('pod-0', 1), service('pod-1', 1)],
    { discover: { name: NAME, port: undefined }, pauses: { least: 20, most: 20, mostAfterFailures: 20 } },
  );
  await discovery.start();
  hosts.setWeight('pod-0:3000', 7);
  await turn([service('pod-0', 1), service('pod-1', 2)]);
  const weights = (): [string, number][] => hosts.all.map(({ name, weight }): [string, number] => [name, weight]).sort();
  expect(weights()).toEqual([['pod-0:3000', 7], ['pod-1:3000', 2]]);
  await turn([service('pod-0', 3), service('pod-1', 2)]);
  expect(weights()).toEqual([['pod-0:3000', 3], ['pod-1:3000', 2]]);
});

it('leaves alone what others do with hosts', async () => {
  const all = addresses(['127.0.0.1', '127.0.0.2'], 0);
  const { hosts, discovery, turn } = await discover(all, { keyExpiry: 60 });
  hosts.add(new Host('127.0.0.1:4000'));
  hosts.add(new Host('http://127.0.0.2:3000'));
  await discovery.start();
  // One that was drained stays so when it is back; one that was removed is there again with the next answer.
  hosts.drain('127.0.0.1:3000');
  await turn(addresses(['127.0.0.2'], 0));
  await turn(all);
  expect(drainingOf(hosts)).toEqual(['127.0.0.1:3000']);
  hosts.remove('127.0.0.1:3000');
  await turn(all);
  expect(namesOf(hosts)).toEqual(['127.0.0.1:3000', '127.0.0.1:4000', 'http://127.0.0.2:3000']);
  expect(drainingOf(hosts)).toEqual([]);
  await turn(addresses(['127.0.0.3'], 0));
  hosts.remove('127.0.0.1:3000');
  await turn(addresses(['127.0.0.3'], 0));
  expect(namesOf(hosts)).toEqual(['127.0.0.1:4000', '127.0.0.3:3000', 'http://127.0.0.2:3000']);
  expect(drainingOf(hosts)).toEqual([]);
});

it('follows 300 hosts', async () => {
  const all = Array.from({ length: 450 }, (_, i) => `127.0.${i >> 8}.${i & 255}`);
  const { hosts, discovery, turn } = await discover(addresses(all.slice(0, 300), 0));
  await discovery.start();
  expect(hosts.all).toHaveLength(300);
  // Each answer takes two queries, by UDP and by TCP.
  for (let i = 0; i < 2; i += 1) await turn(addresses(all.slice(150), 0));
  expect(namesOf(hosts)).toEqual(all.slice(150).map((address) => `${address}:3000`).sort());
});

it('asks at once where a host is looked for, though the TTL is not over, but not again within a second', async () => {
  const pauses = { least: 300, most: 60_000, mostAfterFailures: 60_000 };
  const { server, hosts, discovery } = await discover(addresses(['127.0.0.1'], 60), { pauses });
  await discovery.start();
  server.zone = { [NAME]: addresses(['127.0.0.1', '127.0.0.2'], 60) };
  await hosts.seek('127.0.0.2:3000');
  expect(namesOf(hosts)).toEqual(['127.0.0.1:3000']);
  await until('a host more', async () => {
    await Promise.all([hosts.seek('127.0.0.2:3000'), hosts.seek('127.0.0.2:3000')]);
    return hosts.all.length === 2;
  });
  expect(server.queries).toHaveLength(2);
  expect((server.queries[1]?.at ?? 0) - (server.queries[0]?.at ?? 0)).toBeGreaterThan(298);
});

it('does not ask sooner for a host that is looked for while DNS fails', async () => {
  const pauses = { least: 200, most: 200, mostAfterFailures: 60_000 };
  const { server, hosts, discovery } = await discover('NXDOMAIN', { pauses });
  await discovery.start();
  await until('four queries', () => server.queries.length >= 4);
  const { at } = server.queries[3] ?? { at: NaN };
  await until('a pause', () => performance.now() - at > 250);
  await hosts.seek('127.0.0.2:3000');
  // The next comes after 1600 ms, which may have passed where this process stood still.
  expect((server.queries[4]?.at ?? Infinity) - at).toBeGreaterThan(1598);
});

it('asks no more once it is stopped, and takes in nothing that comes late', async () => {
  const { server, hosts, discovery, events } = await discover('silence');
  const started = discovery.start();
  await server.asked();
  discovery.stop();
  await started;
  expect(hosts.all).toEqual([]);
  expect(events).toEqual([]);
  const { server: other, discovery: running } = await discover(addresses(['127.0.0.1'], 0));
  await running.start();
  running.stop();
  const asked = other.queries.length;
  // Longer than a pause by far.
  await expect(until('one more query', () => other.queries.length > asked, 200)).rejects.toThrow('not within');
  expect(server.queries).toHaveLength(1);
});
