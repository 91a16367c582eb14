import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { MemoryStore } from '../../src';
import { Clients } from '../support/clients';
import { onCleanup } from '../support/cleanup';
import { startHost, startHosts, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { Relay } from '../support/relay';
import { until } from '../support/until';

let host: HostProcess;

beforeAll(async () => {
  host = await startHost();
});

describe('two proxies on one Redis, of which one is killed', () => {
  it('go on with its polling sessions without a new handshake', async () => {
    const hosts = await startHosts(3);
    const options = { hosts: hosts.map(({ name }) => name), redisUrl: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix() };
    const [first, second] = await Promise.all([startProxyProcess(options), startProxyProcess(options)]);
    const sids = await Promise.all(Array.from({ length: 20 }, () => handshake(first.url)));
    await first.kill();
    for (const sid of sids) {
      expect((await request(pollUrl(second.url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
      expect((await request(pollUrl(second.url, sid))).body).toMatch(/^40\{/);
    }
  });

  it('have its clients reconnect through the other', async () => {
    const hosts = await startHosts(3);
    const options = { hosts: hosts.map(({ name }) => name), redisUrl: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix() };
    const [first, second] = await Promise.all([startProxyProcess(options), startProxyProcess(options)]);
    // What stands before both, as a load balancer would: it sends new connections to the one that lives.
    const relay = await Relay.start(first.port);
    const clients = new Clients();
    const url = `http://127.0.0.1:${relay.port}`;
    const keys = await Promise.all(Array.from({ length: 12 }, async (_, i) => {
      const transports = [['polling'], ['websocket'], ['polling', 'websocket']][i % 3];
      return (await clients.connect({ url, transports: transports as ['polling'], reconnection: true })).key;
    }));
    await first.kill();
    relay.target = second.port;
    const answered = await Promise.all(keys.map((key) => clients.call('answered', key, 5000)));
    expect(answered).toHaveLength(12);
  });
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
    await request(pollUrl(url, sid), { method: 'POST', body: '40' });
    await request(pollUrl(url, sid));
    const polled = once(host, 'poll');
    const poll = request(pollUrl(url, sid));
    await polled;
    const closing = proxy.close();
    const refused = await request(`${url}/socket.io/?EIO=4&transport=polling`);
    expect([refused.status, refused.headers.connection, refused.headers['retry-after']]).toEqual([503, 'close', '1']);
    expect(refused.json()).toEqual({ code: 'CLOSING', message: 'The proxy is closing' });
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '42["nothing"]' })).status).toBe(200);
    await host.call('broadcast', 'news', 1);
    const reply = await poll;
    expect([reply.status, reply.headers.connection]).toEqual([200, 'close']);
    await closing;
    expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).body).toBe('the caller\'s');
  });

  it.each([
    ['a WebSocket', async (url: string): Promise<() => Promise<unknown>> => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
      await once(socket, 'message');
      const closed = once(socket, 'close');
      return () => closed;
    }],
    ['a held poll', async (url: string): Promise<() => Promise<unknown>> => {
      const sid = await handshake(url);
      await request(pollUrl(url, sid), { method: 'POST', body: '40' });
      await request(pollUrl(url, sid));
      const polled = once(host, 'poll');
      const poll = request(pollUrl(url, sid)).catch((error: unknown) => error);
      await polled;
      return () => poll;
    }],
  ])('ends %s after drainTimeout, and not before', async (_, open) => {
    const { proxy, url } = await startProxy({ hosts: [host.name], drainTimeout: 600 });
    const ended = await open(url);
    const began = performance.now();
    const closing = proxy.close();
    await ended();
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(590);
    // By itself it would last for 25 s, or for ever.
    expect(took).toBeLessThan(10_000);
    await closing;
  });

  it('ends at once where nothing is under way, idle connections included', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name], drainTimeout: 10_000 });
    const agent = new http.Agent({ keepAlive: true });
    onCleanup(() => agent.destroy());
    await request(`${url}/socket.io/?EIO=4&transport=polling`, { agent });
    const began = performance.now();
    await proxy.close();
    expect(performance.now() - began).toBeLessThan(9000);
  });

  it('joins a close that is under way', async () => {
    const { proxy, url } = await startProxy({ hosts: [host.name], drainTimeout: 300 });
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    await once(socket, 'message');
    let closes = 0;
    proxy.on('close', () => closes += 1);
    const first = proxy.close();
    const second = proxy.close();
    await Promise.all([first, second]);
    await proxy.close();
    expect(closes).toBe(1);
  });

  it('stops the health checks', async () => {
    let checks = 0;
    const { name } = await startServer((_, res) => {
      checks += 1;
      res.end('ok');
    });
    const { proxy } = await startProxy({ hosts: [name], checkInterval: 20 });
    await until('it is checked', () => checks > 3);
    await proxy.close();
    const before = checks;
    await sleep(300);
    // One may have been on its way.
    expect(checks - before).toBeLessThanOrEqual(1);
  });

  it('frees the hosts\' connections', async () => {
    const own = await startHost();
    const { proxy, url } = await startProxy({ hosts: [own.name] });
    await Promise.all(Array.from({ length: 20 }, () => handshake(url)));
    await proxy.close();
    // Idle ones would be closed after four seconds.
    expect(await until('they are closed', async () => await own.call<number>('sockets') === 0)).toBeLessThan(3500);
  });

  it.each([
    ['a memory store', {}],
    ['a Redis client that it has opened', { redisUrl: true }],
  ])('lets the process exit by itself: with %s', async (_, { redisUrl }: { redisUrl?: boolean }) => {
    const options = redisUrl ? { redisUrl: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix() } : {};
    const proxy = await startProxyProcess({ hosts: [host.name], drainTimeout: 200, ...options });
    await handshake(proxy.url);
    const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    await once(socket, 'message');
    socket.on('error', () => {});
    await proxy.call('closeNow');
    const began = performance.now();
    expect(await proxy.exit()).toBe(0);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('lets the process exit as soon as its last client goes, and not only after drainTimeout', async () => {
    const proxy = await startProxyProcess({ hosts: [host.name], drainTimeout: 60_000 });
    const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    await once(socket, 'message');
    await proxy.call('closeNow');
    const began = performance.now();
    socket.terminate();
    expect(await proxy.exit()).toBe(0);
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

it('warns of nothing with many hosts', async () => {
  const script = `
    const { MemoryStore, Proxy } = require(${JSON.stringify(join(__dirname, '../../dist'))});
    const hosts = Array.from({ length: 40 }, (_, i) => \`127.0.0.1:\${i + 1}\`);
    const proxy = new Proxy({ store: new MemoryStore(), hosts, checkInterval: 20 });
    proxy.listen(0, () => setTimeout(() => proxy.close(), 500));`;
  expect(await promisify(execFile)(process.execPath, ['-e', script])).toEqual({ stdout: '', stderr: '' });
});

it('keeps what it was given after close: the store answers on', async () => {
  const store = new MemoryStore();
  const { proxy, url } = await startProxy({ hosts: [host.name], store });
  const sid = await handshake(url);
  await proxy.close();
  expect(await store.find(sid, 60)).toBe(host.name);
});
