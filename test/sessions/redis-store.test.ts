import { RedisStore } from '../../src';
import { slotOf } from '../../src/sessions/redis-slots';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { showNoShortening, showRenewingWithoutModes, UNKNOWN_MODE } from '../support/renewing';

it('never shortens by a look-up what another proxy has set after it was read', async () => {
  await showNoShortening((port) => openClient(`redis://127.0.0.1:${port}`));
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
      return mode.length > 0 ? Promise.reject(UNKNOWN_MODE) : expire(key, seconds);
    },
  });
  await showRenewingWithoutModes(client, modes);
});

it('leaves alone what no proxy has written', async () => {
  const [admin, prefix] = [await openClient(), uniqueKeyPrefix()];
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
