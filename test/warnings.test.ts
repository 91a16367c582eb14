import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import WebSocket from 'ws';
import { onCleanup } from './support/cleanup';
import { Clients } from './support/clients';
import { startHost, startHosts } from './support/hosts';
import { exchangeBytes, handshake, pollUrl, request, startServer } from './support/http';
import { ProxyProcess } from './support/proxy-process';
import { RedisProcess } from './support/redis';
import { CERT, KEY } from './support/tls';
import { until } from './support/until';

/** Before anything else is loaded. Deprecations that Node prints only on request today, it prints unasked tomorrow. */
const EXEC_ARGV = ['--pending-deprecation', '--require', join(__dirname, 'fixtures/warnings.cjs')];

/** More than the 10 listeners on one emitter that Node takes without a warning. */
const MANY = 30;

/** A proxy as it is published, and the warnings of its process. */
class Watched {
  readonly process = new ProxyProcess(EXEC_ARGV);
  readonly #warnings: string[] = [];

  constructor() {
    this.process.on('warning', (warning: string) => this.#warnings.push(warning));
  }

  /** Closes the proxy, and resolves with all warnings until then. */
  async warnings(): Promise<string[]> {
    // A warning comes a tick late, and on the same channel as the answer.
    await this.process.close();
    await this.process.usage();
    return this.#warnings;
  }
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

let watched: Watched;

beforeEach(() => {
  watched = new Watched();
});

const names = (hosts: { name: string }[]): string[] => hosts.map(({ name }) => name);

it.each([['http', {}], ['https', { tls: { cert: CERT, key: KEY } }]])('prints no warning for sessions on %s hosts', async (scheme, tls) => {
  const hosts = names(await startHosts(2, { ...tls, address: '127.0.0.1' })).map((name) => `${scheme}://${name}`);
  const { url } = await watched.process.start({ hosts, hostTls: { ca: CERT }, drainTimeout: 0 });
  const clients = new Clients();
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']] as const) {
    const { key } = await clients.connect({ url, transports: [...transports], upgraded: transports.length > 1 });
    await clients.exchange(key);
  }
  expect(await watched.warnings()).toEqual([]);
});

it('prints no warning for many sessions on one connection, and many polls that are left', async () => {
  const host = await startHost();
  const { url } = await watched.process.start({ hosts: [host.name], drainTimeout: 0 });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  for (let i = 0; i < MANY; i += 1) await request(`${url}/socket.io/?EIO=4&transport=polling`, { agent });
  const polls = await Promise.all(Array.from({ length: MANY }, async () => {
    const sid = await handshake(url);
    await request(pollUrl(url, sid), { method: 'POST', body: '40' });
    await request(pollUrl(url, sid));
    return http.get(pollUrl(url, sid), { agent: false }).on('error', () => {});
  }));
  await until('every poll is held', async () => await host.call('polls') === MANY);
  for (const poll of polls) poll.destroy();
  await until('every poll has ended', async () => await host.call('polls') === 0);
  expect(await watched.warnings()).toEqual([]);
});

it('prints no warning for a response that comes in more pieces at once than its client takes', async () => {
  const chunks = '8\r\nabcdefgh\r\n'.repeat(20_000);
  const { name } = await startServer((req, res) => {
    if (req.url?.includes('?')) req.socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
    else res.end();
  });
  const { url } = await watched.process.start({ hosts: [name], drainTimeout: 0 });
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).body).toBe('abcdefgh'.repeat(20_000));
  expect(await watched.warnings()).toEqual([]);
});

it('prints no warning for requests that it refuses', async () => {
  const host = await startHost();
  const { url, port } = await watched.process.start({ hosts: [host.name], drainTimeout: 0 });
  expect((await request(pollUrl(url, 'unknown'))).status).toBe(400);
  expect((await request(`${url}/elsewhere`)).status).toBe(400);
  const body = await request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'DELETE', body: 'a' });
  expect(body.status).toBe(400);
  expect(await exchangeBytes(port, 'no HTTP\r\n\r\n')).toContain('400 Bad Request');
  const upgrade = 'GET /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  expect(await exchangeBytes(port, upgrade)).toContain('400 Bad Request');
  expect(await watched.warnings()).toEqual([]);
});

it('prints no warning when its hosts are gone', async () => {
  const host = await startHost();
  const { url } = await watched.process.start({ hosts: [host.name], drainTimeout: 0 });
  const sid = await handshake(url);
  await connect(url);
  await host.kill();
  expect((await request(pollUrl(url, sid))).status).toBe(400);
  expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(503);
  expect(await connect(url)).toBe(503);
  expect(await watched.warnings()).toEqual([]);
});

it('prints no warning when the store fails, and is back', async () => {
  const redis = await RedisProcess.start();
  const hosts = names(await startHosts(2));
  const { url } = await watched.process.start({ hosts, redisUrl: redis.url, drainTimeout: 0 });
  const sids = await Promise.all(Array.from({ length: MANY }, () => handshake(url)));
  const degraded = once(watched.process, 'degraded');
  await redis.kill();
  await degraded;
  await handshake(url);
  expect((await request(pollUrl(url, 'unknown'))).status).toBe(503);
  expect((await request(pollUrl(url, sids[0] ?? ''), { method: 'POST', body: '40' })).status).toBe(200);
  const recovered = once(watched.process, 'recovered');
  await redis.restart();
  await recovered;
  expect(await watched.warnings()).toEqual([]);
});

it('prints no warning when it closes with requests and WebSockets under way', async () => {
  const host = await startHost();
  const { url, port } = await watched.process.start({ hosts: [host.name], drainTimeout: 0 });
  for (let i = 0; i < MANY; i += 1) await connect(url);
  const sid = await handshake(url);
  await request(pollUrl(url, sid), { method: 'POST', body: '40' });
  await request(pollUrl(url, sid));
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  onCleanup(() => socket.destroy());
  socket.write(`GET ${pollUrl('', sid)} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until('the poll is held', async () => await host.call('polls') === 1);
  expect(await watched.warnings()).toEqual([]);
});
