/** The upper bounds of the buckets, in seconds. Longer times have a bucket of their own. */
export const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** The counts of a histogram, as plain data. */
export interface HistogramTotals {
  /** The count of each bucket alone, not cumulative. There is one more bucket than there are bounds. */
  readonly buckets: number[];
  /** The sum of all values, in seconds. */
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
