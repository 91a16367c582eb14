import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ioredis5 from 'ioredis-5';
import * as ioredis6 from 'ioredis-6';
import * as redis6 from 'redis';
import * as redis2 from 'redis-2';
import * as redis3 from 'redis-3';
import * as redis4 from 'redis-4';
import * as redis5 from 'redis-5';
import { RedisStore } from '../../../src';
import { onCleanup } from '../../support/cleanup';
import { handshake, pollUrl, request } from '../../support/http';
import { ROOT } from '../../support/package';
import { openClient, RedisProcess, type TestClient } from '../../support/redis';
import { ofCallbacks, ofIoRedis, ofNodeRedis, opened, type Made } from '../../support/redis-clients';
import { RedisCluster } from '../../support/redis-cluster';
import { startFailover } from '../../support/redis-failover';
import { RedisSentinel, SENTINEL_NAME } from '../../support/redis-sentinel';
import { SERVERS } from '../../support/redis-server';
import { startReloadable } from '../../support/reloadable';
import { startSessionHosts } from '../../support/session-host';
import { until } from '../../support/until';

const DOCUMENT = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
const PASSWORD = 'secret';
const host = '127.0.0.1';

/** What the document lets the user do, as arguments of `ACL SETUSER`. */
function documented(): string[] {
  const [, rules] = /^redis-cli .*\bACL SETUSER proxy ((?:.+\\\n)*.+)$/m.exec(DOCUMENT) ?? [];
  if (rules === undefined) throw new Error('no such line');
  return rules.split(/[\s\\]+/).map((rule) => rule.replace(/^(["'])(.*)\1$/, '$2').replace('$PASSWORD', PASSWORD));
}

/** What it adds for a Redis Cluster. */
function documentedForCluster(): string[] {
  const [, rules] = /For a Redis Cluster, add\s+`([^`]+)`/.exec(DOCUMENT) ?? [];
  if (rules === undefined) throw new Error('no such text');
  return rules.split(' ');
}

interface Kind {
  name: string;
  /** It knows no users but this one. */
  user: string;
  make: (port: number, database: number) => Made;
}

interface IoOptions {
  username: string;
  password: string;
  db: number;
}

const notPinged = (): Promise<string> => Promise.resolve('PONG');
const urlOf = (port: number, database: number): string => `redis://proxy:${PASSWORD}@${host}:${port}/${database}`;
const ioOptions = (port: number, db: number): IoOptions & { port: number; host: string } =>
  ({ port, host, username: 'proxy', password: PASSWORD, db });

const KINDS: Kind[] = [
  { name: 'redis 2', user: 'default', make: (port, db) => ofCallbacks(redis2.createClient(port, host, { password: PASSWORD, db })) },
  {
    name: 'redis 3',
    user: 'proxy',
    make: (port, db) => ofCallbacks(redis3.createClient(port, host, { ...{ user: 'proxy' }, password: PASSWORD, db })),
  },
  { name: 'redis 4', user: 'proxy', make: (port, db) => ofNodeRedis(redis4.createClient({ url: urlOf(port, db) }), notPinged) },
  {
    name: 'redis 4 in legacy mode',
    user: 'proxy',
    make: (port, db) => ofNodeRedis(redis4.createClient({ url: urlOf(port, db), legacyMode: true }), notPinged),
  },
  { name: 'redis 5', user: 'proxy', make: (port, db) => ofNodeRedis(redis5.createClient({ url: urlOf(port, db) }), notPinged) },
  { name: 'redis 6', user: 'proxy', make: (port, db) => ofNodeRedis(redis6.createClient({ url: urlOf(port, db) }), notPinged) },
  { name: 'ioredis 5', user: 'proxy', make: (port, db) => ofIoRedis(new ioredis5.Redis(ioOptions(port, db))) },
  { name: 'ioredis 6', user: 'proxy', make: (port, db) => ofIoRedis(new ioredis6.Redis(ioOptions(port, db))) },
];

const users = { username: 'proxy', password: PASSWORD };

const CLUSTERS: [name: string, make: (port: number) => Made][] = [
  ['redis 4', (port) => ofNodeRedis(redis4.createCluster({ rootNodes: [{ url: urlOf(port, 0) }], defaults: users }), notPinged)],
  ['redis 5', (port) => ofNodeRedis(redis5.createCluster({ rootNodes: [{ url: urlOf(port, 0) }], defaults: users }), notPinged)],
  ['redis 6', (port) => ofNodeRedis(redis6.createCluster({ rootNodes: [{ url: urlOf(port, 0) }], defaults: users }), notPinged)],
  ['ioredis 5', (port) => ofIoRedis(new ioredis5.Cluster([{ port, host }], { redisOptions: users }))],
  ['ioredis 6', (port) => ofIoRedis(new ioredis6.Cluster([{ port, host }], { redisOptions: users }))],
];

const sentinelOf = (port: number): { name: string; sentinelRootNodes: { host: string; port: number }[] } =>
  ({ name: SENTINEL_NAME, sentinelRootNodes: [{ host, port }] });
const ioSentinelOf = (port: number, db: number): IoOptions & { name: string; sentinels: { host: string; port: number }[] } =>
  ({ name: SENTINEL_NAME, sentinels: [{ host, port }], db, ...users });

const SENTINELS: [name: string, make: (port: number, database: number) => Made][] = [
  ['redis 5', (port, database) =>
    ofNodeRedis(redis5.createSentinel({ ...sentinelOf(port), nodeClientOptions: { ...users, database } }), notPinged)],
  ['redis 6', (port, database) =>
    ofNodeRedis(redis6.createSentinel({ ...sentinelOf(port), nodeClientOptions: { ...users, database } }), notPinged)],
  ['ioredis 5', (port, database) => ofIoRedis(new ioredis5.Redis(ioSentinelOf(port, database)))],
  ['ioredis 6', (port, database) => ofIoRedis(new ioredis6.Redis(ioSentinelOf(port, database)))],
];

let names: string[];

beforeAll(async () => {
  names = (await startSessionHosts(1)).map(({ name }) => name);
});

function allow(admin: TestClient, user: string, rules = documented()): Promise<unknown> {
  return admin.sendCommand(['ACL', 'SETUSER', user, ...rules]);
}

/** A client warns of what it may not do. */
function spyOnWarnings(): jest.SpyInstance {
  const warnings = jest.spyOn(console, 'warn').mockImplementation(() => {});
  onCleanup(() => warnings.mockRestore());
  return warnings;
}

/** Does all that a store does. */
async function useAll(store: RedisStore): Promise<void> {
  await store.bind('a', 'host:1', 10);
  expect(await store.find('a', 100)).toBe('host:1');
  await until('it is renewed', async () => Number((await store.inspect('a'))?.expiresIn) > 90);
  await store.claim('a', 'host:2', 10);
  expect(await store.find('a', 10)).toBe('host:1');
  expect(await store.claim('a', 'host:2', 10, 'host:1')).toBe('host:2');
  await store.release('a', 'host:2', 1000);
  expect(await store.find('a', 10)).toBeUndefined();
  await store.bind('a', 'host:1', 10);
  await store.unbind('a');
  expect(await store.find('a', 10)).toBeUndefined();
  await store.claim('a', 'host:2', 10);
  expect(await store.find('a', 10)).toBe('host:2');
}

describe.each(SERVERS)('the user of %s that the document makes is enough', (program) => {
  describe.each(KINDS)('for a client of $name', ({ user, make }) => {
    it.each([[0, []], [1, []], [0, ['+eval', '+pttl']], [0, ['+pttl']]])('in database %d, without %j', async (database, lacking) => {
      const warnings = spyOnWarnings();
      const redis = await RedisProcess.start([], { program });
      const admin = await openClient(redis.url);
      await allow(admin, user, documented().filter((rule) => !lacking.includes(rule)));
      const { client } = await opened(make(redis.port, database));
      const errors: unknown[] = [];
      client.on('error', (error) => errors.push(error));
      await useAll(new RedisStore(client));
      expect((await admin.info('keyspace')).trim().split('\n').slice(1)).toEqual([expect.stringMatching(`^db${database}:keys=1,`)]);
      expect(errors).toEqual([]);
      expect(warnings).not.toHaveBeenCalled();
    });
  });

  it('for clients of a Redis Cluster, with what the document adds', async () => {
    const warnings = spyOnWarnings();
    const cluster = await RedisCluster.start(program);
    await Promise.all(cluster.nodes.map(({ admin }) => allow(admin, 'proxy', [...documented(), ...documentedForCluster()])));
    for (const [name, make] of CLUSTERS) {
      const { client } = await opened(make(cluster.ports[0] ?? 0));
      await useAll(new RedisStore(client, `socket.io#${name}`));
    }
    const redis = `redis://proxy:${PASSWORD}@${host}:${cluster.ports[0]}`;
    await handshake((await startReloadable({ hosts: names, redis, redisCluster: true })).url);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('for clients of Sentinel, in databases 0 and 1', async () => {
    const warnings = spyOnWarnings();
    const sentinel = await RedisSentinel.start(program);
    for (const { url } of [sentinel.primary, sentinel.replica]) await allow(await openClient(url), 'proxy');
    for (const [name, make] of SENTINELS) {
      for (const database of [0, 1]) {
        const { client } = await opened(make(sentinel.port, database));
        await useAll(new RedisStore(client, `socket.io#${name}`));
      }
    }
    expect(warnings).not.toHaveBeenCalled();
  });

  it.each([0, 1])('for the command, in database %d, also after a failover', async (database) => {
    const failover = await startFailover([], program);
    for (const admin of [failover.toOld, failover.toNew]) await allow(admin, 'proxy');
    const settings = { hosts: names, redis: urlOf(failover.relay.port, database) };
    const [first, second] = [await startReloadable(settings), await startReloadable(settings)];
    const post = async (sid: string): Promise<number> =>
      (await request(pollUrl(second.url, sid), { method: 'POST', body: '3' })).status;
    expect(await post(await handshake(first.url))).toBe(200);
    expect([...first.lines, ...second.lines].join('\n')).not.toContain('fails');
    await failover.switchOver();
    const during = await handshake(first.url);
    await first.line(/^the store works again$/);
    await until('the other finds it', async () => await post(during) === 200);
  });
});
