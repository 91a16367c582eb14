import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readSettings } from '../../../src/cli/settings/settings';
import { Command } from '../../support/command';
import { examplePath } from '../../support/examples';
import { startHosts } from '../../support/hosts';
import { handshake } from '../../support/http';
import { sharedRedisUrl } from '../../support/redis';

interface App {
  name: string;
  script: string;
  args: string[];
  env: Record<string, string>;
  exec_mode: string;
  kill_timeout: number;
  stop_exit_codes: number[];
}

const { bin } = JSON.parse(readFileSync(join(__dirname, '../../../package.json'), 'utf8')) as { bin: Record<string, string> };
const { apps: [app] } = createRequire(__filename)(examplePath('pm2/ecosystem.config.cjs')) as { apps: [App] };

it('starts the command that the package brings, by itself, in a process of its own', () => {
  expect(app.script).toBe(`./node_modules/socket.io-proxy2/${bin['socket.io-proxy2']}`);
  expect(app.exec_mode).toBe('fork');
  expect(app.stop_exit_codes).toEqual([2]);
});

it('waits for longer than the drain', () => {
  const settings = readSettings(app.args, app.env);
  if (typeof settings === 'string') throw new Error(settings);
  expect(app.kill_timeout).toBeGreaterThan(settings.resolved.drainTimeout);
});

it('runs with what the file says, and ends with 0 on the signal that PM2 sends', async () => {
  const hosts = await startHosts(3);
  const replacements = new Map([
    ['localhost:3000,localhost:3001,localhost:3002', hosts.map(({ name }) => name).join(',')],
    ['4000', '0'],
  ]);
  const args = app.args.map((arg) => replacements.get(arg) ?? arg);
  expect(args.filter((arg, i) => arg !== app.args[i])).toHaveLength(2);
  const command = new Command(args, { env: { ...app.env, SOCKETIO_PROXY_REDIS: sharedRedisUrl() } });
  const line = await command.line(/^listening/);
  expect(line).toMatch(/: 3 of 3 hosts up, bindings in redis:\/\/.+$/);
  const port = /:(\d+):/.exec(line)?.[1];
  await handshake(`http://127.0.0.1:${port}`);
  command.signal('SIGINT');
  expect(await command.ended()).toBe(0);
});
