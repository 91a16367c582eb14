import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { onCleanup } from './support/cleanup';
import { exchangeBytes, handshake, pollUrl, request, startServer } from './support/http';
import { ProxyProcess } from './support/proxy-process';
import { RedisProcess } from './support/redis';
import { openWebSocket, startMortalHosts, type SessionHost } from './support/session-host';
import { CERT, startTlsServer } from './support/tls';
import { until } from './support/until';

const OPEN = '0{"sid":"s-1","pingInterval":25000,"pingTimeout":20000}';

/** Before anything else is loaded. Deprecations that Node prints only on request today, it prints unasked tomorrow. */
const EXEC_ARGV = ['--pending-deprecation', '--require', join(__dirname, 'fixtures/warnings.cjs')];

/** More than the 10 listeners on one emitter that Node takes without a warning. */
const MANY = 30;

/** One after the other in one process, as they are published. */
const proxies = new ProxyProcess(EXEC_ARGV);
let printed: string[] = [];

beforeEach(() => {
  printed = [];
});
beforeAll(() => {
  proxies.on('warning', (warning: string) => printed.push(warning));
});

/** Closes the proxy, and resolves with all warnings until then. */
async function warnings(): Promise<string[]> {
  // A warning comes a tick late, and on the same channel as the answer.
  await proxies.close();
  await proxies.usage();
  return printed;
}

/** The status with which an upgrade is answered. */
function connect(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    onCleanup(() => ws.terminate());
    ws.once('open', () => resolve(101));
    ws.once('unexpected-response', (req, res) => {
      resolve(res.statusCode);
      req.destroy();
    });
    ws.once('error', reject);
  });
}

const ECHO = 'x'.repeat(100_000);

it.each([['http', startServer], ['https', startTlsServer]])('prints no warning for sessions on %s hosts', async (_, start) => {
  const { name, server } = await start((req, res) => {
    if (req.method === 'POST') req.pipe(res);
    else res.end(req.url?.includes('sid=') ? '2' : OPEN);
  });
  new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)).send(OPEN));
  const { url } = await proxies.start({ hosts: [name], hostTls: { ca: CERT }, drainTimeout: 0 });
  const sid = await handshake(url);
  expect(await request(pollUrl(url, sid), { method: 'POST', body: ECHO })).toMatchObject({ status: 200, body: ECHO });
  expect(await request(pollUrl(url, sid))).toMatchObject({ status: 200, body: '2' });
  for (const socket of [await openWebSocket(url), await openWebSocket(url, sid)]) {
    const echoed = once(socket, 'message');
    socket.send(ECHO);
    await echoed;
  }
  expect(await warnings()).toEqual([]);
});

it('prints no warning for many sessions on one connection, and many polls that are left', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { url } = await proxies.start({ hosts: [host.name], drainTimeout: 0 });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  for (let i = 0; i < MANY; i += 1) await request(`${url}/socket.io/?EIO=4&transport=polling`, { agent });
  let held = 0;
  host.on('poll', (res: http.ServerResponse) => {
    held += 1;
    res.once('close', () => held -= 1);
  });
  const polls = await Promise.all(Array.from({ length: MANY }, async () =>
    http.get(pollUrl(url, await handshake(url)), { agent: false }).on('error', () => {})));
  await until('every poll is held', () => held === MANY);
  for (const poll of polls) poll.destroy();
  await until('every poll has ended', () => held === 0);
  expect(await warnings()).toEqual([]);
});

it('prints no warning for a response that comes in more pieces at once than its client takes', async () => {
  const chunks = '8\r\nabcdefgh\r\n'.repeat(20_000);
  const { name } = await startServer((req, res) => {
    if (req.url?.includes('?')) req.socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
    else res.end();
  });
  const { url } = await proxies.start({ hosts: [name], drainTimeout: 0 });
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).body).toBe('abcdefgh'.repeat(20_000));
  expect(await warnings()).toEqual([]);
});

it('prints no warning for requests that it refuses', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { url, port } = await proxies.start({ hosts: [host.name], drainTimeout: 0 });
  expect((await request(pollUrl(url, 'unknown'))).status).toBe(400);
  expect((await request(`${url}/elsewhere`)).status).toBe(400);
  const body = await request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'DELETE', body: 'a' });
  expect(body.status).toBe(400);
  expect(await exchangeBytes(port, 'no HTTP\r\n\r\n')).toContain('400 Bad Request');
  const upgrade = 'GET /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  expect(await exchangeBytes(port, upgrade)).toContain('400 Bad Request');
  expect(await warnings()).toEqual([]);
});

it('prints no warning when its hosts are gone', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { url } = await proxies.start({ hosts: [host.name], drainTimeout: 0 });
  const sid = await handshake(url);
  await connect(url);
  await host.stop();
  expect((await request(pollUrl(url, sid))).status).toBe(400);
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(503);
  expect(await connect(url)).toBe(503);
  expect(await warnings()).toEqual([]);
});

it('prints no warning when the store fails, and is back', async () => {
  const redis = await RedisProcess.start();
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { url } = await proxies.start({ hosts: [host.name], redisUrl: redis.url, drainTimeout: 0 });
  const sids = await Promise.all(Array.from({ length: MANY }, () => handshake(url)));
  const degraded = once(proxies, 'degraded');
  await redis.kill();
  await degraded;
  await handshake(url);
  expect((await request(pollUrl(url, 'unknown'))).status).toBe(503);
  expect((await request(pollUrl(url, sids[0] ?? ''), { method: 'POST', body: '40' })).status).toBe(200);
  const recovered = once(proxies, 'recovered');
  await redis.restart();
  await recovered;
  expect(await warnings()).toEqual([]);
});

it('prints no warning when it closes with requests and WebSockets under way', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const { url, port } = await proxies.start({ hosts: [host.name], drainTimeout: 0 });
  for (let i = 0; i < MANY; i += 1) await connect(url);
  const sid = await handshake(url);
  const polled = once(host, 'poll');
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  onCleanup(() => socket.destroy());
  socket.write(`GET ${pollUrl('', sid)} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await polled;
  expect(await warnings()).toEqual([]);
});

it('prints no warning before 40 hosts, however often it checks them', async () => {
  const [host] = await startMortalHosts(1) as [SessionHost];
  const dead = Array.from({ length: 39 }, (_, i) => `127.0.0.1:${i + 1}`);
  let checks = 0;
  host.on('check', () => checks += 1);
  await proxies.start({ hosts: [...dead, host.name], checkInterval: 5, drainTimeout: 0 });
  await until('it was checked often', () => checks > 20);
  expect(await warnings()).toEqual([]);
});
