import { AggregatorRegistry, type PrometheusContentType } from 'prom-client';
import { isObject } from '../base/checks';
import { BOUNDS, type HistogramTotals } from '../base/histogram';
import type { FleetReport } from '../operating/fleet-shown';
import type { HostReport, Operator, ProcessMetrics, Summary } from '../operating/operator';
import { createHostTotals, type HostTotals, type Totals } from '../base/totals';
import { version } from '../base/version';

type Labels = Readonly<Record<string, string>>;

interface Value {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** A metric in the format that `prom-client` uses between processes. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Keeps each value as it is, without summing. */
  readonly aggregator: 'first';
  readonly values: readonly Value[];
}

const PREFIX = 'socketio_proxy_';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** All metrics, in the Prometheus text format. */
export async function metricsText(operator: Operator): Promise<string> {
  const [totals, processes] = await Promise.all([operator.totals(), operator.processMetrics()]);
  const own = [
    ...hostMetrics(operator.hosts, totals),
    ...proxyMetrics(operator.summary, totals),
    ...storeMetrics(totals),
    ...fleetMetrics(operator.fleet),
    metric('rollout_running', 'Whether a rollout is under way.', 'gauge',
      [{ labels: {}, value: operator.rollout ? 1 : 0 }]),
  ];
  const registry = AggregatorRegistry.aggregate<PrometheusContentType>([own, ...processes.map(labelled)]);
  return registry.metrics();
}

function hostMetrics(hosts: readonly HostReport[], { hosts: totals }: Totals): Metric[] {
  const each = (name: string, help: string, type: Metric['type'], value: (host: HostReport) => number): Metric =>
    metric(name, help, type, hosts.map((host) => ({ labels: { host: host.host }, value: value(host) })));
  const of = ({ host }: HostReport): HostTotals => totals[host] ?? createHostTotals();
  const by = (name: string, help: string, label: string, pick: (totals: HostTotals) => object): Metric =>
    metric(name, help, 'counter', hosts.flatMap((host) => Object.entries(pick(of(host)) as Record<string, number>)
      .map(([key, value]) => ({ labels: { host: host.host, [label]: key }, value }))));
  return [
    each('host_up', 'Whether the host is up.', 'gauge', ({ state }) => (state === 'up' ? 1 : 0)),
    each('host_draining', 'Whether the host is draining.', 'gauge', ({ draining }) => (draining ? 1 : 0)),
    each('host_weight', "The host's share of new sessions.", 'gauge', ({ weight }) => weight),
    each('sessions', 'Known sessions on the host.', 'gauge', ({ sessions }) => sessions),
    each('tunnels', 'WebSockets that are open or being opened.', 'gauge', ({ tunnels }) => tunnels),
    each('requests_in_flight', 'HTTP requests in flight, held polls included.', 'gauge', ({ requests }) => requests),
    each('polls_held', 'Polls in flight.', 'gauge', ({ polls }) => polls),
    by('responses_total', 'Responses of the host, by status class.', 'status', ({ responses }) => responses),
    by('handshakes_total', 'Sessions opened on the host.', 'transport', ({ handshakes }) => handshakes),
    each('upgrades_total', 'WebSockets accepted for known sessions.', 'counter', (host) => of(host).upgrades),
    each('moved_sessions_total', 'Sessions moved away from the host.', 'counter', (host) => of(host).moved),
    each('sent_bytes_total', 'Bytes sent to the host.', 'counter', (host) => of(host).sentBytes),
    each('received_bytes_total', 'Bytes received from the host.', 'counter', (host) => of(host).receivedBytes),
    histogram('host_response_seconds', 'Response time of handshakes and POSTs, which the host never holds.',
      hosts.map((host) => [{ host: host.host }, of(host).latency])),
  ];
}

function proxyMetrics(summary: Summary, { cache, refusals, queued, duplicateSids }: Totals): Metric[] {
  const { since, workers, storeFails, readiness, rebalance } = summary;
  const one = (name: string, help: string, type: Metric['type'], value: number, labels: Labels = {}): Metric =>
    metric(name, help, type, [{ labels, value }]);
  return [
    one('build_info', 'The running version.', 'gauge', 1, { version }),
    one('start_time_seconds', 'When the proxy was created, in seconds since the epoch.', 'gauge', since / 1000),
    one('ready', 'Whether the proxy can take new sessions.', 'gauge', readiness.ready ? 1 : 0),
    one('workers', 'Serving processes.', 'gauge', workers),
    one('store_up', 'Whether the session store works.', 'gauge', storeFails ? 0 : 1),
    one('cache_hits_total', 'Sids found in memory.', 'counter', cache.hits),
    one('cache_misses_total', 'Sids looked up in the session store.', 'counter', cache.misses),
    one('rebalance_running', 'Whether a rebalance is running.', 'gauge', rebalance.running ? 1 : 0),
    one('sessions_spread_ratio', 'Greatest deviation of a host from its share.', 'gauge', rebalance.spread),
    one('duplicate_sids_total', 'Handshakes given the sid of a session on another host.', 'counter', duplicateSids),
    one('handshakes_queued', 'Handshakes waiting for their turn.', 'gauge', queued),
    metric('refusals_total', 'Requests refused by the proxy, by code and cause.', 'counter',
      Object.entries(refusals).map(([key, value]) => {
        const [code = '', cause = ''] = key.split(' ');
        return { labels: { code, cause }, value };
      })),
  ];
}

function storeMetrics({ store: { failures, ...calls } }: Totals): Metric[] {
  return [
    metric('store_failures_total', 'Failed calls of the session store.', 'counter',
      [{ labels: {}, value: failures }]),
    histogram('store_call_seconds', 'Duration of calls of the session store, failed ones included.',
      Object.entries(calls).map(([call, totals]) => [{ call }, totals])),
  ];
}

function fleetMetrics({ enabled, members, agree, reached }: FleetReport): Metric[] {
  if (!enabled) return [];
  return [
    metric('fleet_members', 'Members of the fleet that live, this proxy included.', 'gauge',
      [{ labels: {}, value: Math.max(1, members.length) }]),
    metric('fleet_reached', 'Whether Redis answers the beats of this member.', 'gauge',
      [{ labels: {}, value: reached ? 1 : 0 }]),
    metric('fleet_agrees', 'Whether all members have the same hosts, path and key prefix.', 'gauge',
      [{ labels: {}, value: agree ? 1 : 0 }]),
  ];
}

function metric(name: string, help: string, type: Metric['type'], values: readonly Value[]): Metric {
  return { name: PREFIX + name, help, type, aggregator: 'first', values };
}

function histogram(name: string, help: string, each: readonly (readonly [Labels, HistogramTotals])[]): Metric {
  const full = PREFIX + name;
  return metric(name, help, 'histogram', each.flatMap(([labels, { buckets, sum }]) => {
    let count = 0;
    const cumulative = buckets.map((inBucket, at): Value => {
      count += inBucket;
      return { labels: { le: String(BOUNDS[at] ?? '+Inf'), ...labels }, value: count, metricName: `${full}_bucket` };
    });
    return [
      ...cumulative,
      { labels, value: sum, metricName: `${full}_sum` },
      { labels, value: count, metricName: `${full}_count` },
    ];
  }));
}

/** Labels the values with their process, so that values of different processes stay apart. */
function labelled({ worker, metrics }: ProcessMetrics): object[] {
  return metrics.map((metric) => {
    const values: unknown = Reflect.get(metric, 'values');
    const known = Array.isArray(values) ? values.filter(isObject) : [];
    return {
      ...metric,
      aggregator: 'first',
      // NaN, such as the mean of nothing, becomes null between processes.
      values: known.filter((value) => Number.isFinite(Reflect.get(value, 'value'))).map((value) => ({
        ...value, labels: { ...objectOf(Reflect.get(value, 'labels')), worker },
      })),
    };
  });
}

function objectOf(value: unknown): object {
  return isObject(value) ? value : {};
}
