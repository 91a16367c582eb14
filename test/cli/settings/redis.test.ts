import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandLine } from '../../../src/cli/settings/command-line';
import type { RedisSettings } from '../../../src/cli/settings/redis';
import { readSettings } from '../../../src/cli/settings/settings';
import { temporaryFolder } from '../../support/program';
import { CERT, KEY } from '../../support/tls';

const HOSTS = ['--hosts', 'localhost:3000'];
const SECRET = 'Pa55word';

function redisOf(args: string[], env: NodeJS.ProcessEnv = {}): RedisSettings | undefined {
  const settings = readSettings([...HOSTS, ...args], env);
  if (typeof settings === 'string') throw new Error(`a request for ${settings}`);
  return settings.redis;
}

/** The line that the command refuses settings with, which shows no secret. */
function refusal(args: string[]): string {
  const reply = readCommandLine([...HOSTS, ...args], {});
  if (!('exitCode' in reply)) throw new Error(`taken: ${args.join(' ')}`);
  expect(reply).toMatchObject({ output: 'stderr', exitCode: 2 });
  expect(reply.text).not.toContain(SECRET);
  return reply.text.slice('socket.io-proxy2: '.length, -1);
}

interface Files {
  cert: string;
  key: string;
  password: string;
  empty: string;
  lines: string;
}

let files: Files;

beforeAll(() => {
  const folder = temporaryFolder('redis-flags-');
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  files = {
    cert: write('cert.pem', CERT), key: write('key.pem', KEY), password: write('password', `${SECRET}\n`),
    empty: write('empty', '\n'), lines: write('lines', `${SECRET}\n${SECRET}\n`),
  };
});

describe('--redis', () => {
  it.each<[string, Partial<RedisSettings>]>([
    ['redis://localhost', {
      kind: 'server', addresses: [{ host: 'localhost', port: 6379 }], tls: undefined, database: 0, place: 'redis://localhost:6379',
    }],
    ['redis://us%20er:p%40ss@[::1]:1/3', {
      addresses: [{ host: '::1', port: 1 }], username: 'us er', password: 'p@ss', database: 3, place: 'redis://[::1]:1/3',
    }],
    ['rediss://a.example', { addresses: [{ host: 'a.example', port: 6379 }], tls: {}, place: 'rediss://a.example:6379' }],
    ['redis://:a,b@localhost', { password: 'a,b' }],
    ['/run/redis.sock', { addresses: [], socket: '/run/redis.sock', database: 0, place: 'unix:///run/redis.sock' }],
    ['unix:///run/redis%20a.sock', { socket: '/run/redis a.sock', place: 'unix:///run/redis a.sock' }],
    ['unix://us%20er:p%40ss@/run/redis.sock?db=2', {
      socket: '/run/redis.sock', username: 'us er', password: 'p@ss', database: 2, place: 'unix:///run/redis.sock?db=2',
    }],
  ])('takes %s', (url, expected) => {
    expect(redisOf(['--redis', url])).toMatchObject(expected);
  });

  it.each([
    'unix://relative.sock', 'unix://', '/', 'unix:///', 'unix:///a?db=x', 'redis://', 'localhost:6379', 'redis://a/x', 'http://a',
  ])('refuses %s', (url) => {
    expect(refusal(['--redis', url])).toBe('--redis must be the URL of one Redis, as in redis://localhost:6379');
  });
});

describe('a list of', () => {
  it('nodes is taken, with one scheme, user and password for all', () => {
    const url = `rediss://user:${SECRET}@a.example:7000, b.example,rediss://[::1]:7002/,`;
    expect(redisOf(['--redis-cluster', '--redis', url])).toEqual({
      kind: 'cluster', primary: undefined, socket: undefined, tls: {}, username: 'user', password: SECRET, passwordFile: undefined,
      database: 0, place: 'the cluster of rediss://a.example:7000,b.example:6379,[::1]:7002',
      addresses: [{ host: 'a.example', port: 7000 }, { host: 'b.example', port: 6379 }, { host: '::1', port: 7002 }],
    });
  });

  it('Sentinels is taken, also from environment and file', () => {
    const expected = {
      kind: 'sentinel', primary: 'main', database: 2, place: "'main' of the Sentinels redis://a:26379,b:1/2",
      addresses: [{ host: 'a', port: 26_379 }, { host: 'b', port: 1 }],
    };
    const config = join(temporaryFolder('config-'), 'proxy.json');
    writeFileSync(config, JSON.stringify({ redis: 'redis://a/2,b:1', redisSentinel: 'main' }));
    const env = { SOCKETIO_PROXY_REDIS: 'redis://a/2,b:1', SOCKETIO_PROXY_REDIS_SENTINEL: 'main' };
    expect(redisOf(['--redis', 'redis://a/2,b:1', '--redis-sentinel', 'main'])).toMatchObject(expected);
    expect(redisOf([], env)).toMatchObject(expected);
    expect(redisOf(['--config', config])).toMatchObject(expected);
  });

  it.each<[string[], string]>([
    [['--redis', `redis://:${SECRET}@a,redis://b`],
      '--redis must be the URL of one Redis, as in redis://localhost:6379; several need --redis-cluster or --redis-sentinel'],
    [['--redis-cluster', '--redis', `redis://a,http://:${SECRET}@b`],
      '--redis (number 2) must be the address of a node, as in redis://a.example:6379,b.example:6379'],
    [['--redis-sentinel', 'main', '--redis', ','],
      '--redis (number 1) must be the address of a Sentinel, as in redis://a.example:26379,b.example:26379'],
    [['--redis-cluster', '--redis', `redis://a,redis://:${SECRET}@b`],
      '--redis (number 2) must have the scheme, user, password and database of number 1'],
    [['--redis-cluster', '--redis', 'redis://a,rediss://b'],
      '--redis (number 2) must have the scheme, user, password and database of number 1'],
    [['--redis-cluster', '--redis', 'redis://a,/run/redis.sock'],
      '--redis (number 2) must have the scheme, user, password and database of number 1'],
    [['--redis-cluster', '--redis', 'redis://a/1'], '--redis must not name a database: a Redis Cluster has none but 0'],
    [['--redis-sentinel', 'main', '--redis', '/run/redis.sock'], '--redis must not be a Unix socket with --redis-sentinel'],
    [['--redis-sentinel', 'main', '--redis-cluster', '--redis', 'redis://a'], '--redis-cluster excludes --redis-sentinel'],
  ])('others is refused: %j', (args, message) => {
    expect(refusal(args)).toBe(message);
  });
});

describe('TLS', () => {
  it('is set by files', () => {
    const args = ['--redis', 'rediss://a', '--redis-ca', files.cert, '--redis-cert', files.cert, '--redis-key', files.key];
    expect(redisOf(args)?.tls).toEqual({ ca: CERT, cert: CERT, key: KEY });
    expect(redisOf(['--redis', 'rediss://a', '--redis-insecure'])?.tls).toEqual({ rejectUnauthorized: false });
    expect(redisOf(['--redis', 'rediss://a', '--no-redis-insecure'])?.tls).toEqual({});
    expect(redisOf(['--redis', 'redis://a', '--no-redis-insecure'])?.tls).toBeUndefined();
  });

  it('refuses what does not fit together', () => {
    const to = ['--redis', 'rediss://a'];
    expect(refusal([...to, '--redis-cert', files.cert])).toBe('--redis-cert needs --redis-key too');
    expect(refusal([...to, '--redis-key', files.key])).toBe('--redis-key needs --redis-cert too');
    expect(refusal([...to, '--redis-ca', files.key])).toMatch(/^--redis-ca holds no certificate \(PEM\): /);
    expect(refusal([...to, '--redis-cert', files.cert, '--redis-key', files.cert]))
      .toMatch(/^--redis-key does not hold the key of --redis-cert: /);
    for (const url of ['redis://a', 'unix:///a', '/a']) {
      expect(refusal(['--redis', url, '--redis-ca', files.cert])).toBe('--redis-ca needs a rediss:// URL in --redis');
      expect(refusal(['--redis', url, '--redis-insecure'])).toBe('--redis-insecure needs a rediss:// URL in --redis');
    }
  });
});

describe('--redis-password-file', () => {
  it('is a path, whose content is no setting', () => {
    const settings = readSettings([...HOSTS, '--redis', 'redis://user@a', '--redis-password-file', files.password], {});
    if (typeof settings === 'string') throw new Error(settings);
    expect(settings.redis).toMatchObject({ username: 'user', password: undefined, passwordFile: files.password });
    expect(settings.flagValues.get('redis-password-file')).toBe(files.password);
  });

  it('is refused where it holds none, or there is another', () => {
    const to = ['--redis', 'redis://a'];
    for (const file of [files.empty, files.lines]) {
      expect(refusal([...to, '--redis-password-file', file])).toBe('--redis-password-file must hold the password in one line');
    }
    expect(refusal([...to, '--redis-password-file', `${files.password}x`])).toMatch(/^--redis-password-file: there is no file /);
    expect(refusal(['--redis', `redis://:${SECRET}@a`, '--redis-password-file', files.password]))
      .toBe('--redis-password-file excludes a password in --redis');
  });
});

it('all need --redis', () => {
  const others = [
    ['--redis-cluster'], ['--redis-sentinel', 'main'], ['--redis-insecure'], ['--redis-ca', files.cert],
    ['--redis-cert', files.cert, '--redis-key', files.key], ['--redis-password-file', files.password],
  ];
  for (const args of others) expect(refusal(args)).toBe(`${args[0]} needs --redis too`);
});
