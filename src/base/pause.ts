/**
 * Waits, without keeping the process alive.
 *
 * @param ms negative values count as 0.
 * @returns true after `ms`; false as soon as `signal` is aborted.
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
    // The global timer: tests cannot replace that of `node:timers/promises`.
    const timer = setTimeout(() => end(true), Math.max(0, ms)).unref();
    signal.addEventListener('abort', onAbort);
  });
}
