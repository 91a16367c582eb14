import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PartialProxyOptions } from '../../src';
import { settle, stopClock, type Clock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openWebSocket, startMortalHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

/** The interval of the checks, in ms. */
const INTERVAL = 2000;

let clock: Clock;

beforeEach(() => {
  clock = stopClock();
});

interface Checked extends Started {
  host: string;
  /** What the proxy has told of the host. */
  told: unknown[][];
  /** Lets the next check happen, which is due in `ms`, and what follows from it. */
  check: (ms?: number) => Promise<void>;
  /** The URLs of the checks so far. */
  urls: (string | undefined)[];
}

/** A proxy before a server that the test answers for. */
async function checking(answer: (res: ServerResponse, req: IncomingMessage) => void, options: PartialProxyOptions = {}): Promise<Checked> {
  const urls: Checked['urls'] = [];
  const { name: host } = await startServer((req, res) => {
    urls.push(req.url);
    answer(res, req);
  });
  const started = await startProxy({ hosts: [host], checkInterval: INTERVAL, ...options });
  const told: unknown[][] = [];
  for (const event of ['up', 'down', 'suspicious'] as const) started.proxy.on(event, (...args: unknown[]) => told.push([event, ...args]));
  const check = async (ms = INTERVAL): Promise<void> => {
    const before = urls.length;
    await Promise.all([until('it is asked', () => urls.length > before), clock.advance(ms)]);
    await settle();
  };
  await until('the first check is over', () => told.length > 0);
  await settle();
  return { ...started, host, told, check, urls };
}

describe('an answer that no Socket.IO server gives', () => {
  it.each<[status: number, headers: Record<string, string>, body: string, said: string[]]>([
    [404, {}, 'Not Found', ['GET /socket.io/ is answered with 404', "'path' (--path)"]],
    [301, { location: 'https://chat.example/socket.io/' }, '', ['301', 'a redirect to https://chat.example/socket.io/', 'https://']],
    [308, { location: 'https://chat.example/' }, '', ['308', 'Name the host with https://']],
    [302, { location: '/login' }, '', ['302', 'a redirect to /login', 'Socket.IO server']],
    [403, {}, 'Forbidden', ['403', 'firewall']],
    [401, { 'www-authenticate': 'Basic' }, '', ['401', 'Let the proxy pass']],
    [400, { 'content-type': 'text/html' }, '<html>The plain HTTP request was sent to HTTPS port</html>', ['TLS port', 'https://']],
    [400, {}, 'Client sent an HTTP request to an HTTPS server.\n', ['400', 'TLS port']],
    [400, {}, "Instead use the HTTPS scheme: you're speaking plain HTTP to an SSL-enabled server port.", ['TLS port']],
    [400, { 'content-type': 'text/html' }, '<html>Bad Request</html>', ['400', 'not as Engine.IO']],
    [400, {}, 'x'.repeat(100_000), ['400', 'not as Engine.IO']],
    [405, {}, '', ['405', 'Socket.IO server']],
    [200, { 'content-type': 'text/html; charset=utf-8' }, '<!doctype html>', ['200 and a web page', "'path' (--path)"]],
  ])('leaves the host up, and is told once: %i %j %s', async (status, headers, body, said) => {
    const { told, check, host } = await checking((res) => res.writeHead(status, headers).end(body));
    await check();
    await check();
    expect(told).toEqual([['up', host], ['suspicious', host, expect.any(String)]]);
    for (const part of said) expect(told[1]?.[2]).toContain(part);
  });

  it('is told also where it comes later, and for each status', async () => {
    let status = 400;
    const { told, check } = await checking((res) => res.writeHead(status).end('{"code":0,"message":"Transport unknown"}'));
    expect(told).toHaveLength(1);
    for (status of [404, 403, 404]) await check();
    const statuses = told.slice(1).map(([event, , text]) => [event, /\b40\d\b/.exec(String(text))?.[0]]);
    expect(statuses).toEqual([['suspicious', '404'], ['suspicious', '403']]);
  });

  it('is none from a server of Engine.IO in any language, nor one of which nothing is known', async () => {
    const bodies = [
      '{"code":0,"message":"Transport unknown"}', '{"code":"0","message":"Transport unknown"}', '"Invalid transport"', 'invalid transport',
      '"The client is using an unsupported version of the Socket.IO or Engine.IO protocols"', '',
    ];
    for (const body of bodies) expect((await checking((res) => res.writeHead(400).end(body))).told).toHaveLength(1);
    expect((await checking((res) => res.end('ok'))).told).toHaveLength(1);
  });

  it('is not waited for beyond checkTimeout, and then says nothing', async () => {
    const { name } = await startServer((_, res) => res.writeHead(400).write('<html>'));
    const { proxy } = await startProxy({ hosts: [name], checkInterval: INTERVAL, checkTimeout: 500 });
    const told: unknown[][] = [];
    for (const event of ['down', 'suspicious'] as const) proxy.on(event, (...args: unknown[]) => told.push([event, ...args]));
    await clock.advanceUntil('it is up', () => proxy.hosts[0]?.state === 'up', 100);
    for (let i = 0; i < 50; i += 1) await clock.advance(100);
    expect(told).toEqual([]);
  });
});

describe('checkPath and checkStatus', () => {
  it('say where to ask, and what a host answers that is up', async () => {
    let status = 200;
    const options = { checkPath: '/healthz?full=1', checkStatus: '200-204,418' };
    const { told, check, urls, host } = await checking((res) => res.writeHead(status, { 'content-type': 'text/html' }).end(), options);
    for (status of [204, 418, 205, 418, 404, 204, 500, 200, 301]) await check();
    expect(new Set(urls)).toEqual(new Set(['/healthz?full=1']));
    const down = (found: number): unknown[] => ['down', host, 'failing', `the health check has status ${found}`];
    expect(told).toEqual([
      ['up', host], down(205), ['up', host], down(404), ['up', host], down(500), ['up', host], down(301),
    ]);
  });

  it('has a path alone take all below 500, and tells of what is no success', async () => {
    let status = 204;
    const { told, check, host } = await checking((res) => res.writeHead(status).end('{"code":0}'), { checkPath: '/healthz' });
    for (status of [400, 404, 404]) await check();
    expect(told).toEqual([
      ['up', host], ['suspicious', host, expect.stringContaining('GET /healthz is answered with 400')],
      ['suspicious', host, expect.stringContaining("'checkStatus' (--check-status)")],
    ]);
  });

  it('has statuses alone ask at the path of Socket.IO', async () => {
    const { told, urls, host } = await checking((res) => res.writeHead(404).end(), { checkStatus: '400' });
    expect([told, urls]).toEqual([[['down', host, 'failing', 'the health check has status 404']], ['/socket.io/']]);
  });
});

describe('a host that answers requests', () => {
  it.each<[string, (url: string, sid: string) => Promise<unknown>]>([
    ['requests', (url, sid) => request(pollUrl(url, sid), { method: 'POST', body: '2' })], ['upgrades', openWebSocket],
  ])('is not asked as well, until it has answered none for checkInterval: %s', async (_, ask) => {
    // Others' proxies may still check a port that their host has left.
    const [host] = await startMortalHosts(1) as [SessionHost];
    let checks = 0;
    host.on('check', () => (checks += 1));
    const { proxy, url } = await startProxy({ hosts: [host.name], checkInterval: INTERVAL });
    await once(proxy, 'up');
    const told: unknown[] = [];
    proxy.on('down', (...down) => told.push(down));
    const sid = await handshake(url);
    for (let i = 0; i < 10; i += 1) {
      await clock.advance(INTERVAL / 2);
      await ask(url, sid);
      await settle();
    }
    expect({ checks, told }).toEqual({ checks: 1, told: [] });
    await clock.advanceUntil('it is asked', () => checks === 2, 100);
  });

  it.each([
    ['requests', 'polling', {}], ['upgrades', 'websocket', { Connection: 'Upgrade', Upgrade: 'websocket' }],
  ])('is asked all the same where its answers are errors of its own, and goes down by that: to %s', async (_, transport, headers) => {
    let isWell = true;
    const { url, told, check, host } = await checking((res) => res.writeHead(isWell ? 400 : 500).end());
    isWell = false;
    await clock.advance(INTERVAL / 2);
    await request(`${url}/socket.io/?EIO=4&transport=${transport}`, { headers });
    await check(INTERVAL / 2);
    expect(told.at(-1)).toEqual(['down', host, 'failing', 'the health check has status 500']);
  });

  const own = [{ checkPath: '/healthz' }, { checkStatus: '200-299' }];

  it.each(own)('is asked all the same where the caller says what: %j', async (options) => {
    const { url, check, urls } = await checking((res) => res.end('ok'), options);
    for (let i = 0; i < 3; i += 1) {
      await clock.advance(INTERVAL / 2);
      await request(`${url}/socket.io/?EIO=4&transport=polling`);
      await check(INTERVAL / 2);
    }
    expect(urls.filter((each) => !each?.includes('transport'))).toHaveLength(4);
  });
});
