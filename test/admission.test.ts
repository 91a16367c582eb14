import { once } from 'node:events';
import http from 'node:http';
import { Admission } from '../src/admission';
import { handshake, pollUrl, request, startServer, type Reply } from './support/http';
import { startProxy } from './support/proxy';
import { before, openWebSocket, startSessionHost } from './support/session-host';
import { until } from './support/until';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

const open = (url: string): Promise<Reply> => request(url + HANDSHAKE);

/** A host that knows when handshakes have come. */
async function startWatch(): Promise<{ name: string; times: number[] }> {
  const times: number[] = [];
  const { name } = await startServer(({ url = '' }, res) => {
    if (url.includes('transport=')) times.push(performance.now());
    res.end(`0{"sid":"${times.length}","pingInterval":45000,"pingTimeout":0}`);
  });
  return { name, times };
}

describe('a rate of handshakes', () => {
  it('lets handshakes through about evenly, and no more of them in any second', async () => {
    const { name, times } = await startWatch();
    const { url } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 20 });
    const replies = await Promise.all(Array.from({ length: 41 }, () => open(url)));
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1990);
    // One that was late is followed sooner, but never by a burst.
    expect(gaps.filter((gap) => gap < 10).length).toBeLessThan(8);
  });

  it('counts by what is let through, also below one a second', async () => {
    const { name, times } = await startWatch();
    const { url } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 0.5 });
    await Promise.all([open(url), open(url)]);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1990);
  });

  it('makes up for time in which the process was busy, but for no more than the rate in a second', async () => {
    const admission = new Admission({ maxHandshakesPerSecond: 100, maxQueuedHandshakes: 1000, handshakeQueueTimeout: 5000 });
    const req = await requestOf();
    const times: number[] = [];
    const waiting = Array.from({ length: 250 }, async () => {
      await admission.admit(req);
      times.push(performance.now());
    });
    for (const at of [300, 900, 1500]) {
      setTimeout(() => {
        for (const end = performance.now() + 150; performance.now() < end;);
      }, at);
    }
    await Promise.all(waiting);
    const most = Math.max(...times.map((time) => times.filter((other) => other >= time && other - time < 1000).length));
    expect(most).toBe(100);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(3200);
  });

  it('counts WebSockets too, and neither preflights nor requests of sessions', async () => {
    const { url } = await before([await startSessionHost()], { maxHandshakesPerSecond: 0.01, maxQueuedHandshakes: 0 });
    const sid = await handshake(url);
    const preflights = await Promise.all(Array.from({ length: 5 }, () => request(url + HANDSHAKE, { method: 'OPTIONS' })));
    expect(preflights.every(({ status }) => status !== 503)).toBe(true);
    expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
    await openWebSocket(url, sid);
    expect(await open(url)).toMatchObject({ status: 503 });
    await expect(openWebSocket(url)).rejects.toThrow('503');
  });
});

describe('handshakes that wait', () => {
  it('are let through in the order in which they came', async () => {
    const { name, times } = await startWatch();
    const { url, proxy } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 10 });
    const sids: Promise<string>[] = [];
    for (let i = 0; i < 5; i += 1) {
      const arrived = once(proxy.server, 'request');
      sids.push(handshake(url));
      await arrived;
    }
    expect(await Promise.all(sids)).toEqual(['1', '2', '3', '4', '5']);
    expect(times).toHaveLength(5);
  });

  it('go to a host that is up when their turn comes', async () => {
    const [first, second] = [await startSessionHost(), await startSessionHost()];
    const { url, proxy } = await before([first], { maxHandshakesPerSecond: 2 });
    await handshake(url);
    const waiting = handshake(url);
    await until('it waits', async () => (await proxy.operations.totals()).queued === 1);
    proxy.addHost(second.name);
    proxy.drainHost(first.name);
    expect(await waiting).toBe(second.sids[0]);
  });

  it('are refused beyond the bound, with a time to come again that is spread at random', async () => {
    const { url } = await before([await startSessionHost()], { maxHandshakesPerSecond: 2, maxQueuedHandshakes: 9 });
    await handshake(url);
    const waiting = Array.from({ length: 9 }, () => open(url));
    const replies = await Promise.all(Array.from({ length: 60 }, () => open(url)));
    const refused = replies.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThanOrEqual(51);
    expect(refused[0]?.json()).toEqual({ code: 'TOO_MANY_HANDSHAKES', message: 'Too many handshakes' });
    // Nine that wait take five seconds.
    const waits = new Set(refused.map(({ headers }) => Number(headers['retry-after'])));
    expect([...waits].sort()).toEqual([1, 2, 3, 4, 5]);
    await Promise.all(waiting);
  });

  it('are refused at once where they would wait for too long', async () => {
    const { url } = await before([await startSessionHost()], { maxHandshakesPerSecond: 1, handshakeQueueTimeout: 1500 });
    await handshake(url);
    const waiting = open(url);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const since = performance.now();
    expect(await open(url)).toMatchObject({ status: 503 });
    expect(performance.now() - since).toBeLessThan(500);
    expect(await waiting).toMatchObject({ status: 200 });
  });

  it('take no turn where their client has gone', async () => {
    const { name, times } = await startWatch();
    const { url, proxy } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 2 });
    await handshake(url);
    const gone = Array.from({ length: 5 }, () => http.get(url + HANDSHAKE).on('error', () => {}));
    const queued = async (): Promise<number> => (await proxy.operations.totals()).queued;
    await until('they wait', async () => await queued() === 5);
    for (const req of gone) req.destroy();
    await until('they wait no longer', async () => await queued() === 0);
    await handshake(url);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeLessThan(1500);
    expect(times).toHaveLength(2);
  });

  it('are refused when the proxy closes, and when no host is up', async () => {
    const host = await startSessionHost();
    const { url, proxy } = await before([host], { maxHandshakesPerSecond: 0.1, handshakeQueueTimeout: 60_000 });
    await handshake(url);
    const waiting = open(url);
    await until('it waits', async () => (await proxy.operations.totals()).queued === 1);
    proxy.drainHost(host.name);
    expect((await open(url)).json()).toMatchObject({ code: 'NO_HOST' });
    void proxy.close();
    expect((await waiting).json()).toMatchObject({ code: 'CLOSING' });
  });
});

/** A request that has come, and stays. */
async function requestOf(): Promise<http.IncomingMessage> {
  const { server, port } = await startServer(() => {});
  server.on('request', (_, res) => server.once('close', () => res.end()));
  const came = once(server, 'request') as Promise<[http.IncomingMessage]>;
  http.get({ port, host: '127.0.0.1', agent: false }).on('error', () => {});
  const [req] = await came;
  req.socket.setMaxListeners(0);
  return req;
}
