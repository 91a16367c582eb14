import * as ioredis5 from 'ioredis-5';
import * as ioredis6 from 'ioredis-6';
import * as redis6 from 'redis';
import * as redis2 from 'redis-2';
import * as redis3 from 'redis-3';
import * as redis4 from 'redis-4';
import * as redis5 from 'redis-5';
import { MemoryStore, Proxy, RedisStore, type RedisClient } from '../../../src';
import { openClient, RedisProcess, uniqueKeyPrefix } from '../../support/redis';
import { FAMILIES, ofCallbacks, ofIoRedis, ofNodeRedis, opened, type Made } from '../../support/redis-clients';

const host = '127.0.0.1';

let redis: RedisProcess;
let port: number;
let url: string;

beforeAll(async () => {
  redis = await RedisProcess.start();
  ({ port, url } = redis);
});

const never = (): Promise<unknown> => Promise.resolve();

describe('a caller\'s settings of the client', () => {
  it.each<[string, () => Made]>([
    ['redis 2 with return_buffers', () => ofCallbacks(redis2.createClient(port, host, { return_buffers: true }))],
    ['redis 3 with return_buffers', () => ofCallbacks(redis3.createClient(port, host, { return_buffers: true }))],
    ['redis 3 with string_numbers', () => ofCallbacks(redis3.createClient(port, host, { string_numbers: true }))],
    ['redis 5 with typeMapping', () => ofNodeRedis(redis5.createClient({
      url, commandOptions: { typeMapping: { [redis5.RESP_TYPES.BLOB_STRING]: Buffer, [redis5.RESP_TYPES.NUMBER]: String } },
    }), never)],
    ['redis 6 with typeMapping', () => ofNodeRedis(redis6.createClient({
      url, commandOptions: { typeMapping: { [redis6.RESP_TYPES.BLOB_STRING]: Buffer, [redis6.RESP_TYPES.NUMBER]: String } },
    }), never)],
    ['redis 6 with protocol 2', () => ofNodeRedis(redis6.createClient({ url, RESP: 2 }), never)],
    ['ioredis 5 with stringNumbers', () => ofIoRedis(new ioredis5.Redis(port, host, { stringNumbers: true }))],
    ['ioredis 6 with enableAutoPipelining', () => ofIoRedis(new ioredis6.Redis(port, host, { enableAutoPipelining: true }))],
  ])('may be such that values come in another form: %s', async (_, make) => {
    const { client } = await opened(make());
    const store = new RedisStore(client, uniqueKeyPrefix());
    await store.bind('a', 'host:1', 10);
    expect(await store.find('a', 5)).toBe('host:1');
    expect(await store.find('b', 5)).toBeUndefined();
  });

  it.each<[string, (prefix: string) => Made]>([
    ['redis 2', (prefix) => ofCallbacks(redis2.createClient(port, host, { prefix }))],
    ['redis 3', (prefix) => ofCallbacks(redis3.createClient(port, host, { prefix }))],
    ['redis 6', (keyPrefix) => ofNodeRedis(redis6.createClient({ url, keyPrefix }), never)],
    ['ioredis 5', (keyPrefix) => ofIoRedis(new ioredis5.Redis(port, host, { keyPrefix }))],
    ['ioredis 6', (keyPrefix) => ofIoRedis(new ioredis6.Redis(port, host, { keyPrefix }))],
  ])('may put a prefix before all keys: %s', async (_, make) => {
    const [outer, admin] = [uniqueKeyPrefix(), await openClient(url)];
    const { client } = await opened(make(outer));
    const store = new RedisStore(client, 'inner#');
    await store.bind('a', 'host:1', 10);
    expect(await admin.get(`${outer}inner#a`)).toBe('host:1');
    expect(await store.find('a', 100)).toBe('host:1');
    await store.unbind('a');
    expect(await admin.exists(`${outer}inner#a`)).toBe(0);
  });

  it('may limit how long a command waits to be sent: the store\'s own deadline counts', async () => {
    const own = await RedisProcess.start();
    await own.kill();
    const client = redis6.createClient({ url: own.url, commandOptions: { timeout: 1 } });
    client.on('error', () => {});
    const opening = ofNodeRedis(client, never).open();
    const asked = new RedisStore(client, uniqueKeyPrefix()).find('a', 5).catch(String);
    await own.restart();
    await opening;
    expect(await asked).toBeUndefined();
  });
});

const EXPECTED = "a client of the package 'redis' (version 2 or later) or 'ioredis' (version 5 or later)";

describe('what is no client', () => {
  it.each<[string, () => unknown]>([
    ['a URL', () => 'redis://localhost'],
    ['options', () => ({ url: 'redis://localhost' })],
    ['a package', () => redis6],
    ['a class', () => ioredis6.Redis],
    ['a promise of a client', () => openClient(url)],
    ['a store', () => new MemoryStore()],
    ['a view of redis 5 with callbacks', () => redis5.createClient({ url }).legacy()],
    ['a view of redis 6 with callbacks', () => redis6.createClient({ url }).legacy()],
    ['the promise view of redis 4 in legacy mode', () => redis4.createClient({ url, legacyMode: true }).v4],
    ['a transaction', () => redis6.createClient({ url }).multi()],
    ['an emitter', () => process],
  ])('is refused, with what was expected: %s', async (_, make) => {
    const wrong = make();
    expect(() => new Proxy({ redisClient: wrong as RedisClient, hosts: ['127.0.0.1:1'] })).toThrow(TypeError);
    expect(() => new Proxy({ redisClient: wrong as RedisClient, hosts: ['127.0.0.1:1'] }))
      .toThrow(`'redisClient' must be ${EXPECTED}, received `);
    await wrong;
  });

  const common = ['get', 'ttl', 'expire', 'set', 'del', 'on', 'off'];
  const needs: [family: string, names: string[]][] = [
    ['redis 2', [...common, 'setex', 'batch', 'end', 'connected']],
    ['redis 3', [...common, 'setex', 'batch', 'end', 'connected']],
    ['redis 4', [...common, 'setEx', 'connect', 'isOpen']],
    ['redis 5', [...common, 'setEx', 'connect', 'isOpen']],
    ['redis 6', [...common, 'setEx', 'connect', 'isOpen']],
    ['ioredis 5', [...common, 'setex', 'pipeline', 'connect', 'disconnect', 'status']],
    ['ioredis 6', [...common, 'setex', 'pipeline', 'connect', 'disconnect', 'status']],
  ];

  it.each(needs)('is a client of %s without any one of what it is known by', async (name, members) => {
    const family = FAMILIES.find((each) => each.name === name);
    if (!family) throw new Error(`no family ${name}`);
    const { client } = await opened(family.make(port));
    const without = (member: string): RedisClient =>
      Object.create(client, { [member]: { value: undefined } }) as RedisClient;
    for (const member of members) expect(() => new RedisStore(without(member))).toThrow(EXPECTED);
  });
});
