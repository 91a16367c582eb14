import type { Refusal } from './refusals';
import { createHistogram, type HistogramTotals } from './histogram';

/** The class of a status code. */
export type StatusClass = '1xx' | '2xx' | '3xx' | '4xx' | '5xx';

/** The counts of one host, since the proxy started or the host was added. */
export interface HostTotals {
  /** Responses of the host, by the class of their status code. */
  responses: Record<StatusClass, number>;
  /** Sessions that were opened on the host. */
  handshakes: { polling: number; websocket: number };
  /** WebSockets that the host accepted for existing sessions. */
  upgrades: number;
  /** Sessions that a drain, a rebalance or an operator ended on the host. */
  moved: number;
  /** Bytes of requests and WebSockets on the host's sockets, head and body. Health checks do not count. */
  sentBytes: number;
  receivedBytes: number;
  /** The time until the host answered a request. Polls do not count, since a host holds them back. */
  latency: HistogramTotals;
}

/** All counts, as plain data that can be sent to other processes and added up. */
export interface Totals {
  cache: { hits: number; misses: number };
  /** Calls of the session store. */
  store: { bind: HistogramTotals; find: HistogramTotals; unbind: HistogramTotals; failures: number };
  /** Refusals by `<code> <cause>`, as in `1 expired`. */
  refusals: Record<string, number>;
  /** Handshakes that are waiting for their turn now. */
  queued: number;
  /** Handshakes that were given the sid of a session that is alive on another host. */
  duplicateSids: number;
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

export function countResponse({ responses }: HostTotals, status: number): void {
  // The most frequent class first: this runs at every request.
  if (status < 300 && status >= 200) responses['2xx'] += 1;
  else if (status < 200) responses['1xx'] += 1;
  else if (status < 400) responses['3xx'] += 1;
  else if (status < 500) responses['4xx'] += 1;
  else responses['5xx'] += 1;
}

export function countRefusal({ refusals }: Totals, { code, cause }: Refusal): void {
  const key = `${code} ${cause}`;
  refusals[key] = (refusals[key] ?? 0) + 1;
}

/** Adds up the totals. Changes none of them, and the sum shares no objects with them. */
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
    duplicateSids: 0,
    hosts: {},
  };
}

/** Adds each number in `from` to the one at the same place in `sum`. */
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
