/** The most of some times that lie within so many ms: from one of them, up to but not including `ms` later. */
export function mostWithin(ms: number, times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let from = 0;
  return Math.max(0, ...sorted.map((time, at) => {
    while (time - (sorted[from] ?? time) >= ms && from < at) from += 1;
    return at - from + 1;
  }));
}
