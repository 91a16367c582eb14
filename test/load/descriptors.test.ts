import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { onCleanup } from '../support/cleanup';
import { CLI, cleanEnv } from '../support/command';
import { handshake } from '../support/http';
import { startSessionHost } from '../support/session-host';
import { until } from '../support/until';

it('takes no host for down while it lacks descriptors itself, and goes on once it has some again', async () => {
  const host = await startSessionHost();
  const args = ['--hosts', host.name, '--bind', '127.0.0.1', '--port', '0', '--check-interval', '50'];
  const child = spawn('sh', ['-c', 'ulimit -n 64 && exec "$0" "$@"', process.execPath, CLI, ...args], {
    env: { ...cleanEnv(), DEBUG: 'socket.io-proxy:health' }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  onCleanup(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until('it listens', () => /listening on \S+: 1 of 1/.test(output));
  const url = /listening on (\S+):/.exec(output)?.[1] ?? '';
  const sockets = new Set<net.Socket>();
  onCleanup(() => sockets.forEach((socket) => socket.destroy()));
  // Always as many: those that are too many are closed, and a check that ends later would leave room for the next.
  const fill = (): void => {
    while (sockets.size < 100) {
      const socket = net.connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
      sockets.add(socket.on('close', () => sockets.delete(socket)));
    }
  };
  await until('checks could not be made', () => {
    fill();
    return output.split(`${host.name}: not asked`).length > 4;
  });
  expect(output).not.toContain('is down');
  for (const socket of sockets) socket.destroy();
  await until('it serves', () => handshake(url).then(() => true, () => false));
});
