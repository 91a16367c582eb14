import { Restarts } from '../../../src/cli/workers/restart-delay';

const MINUTE = 60_000;

it('waits longer each time for a worker that keeps dying, up to half a minute', () => {
  const restarts = new Restarts();
  const delays = Array.from({ length: 10 }, () => restarts.delayAfter(MINUTE - 1));
  expect(delays).toEqual([0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

it('does not wait for one that has lived for a minute, and counts anew', () => {
  const restarts = new Restarts();
  for (let deaths = 0; deaths < 5; deaths += 1) restarts.delayAfter(0);
  expect([restarts.delayAfter(MINUTE), restarts.delayAfter(0), restarts.delayAfter(0)]).toEqual([0, 500, 1000]);
});

it('waits no longer after years', () => {
  const restarts = new Restarts();
  for (let deaths = 0; deaths < 5000; deaths += 1) restarts.delayAfter(0);
  expect(restarts.delayAfter(0)).toBe(30_000);
});
