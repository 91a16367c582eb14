import { RedisStore, type RedisClient } from '../../src';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from './redis';
import { Relay } from './relay';
import { until } from './until';

/** As Redis 6 answers to `EXPIRE … GT`. */
export const UNKNOWN_MODE = new Error("ERR wrong number of arguments for 'expire' command");

/**
 * Shows that a look-up never shortens what another proxy has set after it was read.
 *
 * @param open opens a client of the Redis at this port.
 */
export async function showNoShortening(open: (port: number) => Promise<RedisClient>): Promise<void> {
  const relay = await Relay.start(Number(new URL(sharedRedisUrl()).port || 6379));
  const [admin, prefix] = [await openClient(), uniqueKeyPrefix()];
  const store = new RedisStore(await open(relay.port), prefix);
  await admin.set(`${prefix}a`, 'host:1', { EX: 10 });
  // What is sent stays behind for a while.
  relay.delay = 100;
  relay.log.length = 0;
  expect(await store.find('a', 60)).toBe('host:1');
  await admin.expire(`${prefix}a`, 500);
  const answers = (): string => relay.log.filter(({ to }) => to === 'client').map(({ bytes }) => bytes.toString()).join('');
  await until('Redis has answered to EXPIRE', () => /host:1\r\n:\d+\r\n:\d/.test(answers()));
  expect(await admin.ttl(`${prefix}a`)).toBeGreaterThan(400);
}

/**
 * Shows that a look-up renews in a Redis before 7, at most to what it promises.
 *
 * @param client refuses GT.
 * @param modes those of EXPIRE that it was given, each time.
 */
export async function showRenewingWithoutModes(client: RedisClient, modes: readonly unknown[]): Promise<void> {
  const [admin, prefix] = [await openClient(), uniqueKeyPrefix()];
  const store = new RedisStore(client, prefix);
  for (const sid of ['a', 'b']) {
    await admin.set(prefix + sid, 'host:1', { EX: 10 });
    expect(await store.find(sid, 60)).toBe('host:1');
    await until('it is renewed', async () => await admin.ttl(prefix + sid) > 50);
  }
  expect(modes).toEqual([['GT'], [], []]);
}
