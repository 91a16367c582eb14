import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from 'redis';
import { MemoryStore, Proxy } from '../../src';
import { resolveOptions } from '../../src/options/options';
import type { ProxyOptions } from '../../src/options/proxy-options';
import { openClient } from '../support/redis';

const ROOT = join(__dirname, '../..');
const store = new MemoryStore();
const hosts = ['localhost:3000'];

/** The message of the TypeError that a proxy with these options throws. */
function messageOf(options: unknown): string {
  try {
    new Proxy(options as ProxyOptions);
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return 'no error';
}

const withOption = (name: string, value: unknown): string => messageOf({ store, hosts, [name]: value });

/** What the doc comments of PartialProxyOptions give as `@default`. */
function documentedDefaults(): [name: string, value: string][] {
  const source = readFileSync(join(ROOT, 'src', 'options', 'proxy-options.ts'), 'utf8');
  const [, members = ''] = /interface PartialProxyOptions \{\n(.*?)\n\}\n/s.exec(source) ?? [];
  const documented = members.matchAll(/@default (\S+)\s+\*\/\n {2}(\w+)\?:/g);
  return Array.from(documented, ([, value = '', name = '']) => [name, value]);
}

describe('defaults', () => {
  const documented = documentedDefaults();

  it('are documented for every option that is not mandatory', () => {
    const names = [...documented.map(([name]) => name), 'store', 'hosts'];
    // One is a part of `balance`, another of `store`.
    const resolved = ['hashBy', ...Object.keys(resolveOptions({ store, hosts })).filter((name) => name !== 'tokens')];
    expect(names.sort()).toEqual(resolved.sort());
  });

  it.each(documented.filter(([name]) => name !== 'fleet'))('%s is %s', (name, value) => {
    const actual: unknown = Reflect.get(resolveOptions({ store, hosts }), name);
    expect(actual).toEqual(value === 'undefined' ? undefined : JSON.parse(value.replaceAll("'", '"')));
  });

  it('fleet is false', () => {
    expect(resolveOptions({ store, hosts }).fleet).toBeUndefined();
    expect(documented).toContainEqual(['fleet', 'false']);
  });

  it('are those of the original', () => {
    expect(resolveOptions({ store, hosts }))
      .toMatchObject({ path: '/socket.io/', checkInterval: 2000, checkTimeout: 1000, keyExpiry: 60 });
  });

  it('keyPrefix is \'socket.io#\'', async () => {
    const redisClient = await openClient();
    const sid = randomUUID();
    await resolveOptions({ redisClient, hosts }).store.bind(sid, 'localhost:3000', 10);
    expect(await redisClient.get(`socket.io#${sid}`)).toBe('localhost:3000');
    expect(documented).toContainEqual(['keyPrefix', "'socket.io#'"]);
  });

  it('stand for what is undefined', () => {
    const options = Object.fromEntries(documented.map(([name]) => [name, undefined]));
    const resolved = (given: object): object => {
      const { hosts: all, ...rest } = resolveOptions({ store, hosts, ...given });
      return { ...rest, hosts: all.map(({ name, weight }) => [name, weight]) };
    };
    expect(resolved(options)).toEqual(resolved({}));
  });

  it('requestTimeout is not less than headersTimeout', () => {
    expect(resolveOptions({ store, hosts, headersTimeout: 300_000 }).requestTimeout).toBe(300_000);
  });
});

describe('the mandatory options', () => {
  it.each([[{}], [{ hosts }], [{ hosts, redisClient: undefined }], [{ hosts, redisClient: null }], [[]]])(
    'asks for a Redis client: %j',
    (options) => expect(messageOf(options)).toBe("'redisClient' is mandatory!"),
  );

  it.each([[{}], [{ hosts: undefined }], [{ hosts: null }]])('asks for hosts: %j', (options) => {
    expect(messageOf({ store, ...options })).toBe("'hosts' array is mandatory!");
    expect(messageOf({ redisClient: createClient(), ...options })).toBe("'hosts' array is mandatory!");
  });

  it.each([
    [undefined, 'undefined'], [null, 'null'], ['localhost:3000', "'localhost:3000'"], [4000, '4000'], [true, 'true'],
  ])('refuses options that are %p', (options, received) => {
    expect(messageOf(options)).toBe(`'options' must be an object, received ${received}`);
  });

  it.each([
    'redisclient', 'host', 'checkinterval', 'timeout', '', 'toString', '__proto__',
  ])('refuses the option %j', (name) => {
    const options = Object.defineProperty({ store, hosts }, name, { value: 1, enumerable: true });
    expect(messageOf(options)).toMatch(`'${name}' is not an option; expected redisClient, store, hosts, discover, path, `);
  });
});

const INTEGERS: [name: string, min: number, max: number][] = [
  ['checkInterval', 1, 2_147_483_647],
  ['checkTimeout', 1, 2_147_483_647],
  ['unhealthyAfter', 1, 1000],
  ['healthyAfter', 1, 1000],
  ['keyExpiry', 1, 2_147_483_647],
  ['cacheSize', 1, 10_000_000],
  ['storeTimeout', 1, 2_147_483_647],
  ['connectTimeout', 1, 2_147_483_647],
  ['hostTimeout', 1, 2_147_483_647],
  ['hostKeepAlive', 0, 2_147_483_647],
  ['shutdownDelay', 0, 2_147_483_647],
  ['drainTimeout', 0, 2_147_483_647],
  ['maxHeaderSize', 1024, 2_147_483_647],
  ['headersTimeout', 1, 2_147_483_647],
  ['requestTimeout', 20_000, 2_147_483_647],
  ['keepAliveTimeout', 1, 2_147_483_647],
  ['maxQueuedHandshakes', 0, 1_000_000],
  ['handshakeQueueTimeout', 1, 2_147_483_647],
];

describe.each(INTEGERS)('%s', (name, min, max) => {
  it.each([
    [min - 1, String(min - 1)], [max + 1, String(max + 1)], [-1, '-1'], [min + 0.5, String(min + 0.5)], [NaN, 'NaN'],
    [Infinity, 'Infinity'], ['2000', "'2000'"], [2000n, '2000n'], [null, 'null'], [true, 'true'], [[2000], '[ 2000 ]'],
    [{}, '{}'],
  ])('refuses %p', (value, received) => {
    expect(withOption(name, value)).toBe(`'${name}' must be an integer from ${min} to ${max}, received ${received}`);
  });

  it('takes its bounds', () => {
    expect(resolveOptions({ store, hosts, [name]: min })).toMatchObject({ [name]: min });
    expect(resolveOptions({ store, hosts, [name]: max })).toMatchObject({ [name]: max });
  });
});

describe('maxHandshakesPerSecond', () => {
  it.each([
    [0, '0'], [-1, '-1'], [100_000.5, '100000.5'], [NaN, 'NaN'], [Infinity, 'Infinity'], ['20', "'20'"], [null, 'null'],
  ])('refuses %p', (value, received) => {
    expect(withOption('maxHandshakesPerSecond', value))
      .toBe(`'maxHandshakesPerSecond' must be a number above 0 and up to 100000, received ${received}`);
  });

  it.each([Number.MIN_VALUE, 0.25, 2.5, 100_000])('takes %p', (value) => {
    expect(resolveOptions({ store, hosts, maxHandshakesPerSecond: value })).toMatchObject({ maxHandshakesPerSecond: value });
  });
});

it('refuses a requestTimeout below headersTimeout', () => {
  expect(messageOf({ store, hosts, headersTimeout: 500, requestTimeout: 499 }))
    .toBe("'requestTimeout' must be an integer from 500 to 2147483647, received 499");
});

describe.each(['xfwd', 'changeOrigin'])('%s', (name) => {
  it.each([['true', "'true'"], [1, '1'], [0, '0'], [null, 'null'], [{}, '{}']])('refuses %p', (value, received) => {
    expect(withOption(name, value)).toBe(`'${name}' must be a boolean, received ${received}`);
  });

  it.each([true, false])('takes %s', (value) => {
    expect(resolveOptions({ store, hosts, [name]: value })).toMatchObject({ [name]: value });
  });
});

describe('trustProxy', () => {
  it.each([true, false])('takes %s', (trustProxy) => {
    expect(resolveOptions({ store, hosts, trustProxy })).toMatchObject({ trustProxy });
  });

  it.each([['true', "'true'"], [1, '1'], [null, 'null'], [{}, '{}'], [[], '[]'], ['10.0.0.0/8', "'10.0.0.0/8'"]])(
    'refuses %p', (value, received) => {
      expect(withOption('trustProxy', value))
        .toBe(`'trustProxy' must be a boolean or a list of at least one network, received ${received}`);
    },
  );

  it.each([
    '', '10.0.0', '10.0.0.0/33', '::1/129', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/ff', '/8', ' ::1',
    '::1%lo', 'localhost', 'Loopback', '[::1]', '10.0.0.1:80', '256.0.0.1', '::g', 5, null, undefined, ['::1'],
  ])('refuses %p in a list, and names the entry', (entry) => {
    expect(withOption('trustProxy', ['10.0.0.0/8', entry])).toMatch(
      /^'trustProxy\[1\]' must be an address or a network, as in 10\.0\.0\.0\/8 or ::1, or loopback, linklocal, uniquelocal, received /,
    );
  });
});

describe('path', () => {
  it.each([
    ['/chat', '/chat/'], ['/chat/', '/chat/'], ['/', '/'], ['/a/b.c~-_', '/a/b.c~-_/'], ['/..a/.b/c..', '/..a/.b/c../'],
    ["/!$&'()*+,;=:@", "/!$&'()*+,;=:@/"],
  ])('takes %s', (path, resolved) => {
    expect(resolveOptions({ store, hosts, path }).path).toBe(resolved);
  });

  it.each([
    ['', "''"], ['socket.io', "'socket.io'"], ['/a b', "'/a b'"], ['/a?b', "'/a?b'"], ['/a#b', "'/a#b'"],
    ['/a%20b', "'/a%20b'"], ['/a\n', "'/a\\n'"], ['http://host/', "'http://host/'"], [5, '5'], [null, 'null'],
    [/^\//, '/^\\//'], ['/ü', "'/ü'"], ['/a/../b', "'/a/../b'"], ['/.', "'/.'"], ['/a/./b/', "'/a/./b/'"], ['/..', "'/..'"],
    ['/a\\b', "'/a\\\\b'"], ['/a"b', `'/a"b'`], ['/a\u0000', "'/a\\x00'"], ['/a\u007f', "'/a\\x7F'"], ['/a<b', "'/a<b'"],
  ])('refuses %p', (path, received) => {
    expect(withOption('path', path)).toBe(
      `'path' must be a string that begins with '/', in visible ASCII without '?', '#' and '%', ` +
        `and without '.' and '..' as segments, received ${received}`,
    );
  });
});

describe('the store', () => {
  const method = (): void => {};

  it('may be any with its methods', () => {
    const done = (): Promise<undefined> => Promise.resolve(undefined);
    const own = { bind: done, find: done, unbind: done };
    expect(resolveOptions({ store: own, hosts }).store).toBe(own);
  });

  it.each([
    [null, 'null'], ['memory', "'memory'"], [{}, '{}'], [new Map(), 'Map(0) {}'], [MemoryStore, '[class MemoryStore]'],
    [{ bind: method, find: method }, '{ bind: [Function: method], find: [Function: method] }'],
    [{ bind: method, unbind: method }, '{ bind: [Function: method], unbind: [Function: method] }'],
    [{ find: method, unbind: method }, '{ find: [Function: method], unbind: [Function: method] }'],
    [{ bind: method, find: method, unbind: 1 }, '{ bind: [Function: method], find: [Function: method], unbind: 1 }'],
  ])('is refused without them: %p', (value, received) => {
    expect(messageOf({ store: value, hosts }))
      .toBe(`'store' must have the methods bind, find and unbind, received ${received}`);
  });

  it.each([[null], [{}], [{ add: (): string => 'a' }], ['add, cut']])('rejects a store with the tokens %p', (tokens) => {
    const make = (): unknown => resolveOptions({ store: Object.assign(new MemoryStore(), { tokens }) as never, hosts });
    expect(make).toThrow(/^'store.tokens' must have the methods add and cut, received /);
  });

  it('is refused beside a Redis client', () => {
    expect(messageOf({ store, redisClient: createClient(), hosts }))
      .toMatch(/^'store' must be left out where 'redisClient' is given, received MemoryStore/);
  });

  it.each([
    ['redis://localhost', "'redis://localhost'"], [6379, '6379'], [{}, '{}'], [createClient, '[Function: createClient'],
    [new MemoryStore(), 'MemoryStore {'], [{ isOpen: true, get: method }, '{ isOpen: true, get: [Function: method] }'],
  ])('is refused in the place of a Redis client: %p', (redisClient, received) => {
    const expected = "a client of the package 'redis' (version 2 or later) or 'ioredis' (version 5 or later)";
    expect(messageOf({ redisClient, hosts })).toContain(`'redisClient' must be ${expected}, received ${received}`);
  });

  it.each([[5, '5'], [null, 'null'], [[], '[]'], [/a/, '/a/']])('is refused the keyPrefix %p', (prefix, received) => {
    expect(messageOf({ redisClient: createClient(), hosts, keyPrefix: prefix }))
      .toBe(`'keyPrefix' must be a string, received ${received}`);
  });
});

it.each([
  ['onStoreFailure', 'fail', "be 'local' or 'refuse'", "'fail'"],
  ['onStoreFailure', true, "be 'local' or 'refuse'", 'true'],
  ['onStoreFailure', null, "be 'local' or 'refuse'", 'null'],
  ['hostTls', null, 'be an object', 'null'],
  ['hostTls', true, 'be an object', 'true'],
  ['hostTls', 'ca.pem', 'be an object', "'ca.pem'"],
  ['server', null, 'be an http.Server or https.Server', 'null'],
  ['server', 4000, 'be an http.Server or https.Server', '4000'],
  ['server', {}, 'be an http.Server or https.Server', '{}'],
  ['server', () => {}, 'be an http.Server or https.Server', '[Function (anonymous)]'],
])('refuses the %s %p', (name, value, expected, received) => {
  expect(withOption(name, value)).toContain(`'${name}' must ${expected}, received ${received}`);
});

it.each(['local', 'refuse'])('takes the onStoreFailure %s', (onStoreFailure) => {
  expect(resolveOptions({ store, hosts, onStoreFailure } as ProxyOptions).onStoreFailure).toBe(onStoreFailure);
});

it('refuses a server of another protocol', () => {
  expect(withOption('server', net.createServer()))
    .toContain("'server' must be an http.Server or https.Server, received Server");
});

it.each([['http', http.createServer()], ['https', https.createServer()]])('takes an %s server', (_, server) => {
  expect(resolveOptions({ store, hosts, server }).server).toBe(server);
  expect(new Proxy({ store, hosts, server }).server).toBe(server);
});

/** Runs in a process of its own. Proxies are made and dropped; it says what that has opened. */
const MAKE_AND_DROP = `
  const Proxy = require('./dist');
  const redisClient = require('redis').createClient({ url: process.env.REDIS_URL });
  const before = process.getActiveResourcesInfo();
  const hosts = ['localhost:1'];
  const proxies = [new Proxy({ redisClient, hosts }), new Proxy({ store: new Proxy.MemoryStore(), hosts })];
  const listening = proxies.map(({ server }) => server.listening);
  setImmediate(() => {
    const opened = process.getActiveResourcesInfo().slice(before.length).filter((name) => name !== 'Immediate');
    console.log(JSON.stringify({ listening, isOpen: redisClient.isOpen, opened }));
  });`;

it('opens nothing before it listens, and lets the process exit', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', MAKE_AND_DROP], { cwd: ROOT });
  expect(JSON.parse(stdout)).toEqual({ listening: [false, false], isOpen: false, opened: [] });
});
