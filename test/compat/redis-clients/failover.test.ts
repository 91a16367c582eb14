import * as ioredis5 from 'ioredis-5';
import * as ioredis6 from 'ioredis-6';
import * as redis6 from 'redis';
import * as redis4 from 'redis-4';
import * as redis5 from 'redis-5';
import { RedisStore } from '../../../src';
import { startHosts } from '../../support/hosts';
import { handshake, pollUrl, request } from '../../support/http';
import { startProxy, type Started } from '../../support/proxy';
import { openClient } from '../../support/redis';
import {
  FAMILIES, installedAs, ofIoRedis, ofNodeRedis, opened, SENTINEL_FAMILIES, type Family, type Made,
} from '../../support/redis-clients';
import { startFailover } from '../../support/redis-failover';
import { RedisSentinel, SENTINEL_NAME } from '../../support/redis-sentinel';
import { SERVERS } from '../../support/redis-server';
import { tested } from '../../support/tested';
import { until } from '../../support/until';

interface SentinelOptions {
  name: string;
  sentinelRootNodes: { host: string; port: number }[];
}

// The clients' own types, compared with one another, take the compiler longer than all that is ours.
function sentinelOf5(options: SentinelOptions): Made {
  return ofNodeRedis(redis5.createSentinel(options), () => Promise.resolve('PONG'));
}

function sentinelOf6(options: SentinelOptions): Made {
  return ofNodeRedis(redis6.createSentinel(options), () => Promise.resolve('PONG'));
}

interface One {
  name: string;
  installed: string;
  keyPrefix: string;
  made: Made;
  started: Started;
  events: string[];
  sid: string;
}

let hosts: string[];

beforeAll(async () => {
  hosts = (await startHosts(2)).map(({ name }) => name);
});

async function startWith({ name, installed }: Family, made: Made): Promise<One> {
  const keyPrefix = `${name}#`;
  const started = await startProxy({ redisClient: made.client, hosts, keyPrefix });
  const events: string[] = [];
  started.proxy.on('degraded', ({ message }) => events.push(message)).on('recovered', () => events.push('recovered'));
  return { name, installed, keyPrefix, made, started, events, sid: await handshake(started.url) };
}

async function post({ url }: Started, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).status;
}

describe.each(SERVERS)('on %s', (program) => {
  // All at once, since each has to wait for the same.
  it('every client of one server connects anew after a failover that keeps the connection, and stays open', async () => {
    const { relay, toNew, switchOver } = await startFailover([], program);
    const all = await Promise.all(FAMILIES.map(async (family) => startWith(family, await opened(family.make(relay.port)))));
    await switchOver();
    await toNew.flushAll();
    const during = await Promise.all(all.map(({ started }) => handshake(started.url)));
    await until('all have recovered', () => all.every(({ events }) => events.at(-1) === 'recovered'));
    const keys = all.flatMap(({ keyPrefix, sid }, i) => [keyPrefix + sid, keyPrefix + (during[i] ?? '')]);
    await until('all is stored', async () => await toNew.exists(keys) === keys.length);
    const refusal = expect.stringMatching(/^this Redis takes no writes any more.+connects to it anew.+READONLY/) as string;
    expect(all.map(({ name, events }) => [name, events])).toEqual(all.map(({ name }) => [name, [refusal, 'recovered']]));
    for (const { started, sid, made, installed } of all) {
      expect(await post(started, sid)).toBe(200);
      expect(made.isOpen()).toBe(true);
      expect(await made.ping()).toBe('PONG');
      tested('Redis client', ...installedAs(installed));
    }
  });

  it('a client that must not reconnect by itself is opened again', async () => {
    const { relay, toNew, switchOver } = await startFailover([], program);
    const url = `redis://127.0.0.1:${relay.port}`;
    const socket = { reconnectStrategy: false } as const;
    const io = { port: relay.port, host: '127.0.0.1', retryStrategy: () => null };
    const pong = (): Promise<unknown> => Promise.resolve('PONG');
    const all = await Promise.all(([
      ['redis 4', ofNodeRedis(redis4.createClient({ url, socket }), pong)],
      ['redis 5', ofNodeRedis(redis5.createClient({ url, socket: { ...socket } }), pong)],
      ['redis 6', ofNodeRedis(redis6.createClient({ url, socket: { ...socket } }), pong)],
      ['ioredis 5', ofIoRedis(new ioredis5.Redis(io))],
      ['ioredis 6', ofIoRedis(new ioredis6.Redis(io))],
    ] as [string, Made][]).map(async ([name, made]) => ({ name, store: new RedisStore((await opened(made)).client, `${name}#`) })));
    await switchOver();
    for (const { store } of all) {
      await expect(store.bind('a', 'host:1', 100)).rejects.toThrow('READONLY');
      await store.bind('a', 'host:1', 100);
    }
    expect(await toNew.exists(all.map(({ name }) => `${name}#a`))).toBe(all.length);
  });

  it.each<[string, (options: SentinelOptions) => Made]>([['redis 5', sentinelOf5], ['redis 6', sentinelOf6]])(
    'a client of Sentinel of %s that finds no server to write to says what to do', async (_, make) => {
      const sentinel = await RedisSentinel.start(program);
      const { client } = await opened(make({ name: SENTINEL_NAME, sentinelRootNodes: [{ host: '127.0.0.1', port: sentinel.port }] }));
      const store = new RedisStore(client);
      await store.bind('a', 'host:1', 10);
      const admin = await openClient(sentinel.primary.url);
      await admin.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
      await expect(store.bind('a', 'host:1', 10)).rejects
        .toThrow(/^this Redis takes no writes any more\. If its client does not find the primary, make the client connect anew: READONLY/);
    },
  );

  it('every client of Sentinel follows a failover that both servers survive', async () => {
    const sentinel = await RedisSentinel.start(program);
    const [toSentinel, toReplica] = [await openClient(`redis://127.0.0.1:${sentinel.port}`), await openClient(sentinel.replica.url)];
    const all = await Promise.all(SENTINEL_FAMILIES.map(async (family) => startWith(family, family.make(sentinel.port))));
    await toSentinel.sendCommand(['SENTINEL', 'FAILOVER', SENTINEL_NAME]);
    // Sentinel ends the connections of a server that it changes.
    const isPrimary = (): Promise<boolean> => toReplica.info('replication').then((info) => info.includes('role:master'), () => false);
    await until('the replica has taken over', isPrimary);
    const during = await Promise.all(all.map(({ started }) => handshake(started.url)));
    const keys = all.flatMap(({ keyPrefix, sid }, i) => [keyPrefix + sid, keyPrefix + (during[i] ?? '')]);
    await until('all is stored', () => toReplica.exists(keys).then((count) => count === keys.length, () => false));
    await until('none is degraded', () => all.every(({ events }) => events.length === 0 || events.at(-1) === 'recovered'));
    for (const { started, sid } of all) expect(await post(started, sid)).toBe(200);
  });
});
