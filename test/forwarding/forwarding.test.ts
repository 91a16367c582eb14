import type { RequestListener } from 'node:http';
import type Proxy from '../../src';
import { exchangeBytes, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';

/** What a host has received. */
interface Received {
  method: string;
  url: string;
  rawHeaders: string[];
}

/** Answers with what it has received. */
const tells: RequestListener = ({ method, url, rawHeaders }, res) => {
  res.end(JSON.stringify({ method, url, rawHeaders }));
};

async function behind(
  handler: RequestListener,
  options: Partial<Proxy.ProxyOptions> = {},
): Promise<Started & { host: string }> {
  const { name } = await startServer(handler);
  return { ...await startProxy({ hosts: [name], ...options }), host: name };
}

/** Sends a request that is spelled out, and resolves with the bytes of the response. */
function sendRaw(port: number, target: string, headers: string[] = [], method = 'GET'): Promise<string> {
  const head = [`${method} ${target} HTTP/1.1`, 'Host: client.example', 'Connection: close', ...headers, '', ''];
  return exchangeBytes(port, Buffer.from(head.join('\r\n'), 'latin1'));
}

/** What the host has received of a request that is spelled out. */
async function received(port: number, target: string, headers?: string[]): Promise<Received> {
  const response = await sendRaw(port, target, headers);
  const body = Buffer.from(response.slice(response.indexOf('\r\n\r\n') + 4), 'latin1');
  return JSON.parse(body.toString()) as Received;
}

/** The values of a header, one for each line. */
function valuesOf({ rawHeaders }: Received, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name.toLowerCase());
}

/** Writes a response as it is spelled out, and ends the connection; a health check has a plain answer. */
function answers(head: string[], body = ''): RequestListener {
  return (req, res) => {
    if (req.url?.includes('?')) {
      req.socket.end(Buffer.from([...head, '', body].join('\r\n'), 'latin1'));
    } else {
      res.end();
    }
  };
}

const POLL = '/socket.io/?EIO=4';

describe('X-Forwarded-*', () => {
  it('tells the host of the client, and of the request as it came', async () => {
    const { port } = await behind(tells);
    const { rawHeaders } = (await request(`http://127.0.0.1:${port}${POLL}`)).json() as Received;
    expect(rawHeaders.slice(rawHeaders.indexOf('x-forwarded-for'))).toEqual(expect.arrayContaining([
      'x-forwarded-for', '127.0.0.1',
      'x-forwarded-proto', 'http',
      'x-forwarded-host', `127.0.0.1:${port}`,
      'x-forwarded-port', String(port),
    ]));
  });
});

describe('Host', () => {
  it("is the host's own", async () => {
    const { port, host } = await behind(tells);
    expect(valuesOf(await received(port, POLL), 'host')).toEqual([host]);
  });

  it("is the client's with changeOrigin: false", async () => {
    const { port } = await behind(tells, { changeOrigin: false });
    expect(valuesOf(await received(port, POLL), 'host')).toEqual(['client.example']);
  });
});

describe('hop-by-hop headers', () => {
  const LINES: [name: string, lines: string[]][] = [
    ['X-Named', ['Connection: X-Named', 'X-Named: 1']],
    ['X-Second', ['Connection: X-First, x-second', 'X-Second: 1']],
    ['X-Named', ['Connection: X-Named', 'Connection: X-Other', 'X-Named: 1']],
    ['Proxy-Connection', ['Proxy-Connection: keep-alive']],
    ['TE', ['TE: trailers']],
    ['Trailer', ['Trailer: X-Checksum']],
    ['Keep-Alive', ['Keep-Alive: timeout=5']],
    ['Upgrade', ['Upgrade: h2c']],
  ];

  it.each([...LINES, ['Proxy-Authorization', ['Proxy-Authorization: Basic c2VjcmV0']]] as typeof LINES)(
    'drops %s of a request: %j',
    async (name, lines) => {
      const { port } = await behind(tells);
      const found = await received(port, POLL, [...lines, 'X-Kept: 1']);
      expect(valuesOf(found, name)).toEqual([]);
      expect(valuesOf(found, 'x-kept')).toEqual(['1']);
    },
  );

  it.each([...LINES, ['Proxy-Authenticate', ['Proxy-Authenticate: Basic']]] as typeof LINES)(
    'drops %s of a response: %j',
    async (name, lines) => {
      const { port } = await behind(answers(['HTTP/1.1 200 OK', ...lines, 'X-Kept: 1', 'Content-Length: 0']));
      const response = await sendRaw(port, POLL);
      expect(response).toContain('\r\nX-Kept: 1\r\n');
      const line = lines.find((text) => text.startsWith(`${name}:`));
      expect(response).not.toContain(`\r\n${String(line)}\r\n`);
    },
  );
});

describe('headers', () => {
  it('reach the host in their order and spelling, repeated, empty, and in latin1', async () => {
    const { port } = await behind(tells, { xfwd: false });
    const lines = [
      'x-B: 1', 'COOKIE: a=1', 'X-a: 2', 'Cookie: b=2', 'x-b: 3', 'X-Latin: caf\xe9 \xff', 'X-Empty: ', 'Accept: */*',
    ];
    const { rawHeaders } = await received(port, POLL, lines);
    const pairs = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []));
    expect(pairs.filter((pair) => !/^(?:host|connection): /i.test(pair))).toEqual(lines);
  });

  it('reach the client in their order and spelling, repeated, empty, and in latin1', async () => {
    const lines = [
      'x-B: 1', 'Set-Cookie: a=1; Path=/', 'X-a: 2', 'SET-cookie: b=2', 'x-b: 3', 'Date: Thu, 01 Jan 1970 00:00:00 GMT',
      'X-Latin: caf\xe9 \xff', 'X-Empty: ', 'Content-LENGTH: 2',
    ];
    const { port } = await behind(answers(['HTTP/1.1 207 Quite Right', ...lines], 'ok'));
    const response = await sendRaw(port, POLL);
    const begin = ['HTTP/1.1 207 Quite Right', ...lines, ''].join('\r\n');
    expect(response.slice(0, begin.length)).toBe(begin);
    expect(response.endsWith('\r\n\r\nok')).toBe(true);
  });

  it('are followed by a body of unknown length that ends with the connection', async () => {
    const { port } = await behind(answers(['HTTP/1.1 200 OK'], 'to the end'));
    expect((await request(`http://127.0.0.1:${port}${POLL}`)).body).toBe('to the end');
  });
});

it.each([
  ['no', '', ''],
  ['an ASCII', 'no  such (thing)', 'no  such (thing)'],
  ['a latin1', 'Tr\xe8s', 'Tr\xe8s'],
  ['a UTF-8', 'Tr\xc3\xa8s \xf0\x9f\x9a\x80', 'Tr\xc3\xa8s \xf0\x9f\x9a\x80'],
])('passes %s status message on', async (_, sent, arrived) => {
  const { port } = await behind(answers([`HTTP/1.1 404 ${sent}`, 'Content-Length: 0']));
  const response = await sendRaw(port, POLL);
  expect(response.slice(0, response.indexOf('\r\n'))).toBe(`HTTP/1.1 404 ${arrived}`);
});

it('passes a status message on that arrives in two parts', async () => {
  const { port } = await behind((req, res) => {
    if (!req.url?.includes('?')) {
      res.end();
      return;
    }
    req.socket.setNoDelay(true);
    // The second part leaves two turns later, when the first has been read.
    req.socket.write('HTTP/1.1 404 Not F', () => {
      setImmediate(() => setImmediate(() => req.socket.end('ound\r\nContent-Length: 0\r\n\r\n')));
    });
  });
  expect(await sendRaw(port, POLL)).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
});

it.each([
  '/socket.io/?EIO=4&transport=polling&t=%20+%zz&&x=%C3%A9;y',
  '/socket.io?EIO=4',
  '/socket.io/socket.io.js',
  '/socket.io//a//b/?x=//y',
  '/socket.io/.../admin/.x/x..',
  '/socket.io/%2e%2ea/%41%2F%00?x=%23/../y',
  '/socket.io/;v=1/?a=\'"<>{}|\\^`[]',
  '/socket.io/?a?b=c?d',
])('passes the target %s on unchanged', async (target) => {
  const { port } = await behind(tells);
  expect(await received(port, target)).toMatchObject({ method: 'GET', url: target });
});

it.each(['POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])('passes the method %s on', async (method) => {
  const { port } = await behind(tells);
  const response = await sendRaw(port, POLL, [], method);
  expect(response).toContain(`"method":"${method}"`);
});
