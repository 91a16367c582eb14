import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { readCommandLine, type Reply } from '../../../src/cli/settings/command-line';
import { FLAGS, keyOf, variableOf } from '../../../src/cli/settings/flags';
import { readSettings } from '../../../src/cli/settings/settings';
import { onCleanup } from '../../support/cleanup';
import { Command } from '../../support/command';
import { temporaryFolder } from '../../support/program';
import { CERT, KEY } from '../../support/tls';

const HOSTS = ['--hosts', 'localhost:3000'];
const folder = (): string => temporaryFolder('config-');

function written(name: string, content: string): string {
  const path = join(folder(), name);
  writeFileSync(path, content);
  return path;
}

const configOf = (content: object): string[] => ['--config', written('proxy.json', JSON.stringify(content))];

/** What the command prints instead of running. */
function replyTo(args: readonly string[], env: NodeJS.ProcessEnv = {}): Reply {
  const reply = readCommandLine(args, env);
  if (!('exitCode' in reply)) throw new Error('it would run');
  return reply;
}

function print(args: readonly string[], env: NodeJS.ProcessEnv = {}): Record<string, unknown> {
  const { exitCode, output, text } = replyTo([...args, '--print-config'], env);
  expect([exitCode, output]).toEqual([0, 'stdout']);
  return JSON.parse(text) as Record<string, unknown>;
}

/** What the settings come to, without how they were given. */
function outcomeOf(args: readonly string[]): unknown {
  const settings = readSettings(args, {});
  if (typeof settings === 'string') throw new Error(`a request for ${settings}`);
  return JSON.parse(JSON.stringify({ ...settings, options: undefined }));
}

const files = { cert: written('cert.pem', CERT), key: written('key.pem', KEY) };
const TLS = ['--tls-cert', files.cert, '--tls-key', files.key];
const TOKEN = 'a-token-of-16-letters-and-more';

describe('--print-config', () => {
  it.each<[what: string, args: string[], secrets?: string[]]>([
    ['the defaults', HOSTS],
    ['weights', ['--hosts', 'a:1=3,b:2']],
    ['names from DNS', ['--discover', 'dns:app.example:80', '--check-status', '200-299,401', '--check-path', '/x']],
    ['a default that follows from another setting', [...HOSTS, '--headers-timeout', '200000']],
    ['TLS', [...HOSTS, ...TLS]],
    ['TLS to hosts', [...HOSTS, '--host-ca', files.cert, '--host-cert', files.cert, '--host-key', files.key, '--host-servername', 'x']],
    ['a Redis', [...HOSTS, '--redis', 'redis://localhost', '--no-fleet', '--workers', 'max', '--key-prefix', '']],
    ['a Redis with everything', [...HOSTS, '--redis', 'rediss://a%40b:c@[::1]:5/3', '--redis-ca', files.cert, '--redis-insecure'],
      ['--redis', 'rediss://a%40b:c@[::1]:5/3']],
    ['a Redis with a file of its password', [...HOSTS, '--redis', 'redis://u@a', '--redis-password-file', written('password', 'x')]],
    ['a Redis Cluster', [...HOSTS, '--redis', 'redis://u:p@a:1, b, redis://c:3', '--redis-cluster'], ['--redis', 'redis://u:p@a:1,b,c:3']],
    ['Sentinels', [...HOSTS, '--redis', 'redis://u@a:1/4,b:2', '--redis-sentinel', 'main']],
    ['a path of Redis', [...HOSTS, '--redis', '/run/a b%3F.sock']],
    ['a unix socket of Redis', [...HOSTS, '--redis', 'unix://u:p@/run/a%3F.sock?db=2'], ['--redis', 'unix://u:p@/run/a%3F.sock?db=2']],
    ['an admin server', [...HOSTS, '--admin-port', '5', '--admin-bind', '::', '--admin-token', TOKEN, '--admin-hosts', 'a,b'],
      ['--admin-token', TOKEN]],
    ['switches', [...HOSTS, '--no-xfwd', '--trust-proxy', '10.0.0.0/8,::1', '--no-fast-path', '--quiet', '--log', 'json']],
    ['numbers', [...HOSTS, '--max-handshakes-per-second', '0.5', '--rebalance-per-minute', '1.5', '--host-keep-alive', '0']],
    ['an access log', [...HOSTS, '--access-log', 'json', '--access-log-file', join(folder(), 'access.log')]],
  ])('prints a file that means the same, of %s', (_, args, secrets = []) => {
    const printed = print(args);
    const config = configOf(printed);
    expect(print([...config, ...secrets])).toEqual(printed);
    expect(outcomeOf([...config, ...secrets])).toEqual(outcomeOf(args));
  });

  it.each([
    ['redis://localhost', 'redis://localhost:6379'], ['rediss://a%40b%3A:c@[::1]:5/3', 'rediss://a%40b%3A@[::1]:5/3'],
    ['redis://:c@[::1]', 'redis://[::1]:6379'], ['unix://u%40:p@/run/a%3Fb.sock?db=2', 'unix://u%40@/run/a%3Fb.sock?db=2'],
    ['/run/redis.sock', 'unix:///run/redis.sock'],
  ])('prints the URL %s as %s', (url, expected) => {
    const { redis } = print([...HOSTS, '--redis', url]);
    expect(redis).toBe(expected);
    expect(print(configOf({ hosts: ['a:1'], redis }))).toMatchObject({ redis });
  });

  it('prints what each place says, of flags, environment and file', () => {
    const config = configOf({ hosts: 'a:1', port: 1, drainTimeout: 2, path: '/c' });
    const printed = print([...config, '--port', '3'], { SOCKETIO_PROXY_PORT: '2', SOCKETIO_PROXY_DRAIN_TIMEOUT: '5', PORT: '4' });
    expect(printed).toMatchObject({ hosts: ['a:1'], port: 3, drainTimeout: 5, path: '/c' });
    expect(Object.keys(printed)).not.toContain('config');
  });

  it('prints every flag that has a default or was given, but for secrets and what only a command line has', () => {
    const printed = print([...HOSTS, '--redis', 'redis://a', '--admin-port', '0']);
    const expected = FLAGS.filter(({ name, only, fallback }) =>
      only === undefined && (fallback !== undefined || ['hosts', 'redis', 'admin-port'].includes(name)));
    expect(Object.keys(printed)).toEqual(expected.map(keyOf));
  });

  it('says on the standard error what it left out, and a file without that is refused where it is needed', () => {
    const args = [...HOSTS, '--redis', 'redis://:p@a', '--admin-port', '0', '--admin-bind', '::', '--admin-token', TOKEN];
    expect(replyTo([...args, '--print-config']).note).toBe(
      'socket.io-proxy2: left out, as secret: the password in --redis, --admin-token\n',
    );
    expect(replyTo([...HOSTS, '--redis', 'redis://u@a', '--print-config']).note).toBeUndefined();
    expect(replyTo([...configOf(print(args)), '--print-config']).text).toMatch(/--admin-token is mandatory where 'adminBind' in /);
  });
});

/** What is secret, with what it needs: its flag, the rest, and the letters that nothing may show. */
const SECRETS: [what: string, flag: string, value: string, others: string[], parts: string[]][] = [
  ['the password of a Redis', 'redis', 'redis://u:S3cret,w%20rd@a:1', [], ['S3cret', 'w%20rd', 'w rd']],
  ['the password of a Redis without a name', 'redis', 'rediss://:S3cret@a', [], ['S3cret']],
  ['the password of a Redis Cluster', 'redis', 'redis://u:S3cret@a:1,redis://u:S3cret@b:2', ['--redis-cluster'], ['S3cret']],
  ['the password of Sentinels', 'redis', 'redis://:S3cret@a:1,b:2', ['--redis-sentinel', 'main'], ['S3cret']],
  ['the password of a unix socket', 'redis', 'unix://u:S3cret@/run/redis.sock', [], ['S3cret']],
  ['the token of the admin server', 'admin-token', 'S3cret-of-16-letters', ['--admin-port', '0'], ['S3cret']],
  ['the file of a password', 'redis-password-file', written('password', 'S3cret\n'), ['--redis', 'redis://u@a'], ['S3cret']],
  ...([['tls', []], ['host', []], ['redis', ['--redis', 'rediss://a']]] as const).map(([of, others]) => [
    `the key of --${of}-key`, `${of}-key`, files.key, [`--${of}-cert`, files.cert, ...others], KEY.split('\n').slice(1, -2),
  ] as (typeof SECRETS)[number]),
];

describe.each(['--check-config', '--print-config'])('%s', (request) => {
  it.each(SECRETS)('shows %s nowhere, wherever it comes from', (_, name, value, others, parts) => {
    const flag = FLAGS.find((each) => each.name === name);
    if (!flag) throw new Error(`no flag ${name}`);
    const args = [...HOSTS, ...others, request];
    const replies = [
      replyTo([...args, `--${name}=${value}`]), replyTo(args, { [variableOf(flag)]: value }),
      replyTo([...args, ...configOf({ [keyOf(flag)]: value })]),
    ];
    for (const reply of replies) {
      expect(reply.exitCode).toBe(0);
      for (const part of parts) expect(reply.text + (reply.note ?? '')).not.toContain(part);
    }
  });

  it('has such a case for every flag that is secret, and every file that may be', () => {
    const secret = FLAGS.filter(({ name, secret: isSecret, type }) => isSecret ?? (type === 'file' && /key|password/.test(name)));
    expect([...new Set(SECRETS.map(([, name]) => name))].sort()).toEqual(secret.map(({ name }) => name).sort());
  });

  it.each([
    [[]], [['--hosts', 'no-port']], [[...HOSTS, '--prot', '5']], [[...HOSTS, '--workers', '2']],
    [[...HOSTS, '--redis', 'http://:S3cret@a']],
    [[...HOSTS, '--tls-cert', files.cert]], [[...HOSTS, '--tls-cert', files.key, '--tls-key', files.key]],
    [[...HOSTS, '--admin-port', '4000']], [[...HOSTS, '--access-log', 'json', '--access-log-file', '/nowhere/at/all']],
    [[...HOSTS, '--redis', 'redis://a', '--redis-password-file', written('password', '')]], [[...HOSTS, '--trust-proxy', '10.0.0.0/33']],
    [['--config', written('proxy.json', '{"hosts": ')]],
  ])('says what a start would say of a mistake, and exits with 2: %j', (args) => {
    const reply = replyTo(args);
    expect(reply).toMatchObject({ output: 'stderr', exitCode: 2 });
    expect(replyTo([...args, request])).toEqual(reply);
  });

  it('is no setting of the environment or the file', () => {
    const flag = FLAGS.find(({ name }) => `--${name}` === request);
    if (!flag) throw new Error(`no flag ${request}`);
    expect(replyTo(HOSTS, { [variableOf(flag)]: 'true' }).text).toContain(`unknown environment variable '${variableOf(flag)}'`);
    expect(replyTo(configOf({ [keyOf(flag)]: true })).text).toContain(`unknown key '${keyOf(flag)}'`);
  });
});

it('does not check and print at once', () => {
  expect(replyTo([...HOSTS, '--check-config', '--print-config']))
    .toEqual({ output: 'stderr', text: 'socket.io-proxy2: --check-config excludes --print-config\n', exitCode: 2 });
  expect(replyTo([...HOSTS, '--check-config', '--help']).text).toContain('Usage:');
});

describe('--check-config', () => {
  const linesOf = (args: string[]): string[] => replyTo([...args, '--check-config']).text.split('\n');

  it('says what would run', () => {
    expect(linesOf(HOSTS)).toEqual([
      'the settings are right; they would run:', '  listen: all interfaces, port 4000', '  TLS: none', '  path: /socket.io/',
      '  hosts: localhost:3000', '  store: memory: sessions end with the process', '  fleet: none', '  workers: 1',
      '  admin server: none', "  trusted headers: nobody's", '  access log: none', '',
    ]);
    expect(linesOf([
      '--hosts', 'a:1,b:2=3', '--bind', '::1', '--port', '0', ...TLS, '--path', '/chat', '--redis', 'rediss://u:p@r/2', '--workers', '3',
      '--admin-port', '0', '--admin-token', TOKEN, '--trust-proxy', '10.0.0.0/8,::1', '--access-log', 'common',
    ])).toEqual([
      'the settings are right; they would run:', '  listen: ::1, any free port',
      expect.stringMatching(new RegExp(`^  TLS: ${files.cert}, valid until \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z, and ${files.key}$`)),
      '  path: /chat/', '  hosts: a:1, b:2=3', '  store: rediss://r:6379/2', "  fleet: a member, by the key prefix 'socket.io#'",
      '  workers: 3', '  admin server: 127.0.0.1, any free port, with a token', '  trusted headers: those from 10.0.0.0/8, ::1',
      '  access log: common, to the standard output', '',
    ]);
    const others = ['--discover', 'dns+srv:_a._tcp.b', '--admin-port', '5', '--trust-proxy', '--access-log', 'json', '--access-log-file'];
    expect(linesOf([...others, join(folder(), 'a.log')])).toEqual(expect.arrayContaining([
      '  hosts: of dns+srv:_a._tcp.b', '  admin server: 127.0.0.1, port 5, without a token', "  trusted headers: everyone's",
      expect.stringMatching(/^ {2}access log: json, to .*\/a\.log$/),
    ]));
  });

  it('opens no port and no connection, and leaves nothing behind', async () => {
    let accepted = 0;
    const server = net.createServer(() => (accepted += 1)).listen(0, '127.0.0.1');
    onCleanup(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const cwd = folder();
    const kept = join(cwd, 'kept.log');
    writeFileSync(kept, 'as it was');
    // The port is taken, and what would be a Redis and a host takes connections.
    const args = ['--hosts', `127.0.0.1:${port}`, '--bind', '127.0.0.1', '--port', String(port), '--redis', `redis://127.0.0.1:${port}`];
    for (const log of ['new.log', kept]) {
      for (const request of ['--check-config', '--print-config']) {
        const command = new Command([...args, '--workers', '2', '--access-log', 'json', '--access-log-file', log, request], { cwd });
        expect(await command.ended()).toBe(0);
        expect(command.errors).toBe('');
        expect(command.output).toContain(`127.0.0.1:${port}`);
      }
    }
    expect([accepted, readdirSync(cwd), readFileSync(kept, 'utf8')]).toEqual([0, ['kept.log'], 'as it was']);
    expect(existsSync(join(cwd, 'new.log'))).toBe(false);
  });

  it('exits with 2 for a mistake, which it writes to the standard error alone', async () => {
    const command = new Command(['--hosts', 'no-port', '--check-config']);
    expect(await command.ended()).toBe(2);
    expect(command.output).toBe('');
    expect(command.errors).toMatch(/^socket\.io-proxy2: --hosts \(number 1\): a port is missing: .*\n$/);
  });

  it('prints a file that a start takes, whose note is no part of it', async () => {
    const command = new Command([...HOSTS, '--redis', 'redis://:S3cret@a', '--print-config']);
    expect(await command.ended()).toBe(0);
    expect(JSON.parse(command.output)).toMatchObject({ hosts: ['localhost:3000'], redis: 'redis://a:6379' });
    expect(command.errors).toBe('socket.io-proxy2: left out, as secret: the password in --redis\n');
  });
});
