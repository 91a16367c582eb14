import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryStore } from '../src';
import { Clients } from './support/clients';
import { startHosts, type HostProcess } from './support/hosts';
import { handshake, pollUrl, request } from './support/http';
import { startProxy } from './support/proxy';
import { before, openWebSocket, startSessionHost, startSessionHosts, type SessionHost } from './support/session-host';
import { until } from './support/until';

/** WebSockets that have opened sessions through a proxy, and when they ended: by `performance.now()`. */
class Sockets {
  readonly endedAt: number[] = [];
  readonly #sockets: Awaited<ReturnType<typeof openWebSocket>>[] = [];

  async open(url: string, count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const socket = await openWebSocket(url);
      this.#sockets.push(socket);
      socket.once('close', () => this.endedAt.push(performance.now()));
    }
  }

  /** Ends some of those that are open. */
  end(count: number): void {
    for (const socket of this.#sockets.filter(({ readyState }) => readyState === 1).slice(0, count)) socket.terminate();
  }

  async ended(count: number): Promise<void> {
    await until(`${count} have ended`, () => this.endedAt.length >= count, 10_000);
  }
}

describe('drainHost with a deadline', () => {
  it('moves no session before it, then a few a second, until its host is drained: by polling and by WebSocket', async () => {
    const [first, second] = await startHosts(2) as [HostProcess, HostProcess];
    const { proxy, url } = await startProxy({ hosts: [first.name, { host: second.name, weight: 0 }] });
    const clients = new Clients();
    const connect = (transport: string): Promise<{ key: number }> =>
      clients.connect({ url, transports: [transport] as ['polling'], reconnection: true, reconnectionDelay: 20 });
    const transports = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 'polling' : 'websocket'));
    const connected = await Promise.all(transports.map(connect));
    proxy.setWeight(second.name, 1);
    const endedAt: number[] = [];
    clients.on('disconnect', () => endedAt.push(performance.now()));

    const start = performance.now();
    const drained = once(proxy, 'drained');
    proxy.drainHost(first.name, { deadline: 500, movesPerSecond: 20 });
    expect(await drained).toEqual([first.name]);
    await until('all have heard of it', () => endedAt.length === 16);
    const [earliest = 0] = endedAt;
    expect(earliest - start).toBeGreaterThanOrEqual(500);
    // 16 of them at 20 a second take 0.8 s, on the average; and no two times are as long.
    expect((endedAt.at(-1) ?? 0) - earliest).toBeGreaterThan(300);
    const gaps = endedAt.slice(1).map((at, i) => at - (endedAt[i] ?? 0));
    expect(Math.max(...gaps)).toBeGreaterThan(1.2 * Math.min(...gaps));

    const hosts = await Promise.all(connected.map(({ key }) => clients.answered(key)));
    expect(new Set(hosts)).toEqual(new Set([second.name]));
    expect(proxy.hosts[0]).toMatchObject({ draining: true, sessions: 0, drain: { movesIn: 0, movesPerSecond: 20 } });
    expect((await proxy.operations.totals()).hosts[first.name]?.moved).toBe(16);
  });

  it('tells how it stands, and keeps its deadline until it is given another', async () => {
    const host = await startSessionHost();
    const { proxy } = await before([host]);
    const drain = (): unknown => proxy.hosts[0]?.drain;
    expect(drain()).toBeUndefined();
    proxy.drainHost(host.name, { deadline: 100_000 });
    expect(drain()).toEqual({ movesIn: expect.closeTo(100, 0) as number, movesPerSecond: 5 });
    proxy.drainHost(host.name, { movesPerSecond: 7 });
    expect(drain()).toMatchObject({ movesPerSecond: 5 });
    proxy.drainHost(host.name, { deadline: 50_000, movesPerSecond: 0.5 });
    expect(drain()).toEqual({ movesIn: expect.closeTo(50, 0) as number, movesPerSecond: 0.5 });
    proxy.undrainHost(host.name);
    expect(drain()).toBeUndefined();
    proxy.drainHost(host.name, { movesPerSecond: 7 });
    expect(drain()).toEqual({ movesIn: undefined, movesPerSecond: 7 });
  });

  it('leaves what is left when the host is drained no more', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const sockets = new Sockets();
    await sockets.open(url, 10);
    proxy.drainHost(host.name, { deadline: 0, movesPerSecond: 10 });
    await sockets.ended(2);
    proxy.undrainHost(host.name);
    // Some more than two may have been moved by now.
    const left = proxy.hosts[0]?.sessions ?? 0;
    expect(left).toBeGreaterThan(0);
    await sleep(700);
    expect(proxy.hosts[0]?.sessions).toBe(left);
    await sockets.ended(10 - left);
    expect(sockets.endedAt).toHaveLength(10 - left);
  });

  it('moves sessions at times that differ at random', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const sockets = new Sockets();
    await sockets.open(url, 16);
    proxy.drainHost(host.name, { deadline: 0, movesPerSecond: 10 });
    await sockets.ended(16);
    const gaps = sockets.endedAt.slice(1).map((at, i) => at - (sockets.endedAt[i] ?? 0)).sort((a, b) => a - b);
    // The second shortest and the second longest: not what a busy machine does to one. Chance has them differ by less
    // in no case of a million.
    expect(gaps[13] ?? 0).toBeGreaterThan(1.2 * (gaps[1] ?? 0));
  });

  it('goes on at its pace when many sessions have ended by themselves', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const sockets = new Sockets();
    await sockets.open(url, 60);
    proxy.drainHost(host.name, { deadline: 0, movesPerSecond: 10 });
    await sockets.ended(1);
    sockets.end(54);
    const start = performance.now();
    await sockets.ended(60);
    // The five that are left take half a second; one for each that has ended would take six.
    expect(performance.now() - start).toBeLessThan(4500);
  });

  it('forgets a host that is removed, also where it is added again', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    for (let i = 0; i < 2; i += 1) await handshake(url);
    proxy.drainHost(host.name, { deadline: 300, movesPerSecond: 100 });
    proxy.removeHost(host.name);
    proxy.addHost(host.name);
    await once(proxy, 'up');
    expect(proxy.hosts[0]).toMatchObject({ draining: false, drain: undefined });
    const sockets = new Sockets();
    await sockets.open(url, 2);
    await sleep(700);
    expect(sockets.endedAt).toEqual([]);
  });

  it('moves a session too that another proxy brings when the host was empty', async () => {
    const store = new MemoryStore();
    const host = await startSessionHost();
    const [{ proxy, url }, other] = [await before([host], { store }), await before([host], { store })];
    const drained = once(proxy, 'drained');
    proxy.drainHost(host.name, { deadline: 0 });
    await drained;
    const sid = await handshake(other.url);
    expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
    await until('it is moved', async () => await proxy.findSession(sid) === 'ended');
    expect(proxy.hosts[0]?.sessions).toBe(0);
  });

  it.each([
    ['before the deadline', 300, 0],
    ['while sessions are moved', 0, 1],
  ])('moves nothing any more when the proxy is closed: %s', async (_, deadline, moved) => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host], { drainTimeout: 10_000 });
    const sockets = new Sockets();
    await sockets.open(url, 8);
    proxy.drainHost(host.name, { deadline, movesPerSecond: 10 });
    await sockets.ended(moved);
    const closed = proxy.close();
    // Some more may have been moved by now, where one had been.
    const left = proxy.hosts[0]?.sessions ?? 0;
    expect(left).toBeGreaterThan(0);
    proxy.drainHost(host.name, { deadline: 0, movesPerSecond: 100 });
    await sleep(700);
    expect(proxy.hosts[0]?.sessions).toBe(left);
    await sockets.ended(8 - left);
    expect(sockets.endedAt).toHaveLength(8 - left);
    sockets.end(8);
    await closed;
  });

  it.each<[options: unknown, message: string]>([
    [{ deadline: -1 }, "'deadline' must be a number from 0 to 2147483647, received -1"],
    [{ deadline: '5' }, "'deadline' must be a number from 0 to 2147483647, received '5'"],
    [{ deadline: null }, "'deadline' must be a number from 0 to 2147483647, received null"],
    [{ movesPerSecond: 0 }, "'movesPerSecond' must be a number from 0.001 to 10000, received 0"],
    [{ movesPerSecond: NaN }, "'movesPerSecond' must be a number from 0.001 to 10000, received NaN"],
    [{ deadLine: 5 }, "'deadLine' is not an option; expected deadline, movesPerSecond"],
    [null, "'options' must be an object, received null"],
  ])('refuses the options %j, and does not drain', async (options, message) => {
    const [host] = await startSessionHosts(1) as [SessionHost];
    const { proxy } = await before([host]);
    expect(() => proxy.drainHost(host.name, options as object)).toThrow(new TypeError(message));
    expect(proxy.hosts[0]?.draining).toBe(false);
  });
});
