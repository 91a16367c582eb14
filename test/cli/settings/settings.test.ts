import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '../../../src';
import { readCommandLine } from '../../../src/cli/settings/command-line';
import { FLAGS, keyOf, variableOf, type Flag } from '../../../src/cli/settings/flags';
import { readSettings, type Settings } from '../../../src/cli/settings/settings';
import { resolveOptions } from '../../../src/options/options';
import { ROOT } from '../../support/package';
import { temporaryFolder } from '../../support/program';
import { CERT, KEY } from '../../support/tls';

const HOSTS = ['--hosts', 'localhost:3000'];
const REDIS = 'redis://:hunter%202%40home@localhost:1';

function settingsOf(args: string[], env: NodeJS.ProcessEnv = {}): Settings {
  const settings = readSettings(args, env);
  if (typeof settings === 'string') throw new Error(`a request for ${settings}`);
  return settings;
}

function fileWith(content: object): string {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  writeFileSync(path, JSON.stringify(content));
  return path;
}

/** A value that is not the default, as text and as the library is to have it. */
function otherValueOf({ name, type, fallback, max = 0, choices = [] }: Flag): [text: string, value: unknown] {
  if (name === 'hosts') return ['a:1,b:2=5', ['a:1', { host: 'b:2', weight: 5 }]];
  if (name === 'admin-bind') return ['::1', '::1'];
  if (name === 'admin-token') return ['0123456789abcdef', '0123456789abcdef'];
  if (type === 'networks') return ['10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']];
  if (type === 'list') return ['a.example, b', ['a.example', 'b']];
  if (type === 'number') return ['1.5', 1.5];
  if (name === 'check-status') return ['200-299,401', '200-299,401'];
  if (name === 'discover') return ['dns:app.example:80', 'dns:app.example:80'];
  if (name === 'hash-by') return ['cookie:user', 'cookie:user'];
  if (type === 'boolean') return [String(fallback !== 'true'), fallback !== 'true'];
  if (type === 'integer') return [String(max - 1), max - 1];
  const text = type === 'choice' ? choices.find((choice) => choice !== fallback) ?? '' : '/other/';
  return [text, text];
}

/** An option, or one of an object that is an option: as in `admin.port`. */
function valueAt(options: object, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), options);
}

function at(path: string, value: unknown): object {
  const [outer = '', inner] = path.split('.');
  return { [outer]: inner === undefined ? value : { [inner]: value } };
}

const options = FLAGS.flatMap((flag) => (flag.option === undefined ? [] : [[flag.name, flag.option, flag] as const]));

describe('a flag that is an option of the library', () => {
  it.each(options)('--%s sets %s, also by environment and file', (name, option, flag) => {
    const [text, value] = otherValueOf(flag);
    const others = ['hosts', 'discover'].includes(name) ? [] : [...HOSTS];
    // A request's whole time is not shorter than its head's.
    if (name === 'headers-timeout') others.push('--request-timeout', text);
    if (name === 'hash-by') others.push('--balance', 'hash');
    if (name === 'proxy-protocol') others.push('--trust-proxy');
    if (option.startsWith('admin.') && name !== 'admin-port') others.push('--admin-port', '0');
    const given = [
      settingsOf([...others, `--${name}=${text}`]),
      settingsOf(others, { [variableOf(flag)]: text }),
      settingsOf([...others, '--config', fileWith({ [keyOf(flag)]: value })]),
    ];
    for (const settings of given) expect(valueAt(settings.options, option)).toEqual(value);
  });

  it.each(options)('--%s has the default of %s', (name, option, flag) => {
    const admin = option.startsWith('admin.') ? { admin: { port: 0 } } : {};
    const defaults = resolveOptions({ hosts: ['a:1'], store: new MemoryStore(), ...admin });
    const none = [
      'hosts', 'discover', 'host-keep-alive', 'admin-port', 'admin-token', 'admin-hosts', 'rebalance-per-minute',
      'max-handshakes-per-second', 'max-handshakes-per-address', 'max-connections-per-address',
      'max-sessions', 'hash-by', 'check-path', 'check-status', 'health-path',
    ];
    if (flag.fallback === undefined) expect(none).toContain(name);
    else expect(flag.fallback).toBe(String(valueAt(defaults, option)));
  });

  const numbers = options.filter(([, , { type }]) => type === 'integer' || type === 'number');

  it.each(numbers)('--%s has the bounds of %s', (_, option, { min = 0, max = 0 }) => {
    const resolve = (value: number) => () => resolveOptions({
      hosts: ['a:1'], store: new MemoryStore(), ...(option === 'requestTimeout' ? { headersTimeout: 1 } : {}), ...at(option, value),
    });
    for (const value of [min, max]) expect(resolve(value)).not.toThrow();
    for (const value of [min - 1, max + 1]) expect(resolve(value)).toThrow(option);
  });

  it('is every option that can be written as text', () => {
    const objects = ['store', 'tokens', 'hostTls', 'server', 'fleet'];
    const resolved = Object.keys(resolveOptions({ hosts: ['a:1'], store: new MemoryStore() }));
    const expected = ['hashBy', ...resolved.filter((name) => !objects.includes(name))];
    expect([...new Set(options.map(([, option]) => option.replace(/\..*/, '')))].sort()).toEqual(expected.sort());
  });

  it('sets hostTls from files', () => {
    const folder = temporaryFolder('tls-');
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(cert, CERT);
    writeFileSync(key, KEY);
    const args = ['--host-ca', cert, '--host-cert', cert, '--host-key', key, '--host-insecure'];
    expect(settingsOf([...HOSTS, ...args]).options.hostTls).toEqual({ ca: CERT, cert: CERT, key: KEY, rejectUnauthorized: false });
    expect(settingsOf(HOSTS).options.hostTls).toEqual({});
  });
});

describe('a switch', () => {
  it.each([
    [['--trust-proxy'], true], [['--no-trust-proxy'], false], [['--trust-proxy=false'], false], [['--trust-proxy=1'], true],
    [['--trust-proxy', '--no-trust-proxy'], false], [['--trust-proxy', '::1', '--no-trust-proxy'], false],
    [['--trust-proxy', '--xfwd'], true],
  ])('is taken in each form: %j', (args, value) => {
    expect(settingsOf([...HOSTS, ...args]).resolved.trustProxy).toBe(value);
  });

  it.each([
    [['--trust-proxy', '10.0.0.0/8, ::1', '--quiet'], ['10.0.0.0/8', '::1']], [['--trust-proxy=loopback'], ['loopback']],
    [['--trust-proxy', '10.0.0.0/8', '--trust-proxy', '::1'], ['10.0.0.0/8', '::1']],
    [['--no-trust-proxy', '--trust-proxy', '::1'], ['::1']], [['--trust-proxy', '--trust-proxy', '::1'], ['::1']],
  ])('that is a list too is taken with it: %j', (args, networks) => {
    expect(settingsOf([...HOSTS, ...args]).options.trustProxy).toEqual(networks);
  });
});

it('takes hosts from several flags, with blanks and a comma at the end', () => {
  const { hosts } = settingsOf(['--hosts', 'a:1, b:2,', '--hosts', 'c:3']).options;
  expect(hosts).toEqual(['a:1', 'b:2', 'c:3']);
});

it('takes a file that begins with a mark of its byte order', () => {
  const path = fileWith({});
  writeFileSync(path, '\uFEFF{"hosts": ["a:1"]}');
  expect(settingsOf(['--config', path]).options.hosts).toEqual(['a:1']);
});

it('takes names of the admin server from several flags', () => {
  const args = ['--admin-port', '0', '--admin-hosts', 'a,b', '--admin-hosts', 'c'];
  expect(settingsOf([...HOSTS, ...args]).options.admin?.allowedHosts).toEqual(['a', 'b', 'c']);
});

it.each(['::1', 'fe80::1%eth0', '0.0.0.0', 'localhost', 'my_host.example.'])('takes %s for --bind', (address) => {
  expect(settingsOf([...HOSTS, '--bind', address]).bind).toBe(address);
});

it('takes the port of the admin server on another address', () => {
  const args = ['--bind', '127.0.0.2', '--port', '5', '--admin-port', '5'];
  expect(settingsOf([...HOSTS, ...args]).options.admin).toEqual({ port: 5 });
});

it('takes a value that looks like a flag after an equals sign', () => {
  expect(settingsOf([...HOSTS, '--key-prefix=--x']).options.keyPrefix).toBe('--x');
});

it('leaves alone what is empty, and what Kubernetes sets for a service of its name', () => {
  const env = {
    SOCKETIO_PROXY_REDIS: '', SOCKETIO_PROXY_PORT: 'tcp://10.0.0.1:4000', SOCKETIO_PROXY_SERVICE_HOST: '10.0.0.1',
    SOCKETIO_PROXY_SERVICE_PORT_HTTP: '4000', SOCKETIO_PROXY_PORT_4000_TCP_ADDR: '10.0.0.1', PORT: '',
  };
  expect(settingsOf(HOSTS, env)).toMatchObject({ redis: undefined, port: 4000 });
});

it('lets a flag beat the environment, and that the file, and that the default', () => {
  const config = fileWith({ drainTimeout: 1 });
  const file = ['--config', config];
  const env = { SOCKETIO_PROXY_DRAIN_TIMEOUT: '2' };
  const found = [
    settingsOf(HOSTS), settingsOf([...HOSTS, ...file]), settingsOf(HOSTS, { SOCKETIO_PROXY_CONFIG: config }),
    settingsOf([...HOSTS, ...file], env), settingsOf([...HOSTS, ...file, '--drain-timeout', '3'], env),
  ];
  expect(found.map(({ resolved }) => resolved.drainTimeout)).toEqual([10_000, 1, 1, 2, 3]);
});

it('takes as many workers as there are processors for max', () => {
  expect(settingsOf([...HOSTS, '--workers', 'max', '--redis', 'redis://a']).workers).toBe(availableParallelism());
});

it.each([
  ['a flag', ['--redis', REDIS], {}], ['the environment', [], { SOCKETIO_PROXY_REDIS: REDIS }], ['the file', undefined, {}],
])('takes the URL of a Redis from %s', (_, args, env) => {
  const { redis } = settingsOf([...HOSTS, ...args ?? ['--config', fileWith({ redis: REDIS })]], env);
  expect(redis).toMatchObject({ password: 'hunter 2@home', addresses: [{ host: 'localhost', port: 1 }] });
});

it('reads the port from PORT, which its own variable beats', () => {
  expect(settingsOf(HOSTS, { PORT: '1' }).port).toBe(1);
  expect(settingsOf(HOSTS, { PORT: '1', SOCKETIO_PROXY_PORT: '2' }).port).toBe(2);
  expect(() => settingsOf([...HOSTS, '--port', '0'], { PORT: '70000' })).toThrow(/^PORT must be an integer/);
});

it('is help with every flag, at most 100 columns wide, or the version, where that is asked for', () => {
  const help = readCommandLine(['--hosts', 'a:1', '--help'], {});
  if (!('exitCode' in help)) throw new Error('no help');
  expect(help).toMatchObject({ output: 'stdout', exitCode: 0 });
  for (const { name, fallback, type } of FLAGS) {
    expect(help.text).toMatch(new RegExp(`^  --${type === 'boolean' && fallback === 'true' ? 'no-' : ''}${name}\\b`, 'm'));
  }
  expect(Math.max(...help.text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  expect(readCommandLine(['-v'], {})).toEqual({ output: 'stdout', text: `${manifest.version}\n`, exitCode: 0 });
});
