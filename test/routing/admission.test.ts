import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Admission, type AdmissionOptions } from '../../src/routing/admission';
import type { Refusal } from '../../src/base/refusals';
import { onCleanup } from '../support/cleanup';
import { stopClock, type Clock } from '../support/clock';
import { HANDSHAKE, open, openSeveral, requestsOf, startWatch, statusesOf } from '../support/handshakes';
import { handshake, pollUrl, request } from '../support/http';
import { startProxy, type ProxyInstance, type Started } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { before, openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { hostSid } from '../support/stores';
import { until } from '../support/until';

/** A rate of one handshake in almost two minutes, and all the time to wait for the next. */
const ONE = { maxHandshakesPerSecond: 0.01, handshakeQueueTimeout: 2_000_000_000, checkInterval: 3_600_000 };

let clock: Clock;
let hosts: SessionHost[];
let host: SessionHost;

beforeAll(async () => {
  hosts = await startSessionHosts(2);
  [host] = hosts as [SessionHost];
});
beforeEach(() => {
  clock = stopClock();
});

const queueOf = (proxy: ProxyInstance, count: number): Promise<number> =>
  until(`${count} wait`, async () => (await proxy.parts.operations.totals()).queued === count);

/** What is still on its way when the proxy is closed fails. */
const ignore = (waiting: Promise<unknown>): void => void waiting.catch(() => {});

/** A proxy that has let one handshake through, and lets none through for almost two minutes. */
async function startWaiting(options: object = {}): Promise<Started> {
  const started = await before([host], { ...ONE, ...options });
  await handshake(started.url);
  return started;
}

describe('a rate of handshakes', () => {
  it('counts WebSockets too, and nothing that opens no session', async () => {
    const { url, proxy } = await before([host], { ...ONE, maxQueuedHandshakes: 0 });
    for (const target of ['/socket.io/socket.io.js', '/socket.io/', '/socket.io/?EIO=4']) {
      expect((await request(url + target)).status).toBeLessThan(500);
    }
    expect((await open(url, { method: 'POST', body: '40' })).status).toBeLessThan(500);
    const preflight = { method: 'OPTIONS', headers: { 'Origin': 'http://page.example', 'Access-Control-Request-Method': 'GET' } };
    expect((await open(url, preflight)).status).toBeLessThan(500);
    const sid = await handshake(url);
    expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
    await openWebSocket(url, sid);
    const refused = await open(url, { headers: { Origin: 'http://page.example' } });
    expect([refused.status, refused.json()]).toEqual([503, { code: 'TOO_MANY_HANDSHAKES', message: 'Too many handshakes' }]);
    // A page can read it.
    expect(refused.headers).toMatchObject({ 'access-control-allow-origin': 'http://page.example' });
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    await expect(openWebSocket(url)).rejects.toThrow('503');
    expect(await open(url, preflight)).not.toMatchObject({ status: 503 });
    proxy.drainHost(host.name);
    expect((await open(url)).json()).toMatchObject({ code: 'NO_HOST' });
  });

  it('is not spent on what is refused for another reason', async () => {
    const store = {
      bind: () => Promise.reject(new Error('full')), find: () => Promise.resolve(undefined), unbind: () => Promise.resolve(),
    };
    const { url, proxy } = await before([host], { ...ONE, store, onStoreFailure: 'refuse' });
    // The first has its turn, and finds out.
    for (let i = 0; i < 3; i += 1) expect((await open(url)).json()).toMatchObject({ code: 'STORE_FAILED' });
    proxy.drainHost(host.name);
    await expect(openWebSocket(url)).rejects.toThrow('503');
    await queueOf(proxy, 0);
  });
});

/** What becomes of handshakes: what each is refused with, and for how long it has waited, in ms. */
class Handshakes {
  readonly settled: { refusal: Refusal | undefined; waited: number }[] = [];
  readonly #admission: Admission;

  constructor(options: AdmissionOptions) {
    this.#admission = new Admission(options);
  }

  come(count: number): void {
    const since = jest.now();
    const settle = (refusal: Refusal | undefined): void => void this.settled.push({ refusal, waited: jest.now() - since });
    for (const req of requestsOf(count)) {
      const turn = this.#admission.admit(req);
      if (turn instanceof Promise) void turn.then(settle);
      else settle(turn);
    }
  }

  get refused(): number {
    return this.settled.filter(({ refusal }) => refusal).length;
  }
}

describe('handshakes that are too many', () => {
  /** How often each number of seconds is told. */
  function toldTo(count: number, maxHandshakesPerSecond: number, maxQueuedHandshakes: number): Map<number, number> {
    const handshakes = new Handshakes({ maxHandshakesPerSecond, maxQueuedHandshakes, handshakeQueueTimeout: 2_000_000_000 });
    handshakes.come(1 + maxQueuedHandshakes + count);
    const seconds = new Map<number, number>();
    for (const { refusal } of handshakes.settled) {
      const told = refusal?.retryAfter;
      if (told !== undefined) seconds.set(told, (seconds.get(told) ?? 0) + 1);
    }
    expect(handshakes.settled).toHaveLength(1 + count);
    return seconds;
  }

  it.each([
    ['after a second, where they are few', 30, 200, 10, 1],
    ['over the time that all take', 500, 20, 40, Math.ceil(541 * 1.02 / 20)],
    ['within half a minute, however long it takes', 10_000, 0.01, 0, 30],
  ])('are told to come again %s', (_, count, rate, queued, most) => {
    const seconds = toldTo(count, rate, queued);
    const told = [...seconds.keys()].sort((a, b) => a - b);
    // Of hundreds, at least one is told each of the first ones, and one nearly the last of all.
    expect(told.slice(0, Math.ceil(most / 3))).toEqual(Array.from({ length: Math.ceil(most / 3) }, (__, i) => i + 1));
    expect(told.at(-1)).toBeLessThanOrEqual(most);
    expect(told.at(-1)).toBeGreaterThanOrEqual(0.7 * most);
  });

  it('are refused at once where they would wait for too long', async () => {
    const handshakes = new Handshakes({ maxHandshakesPerSecond: 1, maxQueuedHandshakes: 100, handshakeQueueTimeout: 2500 });
    // The first goes on, the others would wait for 1.02 s, 2.04 s and 3.06 s.
    handshakes.come(4);
    expect(handshakes.settled.map(({ refusal }) => refusal?.code)).toEqual([undefined, 'TOO_MANY_HANDSHAKES']);
    await clock.advance(2100);
    expect(handshakes.settled.slice(2)).toEqual([{ refusal: undefined, waited: 1020 }, { refusal: undefined, waited: 2040 }]);
  });

  it('are not refused once they have waited for as long as they may, while more come than can go', async () => {
    const handshakes = new Handshakes({ maxHandshakesPerSecond: 50, maxQueuedHandshakes: 1000, handshakeQueueTimeout: 400 });
    // Twice as fast as they can go, for half a minute.
    for (let i = 0; i < 3000; i += 1) {
      handshakes.come(1);
      await clock.advance(10);
    }
    expect(handshakes.settled.filter(({ refusal, waited }) => refusal && waited > 0)).toEqual([]);
    const most = Math.max(...handshakes.settled.map(({ waited }) => waited));
    expect([most > 350, most <= 401]).toEqual([true, true]);
    expect(Math.abs(handshakes.refused - 1500)).toBeLessThan(60);
    // Of what is lost while the process stands still, a tenth of a second is made up for.
    clock.stall(1000);
    await clock.advance(1500);
    const inVain = handshakes.settled.filter(({ refusal, waited }) => refusal && waited > 0);
    expect(inVain.length).toBeGreaterThan(5);
    expect(inVain.every(({ refusal }) => refusal?.code === 'TOO_MANY_HANDSHAKES')).toBe(true);
  });
});

describe('handshakes that wait', () => {
  it('are let through in the order in which they came', async () => {
    const { name } = await startWatch();
    const { url, proxy } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 10, maxQueuedHandshakes: 4 });
    const sids: Promise<string>[] = [];
    for (let i = 0; i < 5; i += 1) {
      const arrived = once(proxy.server, 'request');
      sids.push(handshake(url));
      await arrived;
    }
    await queueOf(proxy, 4);
    expect(statusesOf(await openSeveral(3, url))).toEqual([503, 503, 503]);
    await clock.advanceUntil('none waits', async () => (await proxy.parts.operations.totals()).queued === 0, 102);
    expect((await Promise.all(sids)).map(hostSid)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('go to a host that is up when their turn comes', async () => {
    const [, second] = hosts as [SessionHost, SessionHost];
    const { url, proxy } = await before(hosts, ONE);
    proxy.drainHost(second.name);
    expect(host.sids).toContain(hostSid(await handshake(url)));
    const opening = handshake(url);
    await queueOf(proxy, 1);
    proxy.undrainHost(second.name);
    proxy.drainHost(host.name);
    await clock.advance(102_000);
    expect(second.sids).toContain(hostSid(await opening));
  });

  it('take no turn where their client has gone, and are no refusals', async () => {
    const { url, proxy } = await startWaiting();
    const gone = Array.from({ length: 5 }, () => http.get(url + HANDSHAKE).on('error', () => {}));
    await queueOf(proxy, 5);
    const stays = handshake(url);
    await queueOf(proxy, 6);
    for (const req of gone) req.destroy();
    await queueOf(proxy, 1);
    expect((await proxy.parts.operations.totals()).refusals).toEqual({});
    await clock.advance(102_000);
    await stays;
  });

  it('take no turn where the client of an upgrade has hung up, which is cut', async () => {
    const { port, proxy } = await startWaiting();
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    onCleanup(() => socket.destroy());
    socket.on('error', () => {}).resume();
    const lines = [
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket',
      'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', '', '',
    ];
    socket.write(lines.join('\r\n'));
    await queueOf(proxy, 1);
    const closed = once(socket, 'close');
    socket.end();
    await queueOf(proxy, 0);
    await closed;
  });

  it.each([undefined, 'websocket'])('leave nothing on their connection, which goes on (an upgrade to %p)', async (upgrade) => {
    const admission = new Admission({ maxHandshakesPerSecond: 10, maxQueuedHandshakes: 1, handshakeQueueTimeout: 5000 });
    const [req] = requestsOf(1) as [http.IncomingMessage];
    if (upgrade) req.headers.upgrade = upgrade;
    const listeners = (): number[] => ['close', 'end'].map((event) => req.socket.listenerCount(event));
    const none = listeners();
    const turns = [admission.admit(req), admission.admit(req)];
    expect(turns).toEqual([undefined, expect.any(Promise)]);
    expect(listeners()).not.toEqual(none);
    await clock.advance(102);
    expect(await turns[1]).toBeUndefined();
    expect(listeners()).toEqual(none);
  });

  it('are refused when the proxy closes, as are those that come later', async () => {
    const { url, proxy } = await startWaiting({ drainTimeout: 10_000 });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onCleanup(() => agent.destroy());
    const waiting = [open(url), open(url, { agent }), open(url, { agent })];
    // Its connection may be refused.
    ignore(waiting[2] ?? Promise.resolve());
    await queueOf(proxy, 2);
    const closed = proxy.close();
    const [first, second] = await Promise.all(waiting.slice(0, 2));
    expect([first?.json(), second?.json()]).toMatchObject([{ code: 'CLOSING' }, { code: 'CLOSING' }]);
    await closed;
  });

  it('do not keep a process that has closed', async () => {
    const proxy = await startProxyProcess({ hosts: [host.name], ...ONE, drainTimeout: 0 });
    await handshake(proxy.url);
    const gone = http.get(proxy.url + HANDSHAKE).on('error', () => {});
    ignore(open(proxy.url));
    await until('two connections are there', async () => (await proxy.usage()).sockets >= 3);
    gone.destroy();
    proxy.call('closeNow').catch(() => {});
    expect(await proxy.exit()).toBe(0);
  });
});
