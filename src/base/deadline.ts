/** In how many steps a deadline is waited for. */
const STEPS = 4;

/**
 * Calls `onTimeout` after `ms`. A time in which this process did not run counts as a quarter at most: a process that was
 * stopped, or busy, must not take what it has not read yet for another's silence.
 *
 * @returns a function that cancels it.
 */
export function startDeadline(ms: number, onTimeout: () => void): () => void {
  let steps = STEPS;
  const step = (): void => {
    steps -= 1;
    if (steps === 0) onTimeout();
    else timer = setTimeout(step, ms / STEPS);
  };
  let timer = setTimeout(step, ms / STEPS);
  return () => clearTimeout(timer);
}

/** Waits for `end`, which is not to reject, and for no longer than `ms`. */
export async function within(ms: number, end: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const timeout = new Promise<void>((resolve) => {
    cancel = startDeadline(ms, resolve);
  });
  await Promise.race([end, timeout]);
  cancel();
}
