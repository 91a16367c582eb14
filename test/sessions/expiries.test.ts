import { Host } from '../../src/hosts/host';
import { Copy, createBinding, expireNow, type Binding } from '../../src/sessions/binding';
import { Expiries } from '../../src/sessions/expiries';
import { settle } from '../support/clock';

const HOST = new Host('a:1');

it('finds each of thousands that have expired, some in each turn of the event loop, but for those that are held by then', async () => {
  const found: Binding[] = [];
  const expiries = new Expiries((binding) => {
    found.push(binding);
    expiries.delete(binding);
  });
  const bindings = Array.from({ length: 12_000 }, (_, i) => createBinding(`x-${i}`, HOST, 60, Copy.Made));
  for (const binding of bindings) expiries.add(binding);
  // Every other one.
  const expired = bindings.filter((_, i) => i % 2 === 0);
  expired.forEach(expireNow);
  expiries.sweep();
  expect(found).toEqual(expired.slice(0, 2500));
  const held = expired.slice(3000, 3100);
  for (const binding of held) expiries.delete(binding);
  await settle();
  expect(found).toEqual(expired.filter((binding) => !held.includes(binding)));
  expiries.sweep();
  await settle();
  expect(found).toHaveLength(5900);
});
