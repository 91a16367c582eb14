import { once } from 'node:events';
import Proxy, { MemoryStore } from '../../src';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { handshake, pollUrl, request } from '../support/http';
import { before, countsOf, openWebSocket, startSessionHost, startSessionHosts, SessionHost } from '../support/session-host';
import { until } from '../support/until';

const HOUR = 3_600_000;

describe('hosts', () => {
  it('tells of each host what is known of it', async () => {
    const host = await startSessionHost();
    const hosts = [host.name, { host: '127.0.0.1:1', weight: 7 }];
    const proxy = new Proxy({ store: new MemoryStore(), hosts, checkInterval: 20 });
    onCleanup(() => proxy.close());
    const idle = { draining: false, sessions: 0, tunnels: 0, requests: 0, polls: 0, drain: undefined, drained: false };
    expect(proxy.hosts).toEqual([
      { host: host.name, state: 'checking', downReason: undefined, weight: 1, ...idle },
      { host: '127.0.0.1:1', state: 'checking', downReason: undefined, weight: 7, ...idle },
    ]);
    proxy.listen(0, '127.0.0.1');
    await Promise.all([once(proxy, 'up'), once(proxy, 'down')]);
    proxy.drainHost(host.name);
    proxy.setWeight('127.0.0.1:1', 8);
    expect(proxy.hosts).toEqual([
      {
        host: host.name, state: 'up', downReason: undefined, weight: 1, ...idle,
        draining: true, drain: { movesIn: undefined, movesPerSecond: 5 },
      },
      { host: '127.0.0.1:1', state: 'down', downReason: 'refused', weight: 8, ...idle },
    ]);
  });

  it('counts sessions, WebSockets and requests while they last', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    expect(countsOf(proxy)).toEqual([[0, 0, 0]]);
    const sid = await handshake(url);
    await until('the handshake is over', () => proxy.hosts[0]?.requests === 0);
    expect(countsOf(proxy)).toEqual([[1, 0, 0]]);
    const held = once(host, 'poll');
    const poll = request(pollUrl(url, sid));
    await held;
    expect(countsOf(proxy)).toEqual([[1, 0, 1]]);
    const socket = await openWebSocket(url, sid);
    expect(countsOf(proxy)).toEqual([[1, 1, 1]]);
    const other = await openWebSocket(url);
    expect(countsOf(proxy)).toEqual([[2, 2, 1]]);
    host.answer();
    await poll;
    other.terminate();
    await until('the WebSocket and its session have ended', () => proxy.hosts[0]?.sessions === 1);
    expect(countsOf(proxy)).toEqual([[1, 1, 0]]);
    socket.terminate();
    await until('the other has ended', () => proxy.hosts[0]?.tunnels === 0);
  });

  it('counts a session by polling until it has expired', async () => {
    const clock = stopClock();
    const { proxy, url } = await before([await startSessionHost(100)], { keyExpiry: 60, checkInterval: HOUR });
    const sid = await handshake(url);
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(59_000);
      expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
    }
    await clock.advance(60_000);
    expect(proxy.hosts[0]?.sessions).toBe(1);
    // What has expired is looked for every five seconds.
    await clock.advance(6000);
    expect(proxy.hosts[0]?.sessions).toBe(0);
  });

  it('counts a session whose WebSocket after an upgrade has ended for three seconds more, or as it goes on by polling', async () => {
    const clock = stopClock();
    // Its sessions live for a minute.
    const { proxy, url } = await before([await startSessionHost()], { keyExpiry: 2, checkInterval: HOUR });
    const sid = await handshake(url);
    const post = (): Promise<unknown> => request(pollUrl(url, sid), { method: 'POST', body: '2' });
    for (let i = 0; i < 2; i += 1) {
      (await openWebSocket(url, sid)).terminate();
      await until('it is over', () => proxy.hosts[0]?.tunnels === 0);
      await clock.advance(3000);
      expect(proxy.hosts[0]?.sessions).toBe(1);
      if (i === 0) {
        // Its upgrade has failed, as it seems.
        await post();
        await clock.advance(59_000);
        expect(proxy.hosts[0]?.sessions).toBe(1);
      }
    }
    // Each second may have begun, and is looked at four times.
    await clock.advance(1250);
    expect(proxy.hosts[0]?.sessions).toBe(0);
    expect(await post()).toMatchObject({ status: 200 });
    expect(proxy.hosts[0]?.sessions).toBe(1);
  });

  it('forgets a session that was opened by WebSocket when that ends, in the store too', async () => {
    const store = new MemoryStore();
    const host = await startSessionHost();
    const { proxy, url } = await before([host], { store });
    const socket = await openWebSocket(url);
    const [sid = ''] = host.sids;
    expect(await store.find(sid, 1)).toBe(host.name);
    socket.terminate();
    await until('the store has forgotten it', async () => await store.find(sid, 1) === undefined);
    expect(countsOf(proxy)).toEqual([[0, 0, 0]]);
  });

  it('counts a session that another proxy has opened once it comes here', async () => {
    const store = new MemoryStore();
    const host = await startSessionHost();
    const [first, second] = [await before([host], { store }), await before([host], { store })];
    const sid = await handshake(first.url);
    expect(second.proxy.hosts[0]?.sessions).toBe(0);
    for (let i = 0; i < 2; i += 1) await request(pollUrl(second.url, sid), { method: 'POST', body: '2' });
    expect(second.proxy.hosts[0]?.sessions).toBe(1);
  });

  it('counts no more sessions than the proxy remembers, but for those that it holds open', async () => {
    const { proxy, url } = await before([await startSessionHost()], { cacheSize: 2 });
    for (let i = 0; i < 5; i += 1) await handshake(url);
    await until('the handshakes are over', () => proxy.hosts[0]?.requests === 0);
    expect(countsOf(proxy)).toEqual([[2, 0, 0]]);
    const sockets = await Promise.all(Array.from({ length: 3 }, () => openWebSocket(url)));
    expect(countsOf(proxy)).toEqual([[3, 3, 0]]);
    for (const socket of sockets) socket.terminate();
    await until('they have ended', () => proxy.hosts[0]?.sessions === 0);
  });

  it('counts no session of a host that has died', async () => {
    // An address of its own: nobody takes its port while it is away.
    const address = '127.0.0.3';
    const host = await new SessionHost(45_000).start({ host: address });
    const { proxy, url } = await before([host]);
    for (let i = 0; i < 3; i += 1) await handshake(url);
    await until('the handshakes are over', () => proxy.hosts[0]?.requests === 0);
    expect(countsOf(proxy)).toEqual([[3, 0, 0]]);
    await host.stop();
    await until('it refuses connections', () => proxy.hosts[0]?.downReason === 'refused');
    expect(countsOf(proxy)).toEqual([[0, 0, 0]]);
    const up = once(proxy, 'up');
    const { port } = host;
    await new SessionHost(45_000).start({ host: address, port });
    await up;
    await handshake(url);
    expect(proxy.hosts[0]?.sessions).toBe(1);
  });

  it('counts a handshake on the host that it has reached, where it could not reach another', async () => {
    const [dead, alive] = await startSessionHosts(2) as [SessionHost, SessionHost];
    const { proxy, url } = await before([dead, alive], { balance: 'round-robin', checkInterval: 60_000 });
    await dead.stop();
    alive.holdsHandshakes = true;
    const [poll] = [handshake(url), await once(alive, 'handshake')];
    expect(countsOf(proxy)).toEqual([[0, 0, 0], [0, 0, 1]]);
    alive.answer();
    await poll;
    await openWebSocket(url);
    await until('the handshake is over', () => proxy.hosts[1]?.requests === 0);
    expect(countsOf(proxy)).toEqual([[0, 0, 0], [2, 1, 0]]);
  });
});
