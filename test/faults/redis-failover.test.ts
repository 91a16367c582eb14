import { once } from 'node:events';
import type { LookupFunction } from 'node:net';
import { createClient, createClientPool } from 'redis';
import { RedisStore } from '../../src';
import { meansElsewhere } from '../../src/sessions/redis-failover';
import { onCleanup } from '../support/cleanup';
import { handshake, pollUrl, request } from '../support/http';
import { startProxy } from '../support/proxy';
import { startFailover, type Failover } from '../support/redis-failover';
import { openClient, RedisProcess, uniqueKeyPrefix, type TestClient } from '../support/redis';
import { Relay } from '../support/relay';
import { startSessionHosts } from '../support/session-host';
import { until } from '../support/until';

const PREFIX = 'socket.io#';

let names: string[];

beforeAll(async () => {
  names = (await startSessionHosts(2)).map(({ name }) => name);
});

async function post(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

/** An open store by way of the relay, and what it has told. */
async function openStore({ relay }: Failover): Promise<{ store: RedisStore; told: { failures: Error[]; ready: number } }> {
  const store = new RedisStore(createClient({ url: `redis://127.0.0.1:${relay.port}` }));
  onCleanup(() => store.close());
  const told = { failures: [] as Error[], ready: 0 };
  store.watch((error) => told.failures.push(error), () => told.ready += 1);
  await store.open();
  return { store, told };
}

describe('after a failover that keeps the connection', () => {
  it('the proxy connects anew by name, tells of it once, and stores all bindings again', async () => {
    const failover = await startFailover();
    const url = `redis://localhost:${failover.relay.port}`;
    const first = await startProxy({ redisClient: createClient({ url }), hosts: names });
    const second = await startProxy({ redisClient: createClient({ url }), hosts: names });
    const events: string[] = [];
    first.proxy.on('degraded', ({ message }) => events.push(message)).on('recovered', () => events.push('recovered'));
    const sid = await handshake(first.url);
    await failover.switchOver();
    // What the new primary has not got of the old one.
    await failover.toNew.flushAll();
    const recovered = once(first.proxy, 'recovered');
    const during = await handshake(first.url);
    await recovered;
    await until('all is stored', async () => await failover.toNew.exists([PREFIX + sid, PREFIX + during]) === 2);
    // The other proxy may still ask the old primary, which follows the new one.
    await until('the old one has them', async () => await failover.toOld.exists([PREFIX + sid, PREFIX + during]) === 2);
    for (const each of [sid, during]) expect(await post(second.url, each)).toBe(200);
    expect(events).toEqual([
      'this Redis takes no writes any more. The proxy connects to it anew, until its name leads to the primary: ' +
        "READONLY You can't write against a read only replica.",
      'recovered',
    ]);
  });

  it('a pool of clients is not told to connect anew, which it would not do, and the error says who has to', async () => {
    const failover = await startFailover();
    const pool = createClientPool({ url: `redis://127.0.0.1:${failover.relay.port}` });
    onCleanup(() => pool.destroy());
    pool.on('error', () => {});
    await pool.connect();
    const store = new RedisStore(pool);
    await store.bind('a', 'host:1', 100);
    await failover.switchOver();
    await expect(store.bind('a', 'host:1', 100)).rejects.toThrow(/If its client does not find the primary, make the client connect/);
  });

  it('sessions that are only renewed lead to it too', async () => {
    const failover = await startFailover();
    const { store, told } = await openStore(failover);
    await store.bind('a', 'host:1', 1000);
    await until('the replica has it', () => failover.toNew.exists(`${PREFIX}a`));
    await failover.switchOver();
    expect(await store.find('a', 2000)).toBe('host:1');
    await until('it is connected anew', () => told.ready === 2);
    expect(told.failures.map(({ name }) => name)).toEqual(['WritesRefusedError']);
    expect(await store.find('a', 2000)).toBe('host:1');
    await until('it is renewed', async () => await failover.toNew.ttl(`${PREFIX}a`) > 1900);
  });

  it('the proxy tries again until the name leads to the new primary, and answers look-ups meanwhile', async () => {
    const failover = await startFailover();
    const { relay } = failover;
    const redisClient = createClient({ url: `redis://127.0.0.1:${relay.port}` });
    const { proxy, url } = await startProxy({ redisClient, hosts: names });
    await failover.toOld.set(`${PREFIX}other`, names[0] ?? '');
    await until('the replica has it', () => failover.toNew.exists(`${PREFIX}other`));
    await failover.switchOver(false);
    const connections = relay.connections;
    const during = await handshake(url);
    await until('it has tried twice', async () => {
      expect(await post(url, 'other')).toBe(200);
      return relay.connections >= connections + 2;
    });
    const recovered = once(proxy, 'recovered');
    relay.target = failover.newPort;
    await recovered;
    await until('the session is stored', () => failover.toNew.exists(PREFIX + during));
  });

  it('calls wait for the new connection, and none is lost', async () => {
    const failover = await startFailover();
    const { store, told } = await openStore(failover);
    await failover.switchOver();
    await expect(store.bind('a', 'host:1', 100)).rejects.toThrow(/^this Redis takes no writes any more.+READONLY/);
    const sids = Array.from({ length: 100 }, (_, i) => `sid-${i}`);
    await Promise.all(sids.map((sid) => store.bind(sid, 'host:1', 100)));
    expect(await failover.toNew.exists(sids.map((sid) => PREFIX + sid))).toBe(100);
    expect(told.failures).toHaveLength(1);
  });

  it('the client asks for the address of the name again', async () => {
    const failover = await startFailover();
    const { relay } = failover;
    const asked: string[] = [];
    const lookup: LookupFunction = (name, { all }, done) => {
      asked.push(name);
      if (all) done(null, [{ address: '127.0.0.1', family: 4 }]);
      else done(null, '127.0.0.1', 4);
    };
    const store = new RedisStore(createClient({ socket: { host: 'localhost', port: relay.port, lookup } }));
    onCleanup(() => store.close());
    store.watch(() => {}, () => {});
    await store.open();
    expect(asked).toEqual(['localhost']);
    await failover.switchOver();
    await expect(store.bind('a', 'host:1', 100)).rejects.toThrow('READONLY');
    await store.bind('a', 'host:1', 100);
    expect(asked).toEqual(['localhost', 'localhost']);
  });

  it('a store that is closed meanwhile opens nothing again', async () => {
    const failover = await startFailover();
    const { relay } = failover;
    const client = createClient({ url: `redis://127.0.0.1:${relay.port}`, socket: { reconnectStrategy: false } });
    const store = new RedisStore(client);
    store.watch(() => {}, () => {});
    await store.open();
    await failover.switchOver();
    await expect(store.bind('a', 'host:1', 100)).rejects.toThrow('READONLY');
    await store.close();
    await until('the connection has ended', () => relay.open === 0);
    expect(client.isOpen).toBe(false);
    expect(relay.connections).toBe(1);
  });

  it('a client of the caller\'s that must not reconnect by itself is opened again', async () => {
    const failover = await startFailover();
    const socket = { reconnectStrategy: false } as const;
    const redisClient = createClient({ url: `redis://127.0.0.1:${failover.relay.port}`, socket });
    redisClient.on('error', () => {});
    onCleanup(() => redisClient.destroy());
    await redisClient.connect();
    const { proxy, url } = await startProxy({ redisClient, hosts: names });
    await failover.switchOver();
    const recovered = once(proxy, 'recovered');
    const during = await handshake(url);
    await recovered;
    await until('the session is stored', () => failover.toNew.exists(PREFIX + during));
  });
});

interface Refused {
  relay: Relay;
  store: RedisStore;
  admin: TestClient;
}

/** A store that is connected to a Redis of its own through a relay. */
async function startStore(): Promise<Refused> {
  const redis = await RedisProcess.start();
  const relay = await Relay.start(redis.port);
  const admin = await openClient(redis.url);
  const store = new RedisStore(createClient({ url: `redis://127.0.0.1:${relay.port}` }), uniqueKeyPrefix());
  onCleanup(() => store.close());
  store.watch(() => {}, () => {});
  await store.open();
  return { relay, store, admin };
}

describe('an answer', () => {
  it('MASTERDOWN leads to a new connection', async () => {
    const { relay, store, admin } = await startStore();
    await admin.configSet('replica-serve-stale-data', 'no');
    await admin.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    await expect(store.find('a', 10)).rejects.toThrow('MASTERDOWN');
    await until('there is a second connection', () => relay.connections === 2);
  });

  it('NOREPLICAS leads to a new connection', async () => {
    const { relay, store, admin } = await startStore();
    await admin.configSet('min-replicas-to-write', '1');
    await expect(store.bind('a', 'host:1', 10)).rejects.toThrow('NOREPLICAS');
    await until('there is a second connection', () => relay.connections === 2);
  });

  it('OOM does not', async () => {
    const { relay, store, admin } = await startStore();
    await admin.configSet('maxmemory', '1');
    await expect(store.bind('a', 'host:1', 10)).rejects.toThrow('OOM');
    expect(await store.find('a', 10)).toBeUndefined();
    expect(relay.connections).toBe(1);
  });

  it.each([
    ["READONLY You can't write against a read only replica.", true],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", true],
    ['NOREPLICAS Not enough good replicas to write.', true],
    ['UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)', true],
    ['REDIRECT 127.0.0.1:6379', true],
    ['LOADING Redis is loading the dataset in memory', false],
    ['MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.', false],
    ["OOM command not allowed when used memory > 'maxmemory'.", false],
    ['CLUSTERDOWN The cluster is down', false],
    ['NOPERM this user has no permissions', false],
    ['ERR READONLY', false],
    ['READONLYX', false],
  ])('%s means another place: %s', (message, expected) => {
    expect(meansElsewhere(new Error(message))).toBe(expected);
  });
});
