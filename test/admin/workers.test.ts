import { handshake, request } from '../support/http';
import { parseMetrics, valueOf } from '../support/prometheus';
import { startSessionHosts, type SessionHost } from '../support/session-host';
import { startWorkers } from '../support/workers';

it('speaks for all workers: sums of what they have counted, and each process by its own name', async () => {
  const [host] = await startSessionHosts(1) as [SessionHost];
  const { command, url } = await startWorkers([host.name], ['--admin-port', '0']);
  const [told] = await command.seen('admin') as [{ url: string }];
  // Each on a connection of its own, which the primary hands to the workers in turn.
  const sids = await Promise.all(Array.from({ length: 6 }, () => handshake(url)));
  const families = parseMetrics((await request(`${told.url}/metrics`)).body);
  expect(valueOf(families, 'socketio_proxy_workers')).toBe(2);
  expect(valueOf(families, 'socketio_proxy_handshakes_total', { host: host.name, transport: 'polling' })).toBe(6);
  expect(valueOf(families, 'socketio_proxy_store_call_seconds_count', { call: 'bind' })).toBe(6);
  const processes = families.get('process_resident_memory_bytes')?.samples.map(({ labels }) => labels.worker);
  expect(processes?.sort()).toEqual(['1', '2', 'primary']);
  for (const sid of sids) {
    const { status, body } = await request(`${told.url}/api/sessions/${sid}`);
    expect([status, JSON.parse(body)]).toMatchObject([200, { sid, host: host.name, from: 'cache' }]);
  }
});
