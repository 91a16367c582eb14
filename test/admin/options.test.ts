import Proxy from '../../src';

const withAdmin = (admin: unknown): Proxy =>
  new Proxy({ store: new Proxy.MemoryStore(), hosts: ['127.0.0.1:1'], admin: admin as Proxy.AdminOptions });

const TOKEN = 'sixteen-letters!';

it.each<[admin: unknown, message: string]>([
  [null, "'admin' must be an object, received null"],
  [8080, "'admin' must be an object, received 8080"],
  [[], "'admin' must be an object, received []"],
  [{}, "'admin.port' must be an integer from 0 to 65535, received undefined"],
  [{ port: '8080' }, "'admin.port' must be an integer from 0 to 65535, received '8080'"],
  [{ port: 65_536 }, "'admin.port' must be an integer from 0 to 65535, received 65536"],
  [{ port: -1 }, "'admin.port' must be an integer from 0 to 65535, received -1"],
  [{ port: 0, hosts: [] }, "'admin.hosts' is not an option; expected port, bind, token, allowedHosts"],
  [{ port: 0, bind: 'example.com', token: TOKEN }, "'admin.bind' must be an IP address or 'localhost', received 'example.com'"],
  [{ port: 0, bind: '', token: TOKEN }, "'admin.bind' must be an IP address or 'localhost', received ''"],
  [{ port: 0, bind: null }, "'admin.bind' must be an IP address or 'localhost', received null"],
  [{ port: 0, allowedHosts: 'admin.example' }, "'admin.allowedHosts' must be an array, received 'admin.example'"],
  [
    { port: 0, allowedHosts: ['a.example', 'b.example:80'] },
    "'admin.allowedHosts[1]' must be the name of a machine, without a port, received 'b.example:80'",
  ],
])('refuses %j', (admin, message) => {
  expect(() => withAdmin(admin)).toThrow(new TypeError(message));
});

it.each(['fifteen-letters', 'with a space inside', 'with-ünicode-inside', 'with\n-a-line-feed', '', 'x'.repeat(4097), 1234567890123456])(
  'refuses the token %j, and does not repeat it', (token) => {
    const message = "'admin.token' must be a string of 16 to 4096 visible ASCII characters";
    expect(() => withAdmin({ port: 0, token })).toThrow(new TypeError(message));
  },
);

it.each(['0.0.0.0', '::', '192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', '128.0.0.1'])('refuses %s without a token', (bind) => {
  const message = `'admin.token' is mandatory where 'admin.bind' is an address that others can reach: '${bind}'`;
  expect(() => withAdmin({ port: 0, bind })).toThrow(new TypeError(message));
  expect(() => withAdmin({ port: 0, bind, token: TOKEN })).not.toThrow();
});

it.each(['127.0.0.1', '127.255.0.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost'])(
  'needs no token for %s', (bind) => {
    expect(() => withAdmin({ port: 0, bind })).not.toThrow();
  },
);
