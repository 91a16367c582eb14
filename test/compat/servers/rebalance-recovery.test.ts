import { once } from 'node:events';
import { startProxy, type ProxyInstance, type Started } from '../../support/proxy';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { Remote } from '../../support/remote';
import { until } from '../../support/until';

/** What a client has seen. */
interface Seen {
  connected: boolean;
  transport: 'polling' | 'websocket';
  numbers: number[];
  /** With the last number that it had by then. */
  connects: { id: string; sid: string; recovered: boolean; restored: number }[];
  lost: { reason: string; at: number }[];
}

/** How often a number is sent, in ms. */
const INTERVAL = 20;

const CLIENTS = [
  [6, { transports: ['polling'] }],
  [6, { transports: ['websocket'] }],
  [4, { transports: ['polling', 'websocket'] }],
] as const;

const sessionsOf = (proxy: ProxyInstance): number[] => proxy.hosts.map(({ sessions }) => sessions);

/** The servers, and what they tell: by each sid, the last number that others were given before its client joined them. */
interface Servers extends Started {
  hosts: Remote[];
  reasons: string[];
  given: Map<string, number>;
}

/** Three servers that share what they know of their clients, and a proxy before them. */
async function start(): Promise<Servers> {
  const hosts = Array.from({ length: 3 }, () => new Remote('recovering-host.mjs'));
  const reasons: string[] = [];
  const given = new Map<string, number>();
  for (const host of hosts) {
    host.on('disconnect', (reason: string) => reasons.push(reason));
    host.on('joined', (joined: { sid: string; given: number }) => given.set(joined.sid, joined.given));
  }
  const prefix = uniqueKeyPrefix();
  const ports = await Promise.all(hosts.map((host) => host.call<number>('start', { redisUrl: sharedRedisUrl(), prefix })));
  // In turn, so that each has as many as another, and of every transport; but for the last.
  const entries = ports.map((port, i) => ({ host: `127.0.0.1:${port}`, weight: i === 2 ? 0 : 1 }));
  const started = await startProxy({ balance: 'round-robin', hosts: entries });
  return { ...started, hosts, reasons, given };
}

/** Clients of both transports that have been sent some numbers each, while more of them come. */
async function flow(url: string, speaker: Remote): Promise<Remote> {
  const clients = new Remote('recovering-clients.mjs');
  for (const [count, options] of CLIENTS) await clients.call('open', url, count, options);
  await speaker.call('flow', INTERVAL);
  await until('each has heard something', async () => (await report(clients)).every(({ numbers }) => numbers.length > 1));
  return clients;
}

const report = (clients: Remote): Promise<Seen[]> => clients.call<Seen[]>('report');

/** Lets all come back, and stops the flow: what each has seen by the time that it has heard the last number. */
async function settle(clients: Remote, speaker: Remote): Promise<{ seen: Seen[]; last: number }> {
  await until('all are connected', async () => (await report(clients)).every(({ connected }) => connected));
  const last = await speaker.call<number>('stop');
  await until('each has heard the last', async () => (await report(clients)).every(({ numbers }) => numbers.at(-1) === last));
  return { seen: await report(clients), last };
}

/**
 * What a client is to have been sent: every number once, in order. But for a seam that is the adapter's own: between
 * its looking up what a client has missed and the client's joining the others it lets fall what is sent, or sends it
 * twice.
 */
function expectedOf({ numbers, connects }: Seen, given: Map<string, number>, last: number): number[] {
  const expected: number[] = [];
  let from = numbers[0] ?? NaN;
  for (const { sid, restored } of connects.slice(1)) {
    for (; from <= restored; from += 1) expected.push(from);
    from = (given.get(sid) ?? NaN) + 1;
  }
  for (; from <= last; from += 1) expected.push(from);
  return expected;
}

/** No client has missed anything. Those that were moved. */
function expectNothingMissed(seen: Seen[], given: Map<string, number>, last: number): Seen[] {
  for (const each of seen) {
    expect(each.numbers).toEqual(expectedOf(each, given, last));
    expect(new Set(each.connects.map(({ id }) => id)).size).toBe(1);
    expect(each.connects.slice(1).every(({ recovered }) => recovered)).toBe(true);
  }
  return seen.filter(({ connects }) => connects.length > 1);
}

it('evens hosts out, and drains one, under a flow of messages, of which no client misses any or gets any twice', async () => {
  const { proxy, url, hosts, reasons, given } = await start();
  const [first, speaker] = hosts as [Remote, Remote];
  const clients = await flow(url, speaker);
  proxy.setWeight(proxy.hosts[2]?.host ?? '', 1);
  const rebalanced = once(proxy, 'rebalanced');
  proxy.rebalance({ perMinute: 600 });
  const [moved] = await rebalanced as [number];
  await until('all are connected', async () => (await report(clients)).every(({ connected }) => connected));
  // Of sixteen: a third, and one more or less.
  for (const sessions of sessionsOf(proxy)) expect([4, 5, 6, 7]).toContain(sessions);
  expect([4, 5, 6]).toContain(moved);

  const { host = '', sessions = NaN } = proxy.hosts[0] ?? {};
  const drained = once(proxy, 'drained');
  proxy.drainHost(host, { deadline: 100, movesPerSecond: 10 });
  await drained;
  const { seen, last } = await settle(clients, speaker);
  const transports = new Set(expectNothingMissed(seen, given, last).map(({ transport }) => transport));
  expect(transports).toEqual(new Set(['polling', 'websocket']));
  expect(seen.reduce((sum, { connects }) => sum + connects.length - 1, 0)).toBe(moved + sessions);
  expect(proxy.hosts[0]).toMatchObject({ sessions: 0, tunnels: 0, requests: 0 });
  // The one that is always there.
  expect(await first.call('clientsCount')).toBe(1);
  // An error is what a server makes of it that sends something just then.
  expect(reasons).toHaveLength(moved + sessions);
  expect(reasons.filter((reason) => !/^transport (?:close|error)$/.test(reason))).toEqual([]);
});
