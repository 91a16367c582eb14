import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves with how long it took, in ms, once `condition` holds. Rejects when that takes longer than `ms`. */
export async function until(what, condition, ms) {
  const start = performance.now();
  while (!await condition()) {
    if (performance.now() - start > ms) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(50);
  }
  return performance.now() - start;
}
