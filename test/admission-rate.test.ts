import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Admission } from '../src/admission';
import { onCleanup } from './support/cleanup';
import { openSeveral, requestOf, startWatch, statusesOf } from './support/handshakes';
import { mostWithin } from './support/most-within';
import { startProxy } from './support/proxy';

/** Keeps the process busy. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

// Of a thousand a second, what is slow may be this process.
it.each([
  [0.5, 2, 10_000], [3, 6, 6000], [1000, 1300, 25_000],
])('a rate of %p a second is not exceeded in any, as the host sees it', async (rate, count, most) => {
  const { name, times } = await startWatch();
  const { url } = await startProxy({
    hosts: [name], maxHandshakesPerSecond: rate, maxQueuedHandshakes: 10_000, handshakeQueueTimeout: 30_000,
  });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  expect(new Set(statusesOf(await openSeveral(count, url)))).toEqual(new Set([200]));
  delay.disable();
  expect(times).toHaveLength(count);
  // All runs in this process: what leaves in time is seen later where it stands still.
  const lag = 3 * delay.max / 1e6;
  expect(mostWithin(Math.max(1000, 1000 / rate) - lag, times)).toBeLessThanOrEqual(Math.ceil(rate));
  // It is used, too.
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(most);
});

it('a rate is spread over the second', async () => {
  const admission = new Admission({ maxHandshakesPerSecond: 50, maxQueuedHandshakes: 1000, handshakeQueueTimeout: 5000 });
  const req = await requestOf();
  const times = await Promise.all(Array.from({ length: 50 }, async () => {
    await admission.admit(req);
    return performance.now();
  }));
  // What a late timer has missed is made up for, but not more than 100 ms of it at once.
  for (const ms of [200, 400, 600]) expect(mostWithin(ms, times)).toBeLessThanOrEqual((ms + 100) * 50 / 1000 + 1);
});

it.each([[100, 150], [10.5, 16]])('a rate of %p makes up for what a busy process misses, and is not exceeded', async (rate, count) => {
  const admission = new Admission({ maxHandshakesPerSecond: rate, maxQueuedHandshakes: 1000, handshakeQueueTimeout: 5000 });
  const req = await requestOf();
  const busy = [300, 900].map((at) => setTimeout(() => block(90), at));
  onCleanup(() => busy.forEach(clearTimeout));
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const times = await Promise.all(Array.from({ length: count }, async () => {
    await admission.admit(req);
    return performance.now();
  }));
  expect(mostWithin(1000, times)).toBeLessThanOrEqual(Math.ceil(rate));
  const took = (times.at(-1) ?? 0) - (times[0] ?? 0);
  expect(took).toBeGreaterThan(count / rate * 1000 - 200);
  // Of longer times than 100 ms, which others may take, the rest is lost.
  expect(took).toBeLessThan(count / rate * 1020 + 100 + 5 * Math.max(0, delay.max / 1e6 - 95));
});
