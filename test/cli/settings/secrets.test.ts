import { readFileSync } from 'node:fs';
import { readCommandLine } from '../../../src/cli/settings/command-line';
import { Command, startCommand } from '../../support/command';
import { handshake } from '../../support/http';
import { openClient, RedisProcess } from '../../support/redis';
import { startSessionHost } from '../../support/session-host';

const PASSWORD = 'hunter%202%40home';
const PARTS = [PASSWORD, decodeURIComponent(PASSWORD), 'hunter'];

function expectNone(text: string): void {
  for (const part of PARTS) expect(text).not.toContain(part);
}

describe('a password of Redis', () => {
  it('is used, and shown nowhere', async () => {
    const [redis, host] = await Promise.all([RedisProcess.start(['--requirepass', decodeURIComponent(PASSWORD)]), startSessionHost()]);
    const url = `redis://:${PASSWORD}@127.0.0.1:${redis.port}`;
    const { command, url: proxy } = await startCommand(['--hosts', host.name, '--redis', url], { env: { DEBUG: 'socket.io-proxy*' } });
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
    expectNone(command.output + command.errors);
  });

  it('that is wrong, or comes with a name, is not shown by what Redis answers', async () => {
    const { port } = await RedisProcess.start(['--requirepass', 'another']);
    await Promise.all([`:${PASSWORD}-`, `someone:${PASSWORD}`].map(async (secret) => {
      const url = `redis://${secret}@127.0.0.1:${port}`;
      const command = new Command(['--hosts', '127.0.0.1:1', '--bind', '127.0.0.1', '--port', '0', '--redis', url]);
      await command.line(/^warn: the store fails: /);
      await command.ready();
      command.signal('SIGTERM');
      await command.ended();
      expectNone(command.output + command.errors);
    }));
  });

  it('is not shown by the help', () => {
    const url = `redis://:${PASSWORD}@localhost`;
    const reply = readCommandLine(['--redis', url, '--help'], { SOCKETIO_PROXY_REDIS: url });
    expect(reply).toMatchObject({ output: 'stdout', exitCode: 0 });
    expectNone(JSON.stringify(reply));
  });
});
