const { setTimeout: realTimeout } = globalThis;

/** The most that one turn of waiting counts, in ms: in a longer one this process stood still, and saw nothing. */
const MAX_TURN = 100;

/**
 * Resolves with how long it took in ms once `condition` holds; rejects when it does not within `ms`, of which a time in
 * which this process did not run counts for next to nothing. For states that no event tells of, such as another
 * process's sockets.
 */
export async function until(what: string, condition: () => unknown, ms = 5000): Promise<number> {
  const start = performance.now();
  let waited = 0;
  for (let before = start; !await condition();) {
    const now = performance.now();
    waited += Math.min(now - before, MAX_TURN);
    before = now;
    if (waited > ms) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => realTimeout(resolve, 10));
  }
  return performance.now() - start;
}
