import { RestartDelay } from '../../../src/cli/workers/restart-delay';

const MINUTE = 60_000;

it('waits longer each time for a worker that keeps dying, up to half a minute', () => {
  const delay = new RestartDelay();
  const delays = Array.from({ length: 10 }, () => delay.after(MINUTE - 1));
  expect(delays).toEqual([0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

it('does not wait for one that has lived for a minute, and counts anew', () => {
  const delay = new RestartDelay();
  for (let deaths = 0; deaths < 5; deaths += 1) delay.after(0);
  expect([delay.after(MINUTE), delay.after(0), delay.after(0)]).toEqual([0, 500, 1000]);
});

it('waits no longer after years', () => {
  const delay = new RestartDelay();
  for (let deaths = 0; deaths < 5000; deaths += 1) delay.after(0);
  expect(delay.after(0)).toBe(30_000);
});
