import { AggregatorRegistry, type PrometheusContentType, Registry } from 'prom-client';
import type { HostReport, Operator, Summary } from '../operator';
import { createHostTotals, type HostTotals, type Totals } from '../totals';
import { counter, gauge, histogram, labelled, type Labels, type Metric } from './metric-values';
import type { Reply } from './reply';

/** All metrics, in the text format of Prometheus. Of what is a session's there is nothing but numbers. */
export async function metricsReply(operator: Operator, version: string): Promise<Reply> {
  const [totals, processes] = await Promise.all([operator.totals(), operator.processMetrics()]);
  const own = [
    ...proxyMetrics(operator.summary, version, totals),
    ...hostStates(operator.hosts),
    ...hostTotals(operator.hosts, totals),
  ];
  const all = AggregatorRegistry.aggregate<PrometheusContentType>([own, ...processes.map(labelled)]);
  return {
    status: 200, headers: { 'Content-Type': Registry.PROMETHEUS_CONTENT_TYPE }, body: await all.metrics(),
  };
}

function proxyMetrics(summary: Summary, version: string, totals: Totals): Metric[] {
  const { workers, storeFails, readiness, rebalance, since } = summary;
  const { bind, find, unbind, failures } = totals.store;
  return [
    gauge('socketio_proxy_build_info', 'Always 1, with the version as a label.', [[{ version }, 1]]),
    gauge('socketio_proxy_start_time_seconds', 'When the proxy was made, since the epoch.', [[{}, since / 1000]]),
    gauge('socketio_proxy_workers', 'Processes that serve.', [[{}, workers]]),
    gauge('socketio_proxy_ready', '1 where the proxy is to be sent new sessions.', [[{}, Number(readiness.ready)]]),
    counter('socketio_proxy_refusals_total', 'Requests that the proxy has refused itself.', refusals(totals)),
    gauge('socketio_proxy_queued_handshakes', 'Handshakes that wait for their turn.', [[{}, totals.queued]]),
    counter('socketio_proxy_cache_hits_total', 'Bindings that were known here.', [[{}, totals.cache.hits]]),
    counter('socketio_proxy_cache_misses_total', 'Bindings that were not.', [[{}, totals.cache.misses]]),
    gauge('socketio_proxy_store_up', '1 while the session store works.', [[{}, Number(!storeFails)]]),
    counter('socketio_proxy_store_failures_total', 'Calls of the session store that failed.', [[{}, failures]]),
    histogram('socketio_proxy_store_latency_seconds', 'How long the session store took.', [
      [{ call: 'bind' }, bind], [{ call: 'find' }, find], [{ call: 'unbind' }, unbind],
    ]),
    gauge('socketio_proxy_rebalance_running', '1 while sessions are moved to even the hosts out.', [
      [{}, Number(rebalance.running)],
    ]),
    gauge('socketio_proxy_sessions_spread_ratio', 'By what part the fullest host exceeds its share of sessions.', [
      [{}, rebalance.spread],
    ]),
  ];
}

function refusals({ refusals: counts }: Totals): [Labels, number][] {
  return Object.entries(counts).map(([key, count]) => {
    const [code = '', cause = ''] = key.split(' ');
    return [{ code, cause }, count];
  });
}

function hostStates(hosts: readonly HostReport[]): Metric[] {
  const of = (name: string, help: string, value: (report: HostReport) => number): Metric =>
    gauge(`socketio_proxy_${name}`, help, hosts.map((report) => [{ host: report.host }, value(report)]));
  return [
    of('host_up', '1 while the host is up.', ({ state }) => Number(state === 'up')),
    of('host_draining', '1 while it gets no new session, and keeps those that it has.', ({ draining }) => Number(draining)),
    of('host_weight', 'Its share of new sessions, next to those of the others.', ({ weight }) => weight),
    of('sessions', 'Sessions that the proxy knows to be there.', ({ sessions }) => sessions),
    of('tunnels', 'WebSockets that are open, or being opened.', ({ tunnels }) => tunnels),
    of('requests_in_flight', 'HTTP requests under way, held polls among them.', ({ requests }) => requests),
    of('polls_held', 'Polls under way: GET requests of a session.', ({ polls }) => polls),
  ];
}

function hostTotals(hosts: readonly HostReport[], totals: Totals): Metric[] {
  const known = hosts.map(({ host }) => [host, totals.hosts[host] ?? createHostTotals()] as const);
  const of = (name: string, help: string, value: (totals: HostTotals) => number): Metric =>
    counter(`socketio_proxy_${name}_total`, help, known.map(([host, each]) => [{ host }, value(each)]));
  return [
    counter('socketio_proxy_requests_total', 'Responses of the host, by the first digit of their status.',
      known.flatMap(([host, { responses }]) => split(host, 'status', responses))),
    counter('socketio_proxy_handshakes_total', 'Sessions that were opened on the host.',
      known.flatMap(([host, { handshakes }]) => split(host, 'transport', handshakes))),
    of('upgrades', 'WebSockets that it has accepted for sessions that were there.', ({ upgrades }) => upgrades),
    of('moved_sessions', 'Sessions that were ended by a drain, a rebalance or by hand.', ({ moved }) => moved),
    of('sent_bytes', 'Bytes that were sent to it.', ({ sentBytes }) => sentBytes),
    of('received_bytes', 'Bytes that have come from it.', ({ receivedBytes }) => receivedBytes),
    histogram('socketio_proxy_host_latency_seconds', 'How long it took until it answered a handshake or a POST.',
      known.map(([host, { latency }]) => [{ host }, latency])),
  ];
}

function split(host: string, label: string, counts: Readonly<Record<string, number>>): [Labels, number][] {
  return Object.entries(counts).map(([value, count]) => [{ host, [label]: value }, count]);
}
