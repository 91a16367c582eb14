/** The most latencies that one run remembers. */
const MAX_SAMPLES = 2_000_000;

const latencies = new Float64Array(MAX_SAMPLES);

/**
 * Each of `connections` does one thing after the other for `ms`: `once(connection, done, failed)` begins one, and calls
 * `done` when it is over. Nothing is under way when it resolves.
 */
export async function closedLoop(connections, ms, once) {
  let count = 0;
  const start = performance.now();
  const end = start + ms;
  await Promise.all(connections.map((connection) => new Promise((resolve, reject) => {
    let sentAt = performance.now();
    const done = () => {
      const now = performance.now();
      if (count < MAX_SAMPLES) latencies[count] = now - sentAt;
      count += 1;
      if (now >= end) {
        resolve();
      } else {
        sentAt = now;
        once(connection, done, reject);
      }
    };
    once(connection, done, reject);
  })));
  const seconds = (performance.now() - start) / 1000;
  const sorted = latencies.subarray(0, Math.min(count, MAX_SAMPLES)).sort();
  const quantile = (share) => sorted[Math.floor((sorted.length - 1) * share)];
  return { count, rps: count / seconds, p50: quantile(0.5), p99: quantile(0.99) };
}
