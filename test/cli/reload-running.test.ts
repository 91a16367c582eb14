import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathOf } from '../support/admin';
import { Clients } from '../support/clients';
import { startCommand, type Command } from '../support/command';
import { addresses, DnsServer } from '../support/dns-server';
import { startHosts } from '../support/hosts';
import { request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { until } from '../support/until';

interface Running {
  command: Command;
  url: string;
  write: (content: object) => void;
  /** Sends SIGHUP, and resolves with what it says. */
  reload: () => Promise<string>;
  admin: (method: string, path: string, body?: object) => Promise<number>;
  hosts: () => Promise<{ host: string; weight: number; state: string }[]>;
}

async function start(content: object, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  const write = (next: object): void => writeFileSync(path, JSON.stringify(next));
  write(content);
  const { command, url } = await startCommand(['--config', path, '--admin-port', '0', ...args], { env });
  const line = await command.line(/the admin server is http/);
  const adminUrl = /http:\S+/.exec(line)?.[0] ?? '';
  return {
    command,
    url,
    write,
    reload: async () => {
      const from = command.lines.length;
      command.signal('SIGHUP');
      return command.line(/read again/, from);
    },
    admin: async (method, at, body) =>
      (await request(adminUrl + at, { method, ...(body ? { body: JSON.stringify(body) } : {}) })).status,
    hosts: async () => {
      const { body } = await request(`${adminUrl}/api/hosts`);
      return (JSON.parse(body) as { hosts: { host: string; weight: number; state: string }[] }).hosts;
    },
  };
}

const WORKERS = ['--workers', '2', '--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];

describe.each([['one process', []], ['two workers', WORKERS]])('SIGHUP, with %s', (_, args) => {
  it('adds a host again that is in the file, and was removed by hand', async () => {
    const [one, other] = await startHosts(2);
    const [name = '', otherName = ''] = [one?.name, other?.name];
    const { command, url, admin, reload } = await start({ hosts: [name, otherName] }, args);
    expect(await admin('DELETE', `${pathOf(otherName)}?force=true`)).toBe(204);
    await command.line(new RegExp(`^${otherName} is removed$`));
    const from = command.lines.length;
    expect(await reload()).toBe(`settings are read again: +${otherName}`);
    await command.line(new RegExp(`^${otherName} is up$`), from);
    const clients = new Clients();
    await until('it gets sessions', async () => (await clients.connect({ url, transports: ['websocket'] })).host === otherName);
    expect(await reload()).toBe('settings are read again');
  });
});

describe('SIGHUP', () => {
  it('lets a host leave that is not in the file, and was added by hand', async () => {
    const { command, admin, reload, hosts } = await start({ hosts: ['127.0.0.1:1'] });
    expect(await admin('POST', '/api/hosts', { host: '127.0.0.1:2' })).toBe(201);
    expect(await reload()).toBe('settings are read again: -127.0.0.1:2');
    await command.line(/^127\.0\.0\.1:2 is removed$/);
    expect((await hosts()).map(({ host }) => host)).toEqual(['127.0.0.1:1']);
  });

  it('gives a host the weight that the file says, whatever it was given by hand', async () => {
    const { admin, reload, hosts } = await start({ hosts: ['127.0.0.1:1', { host: '127.0.0.1:2', weight: 3 }] });
    for (const host of ['127.0.0.1:1', '127.0.0.1:2']) {
      expect(await admin('PATCH', pathOf(host), { weight: 9 })).toBe(200);
    }
    expect(await reload()).toBe('settings are read again');
    expect((await hosts()).map(({ weight }) => weight)).toEqual([1, 3]);
  });

  it('leaves a host drained that was drained by hand', async () => {
    const { admin, reload, hosts } = await start({ hosts: ['127.0.0.1:1'] });
    expect(await admin('PATCH', pathOf('127.0.0.1:1'), { state: 'draining' })).toBe(200);
    expect(await reload()).toBe('settings are read again');
    expect(await hosts()).toMatchObject([{ state: 'draining' }]);
  });

  it('lets a host leave that has vanished, though it was taken back by hand', async () => {
    const [kept, old] = await startHosts(2);
    const [name = '', oldName = ''] = [kept?.name, old?.name];
    const { command, admin, reload, write } = await start({ hosts: [name, oldName] });
    await command.line(new RegExp(`^${oldName} is up$`));
    write({ hosts: [name] });
    expect(await reload()).toBe(`settings are read again: -${oldName}`);
    // It is leaving already.
    expect(await reload()).toBe('settings are read again');
    expect(await admin('PATCH', pathOf(oldName), { state: 'active' })).toBe(200);
    expect(await reload()).toBe(`settings are read again: -${oldName}`);
  });

  it('leaves hosts to DNS that DNS has named', async () => {
    const server = await new DnsServer({ 'chat.example.test': addresses(['127.0.0.1', '127.0.0.2']) }).start();
    const script = join(temporaryFolder('dns-'), 'servers.cjs');
    writeFileSync(script, `require('node:dns').setServers(['${server.address}']);`);
    const env = { NODE_OPTIONS: `--require=${script}` };
    const { command, reload, hosts } = await start({ discover: 'dns:chat.example.test:1' }, [], env);
    await until('DNS has named some', async () => (await hosts()).length === 2);
    const before = (await hosts()).map(({ host }) => host);
    expect(await reload()).toBe('settings are read again');
    expect((await hosts()).map(({ host }) => host)).toEqual(before);
    expect(command.output).not.toContain('is removed');
  });

  it('names what only a restart applies each time that it differs from what runs, and not once it is as it was', async () => {
    const { command, reload, write } = await start({ hosts: ['127.0.0.1:1'], path: '/a/' });
    const message = 'warn: changed, but only a restart applies it: --path';
    const told = (): number => command.lines.filter((line) => line === message).length;
    write({ hosts: ['127.0.0.1:1'], path: '/b/' });
    for (const times of [1, 2]) {
      await reload();
      await until('it is named', () => told() === times);
    }
    write({ hosts: ['127.0.0.1:1'], path: '/a/' });
    await reload();
    // What the next says comes after all that this has said.
    await reload();
    expect(told()).toBe(2);
  });
});
