import { request } from '../support/http';
import { startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

/** One handshake in 100 s, and all the time to wait for the next. */
const RATE = ['--max-handshakes-per-second', '0.01', '--handshake-queue-timeout', '2000000000'];

it.each([
  ['as it is given', 40, 4, ['--max-queued-handshakes', '3']],
  ['by default', 1300, 1000, []],
])('shares rate and queue among workers, the queue %s and rounded up', async (_, count, most, args) => {
  const host = await startSessionHost();
  const { url } = await startWorkers([host.name], [...RATE, ...args]);
  const answers = new Map<number, number>();
  const ended = Promise.all(Array.from({ length: count }, async () => {
    const { status } = await request(`${url}/socket.io/?EIO=4&transport=polling`);
    answers.set(status, (answers.get(status) ?? 0) + 1);
  }));
  // Those that wait are cut when the workers are ended.
  ended.catch(() => {});
  await until('all others are answered', () => (answers.get(200) ?? 0) + (answers.get(503) ?? 0) >= count - most, 20_000);
  // However they are dealt, each lets one through, and keeps its share of the others.
  expect(answers).toEqual(new Map([[200, 2], [503, count - most - 2]]));
  expect(host.sids).toHaveLength(2);
});
