import { Copy, createBinding, expireNow, expireSoon, expiryOf, isExpired, NEVER, tick } from '../../src/sessions/binding';
import { Host } from '../../src/hosts/host';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';

const HOST = new Host('a:1');

/** The longest that `keyExpiry` may be, in seconds, and a usual one. */
const TTLS = [2_147_483_647, 60];

it.each(TTLS)('a binding that is to expire now has expired, with a ttl of %d s, until it is used again', (ttl) => {
  const binding = createBinding('x', HOST, ttl, Copy.Made);
  expect(isExpired(binding, tick())).toBe(false);
  expireNow(binding);
  expect([isExpired(binding, tick()), expiryOf(binding)]).toEqual([true, -Infinity]);
  binding.usedAt = tick();
  expect(isExpired(binding, tick())).toBe(false);
});

it.each(TTLS)('a binding that is to expire soon has expired after three seconds, with a ttl of %d s', async (ttl) => {
  const clock = stopClock();
  const binding = createBinding('x', HOST, ttl, Copy.Made);
  expireSoon(binding);
  await clock.advance(3000);
  expect(isExpired(binding, tick())).toBe(false);
  await clock.advance(1);
  expect(isExpired(binding, tick())).toBe(true);
});

it('has times that V8 keeps in the object itself', () => {
  const { since, usedAt, storedAt } = createBinding('x', HOST, 60, Copy.None);
  for (const time of [since, usedAt, storedAt, NEVER]) expect(time).toBe(time | 0);
  expect(storedAt).toBe(NEVER);
});

it('is believed to have been stored no earlier than it was, in whatever part of a millisecond', () => {
  const clock = jest.spyOn(performance, 'now').mockReturnValue(10.4);
  onCleanup(() => clock.mockRestore());
  expect(createBinding('x', HOST, 60, Copy.Made)).toMatchObject({ since: 10, usedAt: 10, storedAt: 11 });
});
