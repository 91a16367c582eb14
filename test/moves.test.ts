import { once } from 'node:events';
import { MemoryStore } from '../src';
import type Proxy from '../src';
import { onCleanup } from './support/cleanup';
import { handshake, pollUrl, request } from './support/http';
import type { ProxyInstance } from './support/proxy';
import { before, openWebSocket, startSessionHosts, type SessionHost } from './support/session-host';
import { until } from './support/until';

const sessionsOf = (proxy: ProxyInstance): number[] => proxy.hosts.map(({ sessions }) => sessions);

/** Hosts with so many sessions each, whose clients come back as soon as theirs are ended. */
async function startWith(counts: number[], options: Partial<Proxy.ProxyOptions> = {}): Promise<{
  proxy: ProxyInstance; url: string; hosts: SessionHost[]; lost: number[];
}> {
  const hosts = await startSessionHosts(counts.length);
  const { proxy, url } = await before(hosts, options);
  const lost: number[] = [];
  let isOver = false;
  const open = async (): Promise<void> => {
    const socket = await openWebSocket(url);
    onCleanup(() => isOver = true);
    socket.once('close', () => {
      if (isOver) return;
      lost.push(performance.now());
      void open().catch(() => {});
    });
  };
  for (const [at, count] of counts.entries()) {
    for (const [i, { name }] of hosts.entries()) proxy.setWeight(name, i === at ? 1 : 0);
    for (let i = 0; i < count; i += 1) await open();
  }
  for (const { name } of hosts) proxy.setWeight(name, 1);
  await until('all are known', () => sessionsOf(proxy).every((sessions, i) => sessions === counts[i]));
  return { proxy, url, hosts, lost };
}

describe('drainHost with a deadline', () => {
  it('moves nothing before it, and then about as many a second as it is told, one after the other', async () => {
    const { proxy, hosts: [first], lost } = await startWith([12, 0]);
    const start = performance.now();
    const drained = once(proxy, 'drained');
    proxy.drainHost(first?.name ?? '', { deadline: 400, movesPerSecond: 10 });
    expect(proxy.hosts[0]?.drain).toMatchObject({ movesPerSecond: 10 });
    await drained;
    await until('all are back', () => sessionsOf(proxy)[1] === 12);
    expect(lost).toHaveLength(12);
    expect((lost[0] ?? 0) - start).toBeGreaterThanOrEqual(400);
    const gaps = lost.slice(1).map((at, i) => at - (lost[i] ?? 0));
    // Twelve at ten a second, of which the first may come soon.
    expect((lost.at(-1) ?? 0) - start).toBeGreaterThan(400 + 900);
    expect(new Set(gaps.map((gap) => Math.round(gap))).size).toBeGreaterThan(3);
    expect(proxy.hosts[0]?.drain).toMatchObject({ movesIn: 0 });
  });

  it('moves one that another proxy has opened, and that comes to this one later', async () => {
    const store = new MemoryStore();
    const [first, second] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const [one, other] = [await before([first, second], { store }), await before([first], { store })];
    one.proxy.drainHost(first.name, { deadline: 0, movesPerSecond: 100 });
    const sid = await handshake(other.url);
    expect(first.sids).toEqual([sid]);
    const poll = request(pollUrl(one.url, sid));
    await until('it is ended', async () => await one.proxy.findSession(sid) === 'ended');
    first.answer();
    await poll;
    expect(sessionsOf(one.proxy)).toEqual([0, 0]);
  });

  it.each<[string, (proxy: ProxyInstance, host: string) => unknown]>([
    ['is drained no more', (proxy, host) => proxy.undrainHost(host)],
    ['is before a proxy that closes', (proxy) => proxy.operations.close()],
  ])('stops to move the sessions of a host that %s', async (_, stop) => {
    const { proxy, hosts: [first], lost } = await startWith([8, 0]);
    proxy.drainHost(first?.name ?? '', { deadline: 0, movesPerSecond: 10 });
    await until('one is moved', () => lost.length > 0);
    stop(proxy, first?.name ?? '');
    const moved = lost.length;
    // Time enough to move six.
    for (let i = 0; i < 30; i += 1) await once(first ?? proxy, 'check');
    // One may have been on its way.
    expect(lost.length - moved).toBeLessThanOrEqual(1);
  });
});

describe('rebalance', () => {
  it.each<[string, number[], number]>([
    ['one host that came back empty', [12, 12, 0], 7],
    ['one below its share, and none far above', [3, 3, 3, 1], 1],
  ])('moves as many sessions as it takes, and not more: of %s', async (_, counts, needed) => {
    const { proxy, lost } = await startWith(counts);
    const events: string[] = [];
    proxy.on('rebalancing', () => events.push('rebalancing'));
    const rebalanced = once(proxy, 'rebalanced') as Promise<[number]>;
    proxy.rebalance({ perMinute: 3000 });
    expect(() => proxy.rebalance()).toThrow('a rebalance is under way');
    expect(proxy.rebalanceStatus.running).toBe(true);
    const [moved] = await rebalanced;
    await until('all are back', () => lost.length === moved && total(sessionsOf(proxy)) === total(counts));
    expect(events).toEqual(['rebalancing']);
    expect(moved).toBeGreaterThanOrEqual(needed - 1);
    expect(moved).toBeLessThanOrEqual(needed + 2);
    const share = total(counts) / counts.length;
    for (const sessions of sessionsOf(proxy)) expect(Math.abs(sessions - share)).toBeLessThanOrEqual(Math.max(1, share / 10));
    expect(proxy.rebalanceStatus).toMatchObject({ running: false, moved });
  });

  it('is over at once where there is nothing to do', async () => {
    const { proxy, lost } = await startWith([3, 3]);
    const rebalanced = once(proxy, 'rebalanced');
    proxy.rebalance();
    expect(await rebalanced).toEqual([0]);
    expect(lost).toEqual([]);
  });

  it('stops when it is told to', async () => {
    const { proxy, lost } = await startWith([12, 0]);
    const rebalanced = once(proxy, 'rebalanced') as Promise<[number]>;
    proxy.rebalance({ perMinute: 600 });
    await until('one is moved', () => lost.length > 0);
    proxy.stopRebalance();
    const [moved] = await rebalanced;
    expect(moved).toBeLessThan(6);
    expect(proxy.rebalanceStatus.running).toBe(false);
  });

  it('begins by itself where the option says so, once a host is drained no more', async () => {
    const { proxy, hosts: [first] } = await startWith([0, 10], { rebalance: { perMinute: 3000 } });
    proxy.drainHost(first?.name ?? '');
    const rebalanced = once(proxy, 'rebalanced');
    proxy.undrainHost(first?.name ?? '');
    await rebalanced;
    await until('all are back', () => total(sessionsOf(proxy)) === 10);
    expect(Math.abs(5 - (sessionsOf(proxy)[0] ?? 0))).toBeLessThanOrEqual(1);
  });

  it('ends by itself where a balance of the user sends all back to where they were', async () => {
    const { proxy, hosts: [first], lost } = await startWith([6, 0], { balance: (hosts) => hosts[0]?.host ?? '' });
    const rebalanced = once(proxy, 'rebalanced') as Promise<[number]>;
    proxy.rebalance({ perMinute: 60_000 });
    const [moved] = await rebalanced;
    expect(first?.sids.length).toBeGreaterThan(6);
    expect(moved).toBeLessThanOrEqual(18);
    expect(lost.length).toBeGreaterThan(0);
  });
});

function total(counts: number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
