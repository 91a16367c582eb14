import WebSocket from 'ws';
import { MemoryStore } from '../../src';
import { settle, stopClock } from '../support/clock';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { openClient, sharedRedisUrl, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { Relay } from '../support/relay';
import { openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

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
    // A proxy asks whether the session is alive that had the sid before.
    else if (req.method === 'PUT') res.writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
  });
  new WebSocket.Server({ server }).on('connection', (socket) => socket.send(packet));
  return name;
}

async function post(url: string, sid: string): Promise<[number, string]> {
  const { status, body } = await request(pollUrl(url, sid), { method: 'POST', body: '40' });
  return [status, body];
}

describe('the session store', () => {
  let hosts: SessionHost[];
  let names: string[];

  beforeAll(async () => {
    hosts = await startSessionHosts(2);
    names = hosts.map(({ name }) => name);
  });

  it('holds what the original holds: the prefix and the sid, and the host as it stands in hosts', async () => {
    const host = `http://${names[0]}`;
    const { url } = await startProxy({ redisClient, keyPrefix, hosts: [host] });
    const sid = await handshake(url);
    expect(await redisClient.get(keyPrefix + sid)).toBe(host);
    expect(await redisClient.keys(`${keyPrefix}*`)).toEqual([keyPrefix + sid]);
  });

  it('is read as the original wrote it', async () => {
    const sid = await handshake(`http://${names[1]}`);
    await redisClient.set(keyPrefix + sid, names[1] ?? '', { EX: 60 });
    const { proxy, url } = await startProxy({ redisClient, keyPrefix, hosts: names });
    expect(await post(url, sid)).toEqual([200, 'ok']);
    expect(proxy.hosts.map(({ sessions }) => sessions)).toEqual([0, 1]);
  });

  it('uses the prefix socket.io# by default', async () => {
    const { url } = await startProxy({ redisClient, hosts: names.slice(0, 1) });
    const sid = await handshake(url);
    expect(await redisClient.getDel(`socket.io#${sid}`)).toBe(names[0]);
  });

  it('has the binding before the handshake is answered, for any number of proxies, and one that was started later', async () => {
    const slow = await relayedRedis();
    slow.relay.delay = 75;
    const options = { keyPrefix, hosts: names };
    const first = await startProxy({ ...options, redisClient: slow.client });
    const second = await startProxy({ ...options, redisClient });
    const sids = await Promise.all(Array.from({ length: 20 }, async () => {
      const sid = await handshake(first.url);
      expect(await post(second.url, sid)).toEqual([200, 'ok']);
      return sid;
    }));
    await first.proxy.close();
    // With no room for all, so that what is no longer cached is looked up again.
    const later = await startProxy({ ...options, redisClient, cacheSize: 2 });
    for (let i = 0; i < 2; i += 1) expect(await Promise.all(sids.map((sid) => post(later.url, sid)))).toEqual(sids.map(() => [200, 'ok']));
  });

  it('is asked once for a sid that this proxy has not seen, in one round trip', async () => {
    const { relay, client } = await relayedRedis();
    const first = await startProxy({ redisClient, keyPrefix, hosts: names });
    const second = await startProxy({ redisClient: client, keyPrefix, hosts: names });
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
});

describe('a binding', () => {
  it.each([
    ['keyExpiry, where the session lives shorter', 80_000, 45_000, 80_000],
    ['4/3 of pingInterval + pingTimeout, where that is longer', 60, 45_000_000, 60_000],
  ])('lives for %s', async (_, keyExpiry, pingInterval, seconds) => {
    const { url } = await startProxy({ redisClient, keyPrefix, keyExpiry, hosts: [await holdingHost(pingInterval, 0)] });
    await handshake(url);
    const ttl = await redisClient.ttl(`${keyPrefix}held`);
    expect([ttl > seconds - 1000, ttl <= seconds]).toEqual([true, true]);
  });

  it('is not shortened by a proxy that knows only keyExpiry', async () => {
    const hosts = [await holdingHost(45_000_000, 0)];
    const first = await startProxy({ redisClient, keyPrefix, hosts });
    const second = await startProxy({ redisClient, keyPrefix, hosts });
    await handshake(first.url);
    expect(await post(second.url, 'held')).toEqual([200, 'ok']);
    expect(await redisClient.ttl(`${keyPrefix}held`)).toBeGreaterThan(50_000);
  });

  it('has its expiry renewed by a look-up', async () => {
    const hosts = [await holdingHost(100, 100)];
    await redisClient.set(`${keyPrefix}held`, hosts[0] ?? '', { EX: 3000 });
    const { url } = await startProxy({ redisClient, keyPrefix, keyExpiry: 9000, hosts });
    expect(await post(url, 'held')).toEqual([200, 'ok']);
    expect(await redisClient.ttl(`${keyPrefix}held`)).toBeGreaterThan(6000);
  });

  it.each<[string, (use: { url: string; pass: (ms: number) => Promise<void> }) => Promise<() => unknown>]>([
    ['the session is used', async ({ url, pass }) => {
      for (let i = 0; i < 12; i += 1) {
        await pass(50_000);
        expect(await post(url, 'held')).toEqual([200, 'ok']);
      }
      return () => {};
    }],
    ['a poll hangs', async ({ url, pass }) => {
      const leaving = new AbortController();
      const ended = expect(request(pollUrl(url, 'held'), { signal: leaving.signal })).rejects.toThrow('aborted');
      await settle();
      await pass(600_000);
      return () => {
        leaving.abort();
        return ended;
      };
    }],
    ['a WebSocket is open', async ({ url, pass }) => {
      const socket = await openWebSocket(url, 'held');
      await pass(600_000);
      return () => socket.terminate();
    }],
  ])('outlives its expiry while %s, in the store too', async (_, use) => {
    const clock = stopClock();
    const store = new MemoryStore();
    const { url, proxy } = await startProxy({ store, keyExpiry: 60, hosts: [await holdingHost(100, 100)], checkInterval: 3_600_000 });
    await handshake(url);
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        await clock.advance(10_000);
        // Three quarters of its time, less what passes until it is looked at.
        expect((await store.inspect('held'))?.expiresIn).toBeGreaterThan(passed >= 60_000 ? 39 : 0);
      }
    };
    const end = await use({ url, pass });
    expect((await store.inspect('held'))?.expiresIn).toBeGreaterThan(39);
    await end();
    await until('nothing is under way', () => proxy.hosts.every(({ requests, tunnels }) => requests + tunnels === 0));
    await clock.advance(59_000);
    await clock.advance(6000);
    // Its time after the last use has passed in the proxy too.
    expect([proxy.hosts[0]?.sessions, await store.inspect('held')]).toEqual([0, undefined]);
    expect(await post(url, 'held')).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
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
});

describe('MemoryStore', () => {
  it('forgets what has expired, and renews what is found', async () => {
    const clock = stopClock();
    const store = new MemoryStore();
    await store.bind('short', 'a:1', 1);
    await store.bind('renewed', 'a:1', 1);
    await clock.advance(999);
    expect(await store.find('renewed', 60)).toBe('a:1');
    await clock.advance(2);
    expect(await store.find('short', 0)).toBeUndefined();
    await clock.advance(59_990);
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
