const MINUTE = 60_000;

/** A function that does what `act` does, but once a minute at most: for news that a flood of clients could cause. */
export function seldom<A extends unknown[]>(act: (...args: A) => void): (...args: A) => void {
  let actedAt = -Infinity;
  return (...args) => {
    const now = performance.now();
    if (now - actedAt < MINUTE) return;
    actedAt = now;
    act(...args);
  };
}
