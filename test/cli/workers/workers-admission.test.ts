import { readSettings, type Settings } from '../../../src/cli/settings/settings';
import { shareOf } from '../../../src/cli/workers/worker-settings';
import { request } from '../../support/http';
import { startSessionHost } from '../../support/session-host';
import { until } from '../../support/until';
import { startWorkers } from '../../support/workers';

/** One handshake in 100 s, and all the time to wait for the next. */
const RATE = ['--max-handshakes-per-second', '0.01', '--handshake-queue-timeout', '2000000000', '--max-queued-handshakes', '3'];

it('shares rate and queue among workers, rounded up', async () => {
  const host = await startSessionHost();
  const { url, command } = await startWorkers([host.name], ['--admin-port', '0', ...RATE]);
  const admin = String((await command.seen('admin'))[0]?.url);
  const queued = async (): Promise<number> =>
    Number(/^socketio_proxy_handshakes_queued (\d+)$/m.exec((await request(`${admin}/metrics`)).body)?.[1]);
  const statuses: number[] = [];
  const send = (count: number): Promise<unknown> => Promise.all(Array.from({ length: count }, async () => {
    const { status } = await request(`${url}/socket.io/?EIO=4&transport=polling`);
    statuses.push(status);
  }));
  // However they are dealt out: each worker lets one through, and keeps its share of the others.
  let sent = 0;
  await until('all have as many as they keep', async () => {
    const waiting = await queued();
    if (sent === statuses.length + waiting && waiting < 4) {
      sent += 10;
      // Those that wait are cut when the workers are ended.
      send(10).catch(() => {});
    }
    return waiting >= 4;
  });
  await send(10);
  expect(await queued()).toBe(4);
  expect(statuses.filter((status) => status !== 503)).toEqual([200, 200]);
  expect(host.sids).toHaveLength(2);
});

it('shares the queue among workers by default, and no rate', () => {
  const { resolved, ...plain } = readSettings(['--hosts', 'a:1', '--redis', 'redis://a', '--workers', '3'], {}) as Settings;
  expect(resolved.maxQueuedHandshakes).toBe(1000);
  expect(shareOf(plain).resolved).toMatchObject({ maxQueuedHandshakes: 334, maxHandshakesPerSecond: resolved.maxHandshakesPerSecond });
});
