import { onCleanup } from './cleanup';

/** Time as this process sees it, which passes only when the test says so. */
export interface Clock {
  /**
   * Lets `ms` pass: what is due by then happens, in its order, each with what follows from it at once. Sockets have no
   * time in between: what is asked over one meanwhile, a health check too, misses its deadline.
   */
  advance(ms: number): Promise<void>;
  /**
   * Lets time pass in steps until `condition` holds, and resolves with how much has, in ms. After each step what the
   * sockets of this process have for each other arrives, and nothing else is waited for.
   */
  advanceUntil(what: string, condition: () => unknown, step?: number): Promise<number>;
  /** The process stands still for `ms`: they are over, and no timer is seen before. */
  stall(ms: number): void;
}

/** The longest that `advanceUntil` goes on, in ms of its clock and in real ones: it only ends what hangs. */
const MOST = 86_400_000;
const GUARD = 60_000;

/** More turns of the event loop than an exchange of client, proxy and host takes, all of them in this process. */
const TURNS = 40;

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Lets what the sockets of this process have for each other arrive. */
export async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i += 1) await turn();
}

/** Not jest's own, which takes a millisecond of real time for each timer. */
async function advance(ms: number): Promise<void> {
  const end = { isOver: false };
  setTimeout(() => (end.isOver = true), ms);
  while (!end.isOver) {
    jest.advanceTimersToNextTimer();
    await turn();
  }
  // What is due at that very time, and was set meanwhile.
  await jest.advanceTimersByTimeAsync(0);
}

async function advanceUntil(what: string, condition: () => unknown, step = 10): Promise<number> {
  const end = process.hrtime.bigint() + BigInt(GUARD) * 1_000_000n;
  let passed = 0;
  while (!await condition()) {
    if (passed > MOST || process.hrtime.bigint() > end) throw new Error(`${what}: not within ${passed} ms`);
    await advance(step);
    passed += step;
    await settle();
  }
  return passed;
}

/** This process does nothing for `ms` of real time, as one that was stopped: what comes meanwhile it reads later. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Lets `performance.now()` be as much ahead of the timers as this process has stood still. */
function stalling(): Clock['stall'] {
  const now = performance.now.bind(performance);
  let lost = 0;
  return (ms) => {
    if (lost === 0) jest.spyOn(performance, 'now').mockImplementation(() => now() + lost);
    lost += ms;
  };
}

/**
 * Stops the clock of this process until the test is over: `performance.now()`, `Date` and the global timers. What waits
 * for other processes, for sockets or in `until` goes on in real time.
 */
export function stopClock(): Clock {
  jest.useFakeTimers({ doNotFake: ['hrtime', 'nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] });
  onCleanup(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
  // No process sees the time 0, which caches take for "never".
  jest.advanceTimersByTime(1000);
  return { advance, advanceUntil, stall: stalling() };
}
