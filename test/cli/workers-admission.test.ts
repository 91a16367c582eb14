import { request } from '../support/http';
import { startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

/** One handshake in 100 s, and all the time to wait for the next. */
const RATE = ['--max-handshakes-per-second', '0.01', '--handshake-queue-timeout', '2000000000'];

it.each([
  ['as it is given, rounded up', ['--max-queued-handshakes', '3'], 4],
  ['by default', [], 1000],
])('shares rate and queue among workers, the queue %s', async (_, args, most) => {
  const host = await startSessionHost();
  const { url, command } = await startWorkers([host.name], ['--admin-port', '0', ...RATE, ...args]);
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
    if (sent === statuses.length + waiting && waiting < most) {
      sent += 100;
      // Those that wait are cut when the workers are ended.
      send(100).catch(() => {});
    }
    return waiting >= most;
  }, 20_000);
  await send(50);
  expect(await queued()).toBe(most);
  expect(statuses.filter((status) => status !== 503)).toEqual([200, 200]);
  expect(host.sids).toHaveLength(2);
});
