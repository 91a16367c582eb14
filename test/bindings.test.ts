import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { MemoryStore } from '../src';
import { onCleanup } from './support/cleanup';
import { startHost, startHosts } from './support/hosts';
import { handshake, pollUrl, request, startServer } from './support/http';
import { startProxy } from './support/proxy';
import { startProxyProcess } from './support/proxy-process';
import { openClient, sharedRedisUrl, uniqueKeyPrefix, type TestClient } from './support/redis';
import { Relay } from './support/relay';
import { openWebSocket } from './support/session-host';
import { until } from './support/until';

let redisClient: TestClient;
let keyPrefix: string;

beforeAll(async () => {
  redisClient = await openClient();
});
beforeEach(() => {
  keyPrefix = uniqueKeyPrefix();
});

/** Redis behind a relay. */
async function relayedRedis(): Promise<{ relay: Relay; client: TestClient }> {
  const { port } = new URL(sharedRedisUrl());
  const relay = await Relay.start(Number(port || 6379));
  return { relay, client: await openClient(`redis://127.0.0.1:${relay.port}`) };
}

/** A host whose sessions live for as long as it is told, and whose polls and WebSockets hang. */
async function holdingHost(pingInterval: number, pingTimeout: number): Promise<string> {
  const packet = `0${JSON.stringify({ sid: 'held', pingInterval, pingTimeout })}`;
  const { name, server } = await startServer((req, res) => {
    const url = req.url ?? '';
    if (!url.includes('transport=')) res.writeHead(400).end();
    else if (!url.includes('sid=')) res.end(packet);
    else if (req.method === 'POST') res.end('ok');
  });
  new WebSocket.Server({ server }).on('connection', (socket) => socket.send(packet));
  return name;
}

/** Resolves when the key is gone. */
async function expired(key: string): Promise<void> {
  while (await redisClient.exists(key)) await sleep(50);
}

async function post(url: string, sid: string): Promise<[number, string]> {
  const { status, body } = await request(pollUrl(url, sid), { method: 'POST', body: '40' });
  return [status, body];
}

describe('the session store', () => {
  it('holds what the original holds: the prefix and the sid, and the host as it stands in hosts', async () => {
    const host = await startHost();
    const { url } = await startProxy({ redisClient, keyPrefix, hosts: [`http://${host.name}`] });
    const sid = await handshake(url);
    expect(await redisClient.get(keyPrefix + sid)).toBe(`http://${host.name}`);
    expect(await redisClient.keys(`${keyPrefix}*`)).toEqual([keyPrefix + sid]);
  });

  it('is read as the original wrote it', async () => {
    const hosts = await startHosts(2);
    const [first, second] = hosts.map(({ name }) => name) as [string, string];
    const sid = await handshake(`http://${second}`);
    await redisClient.set(keyPrefix + sid, second, { EX: 60 });
    const { url } = await startProxy({ redisClient, keyPrefix, hosts: [first, second] });
    expect(await post(url, sid)).toEqual([200, 'ok']);
  });

  it('uses the prefix socket.io# by default', async () => {
    const host = await startHost();
    const { url } = await startProxy({ redisClient, hosts: [host.name] });
    const sid = await handshake(url);
    expect(await redisClient.getDel(`socket.io#${sid}`)).toBe(host.name);
  });

  it('has the binding before the handshake is answered', async () => {
    const hosts = await startHosts(3);
    const slow = await relayedRedis();
    slow.relay.delay = 75;
    const options = { keyPrefix, hosts: hosts.map(({ name }) => name) };
    const first = await startProxy({ ...options, redisClient: slow.client });
    const second = await startProxy({ ...options, redisClient });
    const posts = await Promise.all(Array.from({ length: 20 }, async () => post(second.url, await handshake(first.url))));
    expect(posts).toEqual(Array.from({ length: 20 }, () => [200, 'ok']));
  });

  it('is asked once for a sid that this proxy has not seen, in one round trip', async () => {
    const host = await startHost();
    const { relay, client } = await relayedRedis();
    const first = await startProxy({ redisClient, keyPrefix, hosts: [host.name] });
    const second = await startProxy({ redisClient: client, keyPrefix, hosts: [host.name] });
    const sid = await handshake(first.url);
    relay.log.length = 0;
    expect(await post(second.url, sid)).toEqual([200, 'ok']);
    const [asked, answered] = relay.log;
    expect(asked?.to).toBe('server');
    expect(asked?.bytes.toString()).toContain('GET');
    expect(asked?.bytes.toString()).toContain('TTL');
    expect(answered?.to).toBe('client');
    relay.log.length = 0;
    for (let i = 0; i < 10; i += 1) expect(await post(second.url, sid)).toEqual([200, 'ok']);
    expect(relay.log).toEqual([]);
  });

  it('serves any number of proxies, and one that was started later', async () => {
    const hosts = await startHosts(3);
    const options = { redisClient, keyPrefix, hosts: hosts.map(({ name }) => name) };
    const first = await startProxy(options);
    const sids = await Promise.all(Array.from({ length: 20 }, () => handshake(first.url)));
    await first.proxy.close();
    const later = await startProxy(options);
    expect(await Promise.all(sids.map((sid) => post(later.url, sid)))).toEqual(sids.map(() => [200, 'ok']));
  });
});

describe('a binding', () => {
  it.each([
    ['keyExpiry, where the session lives shorter', 300, 25_000, 20_000, 300],
    ['pingInterval + pingTimeout, where that is longer', 60, 90_000, 30_000, 120],
  ])('lives for %s', async (_, keyExpiry, pingInterval, pingTimeout, least) => {
    const { url } = await startProxy({ redisClient, keyPrefix, keyExpiry, hosts: [await holdingHost(pingInterval, pingTimeout)] });
    await handshake(url);
    const ttl = await redisClient.ttl(`${keyPrefix}held`);
    expect(ttl).toBeGreaterThan(least - 30);
    expect(ttl).toBeLessThanOrEqual(Math.ceil((least * 4) / 3));
  });

  it('is not shortened by a proxy that knows only keyExpiry', async () => {
    const hosts = [await holdingHost(90_000, 30_000)];
    const first = await startProxy({ redisClient, keyPrefix, hosts });
    const second = await startProxy({ redisClient, keyPrefix, hosts });
    await handshake(first.url);
    expect(await post(second.url, 'held')).toEqual([200, 'ok']);
    expect(await redisClient.ttl(`${keyPrefix}held`)).toBeGreaterThan(100);
  });

  it('has its expiry renewed by a look-up', async () => {
    const hosts = [await holdingHost(100, 100)];
    await redisClient.set(`${keyPrefix}held`, hosts[0] ?? '', { EX: 30 });
    const { url } = await startProxy({ redisClient, keyPrefix, keyExpiry: 90, hosts });
    expect(await post(url, 'held')).toEqual([200, 'ok']);
    expect(await redisClient.ttl(`${keyPrefix}held`)).toBeGreaterThan(60);
  });

  it('outlives its expiry while the session is used', async () => {
    const { url, proxy } = await startProxy({ redisClient, keyPrefix, keyExpiry: 2, hosts: [await holdingHost(100, 100)] });
    await handshake(url);
    const end = Date.now() + 2200;
    while (Date.now() < end) {
      expect(await post(url, 'held')).toEqual([200, 'ok']);
      expect(await redisClient.exists(`${keyPrefix}held`)).toBe(1);
      await sleep(100);
    }
    // Two seconds after its last use it has expired in the proxy too.
    await expired(`${keyPrefix}held`);
    await until('it has expired in the proxy', () => proxy.hosts[0]?.sessions === 0);
    expect(await post(url, 'held')).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
  });

  it('outlives its expiry while a poll hangs', async () => {
    const { url } = await startProxy({ redisClient, keyPrefix, keyExpiry: 2, hosts: [await holdingHost(100, 100)] });
    await handshake(url);
    const leaving = new AbortController();
    const poll = request(pollUrl(url, 'held'), { signal: leaving.signal });
    await sleep(2200);
    expect(await redisClient.exists(`${keyPrefix}held`)).toBe(1);
    leaving.abort();
    await expect(poll).rejects.toThrow('aborted');
    await expired(`${keyPrefix}held`);
  });

  it('outlives its expiry while a WebSocket is open', async () => {
    const { url } = await startProxy({ redisClient, keyPrefix, keyExpiry: 2, hosts: [await holdingHost(100, 100)] });
    await handshake(url);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&sid=held`);
    await once(socket, 'open');
    await sleep(2200);
    expect(await redisClient.exists(`${keyPrefix}held`)).toBe(1);
    socket.terminate();
    await expired(`${keyPrefix}held`);
  });

  it('stays, where two hosts give the same sid, when the session ends that was there before', async () => {
    const hosts = [await holdingHost(45_000, 0), await holdingHost(45_000, 0)];
    const { proxy, url } = await startProxy({ redisClient, keyPrefix, hosts, balance: 'round-robin' });
    const socket = await openWebSocket(url);
    const [first, second] = proxy.hosts[0]?.tunnels === 1 ? hosts : [...hosts].reverse();
    await until('the first is bound', async () => await redisClient.get(`${keyPrefix}held`) === first);
    await handshake(url);
    socket.terminate();
    await until('it has ended', () => proxy.hosts.every(({ tunnels }) => tunnels === 0));
    expect(proxy.hosts.map(({ host, sessions }) => [host, sessions])).toEqual(hosts.map((host) => [host, host === second ? 1 : 0]));
    expect(await post(url, 'held')).toEqual([200, 'ok']);
    expect(await redisClient.get(`${keyPrefix}held`)).toBe(second);
  });

  it('is looked up in the store when it is no longer cached', async () => {
    const hosts = await startHosts(3);
    const { url } = await startProxy({ redisClient, keyPrefix, cacheSize: 2, hosts: hosts.map(({ name }) => name) });
    const sids = await Promise.all(Array.from({ length: 10 }, () => handshake(url)));
    expect(await Promise.all(sids.map((sid) => post(url, sid)))).toEqual(sids.map(() => [200, 'ok']));
  });
});

describe('MemoryStore', () => {
  it('forgets what has expired, and renews what is found', async () => {
    const store = new MemoryStore();
    await store.bind('short', 'a:1', 1);
    await store.bind('renewed', 'a:1', 1);
    expect(await store.find('renewed', 60)).toBe('a:1');
    while (await store.find('short', 0) !== undefined) await sleep(50);
    expect(await store.find('renewed', 1)).toBe('a:1');
  });

  it('forgets the session that was used longest ago when it is full', async () => {
    const store = new MemoryStore({ maxSessions: 2 });
    await store.bind('one', 'a:1', 60);
    await store.bind('two', 'a:1', 60);
    await store.find('one', 60);
    // Which is no use of it.
    await store.inspect('two');
    await store.bind('three', 'a:1', 60);
    expect(await Promise.all(['one', 'two', 'three'].map((sid) => store.find(sid, 60)))).toEqual(['a:1', undefined, 'a:1']);
  });

  it.each([0, -1, 1.5, NaN, '5'])('refuses maxSessions of %p', (maxSessions) => {
    expect(() => new MemoryStore({ maxSessions: maxSessions as number })).toThrow(/'maxSessions' must be an integer from 1/);
  });
});

it('keeps no more of a looked-up session than its binding, however long its URLs are', async () => {
  const name = await holdingHost(100, 100);
  const proxy = await startProxyProcess({ hosts: [name], redisUrl: sharedRedisUrl(), keyPrefix }, ['--expose-gc']);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  onCleanup(() => agent.destroy());
  const pad = 'x'.repeat(8000);
  const lookUp = async (from: number, count: number): Promise<number> => {
    const sids = Array.from({ length: count }, (_, i) => `a-session-of-some-length-${from + i}`);
    await Promise.all(sids.map((sid) => redisClient.set(keyPrefix + sid, name, { EX: 60 })));
    await Promise.all(sids.map((sid) => request(`${pollUrl(proxy.url, sid)}&pad=${pad}`, { method: 'POST', body: '2', agent })));
    return (await proxy.usage()).heapUsed;
  };
  const before = await lookUp(0, 1000);
  expect(await lookUp(1000, 1000) - before).toBeLessThan(3_000_000);
});
