import { inspect } from 'node:util';
import { MemoryStore, Proxy } from '../../src';
import { resolveOptions } from '../../src/options/options';
import type { ProxyOptions } from '../../src/options/proxy-options';

const store = new MemoryStore();
const FORMS = "'host:port', '[IPv6]:port', 'http://…' or 'https://…'";

/** The message of the TypeError that a proxy with these hosts throws. */
function messageOf(hosts: unknown): string {
  try {
    new Proxy({ store, hosts } as ProxyOptions);
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return 'no error';
}

const withHost = (entry: unknown): string => messageOf(['localhost:3000', entry]);

it.each([
  ['localhost:3000', 'http://localhost:3000', 3000],
  ['localhost:80', 'http://localhost', 80],
  ['10.0.0.1:1', 'http://10.0.0.1:1', 1],
  ['a-b_c.example:65535', 'http://a-b_c.example:65535', 65_535],
  ['[::1]:3000', 'http://[::1]:3000', 3000],
  ['[::ffff:10.0.0.1]:3000', 'http://[::ffff:a00:1]:3000', 3000],
  ['http://localhost', 'http://localhost', 80],
  ['http://localhost:3000', 'http://localhost:3000', 3000],
  ['http://[::1]', 'http://[::1]', 80],
  ['https://host.example', 'https://host.example', 443],
  ['https://host.example:8443/', 'https://host.example:8443', 8443],
  ['HTTP://host.example:3000', 'http://host.example:3000', 3000],
  ['Https://host.example', 'https://host.example', 443],
])('takes the host %s', (name, origin, port) => {
  const [host] = resolveOptions({ store, hosts: [name] }).hosts;
  expect({ name: host?.name, origin: host?.url.origin, port: host?.port }).toEqual({ name, origin, port });
});

it.each([
  '*:3000', '$(HOST):3000', '"a":3000', 'a,b:3000', 'a=b:3000', 'a..b:3000', '.:3000', `${'a'.repeat(64)}.example:3000`,
  `${'a.'.repeat(127)}b:3000`,
  '', ' ', 'localhost: 3000', ' localhost:3000', 'localhost:3000\n', 'local host:3000', ':3000', 'http://',
  'http://:3000',
  'localhost:', 'http://localhost:', 'localhost:-1',
  'localhost:3000.5', 'localhost:3k', 'localhost:3000/path', 'http://localhost/socket.io/',
  'http://localhost//', 'localhost:3000?a=b', 'http://localhost?a', 'http://localhost#a', 'user:secret@localhost:3000',
  'http://user@localhost', 'ws://localhost:3000', 'ftp://localhost:21', 'unix:/run/a.sock', '/run/a.sock',
  '//localhost:3000', 'http:localhost:3000', 'http:/localhost:3000', 'http:\\\\localhost:3000', 'localhost\\a:3000',
  '::1:3000', 'http://::1', '[::1:3000', '::1]:3000', '[localhost]:3000', '[]:3000', '[::g]:3000', 'http://http://a:1',
  'a%zz:3000', 'a%2fb:3000', 'a<b:3000', '256.256.256.256:80', 'localhost:3000,localhost:3001',
])('refuses the host %j', (entry) => {
  expect(withHost(entry))
    .toBe(`'hosts[1]': expected ${FORMS}, received '${entry}'`);
});

it.each(['localhost:0', 'http://localhost:0', '[::1]:65536', 'localhost:123456', 'https://localhost:99999/'])(
  'refuses the host %s, whose port there is not',
  (entry) => {
    expect(withHost(entry)).toBe(`'hosts[1]': a port is from 1 to 65535: expected ${FORMS}, received '${entry}'`);
  },
);

it.each([
  'localhost', '10.0.0.1', '[::1]', 'host.example/', '3000', 'localhost:80/',
])('refuses the host %s, without a port', (entry) => {
  expect(withHost(entry)).toBe(
    `'hosts[1]': a port is missing: expected ${FORMS}, received '${entry}'`,
  );
});

it.each([
  [3000, '3000'], [null, 'null'], [undefined, 'undefined'], [{}, '{}'], [['localhost:3001'], "[ 'localhost:3001' ]"],
  [new URL('http://a'), 'URL'], [{ weight: 2 }, '{ weight: 2 }'],
])('refuses a host that is neither a string nor an object with one: %p', (entry, received) => {
  expect(withHost(entry)).toContain(`'hosts[1]' must be a string, or an object with a 'host', received ${received}`);
});

it('takes a host with a weight', () => {
  const { hosts } = resolveOptions({ store, hosts: ['a:1', { host: 'b:1' }, { host: 'c:1', weight: 0 }, { host: 'd:1', weight: 1000 }] });
  expect(hosts.map(({ name, weight }) => [name, weight])).toEqual([['a:1', 1], ['b:1', 1], ['c:1', 0], ['d:1', 1000]]);
});

it.each<[entry: unknown, message: string]>([
  [{ host: 3000 }, "'hosts[1].host' must be a string, received 3000"],
  [{ host: 'b' }, `'hosts[1].host': a port is missing: expected ${FORMS}, received 'b'`],
  [{ host: 'localhost:3000', weight: 2 }, "'hosts[1]' must name another server than 'localhost:3000', received 'localhost:3000'"],
  [{ host: 'b:1', wieght: 2 }, "'hosts[1].wieght' is not an option of a host; expected host, weight"],
  ...[-1, 1001, 1.5, NaN, Infinity, '2', null].map((weight): [unknown, string] =>
    [{ host: 'b:1', weight }, `'hosts[1].weight' must be an integer from 0 to 1000, received ${inspect(weight)}`]),
])('refuses the host %j', (entry, message) => {
  expect(withHost(entry)).toBe(message);
});

it('refuses a gap among the hosts', () => {
  expect(messageOf(new Array(2))).toBe("'hosts[0]' must be a string, or an object with a 'host', received undefined");
});

it.each([
  ['localhost:3000', 'localhost:3000'],
  ['localhost:80', 'http://localhost'],
  ['http://localhost:80', 'http://localhost'],
  ['https://localhost:443', 'https://localhost/'],
  ['localhost:3000', 'http://LOCALHOST:3000'],
  ['127.0.0.1:3000', '127.1:3000'],
  ['[::1]:3000', '[0:0:0:0:0:0:0:1]:3000'],
])('refuses a host twice: %s and %s', (first, second) => {
  expect(messageOf(['other:1', first, second]))
    .toBe(`'hosts[2]' must name another server than '${first}', received '${second}'`);
});

it.each([
  ['localhost:3000', 'must be an array', "'localhost:3000'"],
  [{ 0: 'localhost:3000' }, 'must be an array', "{ '0': 'localhost:3000' }"],
  [new Set(['localhost:3000']), 'must be an array', "Set(1) { 'localhost:3000' }"],
  [0, 'must be an array', '0'],
  ['', 'must be an array', "''"],
  [[], 'must have at least one entry', '[]'],
])('refuses %p in place of hosts', (value, expected, received) => {
  expect(messageOf(value)).toBe(`'hosts' ${expected}, received ${received}`);
});
