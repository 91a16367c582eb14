import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Proxy, type PartialProxyOptions } from '../src';
import { onCleanup } from './support/cleanup';
import { stopClock, type Clock } from './support/clock';
import { handshake, pollUrl, request } from './support/http';
import { startProxy, type ProxyInstance } from './support/proxy';
import { before, openWebSocket, startSessionHost, type SessionHost } from './support/session-host';
import { ownStore } from './support/stores';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
const DELAY = 5000;

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

interface Leaving {
  proxy: ProxyInstance;
  url: string;
  clock: Clock;
  isClosed: () => boolean;
  /** Calls `close()`. */
  leave: () => void;
}

/** A proxy whose time stands still; no check of a host comes meanwhile. */
async function start(options: PartialProxyOptions = {}): Promise<Leaving> {
  const { proxy, url } = await before([host], { shutdownDelay: DELAY, checkInterval: 3_600_000, ...options });
  const clock = stopClock();
  let closed = false;
  const leave = (): void => void proxy.close(() => closed = true);
  onCleanup(() => {
    leave();
    return clock.advanceUntil('closed', () => closed);
  });
  return { proxy, url, clock, isClosed: () => closed, leave };
}

describe('close, with a shutdownDelay', () => {
  it('takes connections, handshakes and WebSockets until it is over, and then no more', async () => {
    const { proxy, url, clock, leave, isClosed } = await start();
    leave();
    await clock.advance(DELAY - 1);
    const sid = await handshake(url);
    expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200, body: 'ok' });
    const socket = await openWebSocket(url, sid);
    expect([isClosed(), proxy.server.listening]).toEqual([false, true]);
    const ended = once(socket, 'close');
    await clock.advanceUntil('closed', isClosed);
    await ended;
    expect(proxy.server.listening).toBe(false);
    await expect(request(url + HANDSHAKE)).rejects.toThrow('ECONNREFUSED');
  });

  it('closes the connection with each answer, also with that of a poll that it already held, and with a refusal', async () => {
    const { url, clock, leave } = await start();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onCleanup(() => agent.destroy());
    const connectionOf = async (path: string): Promise<string | undefined> =>
      (await request(url + path, { agent })).headers.connection;
    expect(await connectionOf(HANDSHAKE)).toBe('keep-alive');
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid), { agent: new http.Agent({ keepAlive: true }) }), await once(host, 'poll')];
    leave();
    await clock.advance(1);
    host.answer();
    expect((await poll).headers.connection).toBe('close');
    expect(await connectionOf(HANDSHAKE)).toBe('close');
    expect(await connectionOf(`${HANDSHAKE}&sid=nobody`)).toBe('close');
    expect(await connectionOf('/elsewhere')).toBe('close');
  });

  it('is not ready at once, and tells so', async () => {
    const proxy = new Proxy({ hosts: [host.name], store: ownStore(), shutdownDelay: 1, admin: { port: 0 } });
    onCleanup(() => proxy.close());
    const ready = Promise.all([once(proxy, 'adminListening') as Promise<[AddressInfo]>, once(proxy, 'up')]);
    proxy.listen(0, '127.0.0.1');
    const [[{ port }]] = await ready;
    const admin = `http://127.0.0.1:${port}`;
    expect(await request(`${admin}/readyz`)).toMatchObject({ status: 200 });
    const clock = stopClock();
    const closed = proxy.close();
    expect(await request(`${admin}/readyz`)).toMatchObject({ status: 503, body: expect.stringContaining('closing') as string });
    await clock.advance(10_000);
    await closed;
  });

  it('admits the handshakes that wait for their turn until it is over', async () => {
    const { url, clock, leave } = await start({ maxHandshakesPerSecond: 1 });
    await handshake(url);
    const waiting = handshake(url);
    leave();
    let isAdmitted = false;
    void waiting.then(() => isAdmitted = true);
    expect(await clock.advanceUntil('it is admitted', () => isAdmitted)).toBeLessThan(DELAY);
  });

  it('takes shutdownDelay and drainTimeout where something stays open, and a second call joins', async () => {
    const { proxy, url, clock, leave, isClosed } = await start({ drainTimeout: 3000 });
    const [poll] = [request(pollUrl(url, await handshake(url))), await once(host, 'poll')];
    const cut = expect(poll).rejects.toThrow();
    leave();
    const joined = proxy.close();
    const took = await clock.advanceUntil('closed', isClosed);
    expect(took).toBeGreaterThanOrEqual(DELAY + 3000);
    expect(took).toBeLessThanOrEqual(DELAY + 3000 + 1000);
    await Promise.all([joined, cut]);
  });

  it("holds on a server of the caller's too", async () => {
    const server = http.createServer().listen(0, '127.0.0.1');
    onCleanup(() => server.close());
    await once(server, 'listening');
    const { proxy, url, clock, leave, isClosed } = await start({ server });
    leave();
    await clock.advance(DELAY - 1);
    expect((await request(url + HANDSHAKE)).headers.connection).toBe('close');
    const closed = proxy.close();
    await clock.advanceUntil('closed', isClosed);
    await closed;
  });

  it('does not wait where nobody can come, as before listen', async () => {
    const proxy = new Proxy({ hosts: [host.name], store: ownStore(), shutdownDelay: 1_000_000_000 });
    await proxy.close();
  });
});

it('refuses handshakes at once without a shutdownDelay', async () => {
  const { proxy, url } = await startProxy({ hosts: [host.name], drainTimeout: 1_000_000 });
  const sid = await handshake(url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  const [poll] = [request(pollUrl(url, sid), { agent }), await once(host, 'poll')];
  void proxy.close();
  await expect(request(url + HANDSHAKE)).rejects.toThrow('ECONNREFUSED');
  host.answer();
  await poll;
});
