/** How long the charts look back, in seconds: as far as there is something to see, and no further than the last. */
const SPANS = [60, 120, 300, 600];

/** Points are not closer, in seconds. */
const CLOSEST = 0.5;

export const METRICS = ['sessions', 'requests', 'latency', 'fleetSessions'];

/** What the charts show: for each metric a list of values a host, as long as the list of times. */
export class History {
  times = [];
  #series = new Map();
  #gapped = false;

  /** @param time in seconds. */
  push(time, rows) {
    // The first snapshot of a connection may come just before the next.
    if (!this.#gapped && this.times.length > 0 && time - this.times.at(-1) < CLOSEST) return;
    for (const { host } of rows) {
      if (!this.#series.has(host)) this.#series.set(host, METRICS.map(() => this.times.map(() => null)));
    }
    const now = new Map(rows.map((row) => [row.host, valuesOf(row)]));
    this.#append(time, (host) => now.get(host));
    this.#gapped = false;
    this.#forget(time - SPANS.at(-1), now);
  }

  /** The lines are not drawn across the time in which nothing was known. */
  gap() {
    const last = this.times.at(-1);
    if (last === undefined || this.#gapped) return;
    this.#append(last + 0.001, () => undefined);
    this.#gapped = true;
  }

  get span() {
    const length = this.times.length === 0 ? 0 : this.times.at(-1) - this.times[0];
    return SPANS.find((span) => length <= span) ?? SPANS.at(-1);
  }

  get hosts() {
    return [...this.#series.keys()];
  }

  /** As uPlot takes them. */
  data(metric) {
    const at = METRICS.indexOf(metric);
    return [this.times, ...Array.from(this.#series.values(), (lists) => lists[at])];
  }

  #append(time, valuesFor) {
    this.times.push(time);
    for (const [host, lists] of this.#series) {
      const values = valuesFor(host);
      lists.forEach((list, at) => list.push(values?.[at] ?? null));
    }
  }

  /** @param present hosts that stay even when they have no values. */
  #forget(before, present) {
    const old = this.times.findIndex((time) => time >= before);
    if (old > 0) {
      this.times.splice(0, old);
      for (const lists of this.#series.values()) for (const list of lists) list.splice(0, old);
    }
    for (const host of this.#series.keys()) if (!present.has(host)) this.#series.delete(host);
  }
}

/** In the order of METRICS. Latency in ms. */
function valuesOf({ sessions, rates, latency, fleet }) {
  return [sessions, rates.requests, latency === null ? null : latency * 1000, fleet?.sessions ?? null];
}
