import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProxyOptions } from '../src';
import { onCleanup } from './support/cleanup';
import { Clients } from './support/clients';
import { startHost, startHosts, type HostProcess } from './support/hosts';
import { startProxy, type ProxyInstance, type Started } from './support/proxy';
import { before, openWebSocket, startSessionHost, startSessionHosts, type SessionHost } from './support/session-host';
import { until } from './support/until';

const sessionsOf = (proxy: ProxyInstance): number[] => proxy.hosts.map(({ sessions }) => sessions);

/** Clients by WebSocket that come back, a while after they were cut off. */
class Returning {
  /** How often one was cut off. */
  cuts = 0;
  readonly #url: string;
  readonly #delay: number;
  #isOver = false;

  constructor(url: string, delay = 20) {
    this.#url = url;
    this.#delay = delay;
    onCleanup(() => (this.#isOver = true));
  }

  async open(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await this.#open();
  }

  async #open(): Promise<void> {
    const socket = await openWebSocket(this.#url);
    socket.once('close', () => {
      if (this.#isOver) return;
      this.cuts += 1;
      // It may be refused by then.
      setTimeout(() => void (this.#isOver || this.#open().catch(() => {})), this.#delay).unref();
    });
  }
}

/** A proxy before hosts, the last of which has no session of so many. */
async function withOneEmpty(
  sessions: number, options: Partial<ProxyOptions> = {}, count = 3, delay?: number,
): Promise<Started & { clients: Returning; hosts: SessionHost[]; empty: SessionHost }> {
  const hosts = await startSessionHosts(count);
  const started = await before(hosts, { balance: 'round-robin', ...options });
  const empty = hosts.at(-1);
  if (!empty) throw new Error('no host');
  started.proxy.setWeight(empty.name, 0);
  const clients = new Returning(started.url, delay);
  await clients.open(sessions);
  return { ...started, clients, hosts, empty };
}

/** Lets the rebalance that is under way end, and resolves with how many it has moved. */
async function rebalanced(proxy: ProxyInstance): Promise<number> {
  const [moved] = await once(proxy, 'rebalanced') as [number];
  return moved;
}

/** So many were cut off, and no more are. */
async function staysAt(cuts: number, clients: Returning): Promise<void> {
  await until('all that were moved know it', () => clients.cuts >= cuts);
  await sleep(300);
  expect(clients.cuts).toBe(cuts);
}

describe('rebalance', () => {
  it('moves as many sessions as needed to a host that is empty, by polling and by WebSocket', async () => {
    const hosts = await startHosts(2) as [HostProcess, HostProcess];
    const { proxy, url } = await startProxy({ hosts: hosts.map(({ name }) => name), balance: 'round-robin', checkInterval: 100 });
    const clients = new Clients();
    const keys: number[] = [];
    for (const transport of Array.from({ length: 24 }, (_, i) => (i % 4 < 2 ? 'polling' : 'websocket'))) {
      const options = { url, transports: [transport] as ['polling'], reconnection: true, reconnectionDelay: 20 };
      keys.push((await clients.connect(options)).key);
    }
    let disconnects = 0;
    clients.on('disconnect', () => (disconnects += 1));
    expect(sessionsOf(proxy)).toEqual([12, 12]);
    const third = await startHost();
    const up = once(proxy, 'up');
    proxy.addHost(third.name);
    await up;
    expect(proxy.rebalanceStatus).toEqual({ running: false, moved: 0, toMove: 8, spread: 1 });

    let told = 0;
    proxy.on('rebalancing', () => (told += 1));
    proxy.rebalance({ perMinute: 1200 });
    expect(told).toBe(1);
    expect(proxy.rebalanceStatus).toMatchObject({ running: true });
    const moved = await rebalanced(proxy);
    await Promise.all(keys.map((key) => clients.answered(key)));
    await until('all have come back', () => sessionsOf(proxy).reduce((sum, count) => sum + count) === 24);
    for (const sessions of sessionsOf(proxy)) expect(Math.abs(sessions - 8)).toBeLessThanOrEqual(1);
    expect(moved).toBeLessThanOrEqual(8);
    expect(disconnects).toBe(moved);
    expect(proxy.rebalanceStatus).toMatchObject({ running: false, moved, toMove: 0 });
  });

  it('keeps to its rate, and cannot be begun twice or without end', async () => {
    const { proxy, clients, empty } = await withOneEmpty(40);
    proxy.setWeight(empty.name, 1);
    const start = performance.now();
    proxy.rebalance({ perMinute: 600 });
    expect(() => proxy.rebalance()).toThrow(new Error('a rebalance is under way'));
    await until('five were moved', () => proxy.rebalanceStatus.moved >= 5);
    // Ten a second.
    expect(performance.now() - start).toBeGreaterThan(250);
    const over = rebalanced(proxy);
    proxy.stopRebalance();
    const moved = await over;
    expect(moved).toBeLessThan(13);
    proxy.stopRebalance();
    await staysAt(moved, clients);
  });

  it('moves to each host its share by weight', async () => {
    const { proxy, clients, hosts, empty } = await withOneEmpty(30);
    const [heavy] = hosts as [SessionHost];
    proxy.setWeight(heavy.name, 3);
    proxy.setWeight(empty.name, 2);
    // Of 30: 15, 5 and 10.
    proxy.rebalance({ perMinute: 6000 });
    await rebalanced(proxy);
    await until('all have come back', () => sessionsOf(proxy).reduce((sum, count) => sum + count) === 30);
    const spread = sessionsOf(proxy).map((sessions, i) => Math.abs(sessions - ([15, 5, 10][i] ?? 0)));
    expect(Math.max(...spread)).toBeLessThanOrEqual(2);
    expect(clients.cuts).toBeLessThanOrEqual(12);
  });

  it('ends only when those that were moved are back, where hosts seem to be even before', async () => {
    const { proxy, empty } = await withOneEmpty(60, {}, 3, 1000);
    proxy.setWeight(empty.name, 1);
    proxy.rebalance({ perMinute: 1200 });
    const moved = await rebalanced(proxy);
    const sessions = sessionsOf(proxy);
    expect(sessions.reduce((sum, count) => sum + count)).toBe(60);
    expect(sessions[2]).toBe(moved);
  });

  it('ends at once where there is nothing to do, and tells only that', async () => {
    const { proxy } = await withOneEmpty(9);
    let told = 0;
    proxy.on('rebalancing', () => (told += 1));
    proxy.rebalance();
    expect(await rebalanced(proxy)).toBe(0);
    expect(told).toBe(0);
  });

  it('ends where many hosts have few sessions, and none has one too many', async () => {
    // Of 18 on nine hosts and none on the tenth, its share is 1.8: it needs one.
    const { proxy, clients, empty } = await withOneEmpty(18, {}, 10);
    expect(sessionsOf(proxy)).toEqual([...Array.from({ length: 9 }, () => 2), 0]);
    proxy.setWeight(empty.name, 1);
    proxy.rebalance({ perMinute: 600 });
    expect(await rebalanced(proxy)).toBe(1);
    await until('it has come back', () => sessionsOf(proxy).at(-1) === 1);
    expect(clients.cuts).toBe(1);
  });

  it('moves no more than a host in its slow start takes', async () => {
    const { proxy, clients, hosts } = await withOneEmpty(40, { slowStart: 2000 }, 2);
    const third = await startSessionHost();
    const up = once(proxy, 'up');
    proxy.addHost(third.name);
    await up;
    expect(hosts).toHaveLength(2);
    proxy.rebalance({ perMinute: 6000 });
    await rebalanced(proxy);
    await until('all have come back', () => sessionsOf(proxy).reduce((sum, count) => sum + count) === 40);
    expect(clients.cuts).toBeLessThanOrEqual(22);
    expect(Math.abs((sessionsOf(proxy)[2] ?? 0) - 20)).toBeLessThanOrEqual(2);
  });

  it('ends though a function sends all sessions back to the host that they come from', async () => {
    const { proxy, hosts, clients, empty } = await withOneEmpty(12, { balance: (known) => known[0]?.host }, 2);
    const [full] = hosts as [SessionHost];
    expect(sessionsOf(proxy)).toEqual([12, 0]);
    proxy.setWeight(empty.name, 1);
    proxy.rebalance({ perMinute: 60_000 });
    const moved = await rebalanced(proxy);
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThanOrEqual(22);
    await until('all are back', () => clients.cuts === moved && sessionsOf(proxy)[0] === 12);
    expect(proxy.hosts[0]?.host).toBe(full.name);
  });

  it.each<[string, (proxy: ProxyInstance, host: string) => void]>([
    ['is drained no more', (proxy, host) => proxy.undrainHost(host)],
    ['is added again', (proxy, host) => {
      proxy.removeHost(host);
      proxy.addHost(host, { weight: 10 });
    }],
  ])('goes on for as long as is needed when a host that is to have most sessions %s meanwhile', async (_, come) => {
    const { proxy, hosts, empty } = await withOneEmpty(80);
    proxy.drainHost(empty.name);
    proxy.setWeight(empty.name, 10);
    proxy.setWeight(hosts[0]?.name ?? '', 2);
    const over = rebalanced(proxy);
    proxy.rebalance({ perMinute: 1200 });
    expect(proxy.rebalanceStatus.toMove).toBe(13);
    come(proxy, empty.name);
    await over;
    // Of 80: 12, 6 and 62, and a tenth more or less.
    expect(sessionsOf(proxy)[2]).toBeGreaterThanOrEqual(55);
  });

  it('lets new sessions go as the option says again when it is over', async () => {
    const { proxy, clients, empty } = await withOneEmpty(10, {}, 2);
    proxy.setWeight(empty.name, 1);
    proxy.rebalance({ perMinute: 0.01 });
    const over = rebalanced(proxy);
    proxy.stopRebalance();
    await over;
    await clients.open(4);
    expect(sessionsOf(proxy)).toEqual([12, 2]);
  });

  it('is refused, and stopped, when the proxy closes', async () => {
    const { proxy, clients, empty } = await withOneEmpty(20, { drainTimeout: 10_000 });
    proxy.setWeight(empty.name, 1);
    proxy.rebalance({ perMinute: 600 });
    await until('one was moved', () => proxy.rebalanceStatus.moved > 0);
    const over = rebalanced(proxy);
    const closing = once(proxy, 'closing');
    void proxy.close();
    await closing;
    const moved = await over;
    expect(() => proxy.rebalance()).toThrow(new Error('the proxy is closing'));
    await staysAt(moved, clients);
  });

  it.each<[options: unknown, message: string]>([
    [{ perMinute: 0 }, "'perMinute' must be a number from 0.01 to 600000, received 0"],
    [{ perMinute: '60' }, "'perMinute' must be a number from 0.01 to 600000, received '60'"],
    [{ perSecond: 1 }, "'perSecond' is not an option; expected perMinute"],
    [5, "'options' must be an object, received 5"],
  ])('refuses the options %j', async (options, message) => {
    const { proxy } = await before([await startSessionHost()]);
    expect(() => proxy.rebalance(options as object)).toThrow(new TypeError(message));
  });
});

describe('the option rebalance', () => {
  it('moves sessions by itself to a host that comes back', async () => {
    // An address of its own: nobody takes its port while it is away.
    const address = '127.0.0.2';
    const hosts = [await startHost(), await startHost({ address })] as const;
    const [first, second] = hosts;
    const { proxy, url } = await startProxy({
      hosts: hosts.map(({ name }) => name), balance: 'round-robin', checkInterval: 50, rebalance: { perMinute: 3000 },
    });
    const clients = new Clients();
    const connected = await Promise.all(Array.from({ length: 12 }, () => clients.connect({
      url, transports: ['websocket'], reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100,
    })));
    const { port } = second;
    await second.kill();
    await until('all are on the other', async () => {
      const counts = await first.call<number>('clientsCount');
      return counts === 12;
    });
    const over = rebalanced(proxy);
    await startHost({ address, port });
    expect(await over).toBeLessThanOrEqual(6);
    await Promise.all(connected.map(({ key }) => clients.answered(key)));
    await until('all have come back', () => sessionsOf(proxy).reduce((sum, count) => sum + count) === 12);
    for (const sessions of sessionsOf(proxy)) expect(Math.abs(sessions - 6)).toBeLessThanOrEqual(1);
  });

  it('moves sessions by itself to a host that is drained no more, and does nothing before', async () => {
    const hosts = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy, url } = await before(hosts, { rebalance: { perMinute: 3000 } });
    proxy.drainHost(hosts[1].name);
    const clients = new Returning(url);
    await clients.open(10);
    expect(clients.cuts).toBe(0);
    const over = rebalanced(proxy);
    proxy.undrainHost(hosts[1].name);
    await over;
    await until('all have come back', () => sessionsOf(proxy).reduce((sum, count) => sum + count) === 10);
    for (const sessions of sessionsOf(proxy)) expect(Math.abs(sessions - 5)).toBeLessThanOrEqual(1);
    expect(clients.cuts).toBeLessThanOrEqual(5);
  });

  it.each<[option: unknown, message: string]>([
    [{}, "'rebalance.perMinute' must be a number from 0.01 to 600000, received undefined"],
    [{ perMinute: 0 }, "'rebalance.perMinute' must be a number from 0.01 to 600000, received 0"],
    [{ perMinute: 1, perSecond: 1 }, "'rebalance.perSecond' is not an option; expected perMinute"],
    [60, "'rebalance' must be an object, received 60"],
    [null, "'rebalance' must be an object, received null"],
  ])('may not be %j', async (rebalance, message) => {
    await expect(startProxy({ hosts: ['localhost:1'], rebalance: rebalance as never })).rejects.toThrow(new TypeError(message));
  });
});
