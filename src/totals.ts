import { createHistogram, type HistogramTotals } from './histogram';

/** What has been counted of one host, since the proxy has started or the host was added. */
export interface HostTotals {
  /** Responses that it has given, by the first digit of their status. */
  responses: { '1xx': number; '2xx': number; '3xx': number; '4xx': number; '5xx': number };
  /** Sessions that were opened on it. */
  handshakes: { polling: number; websocket: number };
  /** WebSockets that it has accepted for sessions that were there. */
  upgrades: number;
  /** Sessions that were ended on it by a drain, a rebalance or by hand. */
  moved: number;
  sentBytes: number;
  receivedBytes: number;
  /** How long it took until it answered a handshake or a POST, which no server holds back. */
  latency: HistogramTotals;
}

/** What has been counted. Plain data, so that it goes from one process to another, and sums and differences can be made. */
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

export function createTotals(): Totals {
  return {
    cache: { hits: 0, misses: 0 },
    store: { bind: createHistogram(), find: createHistogram(), unbind: createHistogram(), failures: 0 },
    refusals: {},
    queued: 0,
    hosts: {},
  };
}
