import { onCleanup } from './cleanup';

/** Time as this process sees it, which passes only when the test says so. */
export interface Clock {
  /** Lets `ms` pass: what is due by then happens, in its order. */
  advance(ms: number): Promise<void>;
}

/**
 * Stops the clock of this process until the test is over: `performance.now()`, `Date` and the global timers. What waits
 * for other processes, for sockets or in `until` goes on in real time.
 */
export function stopClock(): Clock {
  jest.useFakeTimers({ doNotFake: ['hrtime', 'nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] });
  onCleanup(() => jest.useRealTimers());
  // No process sees the time 0, which caches take for "never".
  jest.advanceTimersByTime(1000);
  return { advance: (ms) => jest.advanceTimersByTimeAsync(ms) };
}
