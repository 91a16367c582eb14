import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { handshake } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { startSessionHosts, type SessionHost } from '../../support/session-host';
import { until } from '../../support/until';
import { WorkersCommand } from '../../support/workers';

it('has a worker follow what it is told while it starts', async () => {
  const [old, added] = await startSessionHosts(2);
  const folder = temporaryFolder('worker-');
  const [script, path, waits] = [join(folder, 'slow.cjs'), join(folder, 'proxy.json'), join(folder, 'waits')];
  // A worker that has said that it is there reads nothing until a file is gone, and then all at once.
  writeFileSync(script, `
    const { existsSync, writeFileSync } = require('node:fs');
    const waits = ${JSON.stringify(waits)};
    if (require('node:cluster').isWorker && existsSync(waits)) setImmediate(() => {
      writeFileSync(waits + '.begun', '');
      while (existsSync(waits)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    });`);
  const write = (host: SessionHost | undefined): void => writeFileSync(path, JSON.stringify({ hosts: [host?.name] }));
  write(old);
  const args = ['--config', path, '--bind', '127.0.0.1', '--port', '0', '--log', 'json', '--workers', '2'];
  const redis = ['--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];
  const command = new WorkersCommand([...args, ...redis], { env: { NODE_OPTIONS: `--require=${script}` } });
  const url = await command.ready();
  writeFileSync(waits, '');
  process.kill(command.workers[0] ?? NaN, 'SIGKILL');
  await until('it has begun', () => existsSync(`${waits}.begun`));
  write(added);
  command.signal('SIGHUP');
  await command.seen('up', 2);
  rmSync(waits);
  await command.seen('worker-started');
  const before = added?.sids.length ?? NaN;
  for (let i = 0; i < 6; i += 1) await handshake(url);
  expect(added?.sids).toHaveLength(before + 6);
});
