import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandLine } from '../../../src/cli/settings/command-line';
import { FLAGS, keyOf, variableOf, type Flag } from '../../../src/cli/settings/flags';
import { Command, type ScriptOptions } from '../../support/command';
import { startServer } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { CERT } from '../../support/tls';

const HOSTS = ['--hosts', '127.0.0.1:1'];
const SECRET = 'Pa55word';

/** A value that is none of the flag's. */
const BAD: Record<Flag['type'], string> = {
  hosts: 'no-port', integer: '1.5', boolean: 'perhaps', choice: 'memroy', file: 'no/such/file', text: '',
  number: 'many', list: 'no name', networks: 'perhaps',
};
const BAD_TEXT: Record<string, string> = {
  redis: `http://:${SECRET}@localhost`, path: 'no-slash', discover: 'dsn:name:80', config: 'no/such/file',
  'admin-bind': 'not-an-address', 'admin-token': SECRET, bind: '[::1]',
};

function badValueOf({ name, type }: Flag): string {
  return BAD_TEXT[name] ?? BAD[type];
}

/** Those for which every text is a value. */
const valued = FLAGS.filter(({ name }) => name !== 'key-prefix').map((flag) => [flag.name, flag] as const);

/** The one line that the command writes before it ends with 2, without its name. */
function refusal(args: string[], env: NodeJS.ProcessEnv = {}): string {
  const reply = readCommandLine(args, env);
  if (!('exitCode' in reply)) throw new Error(`taken: ${args.join(' ')}`);
  expect(reply).toMatchObject({ output: 'stderr', exitCode: 2 });
  expect(reply.text).toMatch(/^socket\.io-proxy2: [^\n]+\n$/);
  expect(reply.text).not.toContain(SECRET);
  return reply.text.slice('socket.io-proxy2: '.length, -1);
}

function refuses(message: string | RegExp, ...given: Parameters<typeof refusal>): void {
  if (typeof message === 'string') expect(refusal(...given)).toBe(message);
  else expect(refusal(...given)).toMatch(message);
}

function fileWith(content: unknown): string {
  const path = join(temporaryFolder('config-'), 'proxy.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('a bad value', () => {
  it.each(valued)('of --%s is named, with its flag, its variable and its key', (name, flag) => {
    const value = badValueOf(flag);
    const others = ['hosts', 'discover'].includes(name) ? [] : HOSTS;
    refuses(new RegExp(`^--${name}\\b`), [...others, `--${name}=${value}`]);
    // An empty variable is none.
    const inEnvironment = flag.only !== 'flag' && value !== '';
    if (inEnvironment) refuses(new RegExp(`^${variableOf(flag)}\\b`), others, { [variableOf(flag)]: value });
    if (flag.only === undefined) {
      const path = fileWith({ [keyOf(flag)]: flag.type === 'text' ? 7 : value });
      refuses(new RegExp(`^'${keyOf(flag)}' in ${path}`), [...others, '--config', path]);
    }
  });

  it.each(FLAGS.flatMap(({ name, type, min = 0, max = 0, perProcessor: word }) =>
    (type === 'integer' ? [[name, min, max, word === undefined ? '' : ` or ${word}`]] as const : [])))(
    'of --%s is less than %d, or more than %d', (name, min, max, word) => {
      for (const value of [min - 1, max + 1]) {
        refuses(`--${name} must be an integer from ${min} to ${max}${word}, received '${value}'`, [...HOSTS, `--${name}`, String(value)]);
      }
    },
  );

  it.each([
    [['--hosts', '127.0.0.1:1,127.0.0.1:1'], "--hosts (number 2) must name another server than '127.0.0.1:1', received '127.0.0.1:1'"],
    [[...HOSTS, '--discover', 'dns:name:80'], /^--discover must be left out where --hosts is given/],
    [[...HOSTS, '--admin-port', '0', '--admin-bind', '0.0.0.0'], /^--admin-token is mandatory where --admin-bind is an address/],
    [[...HOSTS, '--trust-proxy', '10.0.0.0/8,10.0.0.0/33'],
      /^--trust-proxy \(number 2\) must be an address or a network, as in .+, received '10\.0\.0\.0\/33'$/],
    [[...HOSTS, '--proxy-protocol'], '--proxy-protocol must be left out where --trust-proxy is false, received true'],
    [[...HOSTS, '--trust-proxy='], /^--trust-proxy must be a boolean or a list of at least one network, received \[\]$/],
    [[...HOSTS, '--trust-proxy', '::1', '10.0.0.1'], /^unexpected argument '10\.0\.0\.1'/],
    [[...HOSTS, '--no-trust-proxy', '::1'], /^unexpected argument '::1'/],
    [[...HOSTS, '--trust-proxy=true', '::1'], /^unexpected argument '::1'/],
    [[...HOSTS, '--bind', 'http://localhost'], /^--bind must be an address or a name, as in .+, received 'http:\/\/localhost'$/],
    [[...HOSTS, '--admin-port', '4000'], '--admin-port must differ from --port: both are 4000'],
    [[...HOSTS, '--admin-port', '5', '--port', '5', '--bind', '127.0.0.1'], '--admin-port must differ from --port: both are 5'],
    [['--hosts', '127.0.0.1:1=many'], "--hosts (number 1: weight) must be an integer from 0 to 1000, received 'many'"],
    [[...HOSTS, '--log', 'jsno'], "--log must be text or json, received 'jsno'; did you mean 'json'?"],
    [[...HOSTS, '--balance', 'robin'], /^--balance must be random or round-robin or least-connections or hash, received 'robin'$/],
    [[...HOSTS, '--balance', 'hash'], "--hash-by is mandatory where --balance is 'hash'"],
    [[...HOSTS, '--balance', 'hash', '--hash-by', 'room'],
      "--hash-by must be 'query:NAME', 'header:NAME' or 'cookie:NAME', received 'room'"],
    [[...HOSTS, '--hash-by', 'query:a'], "--hash-by must be left out unless --balance is 'hash', received 'query:a'"],
    [[...HOSTS, '--headers-timeout', '5000', '--request-timeout', '4000'], /^--request-timeout must be an integer from 5000 to/],
    [[...HOSTS, '--store', 'redis'], '--store: redis needs --redis too'],
    [[...HOSTS, '--fleet'], '--fleet needs --redis too'],
    [[...HOSTS, '--store', 'sid'], '--store: sid needs --sid-secret-file too'],
    [[...HOSTS, '--sid-secret-file', '/dev/null'], '--sid-secret-file needs --store sid too'],
    [[...HOSTS, '--store', 'sid', '--redis', `redis://:${SECRET}@localhost`], '--store: sid excludes --redis'],
    [[...HOSTS, '--store', 'memory', '--redis', `redis://:${SECRET}@localhost`], '--store: memory excludes --redis'],
    [[...HOSTS, '--redis', `redis://a,redis://:${SECRET}@b`],
      '--redis must be the URL of one Redis, as in redis://localhost:6379; several need --redis-cluster or --redis-sentinel'],
    [['--hosts', `http://user:${SECRET}@localhost:1`], /received 'http:\/\/\*\*\*@localhost:1'$/],
    [['--hosts', `http://user:a'b c"${SECRET}@localhost:1`], /received 'http:\/\/\*\*\*@localhost:1'$/],
    [[...HOSTS, '--port', `redis://:a'b c"${SECRET}@localhost`], /received '?`?redis:\/\/\*\*\*@localhost`?'?$/],
    [['--hosts', 'a\nb:1'], /received 'a b:1'$/],
    [[...HOSTS, '--access-log-file', '/dev/null'], '--access-log-file needs --access-log too'],
    [[...HOSTS, '--access-log', 'json', '--access-log-file', '/nowhere/at/all'], /^--access-log-file cannot be written: .*ENOENT/],
    [[...HOSTS, '--access-log', 'jsn'], /^--access-log must be json or common, received 'jsn'/],
    [[...HOSTS, '--workers', '2'],
      '--workers: 2 workers need --redis or --store sid; with bindings in memory, each would know only its own sessions'],
  ])('is explained: %j', (args, message) => {
    refuses(message, args);
  });
});

describe('what is no flag', () => {
  it.each([
    [['--hsots', 'a:1'], "unknown flag '--hsots'; did you mean '--hosts'?"],
    [['--chek-interval=5'], "unknown flag '--chek-interval'; did you mean '--check-interval'?"],
    [['--TLS-CERT', 'a'], "unknown flag '--TLS-CERT'; did you mean '--tls-cert'?"],
    [['--no-hosts'], "unknown flag '--no-hosts'; did you mean '--hosts'?"],
    [['--entirely-unlike-any'], "unknown flag '--entirely-unlike-any'; see --help"],
    [['-x'], "unknown flag '-x'; see --help"],
    [['127.0.0.1:1'], "unexpected argument '127.0.0.1:1'; values follow a flag, as in --hosts localhost:3000"],
    [[`redis://:${SECRET}@localhost`], /^unexpected argument 'redis:\/\/\*\*\*@localhost'/],
    [[`redis://:it's ${SECRET}@localhost`], /^unexpected argument 'redis:\/\/\*\*\*@localhost'/],
    [['a\nb'], /^unexpected argument 'a b'/],
    [['--x\ny'], /^unknown flag '--x y'/],
    [['--hosts'], '--hosts needs a value'],
    [['--hosts', '--port', '1'], '--hosts needs a value'],
    [[], '--hosts is mandatory, as in --hosts localhost:3000,localhost:3001'],
  ])('is named with the nearest one: %j', (args, message) => {
    refuses(message, args);
  });

  it('is named in the environment', () => {
    refuses(
      "unknown environment variable 'SOCKETIO_PROXY_HOST'; did you mean 'SOCKETIO_PROXY_HOSTS'?", HOSTS, { SOCKETIO_PROXY_HOST: 'a:1' },
    );
    const other = "unknown environment variable 'SOCKETIO_PROXY_ENTIRELY_OTHER'; see --help";
    refuses(other, HOSTS, { SOCKETIO_PROXY_ENTIRELY_OTHER: 'a' });
  });

  it('is named in the file', () => {
    const path = fileWith({ hots: ['a:1'] });
    refuses(`unknown key 'hots' in ${path}; did you mean 'hosts'?`, ['--config', path]);
  });
});

describe('a file', () => {
  it('that does not exist is named with the one that is meant', () => {
    const path = fileWith({});
    refuses(`--config: there is no file '${path}n'; did you mean '${path}'?`, ['--config', `${path}n`]);
  });

  it('that holds no JSON is named, with the line and nothing of what it holds', () => {
    const path = fileWith(`{\n  "redis": "redis://:${SECRET}@localhost",\n  ${SECRET}\n}`);
    refuses(new RegExp(`^${path} is not valid JSON(?:, from line 3 on)?$`), ['--config', path]);
  });

  it('that holds no object is named', () => {
    const path = fileWith([]);
    refuses(`${path} must hold an object, as in {"hosts": ["localhost:3000"]}`, ['--config', path]);
  });

  it('that cannot be read is named', () => {
    const folder = temporaryFolder('config-');
    refuses(`--config: '${folder}' cannot be read: EISDIR`, ['--config', folder]);
  });

  it('that never ends is named', () => {
    refuses("--config: '/dev/zero' is larger than 1048576 bytes", ['--config', '/dev/zero']);
    refuses("--tls-cert: '/dev/zero' is larger than 1048576 bytes", [...HOSTS, '--tls-cert', '/dev/zero']);
  });

  it('is not told by its name where that may be what it should hold', () => {
    refuses('--sid-secret-file: there is no file of that name', [...HOSTS, '--store', 'sid', '--sid-secret-file', SECRET.repeat(4)]);
  });

  it.each([
    '', '\n \n', SECRET, `${SECRET.repeat(4)}\n${SECRET}`, `# ${SECRET.repeat(4)}`, 'a passphrase of several words, which are too many',
    `${SECRET.repeat(4)}\0`, 'é'.repeat(40),
  ])('of secrets for sids that holds too little is named: %j', (text) => {
    refuses('--sid-secret-file must hold secrets of at least 32 letters, digits or signs, without blanks, one a line', [
      ...HOSTS, '--store', 'sid', '--sid-secret-file', fileWith(text),
    ]);
  });

  it.each([
    [['--tls-cert', 'cert.pem'], '--tls-cert needs --tls-key too'],
    [['--host-key', 'cert.pem'], '--host-key needs --host-cert too'],
    [['--tls-cert', 'no.pem', '--tls-key', 'cert.pem'], /^--tls-cert holds no certificate \(PEM\): /],
    [['--tls-cert', 'cert.pem', '--tls-key', 'cert.pem'], /^--tls-key does not hold the key of --tls-cert: /],
    [['--host-ca', 'no.pem'], /^--host-ca holds no certificate \(PEM\): /],
  ])('of TLS that is of no use is named: %j', (args, message) => {
    const folder = temporaryFolder('tls-');
    writeFileSync(join(folder, 'cert.pem'), CERT);
    writeFileSync(join(folder, 'no.pem'), 'no certificate');
    refuses(message, [...HOSTS, ...args.map((arg) => (arg.endsWith('.pem') ? join(folder, arg) : arg))]);
  });
});

describe('the command', () => {
  async function ends(message: RegExp, args: string[], options?: ScriptOptions): Promise<void> {
    const command = new Command(args, options);
    expect(await command.ended()).toBe(2);
    expect(command.output).toBe('');
    expect(command.errors).toMatch(/^socket\.io-proxy2: [^\n]+\n$/);
    expect(command.errors.slice('socket.io-proxy2: '.length)).toMatch(message);
    expect(command.errors).not.toContain(SECRET);
  }

  it('writes one line and ends with 2, whatever is wrong', async () => {
    const folder = join(fileWith({}), '..');
    writeFileSync(join(folder, 'cert.pem'), CERT);
    await Promise.all([
      ends(/^unexpected argument 'redis:\/\/\*\*\*@localhost'/, [`redis://:${SECRET}@localhost`]),
      ends(/^unknown environment variable 'SOCKETIO_PROXY_HOST'/, HOSTS, { env: { SOCKETIO_PROXY_HOST: 'a:1' } }),
      ends(/^--config: there is no file 'proxi.json'; did you mean 'proxy.json'\?$/m, ['--config', 'proxi.json'], { cwd: folder }),
      ends(/^--tls-key does not hold the key/, [...HOSTS, '--tls-cert', 'cert.pem', '--tls-key', 'cert.pem'], { cwd: folder }),
    ]);
  });

  it('refuses before it connects to anything', async () => {
    let connections = 0;
    const { port, server } = await startServer(() => {});
    server.on('connection', () => (connections += 1));
    const place = `127.0.0.1:${port}`;
    // The port is taken, which it would tell instead.
    const args = ['--hosts', place, '--redis', `redis://${place}`, '--bind', '127.0.0.1', '--port', String(port)];
    await ends(/^--key-expiry must/, [...args, '--key-expiry', '0']);
    expect(connections).toBe(0);
  });
});
