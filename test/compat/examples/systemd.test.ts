import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from '../../support/command';
import { examplePath, readExample } from '../../support/examples';
import { startHosts } from '../../support/hosts';
import { handshake, request } from '../../support/http';
import { adapt, temporaryFolder } from '../../support/program';
import { sharedRedisUrl } from '../../support/redis';

const UNIT = 'socket.io-proxy.service';
const { bin } = JSON.parse(readFileSync(join(__dirname, '../../../package.json'), 'utf8')) as { bin: Record<string, string> };

/** The keys of each section, with their values. */
function parseUnit(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of text.split('\n').filter((row) => row !== '' && !row.startsWith('#'))) {
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? [];
    const [, key, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) sections.set(name, section = new Map<string, string>());
    else if (key !== undefined && !section.has(key)) section.set(key, value);
    else throw new Error(`this is no setting, or it is there twice: ${line}`);
  }
  return sections;
}

const unit = parseUnit(readExample('systemd', UNIT));
const service = (key: string): string => unit.get('Service')?.get(key) ?? '';
const [node, script = '', ...args] = service('ExecStart').split(' ');

const FOUND = spawnSync('systemd-analyze', ['--version']).status === 0;

// It comes with systemd; where there is none, the rest of the file has to do.
if (FOUND) {
  it('has nothing that systemd complains of', () => {
    const file = join(temporaryFolder('unit-'), UNIT);
    writeFileSync(file, adapt(readExample('systemd', UNIT), [['/usr/bin/node', process.execPath]]));
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    expect((stdout + stderr).split('\n').filter((line) => line.includes(UNIT))).toEqual([]);
  });
}

it('has its settings in the sections where they belong', () => {
  expect([...unit.keys()]).toEqual(['Unit', 'Service', 'Install']);
  expect([...unit.get('Unit')?.keys() ?? []]).toEqual(['Description', 'Wants', 'After']);
  expect([...unit.get('Install')?.keys() ?? []]).toEqual(['WantedBy']);
});

it('runs the command that the package brings, as another user than root', () => {
  expect(node).toBe('/usr/bin/node');
  expect(script).toBe(`/opt/socket.io-proxy/node_modules/socket.io-proxy2/${bin['socket.io-proxy2']}`);
  expect(service('DynamicUser')).toBe('yes');
  expect(service('ExecReload')).toBe('/bin/kill -HUP $MAINPID');
  expect(service('KillSignal')).toBe('SIGTERM');
  expect(service('RestartPreventExitStatus')).toBe('2');
});

it('waits for longer than the drain', () => {
  const drainTimeout = Number(args[args.indexOf('--drain-timeout') + 1]);
  expect(drainTimeout).toBeGreaterThan(0);
  expect(Number(service('TimeoutStopSec')) * 1000).toBeGreaterThan(drainTimeout);
});

it('is run with the settings that are beside it: it reloads on SIGHUP and ends with 0 on its signal', async () => {
  const [first, second, third] = await startHosts(3);
  const names = [first, second, third].map((host) => host?.name ?? '');
  const config = join(temporaryFolder('systemd-'), 'proxy.json');
  const settings = adapt(readExample('systemd/proxy.json'), [
    ['localhost:3000', names[0] ?? ''], ['localhost:3001', names[1] ?? ''], [', "localhost:3002"', ''], ['4000', '0'],
  ]);
  writeFileSync(config, settings);
  const secrets = adapt(readExample('systemd/secrets.env'), [['redis://:password@localhost:6379', sharedRedisUrl()]]);
  const env = Object.fromEntries(secrets.trim().split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)) as [string, string][]);
  const command = new Command(args.map((arg) => (arg === '/etc/socket.io-proxy/proxy.json' ? config : arg)), { env });
  const line = await command.line(/^listening/);
  expect(line).toMatch(/^listening on http:\/\/.+: 2 of 2 hosts up, bindings in redis:\/\/.+$/);
  const port = /:(\d+):/.exec(line)?.[1];
  await handshake(`http://127.0.0.1:${port}`);

  writeFileSync(config, adapt(settings, [[names[1] ?? '', names[2] ?? '']]));
  command.signal('SIGHUP');
  await command.line(new RegExp(`^${names[2]} is up$`));
  command.signal(service('KillSignal') as NodeJS.Signals);
  expect(await command.ended()).toBe(0);
  await expect(request(`http://127.0.0.1:${port}/socket.io/`)).rejects.toThrow('ECONNREFUSED');
});

it('names the files that its folder has', () => {
  expect(args).toEqual(['--config', '/etc/socket.io-proxy/proxy.json', '--drain-timeout', '30000']);
  expect(service('EnvironmentFile')).toBe('/etc/socket.io-proxy/secrets.env');
  for (const file of ['proxy.json', 'secrets.env']) expect(readFileSync(examplePath('systemd', file), 'utf8')).not.toBe('');
});
