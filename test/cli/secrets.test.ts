import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, startCommand } from '../support/command';
import { startHost } from '../support/hosts';
import { handshake } from '../support/http';
import { temporaryFolder } from '../support/program';
import { openClient, RedisProcess } from '../support/redis';

const PASSWORD = 'hunter%202%40home';
const PARTS = [PASSWORD, decodeURIComponent(PASSWORD), 'hunter'];

function configWith(redis: string): string {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  writeFileSync(path, JSON.stringify({ redis }));
  return path;
}

const ways: [name: string, give: (url: string) => [args: string[], env: NodeJS.ProcessEnv]][] = [
  ['a flag', (url) => [['--redis', url], {}]],
  ['the environment', (url) => [[], { SOCKETIO_PROXY_REDIS: url }]],
  ['the file', (url) => [['--config', configWith(url)], {}]],
];

describe('a password of Redis', () => {
  it.each(ways)('that comes by %s is used, and shown nowhere', async (_, give) => {
    const [redis, host] = await Promise.all([RedisProcess.start(['--requirepass', decodeURIComponent(PASSWORD)]), startHost()]);
    const url = `redis://:${PASSWORD}@127.0.0.1:${redis.port}`;
    const [args, env] = give(url);
    const { command, url: proxy } = await startCommand(['--hosts', host.name, ...args], { env: { DEBUG: 'socket.io-proxy*', ...env } });
    expect(command.lines.at(-1)).toContain(`bindings in redis://127.0.0.1:${redis.port}`);
    const sid = await handshake(proxy);
    expect(await (await openClient(url)).get(`socket.io#${sid}`)).toBe(host.name);
    // Node.js has no such list of processes elsewhere.
    if (process.platform === 'linux') {
      const title = readFileSync(`/proc/${command.pid}/cmdline`, 'utf8').replaceAll('\0', '').trim();
      expect(title).toBe('socket.io-proxy2');
    }
    await redis.kill();
    await command.line(/the store fails/);
    command.signal('SIGHUP');
    await command.line(/read again/);
    command.signal('SIGTERM');
    await command.ended();
    for (const part of PARTS) expect(command.output + command.errors).not.toContain(part);
  });

  it.each([
    ['is wrong', (port: number) => `redis://:${PASSWORD}-@127.0.0.1:${port}`],
    ['comes with a name', (port: number) => `redis://someone:${PASSWORD}@127.0.0.1:${port}`],
  ])('that %s is not shown by what Redis answers', async (_, urlOf) => {
    const redis = await RedisProcess.start(['--requirepass', 'another']);
    const command = new Command(['--hosts', '127.0.0.1:1', '--bind', '127.0.0.1', '--port', '0', '--redis', urlOf(redis.port)]);
    await command.line(/^warn: the store fails: /);
    await command.ready();
    command.signal('SIGTERM');
    await command.ended();
    for (const part of PARTS) expect(command.output + command.errors).not.toContain(part);
  });

  it('is not shown by the help', async () => {
    const env = { SOCKETIO_PROXY_REDIS: `redis://:${PASSWORD}@a` };
    const command = new Command(['--redis', `redis://:${PASSWORD}@localhost`, '--help'], { env });
    expect(await command.ended()).toBe(0);
    for (const part of PARTS) expect(command.output + command.errors).not.toContain(part);
  });
});
