import { Admission, type AdmissionOptions } from '../../src/routing/admission';
import type { Refusal } from '../../src/base/refusals';
import { stopClock } from '../support/clock';
import { openSeveral, requestsOf, startWatch } from '../support/handshakes';
import { mostWithin } from '../support/most-within';
import { startProxy } from '../support/proxy';
import { until } from '../support/until';

/** In ms. */
const HOUR = 3_600_000;

/** All that come may wait. */
const admissionOf = (maxHandshakesPerSecond: number, options: Partial<AdmissionOptions> = {}): Admission =>
  new Admission({ maxHandshakesPerSecond, maxQueuedHandshakes: 100_000, handshakeQueueTimeout: 24 * HOUR, ...options });

/** So many handshakes come at once. @returns when each is let through, by and by; NaN for one that is refused. */
function come(count: number, admission: Admission): number[] {
  const times: number[] = [];
  // eslint-disable-next-line no-restricted-properties -- It is held; `jest.now()` does not count what stands still.
  const take = (refusal: Refusal | undefined): void => void times.push(refusal ? NaN : performance.now());
  for (const req of requestsOf(count)) {
    const turn = admission.admit(req);
    if (turn instanceof Promise) void turn.then(take);
    else take(turn);
  }
  return times;
}

it.each([
  [0.01, 20], [0.5, 100], [3, 300], [10.5, 500], [50, 1000], [1000, 20_000],
])('a rate of %p a second is not exceeded in any, and is used', async (rate, count) => {
  const clock = stopClock();
  const times = come(count, admissionOf(rate));
  expect(times).toHaveLength(1);
  const interval = 1020 / rate;
  await clock.advance(count * interval + 20);
  expect(times).toHaveLength(count);
  expect(mostWithin(Math.max(1000, 1000 / rate), times)).toBeLessThanOrEqual(Math.ceil(rate));
  // As soon as a timer that counts in milliseconds can be.
  const late = times.map((time, at) => time - (times[0] ?? NaN) - at * interval);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...late)).toBeLessThan(1.1);
});

it('a rate is kept as the host sees it', async () => {
  const clock = stopClock();
  const { name, times } = await startWatch();
  const { url, proxy } = await startProxy({ hosts: [name], maxHandshakesPerSecond: 3, checkInterval: HOUR });
  const replies = openSeveral(7, url);
  await until('all but one wait', async () => (await proxy.parts.operations.totals()).queued === 6 && times.length === 1);
  for (let count = 2; count <= 7; count += 1) {
    await clock.advance(340);
    await until('one more has come', () => times.length === count);
  }
  await replies;
  expect(times.map((time) => Math.round(time - (times[0] ?? NaN)))).toEqual([0, 340, 680, 1020, 1360, 1700, 2040]);
});

it.each([
  [90, 0], [400, 300],
])('a rate makes up for what a process misses that stands still for %p ms, but for %p ms, and is not exceeded', async (ms, lost) => {
  const clock = stopClock();
  const times = come(1500, admissionOf(100));
  for (let stalls = 0; stalls < 9; stalls += 1) {
    await clock.advance(1130);
    clock.stall(ms);
  }
  await clock.advance(9000);
  expect(times).toHaveLength(1500);
  expect(mostWithin(1000, times)).toBe(100);
  const took = (times.at(-1) ?? NaN) - (times[0] ?? NaN);
  expect(took - 1499 * 10.2 - 9 * lost).toBeGreaterThanOrEqual(0);
  expect(took - 1499 * 10.2 - 9 * lost).toBeLessThan(10);
});
