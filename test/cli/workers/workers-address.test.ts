import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { handshake, pollUrl, request } from '../../support/http';
import { lastingPort, temporaryFolder } from '../../support/program';
import { SessionHost } from '../../support/session-host';
import { startWorkers } from '../../support/workers';

const NAME = 'chat.example';

it('has all workers connect to the one address of a name that the first process has found', async () => {
  const port = lastingPort();
  const addresses = ['127.0.0.31', '127.0.0.32', '127.0.0.33'];
  const machines = await Promise.all(addresses.map((host) => new SessionHost(45_000).start({ host, port })));
  const names = join(temporaryFolder('names-'), 'names.json');
  const name = (meaning: unknown): void => writeFileSync(names, JSON.stringify({ [NAME]: meaning }));
  name(addresses);
  const env = { NODE_OPTIONS: `--require=${join(__dirname, '../../fixtures/names.cjs')}`, NAMES: names };
  const args = ['--check-interval', '100', '--host-keep-alive', '0'];
  const { command, url } = await startWorkers([`${NAME}:${port}`], args, undefined, env);
  const open = async (count: number): Promise<number[]> => {
    for (let i = 0; i < count; i += 1) {
      const sid = await handshake(url);
      // Connections go to one worker and the other in turn.
      expect((await request(pollUrl(url, sid), { method: 'POST', body: '2' })).status).toBe(200);
    }
    return machines.map(({ sids }) => sids.length);
  };
  expect(await open(8)).toEqual([8, 0, 0]);
  expect(command.eventsOf('suspicious')).toMatchObject([
    { level: 'warn', host: `${NAME}:${port}`, text: expect.stringContaining('3 addresses') as string },
  ]);
  // The workers know where to go.
  name('EAI_AGAIN');
  await machines[0]?.stop();
  await command.seen('up', 2);
  expect(await open(8)).toEqual([8, 8, 0]);
  // New workers go where the others are, although the first address takes connections again.
  name(addresses);
  await machines[0]?.start({ host: addresses[0], port });
  command.signal('SIGUSR2');
  await command.seen('restarted');
  expect(await open(8)).toEqual([8, 16, 0]);
  expect(command.eventsOf('down')).toMatchObject([{ host: `${NAME}:${port}` }]);
  expect(command.eventsOf('suspicious')).toHaveLength(1);
});
