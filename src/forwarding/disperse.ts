import { pause } from '../base/pause';

/** The shortest and the longest pause, in ms. After the shortest one several works may end together. */
const PAUSE = { min: 50, max: 1000 };

/**
 * The time at the end in which none is left to be told, so that the last ones can end in good order before whoever
 * waits cuts them: a fifth of what `ms` has beyond a second, and 2 s at most. In ms.
 */
const MARGIN = { most: 2000, share: 0.2, from: 1000 };

/** Work that has no end of its own, such as a WebSocket. */
export interface Lasting {
  /** Ends the work in good order. */
  leave(): void;
}

/**
 * Ends works one after the other, evenly over `ms` without the margin, so that their clients do not come back all at
 * once.
 *
 * @param lasting returns the works that have not been told to end, about the oldest first. There may be new ones.
 * @param signal stops that. Resolves then, or when all are told to end.
 */
export async function disperse(lasting: () => readonly Lasting[], ms: number, signal: AbortSignal): Promise<void> {
  let now = performance.now();
  const end = now + ms - Math.min(MARGIN.most, MARGIN.share * Math.max(0, ms - MARGIN.from));
  /** When works were last told to end. */
  let last = now;
  /** How many works are due to end, with fractions: at 1, the first of them is told. */
  let due = 0;
  let works = lasting();
  while (now < end) {
    const untilNext = (1 - due) * (end - last) / (works.length || 1);
    if (!await pause(Math.min(end - now, PAUSE.max, Math.max(PAUSE.min, untilNext)), signal)) return;
    works = lasting();
    const before = now;
    now = performance.now();
    // All works that there are now would end evenly from `last` to `end`: this pause's part of them is due.
    due += works.length * (now - before) / (end - last);
    if (due < 1) continue;
    const count = Math.floor(due);
    for (const work of works.slice(0, count)) work.leave();
    due -= count;
    last = now;
  }
  for (const work of lasting()) work.leave();
}
