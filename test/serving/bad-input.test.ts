import type { RequestListener } from 'node:http';
import type Proxy from '../../src';
import { exchangeBytes, handshake, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { hostSid } from '../support/stores';

const POLL = '/socket.io/?EIO=4&transport=polling';
const SESSION = '0{"sid":"well"}';
const UNKNOWN = '{"code":1,"message":"Session ID unknown"}';

/** A proxy before one host that keeps the requests that it is sent, health checks apart. */
interface Watched extends Started {
  seen: string[];
}

async function watched(options: Partial<Proxy.ProxyOptions> = {}, handler?: RequestListener): Promise<Watched> {
  const seen: string[] = [];
  const { server, name } = await startServer((req, res) => {
    if (req.url === '/socket.io/') {
      res.end();
      return;
    }
    seen.push(`${req.method} ${req.url}`);
    if (handler) handler(req, res);
    else req.resume().on('end', () => res.end(SESSION));
  });
  server.on('upgrade', (req, socket) => {
    seen.push(`UPGRADE ${req.url}`);
    socket.destroy();
  });
  return { ...await startProxy({ hosts: [name], ...options }), seen };
}

/** On a memory store and on Redis: for tests that ask for nothing else. */
let usual: Watched;
let onRedis: Watched;

beforeAll(async () => {
  usual = await watched({});
  onRedis = await watched({ redisClient: await openClient(), keyPrefix: uniqueKeyPrefix() });
});
beforeEach(() => {
  for (const { seen } of [usual, onRedis]) seen.length = 0;
});

/** What every test ends with: nothing has happened to the proxy. */
async function expectAlive({ url }: Started): Promise<void> {
  expect(hostSid(await handshake(url))).toBe('well');
}

describe('sids', () => {
  it.each([
    ['empty', 'sid='],
    ['without a value', 'sid'],
    ['repeated', 'sid=well&sid=well'],
    ['repeated, once encoded', 'sid=well&%73id=well'],
    ['repeated, once empty', 'sid=well&sid'],
    ['of 513 characters', `sid=${'x'.repeat(513)}`],
    ['of 10,000 characters', `sid=${'x'.repeat(10_000)}`],
    ['with broken percent-encodings', 'sid=%zz%'],
    ['with half of a character', 'sid=%C3'],
    ['of control characters', 'sid=%00%0d%0a%1b'],
    ['of Redis commands', 'sid=x%0d%0aFLUSHALL%0d%0a'],
    ['of path segments', 'sid=../../etc/passwd'],
    ['of a property', 'sid=__proto__'],
    ['of another property', 'sid=constructor'],
    ['of emoji', 'sid=%F0%9F%9A%80'],
    ['of a URL', 'sid=http://127.0.0.1:1/'],
    ['of glob characters', 'sid=*'],
  ])('that are unknown are refused: %s', async (_, query) => {
    const proxy = onRedis;
    await expectAlive(proxy);
    for (const method of ['GET', 'POST']) {
      const reply = await request(`${proxy.url}${POLL}&${query}`, { method });
      expect(reply).toMatchObject({ status: 400, body: UNKNOWN });
    }
    expect(proxy.seen).toEqual([`GET ${POLL}`]);
    await expectAlive(proxy);
  });

  it('with any characters are followed', async () => {
    const sid = 'a b+c&d=e/é🚀"\\';
    const open = `0${JSON.stringify({ sid })}`;
    const { url, seen } = await watched({}, (req, res) => res.end(req.url?.includes('sid=') ? 'polled' : open));
    const given = await handshake(url);
    expect(hostSid(given)).toBe(sid);
    const reply = await request(`${url}${POLL}&sid=${encodeURIComponent(given)}`);
    expect(reply).toMatchObject({ status: 200, body: 'polled' });
    expect(seen.at(-1)).toBe(`GET ${POLL}&sid=${encodeURIComponent(sid)}`);
  });
});

describe('a binding in Redis to what is not in hosts', () => {
  it.each<[name: string, value: (trap: string, host: string) => string]>([
    ['another server', (trap) => trap],
    ['another server by URL', (trap) => `http://${trap}`],
    ['another server with the host as user', (trap, host) => `${host}@${trap}`],
    ['another name of the host', (_, host) => `http://${host}`],
    ['the host with a path', (_, host) => `${host}/admin`],
    ['the host with a space', (_, host) => `${host} `],
    ['nothing', () => ''],
    ['a property', () => '__proto__'],
    ['JSON', (trap) => JSON.stringify({ host: trap })],
  ])('is never followed: %s', async (_, value) => {
    const redisClient = await openClient();
    const keyPrefix = uniqueKeyPrefix();
    let connections = 0;
    const trap = await startServer((__, res) => res.end('trapped'));
    trap.server.on('connection', () => (connections += 1));
    const { name } = await startServer((req, res) => res.end(req.url?.includes('sid=') ? 'polled' : SESSION));
    const proxy = await startProxy({ hosts: [name], redisClient, keyPrefix });
    await redisClient.set(`${keyPrefix}bad`, value(trap.name, name));
    const reply = await request(`${proxy.url}${POLL}&sid=bad`);
    expect(reply).toMatchObject({ status: 400, body: UNKNOWN });
    const upgrade = `GET ${POLL}&sid=bad HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    expect(await exchangeBytes(proxy.port, upgrade)).toMatch(/^HTTP\/1\.1 400 /);
    expect(connections).toBe(0);
    await expectAlive(proxy);
  });
});

describe('targets', () => {
  it.each([
    ['in absolute form, out of the path', 'http://evil.example/admin?/socket.io/'],
    ['in absolute form, with no path', 'http://evil.example'],
    ['in absolute form, that climb out of the path', 'http://evil.example/socket.io/../admin'],
    ['in absolute form, with a user', 'http://a:b@evil.example/socket.io/?EIO=4'],
    ['in absolute form, without a host', 'http:///socket.io/?EIO=4'],
    ['of another scheme', 'ftp://evil.example/socket.io/?EIO=4'],
    ['of an authority', 'evil.example:80'],
    ['of a star', '*'],
    ['that begin with //', '//evil.example/socket.io/?EIO=4'],
    ['with a fragment', '/socket.io/?EIO=4#sid=x'],
    ['with a fragment before the query', '/socket.io/#?EIO=4'],
    ['that climb out of the path', '/socket.io/../admin?EIO=4'],
    ['that climb out of the path at their end', '/socket.io/x/..'],
    ['that climb by an encoded dot', '/socket.io/.%2E/admin?EIO=4'],
    ['that climb by an encoded slash', '/socket.io/x%2F..%2Fadmin?EIO=4'],
    ['that climb by a backslash', '/socket.io/..\\admin?EIO=4'],
    ['that climb before a parameter', '/socket.io/..;a=b/admin?EIO=4'],
    ['with a segment of one dot', '/socket.io/./?EIO=4'],
    ['with a tab', '/socket.io/?EIO=4\tx'],
    ['with a byte over 127', '/socket.io/?EIO=4\xe9'],
    ['with a null', '/socket.io/?EIO=4\0x'],
    ['with a space', '/socket.io/?EIO=4 x'],
  ])('%s are refused', async (_, target) => {
    const proxy = usual;
    for (const headers of ['Connection: close\r\n', 'Connection: Upgrade\r\nUpgrade: websocket\r\n']) {
      const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n${headers}\r\n`, 'latin1');
      expect(await exchangeBytes(proxy.port, bytes)).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect(proxy.seen).toEqual([]);
    await expectAlive(proxy);
  });

  it.each([
    '/socket.io/?EIO=4&x=/../y', '/socket.io/..a?EIO=4', '/socket.io/.a/b..?EIO=4', '/socket.io/...?EIO=4', '/socket.io?x=/../y',
  ])('such as %s, whose dots lead nowhere, are passed on as they are', async (target) => {
    const proxy = usual;
    await exchangeBytes(proxy.port, `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`);
    expect(proxy.seen).toEqual([`GET ${target}`]);
  });

  it('of CONNECT are not tunnelled', async () => {
    const proxy = usual;
    const trap = await startServer((_, res) => res.end('trapped'));
    const response = await exchangeBytes(proxy.port, `CONNECT ${trap.name} HTTP/1.1\r\nHost: ${trap.name}\r\n\r\n`);
    expect(response).not.toMatch(/^HTTP\/1\.1 2/);
    expect(proxy.seen).toEqual([]);
    await expectAlive(proxy);
  });
});

describe('request heads', () => {
  it('over maxHeaderSize are refused with 431', async () => {
    const proxy = await watched({ maxHeaderSize: 2048 });
    const sized = (size: number): Promise<{ status: number }> =>
      request(proxy.url + POLL, { headers: { 'X-Long': 'x'.repeat(size) } });
    expect(await sized(1000)).toMatchObject({ status: 200 });
    expect(await sized(3000)).toMatchObject({ status: 431 });
    expect(proxy.seen).toHaveLength(1);
    await expectAlive(proxy);
  });

  it.each([
    ['a line break in a value', 'X-A: 1\nX-Injected: 1'],
    ['a carriage return in a value', 'X-A: 1\rX-Injected: 1'],
    ['a null in a value', 'X-A: 1\0X-Injected: 1'],
    ['a folded line', 'X-A: 1\r\n X-Injected: 1'],
    ['a folded first line', ' X-Injected: 1'],
    ['a space before the colon', 'X-Injected : 1'],
    ['a name with a space', 'X Injected: 1'],
    ['a line with no colon', 'X-Injected'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 5'],
    ['a signed length', 'Content-Length: +5'],
    ['a length of no digits', 'Content-Length: five'],
    ['a length over 64 bits', 'Content-Length: 99999999999999999999999'],
  ])('with %s are refused', async (_, lines) => {
    const proxy = usual;
    const head = `POST ${POLL} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${lines}\r\n\r\n`;
    expect(await exchangeBytes(proxy.port, head)).toMatch(/^HTTP\/1\.1 400 /);
    expect(proxy.seen).toEqual([]);
    await expectAlive(proxy);
  });

  it.each([
    'GET\r\n\r\n', '\0\0\0\0', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n',
  ])('that are none are refused: %j', async (bytes) => {
    const proxy = usual;
    expect(await exchangeBytes(proxy.port, Buffer.from(bytes, 'latin1'))).toMatch(/^HTTP\/1\.1 400 /);
    await expectAlive(proxy);
  });

  it.each([
    'bad host', 'a/b', 'a?b', 'a#b', 'user@a', 'a:b', 'a:1:2', '[::1', '::1', '[a]b', '%zz', 'é', 'a\tb', '"a"', 'a,b c',
  ])('with the Host %j do not reach a host', async (host) => {
    const proxy = usual;
    const head = Buffer.from(`GET ${POLL} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1');
    expect(await exchangeBytes(proxy.port, head)).toMatch(/^HTTP\/1\.1 400 /);
    expect(proxy.seen).toEqual([]);
    await expectAlive(proxy);
  });

  it.each(['', 'a', 'a.example:8080', '127.0.0.1', '[::1]:80', 'a_b.internal', 'a.example.:', 'xn--bcher-kva.example'])(
    'with the Host %j do', async (host) => {
      const head = `GET ${POLL} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      expect(await exchangeBytes(usual.port, head)).toMatch(/^HTTP\/1\.1 200 /);
    },
  );

  it('with two Host lines do not reach a host', async () => {
    const proxy = usual;
    const head = `GET ${POLL} HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\nConnection: close\r\n`;
    expect(await exchangeBytes(proxy.port, `${head}\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    const upgrade = head.replace('close', 'Upgrade\r\nUpgrade: websocket');
    expect(await exchangeBytes(proxy.port, `${upgrade}\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(proxy.seen).toEqual([]);
    await expectAlive(proxy);
  });
});
