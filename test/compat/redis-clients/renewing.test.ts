import { Redis } from 'ioredis-6';
import { RedisStore } from '../../../src';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { FAMILIES, ofIoRedis, opened } from '../../support/redis-clients';
import { Relay } from '../../support/relay';
import { until } from '../../support/until';

const REDIS_PORT = (): number => Number(new URL(sharedRedisUrl()).port || 6379);

it.each(FAMILIES)('a look-up by $name never shortens what another proxy has set after it was read', async ({ make }) => {
  const relay = await Relay.start(REDIS_PORT());
  const admin = await openClient();
  const prefix = uniqueKeyPrefix();
  const store = new RedisStore((await opened(make(relay.port))).client, prefix);
  await admin.set(`${prefix}a`, 'host:1', { EX: 10 });
  // What is sent stays behind for a while.
  relay.delay = 100;
  relay.log.length = 0;
  expect(await store.find('a', 60)).toBe('host:1');
  await admin.expire(`${prefix}a`, 500);
  const answers = (): string => relay.log.filter(({ to }) => to === 'client').map(({ bytes }) => bytes.toString()).join('');
  await until('Redis has answered to EXPIRE', () => /host:1\r\n:\d+\r\n:\d/.test(answers()));
  expect(await admin.ttl(`${prefix}a`)).toBeGreaterThan(400);
});

it('renews in a Redis before 7, which refuses GT, at most to what the look-up promises', async () => {
  const admin = await openClient();
  const prefix = uniqueKeyPrefix();
  const client = new Redis(REDIS_PORT(), '127.0.0.1');
  const modes: unknown[] = [];
  const expire = (key: string, seconds: number): unknown => client.call('expire', key, seconds);
  Object.assign(client, {
    expire: (key: string, seconds: number, ...mode: unknown[]) => {
      modes.push(mode);
      // As Redis 6 answers.
      return mode.length > 0 ? Promise.reject(new Error("ERR wrong number of arguments for 'expire' command")) : expire(key, seconds);
    },
  });
  const store = new RedisStore((await opened(ofIoRedis(client))).client, prefix);
  for (const sid of ['a', 'b']) {
    await admin.set(prefix + sid, 'host:1', { EX: 10 });
    expect(await store.find(sid, 60)).toBe('host:1');
    await until('it is renewed', async () => await admin.ttl(prefix + sid) > 50);
  }
  expect(modes).toEqual([['GT'], [], []]);
});
