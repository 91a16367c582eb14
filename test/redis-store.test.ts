import { RedisStore } from '../src';
import { slotOf } from '../src/redis-slots';
import { openClient, sharedRedisUrl, uniqueKeyPrefix, type TestClient } from './support/redis';
import { Relay } from './support/relay';
import { until } from './support/until';

let admin: TestClient;
let prefix: string;

beforeAll(async () => {
  admin = await openClient();
});
beforeEach(() => {
  prefix = uniqueKeyPrefix();
});

it('never shortens by a look-up what another proxy has set after it was read', async () => {
  const relay = await Relay.start(Number(new URL(sharedRedisUrl()).port || 6379));
  const store = new RedisStore(await openClient(`redis://127.0.0.1:${relay.port}`), prefix);
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
  const client = await openClient();
  const expire = client.expire.bind(client);
  const modes: unknown[] = [];
  Object.assign(client, {
    // The store would ask another object, with options of its own.
    withCommandOptions: undefined,
    expire: (key: string, seconds: number, ...mode: 'GT'[]) => {
      modes.push(mode);
      // As Redis 6 answers.
      return mode.length > 0 ? Promise.reject(new Error("ERR wrong number of arguments for 'expire' command")) : expire(key, seconds);
    },
  });
  const store = new RedisStore(client, prefix);
  for (const sid of ['a', 'b']) {
    await admin.set(prefix + sid, 'host:1', { EX: 10 });
    expect(await store.find(sid, 60)).toBe('host:1');
    await until('it is renewed', async () => await admin.ttl(prefix + sid) > 50);
  }
  expect(modes).toEqual([['GT'], [], []]);
});

it('leaves alone what no proxy has written', async () => {
  const store = new RedisStore(await openClient(), prefix);
  await admin.lPush(`${prefix}list`, 'x');
  expect([await store.find('list', 5), await store.inspect('list')]).toEqual([undefined, undefined]);
  await admin.set(`${prefix}lasting`, 'host:1');
  expect(await store.find('lasting', 5)).toBe('host:1');
  // Commands of one client are answered in their order.
  await store.unbind('list');
  expect(await admin.ttl(`${prefix}lasting`)).toBe(-1);
});

// As a cluster of Redis 7 says by CLUSTER KEYSLOT.
it.each([
  ['a', 15_495], ['socket.io#ü', 4517], ['{tag}#a', 8338], ['x{tag}y{other}', 8338], ['{}a', 10_875], ['a}{b', 11_640], ['{a', 10_276],
])('knows the slot of %s in a cluster', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});
