/** The upper bounds of the buckets, in seconds. What is longer has a bucket of its own. */
export const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** What a histogram has counted, as plain data. */
export interface HistogramTotals {
  /** How many fell into each bucket, and not into one before: one more than there are bounds. */
  readonly buckets: number[];
  /** Of all values, in seconds. */
  sum: number;
}

export function createHistogram(): HistogramTotals {
  return { buckets: new Array<number>(BOUNDS.length + 1).fill(0), sum: 0 };
}

export function observe(histogram: HistogramTotals, seconds: number): void {
  let at = 0;
  while (at < BOUNDS.length && seconds > (BOUNDS[at] ?? Infinity)) at += 1;
  histogram.buckets[at] = (histogram.buckets[at] ?? 0) + 1;
  histogram.sum += seconds;
}

export function countOf({ buckets }: HistogramTotals): number {
  return buckets.reduce((sum, count) => sum + count, 0);
}
