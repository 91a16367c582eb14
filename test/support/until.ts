import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Resolves with how long it took in ms once `condition` holds; rejects when it does not within `ms`. For states that
 * no event tells of, such as another process's sockets.
 */
export async function until(what: string, condition: () => unknown, ms = 5000): Promise<number> {
  const start = performance.now();
  while (!await condition()) {
    if (performance.now() - start > ms) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(10);
  }
  return performance.now() - start;
}
