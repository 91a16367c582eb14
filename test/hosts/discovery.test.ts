import { Discovery, type DiscoveryOptions } from '../../src/hosts/discovery';
import { Host } from '../../src/hosts/host';
import { Hosts } from '../../src/hosts/hosts';
import { Leaving } from '../../src/hosts/leaving';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock, type Clock } from '../support/clock';
import { addresses, startDnsServer, type DnsServer, type Entry, type Zone } from '../support/dns-server';

const NAME = 'chat.example.test';

/** In ms. */
const STEP = 100;
const HOUR = 3_600_000;

interface Discovering {
  server: DnsServer;
  hosts: Hosts;
  discovery: Discovery;
  /** What the hosts have told of, and failures, in order. */
  events: string[];
  clock: Clock;
  /** Waits until DNS has been asked so many times more, and resolves with the pause before each, in ms. */
  asked: (count: number) => Promise<number[]>;
  /** Lets the server answer otherwise, and resolves once that has been taken in. */
  turn: (found: Zone[string]) => Promise<void>;
}

/** Discovers hosts, from a server of this test's own. */
async function discover(found: Zone[string], options: Partial<DiscoveryOptions> = {}): Promise<Discovering> {
  const clock = stopClock();
  const server = await startDnsServer({ [NAME]: found });
  const hosts = new Hosts([], { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0, maxSessions: undefined });
  const events: string[] = [];
  for (const event of ['added', 'removed', 'drained'] as const) hosts.on(event, ({ name }) => events.push(`${event} ${name}`));
  const { discover: name = { name: NAME, port: 3000 }, keyExpiry = 0 } = options;
  const discovery = new Discovery(name, keyExpiry, hosts, (error) => events.push(error.message));
  onCleanup(() => discovery.stop());
  const asked = async (count: number): Promise<number[]> => {
    const pauses: number[] = [];
    while (pauses.length < count) {
      const { length } = server.queries;
      pauses.push(await clock.advanceUntil('DNS is asked', () => server.queries.length > length, STEP));
    }
    return pauses;
  };
  const turn = async (next: Zone[string]): Promise<void> => {
    server.zone = { [NAME]: next };
    // When it asks once more, it has taken in the answer before.
    await asked(1);
    await asked(1);
  };
  return { server, hosts, discovery, events, clock, asked, turn };
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
  const { hosts, discovery, events, clock, turn } = await discover(addresses(['127.0.0.1', '127.0.0.2'], 0), { keyExpiry: 60 });
  await discovery.start();
  const vanished = jest.now();
  await turn(addresses(['127.0.0.2'], 0));
  expect([events.slice(2), drainingOf(hosts)]).toEqual([['drained 127.0.0.1:3000'], ['127.0.0.1:3000']]);
  await clock.advanceUntil('it is removed', () => events.length === 4, STEP);
  expect(events[3]).toBe('removed 127.0.0.1:3000');
  const stayed = jest.now() - vanished;
  // It has vanished with the first answer, and is looked for twice a second.
  expect([stayed >= 61_000, stayed <= 62_000]).toEqual([true, true]);
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
  const options = { unhealthyAfter: 1, healthyAfter: 1, balance: 'random', slowStart: 0, maxSessions: undefined } as const;
  const hosts = new Hosts([new Host('127.0.0.1:3000')], options);
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

/** Each is as long as it has to be, and by a tenth longer at most. */
function expectPauses(pauses: number[], least: number[]): void {
  expect(pauses).toHaveLength(least.length);
  for (const [i, pause] of pauses.entries()) {
    const ms = least[i] ?? NaN;
    expect([ms, pause >= ms, pause <= 1.1 * ms + STEP]).toEqual([ms, true, true]);
  }
}

it('goes on asking where nothing is found at first, after pauses that grow', async () => {
  const { server, hosts, discovery, events, asked } = await discover('NXDOMAIN');
  await discovery.start();
  expect(hosts.all).toEqual([]);
  expect(events).toEqual([`queryA ENOTFOUND ${NAME}`]);
  expectPauses(await asked(8), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  server.zone = { [NAME]: addresses(['127.0.0.1'], 0) };
  // From then on as ever.
  expectPauses(await asked(5), [30_000, 1000, 1000, 1000, 1000]);
  expect(hosts.all).toHaveLength(1);
});

it.each([
  ['when the TTL is over, about: many proxies do not at once', 12, 7, 7000],
  ['when a second is over, however short the TTL', 3, 0, 1000],
  ['when a minute is over, however long the TTL', 3, 3600, 60_000],
])('asks again %s', async (_, times, ttl, expected) => {
  const { discovery, asked } = await discover(addresses(['127.0.0.1'], ttl));
  await discovery.start();
  const pauses = await asked(times);
  expectPauses(pauses, pauses.map(() => expected));
  if (times === 12) expect(new Set(pauses).size).toBeGreaterThan(1);
});

it('changes a weight only where DNS does', async () => {
  const { hosts, discovery, turn } = await discover(
    [service('pod-0', 1), service('pod-1', 1)],
    { discover: { name: NAME, port: undefined } },
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
  const { server, hosts, discovery, clock } = await discover(addresses(['127.0.0.1'], 60));
  await discovery.start();
  server.zone = { [NAME]: addresses(['127.0.0.1', '127.0.0.2'], 60) };
  await clock.advance(999);
  await hosts.seek('127.0.0.2:3000');
  expect([server.queries.length, namesOf(hosts)]).toEqual([1, ['127.0.0.1:3000']]);
  await clock.advance(1);
  await Promise.all([hosts.seek('127.0.0.2:3000'), hosts.seek('127.0.0.2:3000')]);
  expect([server.queries.length, hosts.all.length]).toEqual([2, 2]);
});

it('does not ask sooner for a host that is looked for while DNS fails', async () => {
  const { server, hosts, discovery, clock, asked } = await discover('NXDOMAIN');
  await discovery.start();
  await asked(3);
  await settle();
  // The next comes after eight seconds.
  await clock.advance(7800);
  await hosts.seek('127.0.0.2:3000');
  expect(server.queries).toHaveLength(4);
});

it('asks no more once it is stopped, and takes in nothing that comes late', async () => {
  const { server, hosts, discovery, events, clock } = await discover('silence');
  const started = discovery.start();
  await server.asked();
  discovery.stop();
  await started;
  await clock.advance(HOUR);
  expect([hosts.all, events, server.queries.length]).toEqual([[], [], 1]);
});

it('asks no more once it is stopped between two answers', async () => {
  const { server, discovery, clock } = await discover(addresses(['127.0.0.1'], 0));
  await discovery.start();
  discovery.stop();
  await clock.advance(HOUR);
  await settle();
  expect(server.queries).toHaveLength(1);
});
