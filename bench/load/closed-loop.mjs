/** The most latencies that one run remembers. */
const MAX_SAMPLES = 2_000_000;

const latencies = new Float64Array(MAX_SAMPLES);

/** How often a paced load looks what is due, in ms. */
const TICK = 1;

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
  return figuresOf(count, start);
}

/**
 * Begins `rate` things a second for `ms`, whether those before are over or not: each as soon as it is due and a connection
 * is free. Latencies count from when it was due. Nothing is under way when it resolves.
 */
export function paced(connections, ms, rate, once) {
  return new Promise((resolve, reject) => {
    const free = [...connections];
    const total = Math.round(rate * ms / 1000);
    const start = performance.now();
    let begun = 0;
    let count = 0;
    const begin = () => {
      const due = Math.min(total, Math.floor((performance.now() - start) * rate / 1000));
      while (begun < due && free.length > 0) beginOne(free.pop(), start + begun * 1000 / rate);
    };
    const beginOne = (connection, dueAt) => {
      begun += 1;
      once(connection, () => {
        latencies[count] = performance.now() - dueAt;
        count += 1;
        free.push(connection);
        if (count === total) finish();
        else begin();
      }, reject);
    };
    const ticking = setInterval(begin, TICK);
    const finish = () => {
      clearInterval(ticking);
      resolve(figuresOf(count, start));
    };
  });
}

function figuresOf(count, start) {
  const seconds = (performance.now() - start) / 1000;
  const sorted = latencies.subarray(0, Math.min(count, MAX_SAMPLES)).sort();
  const quantile = (share) => sorted[Math.floor((sorted.length - 1) * share)];
  return { count, rps: count / seconds, p50: quantile(0.5), p99: quantile(0.99) };
}
