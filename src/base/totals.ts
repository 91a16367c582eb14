import type { Refusal } from './errors';
import { createHistogram, type HistogramTotals } from './histogram';

/** The first digit of a status, and what stands for the others. */
export type StatusClass = '1xx' | '2xx' | '3xx' | '4xx' | '5xx';

/** What has been counted of one host, since the proxy has started or the host was added. */
export interface HostTotals {
  /** Responses that it has given, by the first digit of their status. */
  responses: Record<StatusClass, number>;
  /** Sessions that were opened on it. */
  handshakes: { polling: number; websocket: number };
  /** WebSockets that it has accepted for sessions that were there. */
  upgrades: number;
  /** Sessions that were ended on it by a drain, a rebalance or by hand. */
  moved: number;
  /** What requests and WebSockets took on its sockets, head and body: not health checks. */
  sentBytes: number;
  receivedBytes: number;
  /** How long it took until it answered what it does not hold back: any request but a poll. */
  latency: HistogramTotals;
}

/** What has been counted: plain data, which goes from one process to another, and of which sums can be made. */
export interface Totals {
  cache: { hits: number; misses: number };
  /** Calls of the session store. */
  store: { bind: HistogramTotals; find: HistogramTotals; unbind: HistogramTotals; failures: number };
  /** Refusals by `<code> <cause>`, as in `1 expired`. */
  refusals: Record<string, number>;
  /** Handshakes that wait for their turn at the moment. */
  queued: number;
  hosts: Record<string, HostTotals>;
}

export function createHostTotals(): HostTotals {
  return {
    responses: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
    handshakes: { polling: 0, websocket: 0 },
    upgrades: 0,
    moved: 0,
    sentBytes: 0,
    receivedBytes: 0,
    latency: createHistogram(),
  };
}

/** Counts a response of a host. */
export function countResponse({ responses }: HostTotals, status: number): void {
  // In this order, as this is on every request's path.
  if (status < 300 && status >= 200) responses['2xx'] += 1;
  else if (status < 200) responses['1xx'] += 1;
  else if (status < 400) responses['3xx'] += 1;
  else if (status < 500) responses['4xx'] += 1;
  else responses['5xx'] += 1;
}

/** Counts a refusal. */
export function countRefusal({ refusals }: Totals, { code, cause }: Refusal): void {
  const key = `${code} ${cause}`;
  refusals[key] = (refusals[key] ?? 0) + 1;
}

/** Adds what was counted elsewhere. Neither is changed, and the sum shares nothing with them. */
export function sumOf(totals: readonly Totals[]): Totals {
  const sum = createTotals();
  for (const each of totals) {
    for (const host of Object.keys(each.hosts)) sum.hosts[host] ??= createHostTotals();
    addTo(sum, each);
  }
  return sum;
}

export function createTotals(): Totals {
  return {
    cache: { hits: 0, misses: 0 },
    store: { bind: createHistogram(), find: createHistogram(), unbind: createHistogram(), failures: 0 },
    refusals: {},
    queued: 0,
    hosts: {},
  };
}

/** Adds each number to the one at the same place. */
function addTo(sum: object, from: object): void {
  for (const [key, value] of Object.entries(from) as [string, unknown][]) {
    const at: unknown = Reflect.get(sum, key);
    if (typeof value === 'number') {
      Reflect.set(sum, key, (typeof at === 'number' ? at : 0) + value);
    } else if (typeof value === 'object' && value !== null) {
      const part = typeof at === 'object' && at !== null ? at : {};
      Reflect.set(sum, key, part);
      addTo(part, value);
    }
  }
}
