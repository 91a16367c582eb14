const { setTimeout: realTimeout } = globalThis;

/** The most that one turn of waiting counts, in ms: in a longer one this process stood still, and saw nothing. */
const MAX_TURN = 100;

/** In ms, and in real time also where a test holds the clock. */
const realNow = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Resolves with how long it took in ms once `condition` holds. For states that no event tells of, such as another
 * process's sockets. The guard of `ms` only ends what hangs: of a time in which this process did not run it counts next
 * to nothing.
 */
export async function until(what: string, condition: () => unknown, ms = 60_000): Promise<number> {
  const start = realNow();
  let waited = 0;
  for (let before = start; !await condition();) {
    const now = realNow();
    waited += Math.min(now - before, MAX_TURN);
    before = now;
    if (waited > ms) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => realTimeout(resolve, 10));
  }
  return realNow() - start;
}
