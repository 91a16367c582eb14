import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { MemoryStore } from '../../src';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { before, openWebSocket, startSessionHost, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

let host: SessionHost;

beforeAll(async () => {
  host = await startSessionHost();
});

describe('close', () => {
  it('lets requests finish, and refuses handshakes with 503 and Connection: close', async () => {
    const waiting: http.ServerResponse[] = [];
    const { name } = await startServer((req, res) => {
      if ((req.url ?? '').includes('slow')) waiting.push(res);
      else res.end('ok');
    });
    const { proxy, port, url } = await startProxy({ hosts: [name], drainTimeout: 10_000 });
    await request(`${url}/socket.io/`);
    const socket = net.connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // The second is sent on the same connection while the first is under way, as no new connection is taken any more.
    socket.write('GET /socket.io/slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the first is under way', () => waiting.length === 1);
    const closing = proxy.close();
    await expect(handshake(url)).rejects.toThrow('ECONNREFUSED');
    socket.write('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    waiting[0]?.end('finished');
    await once(socket, 'close');
    await closing;
    const text = Buffer.concat(chunks).toString();
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toContain('finished');
    expect(text).toMatch(/Connection: close/i);
  });

  it('refuses handshakes on a server of the caller\'s, and goes on with sessions until they end', async () => {
    const { server } = await startServer((_, res) => res.end('the caller\'s'));
    const { proxy, url } = await startProxy({ server, hosts: [host.name], drainTimeout: 10_000 });
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)), await once(host, 'poll')];
    const closing = proxy.close();
    const refused = await request(`${url}/socket.io/?EIO=4&transport=polling`);
    expect([refused.status, refused.headers.connection, refused.headers['retry-after']]).toEqual([503, 'close', '1']);
    expect(refused.json()).toEqual({ code: 'CLOSING', message: 'The proxy is closing' });
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status).toBe(200);
    host.answer();
    const reply = await poll;
    expect([reply.status, reply.headers.connection]).toEqual([200, 'close']);
    await closing;
    expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).body).toBe('the caller\'s');
  });

  it('ends what is under way after drainTimeout, and not before', async () => {
    const { proxy, url } = await before([host], { drainTimeout: 600 });
    const socket = await openWebSocket(url);
    const sid = await handshake(url);
    const [poll] = [request(pollUrl(url, sid)).catch(String), await once(host, 'poll')];
    const clock = stopClock();
    const ended: string[] = [];
    socket.once('close', () => ended.push('WebSocket'));
    void poll.then(() => ended.push('poll'));
    const closing = proxy.close();
    await clock.advance(599);
    await settle();
    expect(ended).toEqual([]);
    await clock.advance(1);
    await until('both have ended', () => ended.length === 2);
    await closing;
  });

  it('ends at once where nothing is under way, connections included', async () => {
    const own = await startSessionHost();
    const { proxy, url } = await before([own], { drainTimeout: 10_000 });
    const agent = new http.Agent({ keepAlive: true });
    onCleanup(() => agent.destroy());
    await request(`${url}/socket.io/?EIO=4&transport=polling`, { agent });
    stopClock();
    await proxy.close();
    await until('those to its host are closed', async () => await own.connections === 0);
  });

  it('joins a close that is under way', async () => {
    const { proxy, url } = await before([host], { drainTimeout: 1_000_000 });
    const socket = await openWebSocket(url);
    let closes = 0;
    proxy.on('close', () => closes += 1);
    const closings = [proxy.close(), proxy.close()];
    socket.terminate();
    await Promise.all(closings);
    await proxy.close();
    expect(closes).toBe(1);
  });

  it('stops the health checks', async () => {
    const clock = stopClock();
    const own = await startSessionHost();
    const { proxy } = await before([own], { checkInterval: 1000 });
    const checked = once(own, 'check');
    await clock.advance(1000);
    await checked;
    let checks = 0;
    own.on('check', () => checks += 1);
    await settle();
    await proxy.close();
    await clock.advance(10_000);
    await settle();
    expect(checks).toBe(0);
  });

  it('lets the process exit as soon as its last client goes, its Redis client closed', async () => {
    const options = { redisUrl: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix(), drainTimeout: 1_000_000 };
    const proxy = await startProxyProcess({ hosts: [host.name], ...options });
    await handshake(proxy.url);
    const socket = await openWebSocket(proxy.url);
    await proxy.call('closeNow');
    socket.terminate();
    expect(await proxy.exit()).toBe(0);
  });

  it('lets the process exit by itself after drainTimeout', async () => {
    const proxy = await startProxyProcess({ hosts: [host.name], drainTimeout: 200 });
    await openWebSocket(proxy.url);
    await proxy.call('closeNow');
    expect(await proxy.exit()).toBe(0);
  });
});

it('keeps what it was given after close: the store answers on', async () => {
  const store = new MemoryStore();
  const { proxy, url } = await before([host], { store });
  const sid = await handshake(url);
  await proxy.close();
  expect(await store.find(sid, 60)).toBe(host.name);
});
