/**
 * Pauses, and does not keep the process alive for it.
 *
 * @param ms how long; below 0 is 0.
 * @returns whether all of it has passed: false as soon as `signal` is aborted.
 */
export function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (passed: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(passed);
    };
    const onAbort = (): void => end(false);
    // The global timer, rather than that of `node:timers/promises`, which no test can move by hand.
    const timer = setTimeout(() => end(true), Math.max(0, ms)).unref();
    signal.addEventListener('abort', onAbort);
  });
}
