import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admission } from '../src/admission';
import { onCleanup } from './support/cleanup';
import { HANDSHAKE, open, openSeveral, requestOf, startWatch, statusesOf } from './support/handshakes';
import { handshake, pollUrl, request } from './support/http';
import { startProxy, type ProxyInstance, type Started } from './support/proxy';
import { startProxyProcess } from './support/proxy-process';
import { before, openWebSocket, startSessionHost } from './support/session-host';
import { until } from './support/until';

/** A rate of one handshake in almost two minutes, and all the time to wait for the next. */
const ONE = { maxHandshakesPerSecond: 0.01, handshakeQueueTimeout: 2_000_000_000 };

const queued = async (proxy: ProxyInstance): Promise<number> => (await proxy.operations.totals()).queued;

const queueOf = (proxy: ProxyInstance, count: number): Promise<number> =>
  until(`${count} wait`, async () => await queued(proxy) === count);

/** What is still on its way when the proxy is closed fails. */
const ignore = (waiting: Promise<unknown>): void => void waiting.catch(() => {});

/** Resolves, in the very turn, when so many more requests have come to a proxy. */
function arrivals(proxy: ProxyInstance, count: number): Promise<void> {
  return new Promise((resolve) => {
    let arrived = 0;
    proxy.server.on('request', () => {
      arrived += 1;
      if (arrived === count) resolve();
    });
  });
}

/** Watches how much time this process loses where it stands still for over 50 ms. */
function watchStalls(): () => number {
  let [at, lost] = [performance.now(), 0];
  const timer = setInterval(() => {
    lost += Math.max(0, performance.now() - at - 50);
    at = performance.now();
  }, 5);
  onCleanup(() => clearInterval(timer));
  return () => lost;
}

/** A proxy that has let one handshake through, and lets none through for almost two minutes. */
async function startWaiting(options: object = {}): Promise<Started> {
  const started = await before([await startSessionHost()], { ...ONE, ...options });
  await handshake(started.url);
  return started;
}

describe('a rate of handshakes', () => {
  it('counts WebSockets too, and nothing that opens no session', async () => {
    const { url } = await before([await startSessionHost()], { ...ONE, maxQueuedHandshakes: 0 });
    for (const target of ['/socket.io/socket.io.js', '/socket.io/', '/socket.io/?EIO=4']) {
      expect((await request(url + target)).status).toBeLessThan(500);
    }
    expect((await open(url, { method: 'POST', body: '40' })).status).toBeLessThan(500);
    const preflight = { method: 'OPTIONS', headers: { 'Origin': 'http://page.example', 'Access-Control-Request-Method': 'GET' } };
    expect((await open(url, preflight)).status).toBeLessThan(500);
    const sid = await handshake(url);
    expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
    await openWebSocket(url, sid);
    expect(await open(url)).toMatchObject({ status: 503 });
    await expect(openWebSocket(url)).rejects.toThrow('503');
    expect(await open(url, preflight)).not.toMatchObject({ status: 503 });
  });

  it('is not spent on what is refused for another reason', async () => {
    const host = await startSessionHost();
    const store = {
      bind: () => Promise.reject(new Error('full')), find: () => Promise.resolve(undefined), unbind: () => Promise.resolve(),
    };
    const { url, proxy } = await before([host], { ...ONE, store, onStoreFailure: 'refuse' });
    // The first has its turn, and finds out.
    for (let i = 0; i < 3; i += 1) expect((await open(url)).json()).toMatchObject({ code: 'STORE_FAILED' });
    proxy.drainHost(host.name);
    await expect(openWebSocket(url)).rejects.toThrow('503');
    expect(await queued(proxy)).toBe(0);
  });
});

describe('handshakes that wait', () => {
  it('are let through in the order in which they came', async () => {
    const { name } = await startWatch();
    const { url, proxy } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 10 });
    const sids: Promise<string>[] = [];
    for (let i = 0; i < 5; i += 1) {
      const arrived = once(proxy.server, 'request');
      sids.push(handshake(url));
      await arrived;
    }
    expect(await Promise.all(sids)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('go to a host that is up when their turn comes', async () => {
    const [first, second] = [await startSessionHost(), await startSessionHost()];
    const { url, proxy } = await before([first, second], { maxHandshakesPerSecond: 2 });
    proxy.drainHost(second.name);
    const arrived = arrivals(proxy, 2);
    const opening = [handshake(url), handshake(url)];
    await arrived;
    // One has had its turn, and the other waits for half a second: this is the turn in which it came.
    proxy.undrainHost(second.name);
    proxy.drainHost(first.name);
    expect((await Promise.all(opening)).sort()).toEqual([...first.sids, ...second.sids].sort());
    expect([first.sids.length, second.sids.length]).toEqual([1, 1]);
  });

  it('are kept up to the bound, and the others told to come again over the time that all take', async () => {
    const { url } = await startWaiting({ maxHandshakesPerSecond: 6, maxQueuedHandshakes: 9 });
    const replies = await openSeveral(89, url);
    const refused = replies.filter(({ status }) => status === 503);
    // Nine have waited. Some more may come when one has just had its turn.
    expect(statusesOf(replies).filter((status) => status === 200).length).toBeGreaterThanOrEqual(9);
    expect(refused.length).toBeGreaterThan(60);
    expect(refused[0]?.json()).toEqual({ code: 'TOO_MANY_HANDSHAKES', message: 'Too many handshakes' });
    const waits = refused.map(({ headers }) => Number(headers['retry-after']));
    expect(waits.every((wait) => Number.isInteger(wait) && wait >= 1)).toBe(true);
    // Nine that wait take two seconds, and all take fifteen.
    expect(Math.max(...waits)).toBeLessThanOrEqual(16);
    expect(new Set(waits).size).toBeGreaterThan(5);
    expect(Math.max(...waits)).toBeGreaterThan(6);
    expect(new Set(statusesOf(replies))).toEqual(new Set([200, 503]));
  });

  it('soon make way for the others, who are told to come again after a second, where the excess is small', async () => {
    const { name } = await startWatch();
    const { url } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 200, maxQueuedHandshakes: 10 });
    const refused = (await openSeveral(60, url)).filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ headers }) => headers['retry-after']))).toEqual(new Set(['1']));
  });

  it('are told to come again within half a minute, however long it takes', async () => {
    const { url } = await startWaiting({ maxQueuedHandshakes: 0 });
    const waits = (await openSeveral(60, url)).map(({ headers }) => Number(headers['retry-after']));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30);
    expect(Math.max(...waits)).toBeGreaterThan(15);
  });

  it('are refused so that a page can read it', async () => {
    const { url } = await startWaiting({ maxQueuedHandshakes: 0 });
    const { status, headers } = await open(url, { headers: { Origin: 'http://page.example' } });
    expect([status, headers['access-control-allow-origin']]).toEqual([503, 'http://page.example']);
  });

  it('are refused at once where they would wait for too long', async () => {
    const { url, proxy } = await before([await startSessionHost()], { maxHandshakesPerSecond: 1, handshakeQueueTimeout: 1500 });
    const arrived = arrivals(proxy, 3);
    const replies = openSeveral(3, url);
    await arrived;
    // The first goes on, the second waits for a second, and the third would for two.
    expect(await queued(proxy)).toBe(1);
    expect(statusesOf(await replies).sort()).toEqual([200, 200, 503]);
  });

  it('are not refused once they have waited for as long as they may, while more come than can go', async () => {
    const { name } = await startWatch();
    const { url } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 50, handshakeQueueTimeout: 400 });
    const timed = async (): Promise<[status: number, ms: number]> => {
      const since = performance.now();
      const { status } = await open(url);
      return [status, performance.now() - since];
    };
    const lost = watchStalls();
    const replies: ReturnType<typeof timed>[] = [];
    // Twice as fast as they can go, and no slower where this process has little time.
    for (let [at, due] = [performance.now(), 0]; replies.length < 120;) {
      const now = performance.now();
      due += Math.min(now - at, 50) / 10;
      at = now;
      while (replies.length < due) replies.push(timed());
      await sleep(10);
    }
    const settled = await Promise.all(replies);
    const inVain = settled.filter(([status, ms]) => status === 503 && ms > 200);
    expect(settled.filter(([status, ms]) => status === 200 && ms > 200).length).toBeGreaterThan(20);
    // Where the process stands still, those who wait lose that time.
    expect(inVain.length).toBeLessThanOrEqual(lost() / 1000 * 100);
  });

  it('take no turn where their client has gone, and are no refusals', async () => {
    const { url, proxy } = await startWaiting();
    const gone = Array.from({ length: 5 }, () => http.get(url + HANDSHAKE).on('error', () => {}));
    await queueOf(proxy, 5);
    const stays = open(url);
    ignore(stays);
    await queueOf(proxy, 6);
    for (const req of gone) req.destroy();
    await queueOf(proxy, 1);
    expect((await proxy.operations.totals()).refusals).toEqual({});
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
    const req = await requestOf();
    if (upgrade) req.headers.upgrade = upgrade;
    const listeners = (): number[] => ['close', 'end'].map((event) => req.socket.listenerCount(event));
    const before = listeners();
    const turns = [admission.admit(req), admission.admit(req)];
    expect(turns).toEqual([undefined, expect.any(Promise)]);
    expect(listeners()).not.toEqual(before);
    expect(await turns[1]).toBeUndefined();
    expect(listeners()).toEqual(before);
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

  it('are refused at once where no host is up', async () => {
    const host = await startSessionHost();
    const { url, proxy } = await before([host], ONE);
    await handshake(url);
    proxy.drainHost(host.name);
    expect((await open(url)).json()).toMatchObject({ code: 'NO_HOST' });
  });

  it('do not keep a process that has closed', async () => {
    const host = await startSessionHost();
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
