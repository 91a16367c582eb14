import { startHost } from '../support/hosts';
import { request } from '../support/http';
import { startWorkers } from '../support/workers';

it('logs how far a rollout is', async () => {
  const [old, fresh] = [(await startHost()).name, (await startHost()).name];
  const { command } = await startWorkers([old], ['--admin-port', '0', '--check-interval', '50']);
  const [{ url: admin }] = await command.seen('admin') as [{ url: string }];
  const ask = (method: string, hosts?: string[]): Promise<unknown> => request(`${admin}/api/rollout`, {
    method, ...(hosts ? { body: JSON.stringify({ hosts }), headers: { 'Content-Type': 'application/json' } } : {}),
  });
  await ask('POST', ['127.0.0.1:1']);
  await ask('DELETE');
  await ask('POST', [fresh]);
  const lines = await command.seen('rollout', 5);
  expect(lines.map(({ state, old: from, hosts, level }) => [state, from, hosts, level])).toEqual([
    ['begun', [old], ['127.0.0.1:1'], 'info'],
    ['stopped', [old], ['127.0.0.1:1'], 'info'],
    ...['begun', 'draining', 'over'].map((state) => [state, [old, '127.0.0.1:1'], [fresh], 'info']),
  ]);
  expect(lines.map(({ message }) => message)).toEqual([
    `the rollout of 127.0.0.1:1 has begun, in place of ${old}`,
    'the rollout of 127.0.0.1:1 was stopped',
    `the rollout of ${fresh} has begun, in place of ${old}, 127.0.0.1:1`,
    `the rollout of ${fresh}: new sessions no longer go to ${old}, 127.0.0.1:1`,
    `the rollout of ${fresh} is over`,
  ]);
});
