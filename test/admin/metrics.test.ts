import { MemoryStore } from '../../src';
import { operatedBefore, startOperated, type Operated } from '../support/admin';
import { handshake, pollUrl, request } from '../support/http';
import { parseMetrics, valueOf, type Family } from '../support/prometheus';
import { openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';

async function metricsOf({ admin }: Pick<Operated, 'admin'>): Promise<Map<string, Family>> {
  const { status, headers, body } = await request(`${admin}/metrics`);
  expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  return parseMetrics(body);
}

it('are in the text format of Prometheus, with a type, a help and the process', async () => {
  const families = await metricsOf(await startOperated());
  const names = [...families.keys()];
  expect(names).toEqual(expect.arrayContaining([
    'socketio_proxy_build_info', 'process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds',
  ]));
  for (const [name, { help, samples }] of families) {
    expect(help).not.toBe('');
    const isOfProcess = !name.startsWith('socketio_proxy_');
    expect(samples.every(({ labels }) => labels.worker === (isOfProcess ? '1' : undefined))).toBe(true);
  }
});

it('say whether a rollout is under way', async () => {
  const operated = await startOperated();
  const running = async (): Promise<number> => valueOf(await metricsOf(operated), 'socketio_proxy_rollout_running');
  expect(await running()).toBe(0);
  await operated.ask('POST /api/rollout', { hosts: ['127.0.0.1:2'] });
  expect(await running()).toBe(1);
  await operated.ask('DELETE /api/rollout');
  expect(await running()).toBe(0);
});

it('count what passes: sessions, polls, WebSockets, refusals and bytes of each host', async () => {
  const [host, other] = await startSessionHosts(2) as [SessionHost, SessionHost];
  const operated = await operatedBefore([host, other]);
  const { url, proxy } = operated;
  proxy.setWeight(other.name, 0);
  const sid = await handshake(url);
  await request(pollUrl(url, sid), { method: 'POST', body: '4hello' });
  const polled = request(pollUrl(url, sid));
  await until('a poll is held', () => proxy.hosts[0]?.polls === 1);
  const socket = await openWebSocket(url);
  await openWebSocket(url, sid);
  await request(pollUrl(url, 'none'));
  const families = await metricsOf(operated);
  const value = (name: string, labels: Record<string, string> = {}): number => valueOf(families, `socketio_proxy_${name}`, labels);
  const of = (name: string): [number, number] => [value(name, { host: host.name }), value(name, { host: other.name })];
  expect(of('host_up')).toEqual([1, 1]);
  expect(of('host_weight')).toEqual([1, 0]);
  expect(of('host_draining')).toEqual([0, 0]);
  expect(of('sessions')).toEqual([2, 0]);
  expect(of('tunnels')).toEqual([2, 0]);
  expect(of('polls_held')).toEqual([1, 0]);
  expect(of('requests_in_flight')).toEqual([1, 0]);
  expect(of('upgrades_total')).toEqual([1, 0]);
  expect(of('moved_sessions_total')).toEqual([0, 0]);
  expect(value('handshakes_total', { host: host.name, transport: 'polling' })).toBe(1);
  expect(value('handshakes_total', { host: host.name, transport: 'websocket' })).toBe(1);
  expect(value('responses_total', { host: host.name, status: '2xx' })).toBe(2);
  expect(value('host_response_seconds_count', { host: host.name })).toBe(2);
  expect(value('host_response_seconds_sum', { host: host.name })).toBeGreaterThan(0);
  expect(value('refusals_total', { code: '1', cause: 'never_seen' })).toBe(1);
  expect(value('store_call_seconds_count', { call: 'bind' })).toBe(2);
  expect(value('cache_hits_total')).toBeGreaterThanOrEqual(3);
  expect(value('cache_misses_total')).toBe(1);
  expect([value('ready'), value('workers'), value('store_up'), value('store_failures_total')]).toEqual([1, 1, 1, 0]);
  for (const [bytes, none] of [of('sent_bytes_total'), of('received_bytes_total')]) {
    expect(bytes).toBeGreaterThan(100);
    expect(none).toBe(0);
  }
  socket.terminate();
  host.answer();
  await polled;
});

it('never go down between two scrapes, but where they are gauges', async () => {
  const [host] = await startSessionHosts(1) as [SessionHost];
  const operated = await operatedBefore([host]);
  const first = await metricsOf(operated);
  for (let i = 0; i < 3; i += 1) await handshake(operated.url);
  const [second, third] = await Promise.all([metricsOf(operated), metricsOf(operated)]);
  const name = 'socketio_proxy_handshakes_total';
  const labels = { host: host.name, transport: 'polling' };
  expect([first, second, third].map((families) => valueOf(families, name, labels))).toEqual([0, 3, 3]);
});

it('tell that the store fails, and that no host is up', async () => {
  class FailingStore extends MemoryStore {
    override bind(): Promise<never> {
      return Promise.reject(new Error('the store is gone'));
    }
  }
  const [host] = await startSessionHosts(1) as [SessionHost];
  const operated = await operatedBefore([host], { store: new FailingStore() });
  await handshake(operated.url);
  await until('it is down', async () => {
    await host.stop();
    return operated.proxy.hosts[0]?.state === 'down';
  });
  const families = await metricsOf(operated);
  const value = (name: string): number => valueOf(families, `socketio_proxy_${name}`);
  expect([value('store_up'), value('ready'), value('host_up')]).toEqual([0, 0, 0]);
  expect(value('store_failures_total')).toBeGreaterThanOrEqual(1);
});

it('have no sid in them', async () => {
  const [host] = await startSessionHosts(1) as [SessionHost];
  const operated = await operatedBefore([host]);
  const sid = await handshake(operated.url);
  await request(pollUrl(operated.url, 'a-sid-that-is-unknown'));
  const { body } = await request(`${operated.admin}/metrics`);
  expect(body).not.toContain(sid);
  expect(body).not.toContain('a-sid-that-is-unknown');
});
