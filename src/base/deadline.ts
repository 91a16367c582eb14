/** The number of timers that a deadline is split into. */
const STEPS = 4;

/**
 * Calls `onTimeout` after `ms`. A time in which this process did not run counts as a quarter at most: a process that
 * was stopped or busy has unread input, and must not mistake that for silence of the other side.
 *
 * @returns a function that cancels the deadline.
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

/** Waits for `end`, but no longer than `ms`. `end` must not reject. */
export async function within(ms: number, end: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const timeout = new Promise<void>((resolve) => {
    cancel = startDeadline(ms, resolve);
  });
  await Promise.race([end, timeout]);
  cancel();
}
