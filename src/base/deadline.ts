/** In how many steps a deadline is waited for. */
const STEPS = 4;

/**
 * Calls `late` after `ms`, of which a time in which this process did not run counts as a quarter at most: a process
 * that was stopped, or busy, must not take what it has not read yet for another's silence.
 *
 * @returns a function that calls it off.
 */
export function startDeadline(ms: number, late: () => void): () => void {
  let steps = STEPS;
  const step = (): void => {
    steps -= 1;
    if (steps === 0) late();
    else timer = setTimeout(step, ms / STEPS);
  };
  let timer = setTimeout(step, ms / STEPS);
  return () => clearTimeout(timer);
}

/** Waits for `end`, which is not to reject, and for no longer than `ms`. */
export async function within(ms: number, end: Promise<unknown>): Promise<void> {
  let callOff = (): void => {};
  const late = new Promise<void>((resolve) => {
    callOff = startDeadline(ms, resolve);
  });
  await Promise.race([end, late]);
  callOff();
}
