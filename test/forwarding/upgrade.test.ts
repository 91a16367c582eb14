import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import net, { type Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type Proxy from '../../src';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { openWebSocket, startSessionHost } from '../support/session-host';
import { clientSid } from '../support/stores';

const TARGET = '/socket.io/?EIO=4&transport=websocket';
const HEAD = [
  `GET ${TARGET} HTTP/1.1`, 'Host: client.example:8080', 'Connection: Upgrade', 'Upgrade: websocket',
  'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const ACCEPT = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];

const bytesOf = (lines: string[], body = ''): Buffer => Buffer.from([...lines, '', body].join('\r\n'), 'latin1');

interface Joined extends Started {
  server: Server;
}

type OnUpgrade = (req: IncomingMessage, socket: Socket, head: Buffer) => void;

async function behind(onUpgrade: OnUpgrade, options: Partial<Proxy.ProxyOptions> = {}): Promise<Joined> {
  const { server, name } = await startServer((_, res) => res.end());
  server.on('upgrade', (req, socket: Socket, head) => {
    socket.on('error', () => {});
    onCleanup(() => socket.destroy());
    onUpgrade(req, socket, head);
  });
  return { ...await startProxy({ hosts: [name], ...options }), server };
}

/** A host that gives its sockets out, once it has accepted them. */
async function accepting(): Promise<Joined & { next: () => Promise<Socket> }> {
  const joined = await behind((_, socket) => {
    socket.write(bytesOf(ACCEPT));
    joined.server.emit('joined', socket);
  });
  return { ...joined, next: async () => (await once(joined.server, 'joined') as [Socket])[0] };
}

async function connect(port: number, bytes: Buffer = bytesOf(HEAD)): Promise<Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onCleanup(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'connect');
  return socket;
}

/** Reads until what has come ends with the given text, and resolves with all of it. */
async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = '';
  while (!text.endsWith(end)) text += ((await once(socket, 'data')) as [Buffer])[0].toString('latin1');
  return text;
}

/** Resolves when the servers have no connection left: what a socket's end brings about takes a turn or two. */
async function drained(...servers: Server[]): Promise<void> {
  for (const server of servers) {
    while (await connections(server) > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

describe('the request of an upgrade', () => {
  async function rawHeadersOf(head: string[], options?: Partial<Proxy.ProxyOptions>): Promise<string[]> {
    let rawHeaders: string[] = [];
    const { port } = await behind((req, socket) => {
      ({ rawHeaders } = req);
      socket.end(bytesOf(ACCEPT));
    }, options);
    await exchangeBytes(port, bytesOf(head));
    return Array.from({ length: rawHeaders.length / 2 }, (_, i) => `${rawHeaders[2 * i]}: ${rawHeaders[2 * i + 1]}`);
  }

  it('reaches the host with its headers as they were sent', async () => {
    const lines = [
      'X-b: 1', 'sec-websocket-PROTOCOL: chat, superchat', 'Sec-WebSocket-Extensions: permessage-deflate',
      'Cookie: a=1', 'Cookie: b=2', 'x-a: caf\xe9', 'Origin: http://page.example',
    ];
    const arrived = await rawHeadersOf([...HEAD, ...lines], { xfwd: false });
    const kept = HEAD.slice(4);
    expect(arrived.filter((line) => !/^(?:host|connection|upgrade):/i.test(line))).toEqual([...kept, ...lines]);
    expect(arrived.filter((line) => /^(?:connection|upgrade):/i.test(line))).toEqual(HEAD.slice(2, 4));
  });

  it('reaches the host with its target', async () => {
    const targets: (string | undefined)[] = [];
    const { port } = await behind(({ url }, socket) => {
      targets.push(url);
      socket.end(bytesOf(ACCEPT));
    });
    await exchangeBytes(port, bytesOf(HEAD));
    expect(targets).toEqual([TARGET]);
  });

  it('tells the host of the client, and of the request as it came', async () => {
    const arrived = await rawHeadersOf(HEAD);
    expect(arrived).toEqual(expect.arrayContaining([
      'x-forwarded-for: 127.0.0.1', 'x-forwarded-proto: http', 'x-forwarded-port: 8080',
      'x-forwarded-host: client.example:8080',
    ]));
  });

  it('is told of no forwarding with xfwd: false', async () => {
    expect(String(await rawHeadersOf(HEAD, { xfwd: false }))).not.toMatch(/forwarded/i);
  });

  it('loses its hop-by-hop headers', async () => {
    const head = [...HEAD.slice(0, 2), 'Connection: Upgrade, X-Named', 'X-Named: 1', 'TE: trailers', ...HEAD.slice(3)];
    const arrived = String(await rawHeadersOf([...head, 'Proxy-Authorization: Basic AA', 'X-Kept: 1']));
    expect(arrived).not.toMatch(/X-Named|TE:|Proxy-Authorization/);
    expect(arrived).toContain('X-Kept: 1');
  });

  it("names the client's host with changeOrigin: false, and else the host's own", async () => {
    expect(await rawHeadersOf(HEAD, { changeOrigin: false })).toContain('Host: client.example:8080');
    expect(String(await rawHeadersOf(HEAD))).toMatch(/Host: 127\.0\.0\.1:\d+/);
  });
});

describe('the answer to an upgrade', () => {
  it("is the host's, with its headers as they were sent", async () => {
    const lines = [
      'Sec-WebSocket-ACCEPT: s3p=', 'Sec-WebSocket-Protocol: chat', 'Set-Cookie: a=1', 'X-Latin: caf\xe9',
      'Set-Cookie: b=2',
    ];
    const { port } = await behind((_, socket) => socket.end(bytesOf([...ACCEPT, ...lines])));
    const response = await exchangeBytes(port, bytesOf(HEAD));
    expect(response).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(response).toContain(`\r\n${lines.join('\r\n')}\r\n`);
    expect(response).toContain('\r\nConnection: Upgrade\r\n');
    expect(response).toContain('\r\nUpgrade: websocket\r\n');
  });

  it('may take longer than a connection to the host', async () => {
    // Nothing tells that this has passed but time.
    const { port } = await behind((_req, socket) => setTimeout(() => socket.write(bytesOf(ACCEPT)), 500), { connectTimeout: 250 });
    expect(await readUntil(await connect(port), '\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('may follow an interim response', async () => {
    const { port } = await behind((_, socket) => {
      socket.end(Buffer.concat([bytesOf(['HTTP/1.1 103 Early Hints', 'Link: </a>']), bytesOf(ACCEPT, 'hello')]));
    });
    expect(await exchangeBytes(port, bytesOf(HEAD))).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nhello$/);
  });

  it.each([
    ['with Content-Length', ['Content-Length: 9'], 'forbidden'],
    ['in chunks', ['Transfer-Encoding: chunked'], '4\r\nforb\r\n5\r\nidden\r\n0\r\n\r\n'],
    ['until its connection ends', [], 'forbidden'],
  ])('is a proper response where the host refuses, %s, after which the socket is closed', async (_, framing, body) => {
    const lines = ['HTTP/1.1 403 Not You', 'X-Kept: caf\xe9', 'Set-Cookie: a=1', 'Set-Cookie: b=2', ...framing];
    const { port } = await behind((__, socket) => socket.end(bytesOf(lines, body)));
    const [head = '', text] = (await exchangeBytes(port, bytesOf(HEAD))).split('\r\n\r\n');
    const kept = lines.filter((line) => !line.startsWith('Transfer'));
    expect(head.split('\r\n')).toEqual([...kept, 'Connection: close']);
    expect(text).toBe('forbidden');
  });

  it('ends the connection where the host refuses, though the client keeps its side open', async () => {
    const refusal = bytesOf(['HTTP/1.1 403 Forbidden', 'Content-Length: 0']);
    const { port, proxy } = await behind((_, socket) => socket.end(refusal));
    const socket = await connect(port);
    await readUntil(socket, '\r\n\r\n');
    await drained(proxy.server);
  });

  it('of a refusal with a body of 1 MB arrives whole', async () => {
    const body = 'x'.repeat(1_000_000);
    const refusal = bytesOf(['HTTP/1.1 403 Forbidden', 'Content-Length: 1000000'], body);
    const { port } = await behind((_, socket) => socket.end(refusal));
    const response = await exchangeBytes(port, bytesOf(HEAD));
    expect(response.slice(response.indexOf('\r\n\r\n') + 4) === body).toBe(true);
  });
});

describe('bytes', () => {
  it('that the client sends with its request reach the host', async () => {
    const { port, next } = await accepting();
    const joined = next();
    await connect(port, bytesOf(HEAD, 'first'));
    expect(await readUntil(await joined, 'first')).toBe('first');
  });

  it('that the host sends with its answer reach the client', async () => {
    const { port } = await behind((_, socket) => socket.write(bytesOf(ACCEPT, 'first')));
    expect(await readUntil(await connect(port), 'first')).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nfirst$/);
  });

  it('that go both ways with the heads arrive before those that follow', async () => {
    const { port } = await behind((_, socket, head) => {
      socket.write(bytesOf(ACCEPT, 'a'));
      socket.write('b');
      socket.unshift(head);
      void readUntil(socket, 'xyz').then((text) => socket.end(`c:${text}`));
    });
    const socket = await connect(port, bytesOf(HEAD, 'x'));
    socket.write('y');
    socket.write('z');
    expect((await readUntil(socket, 'xyz')).split('\r\n\r\n')[1]).toBe('abc:xyz');
  });

  it('of 1 MB frames arrive unchanged both ways, with the subprotocol that was agreed', async () => {
    const { server, name } = await startServer((_, res) => res.end());
    const wss = new WebSocketServer({ server, handleProtocols: () => 'chat', perMessageDeflate: true });
    wss.on('connection', (ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary })));
    const { port } = await startProxy({ hosts: [name] });
    const ws = new WebSocket(`ws://127.0.0.1:${port}${TARGET}`, ['other', 'chat']);
    onCleanup(() => ws.terminate());
    await once(ws, 'open');
    expect([ws.protocol, ws.extensions]).toEqual(['chat', expect.stringContaining('permessage-deflate')]);
    const data = randomBytes(1_000_000);
    for (let i = 0; i < 3; i += 1) {
      ws.send(data);
      const [echo] = await once(ws, 'message') as [Buffer];
      expect(Buffer.compare(echo, data)).toBe(0);
    }
  });
});

describe('the end of a tunnel', () => {
  const ENDS: [name: string, end: (socket: Socket) => unknown][] = [
    ['ended', (socket) => socket.end()],
    ['destroyed', (socket) => socket.destroy()],
    ['reset', (socket) => socket.resetAndDestroy()],
  ];

  it.each(ENDS)("comes for the host when the client's socket is %s", async (_, end) => {
    const { port, next, proxy } = await accepting();
    const joined = next();
    const socket = await connect(port);
    const hostSocket = await joined;
    await readUntil(socket, '\r\n\r\n');
    hostSocket.on('end', () => hostSocket.end()).resume();
    const closed = Promise.all([once(hostSocket, 'close'), once(socket, 'close')]);
    socket.resume();
    end(socket);
    await closed;
    await drained(proxy.server);
  });

  it.each(ENDS)("comes for the host, before it has answered, when the client's socket is %s", async (_, end) => {
    const { port, server, proxy } = await behind((_req, socket) => server.emit('asked', socket));
    const asked = once(server, 'asked') as Promise<[Socket]>;
    const socket = await connect(port);
    const [hostSocket] = await asked;
    hostSocket.on('end', () => hostSocket.end()).resume();
    const closed = new Promise((resolve) => hostSocket.once('close', resolve));
    end(socket);
    await closed;
    // Who has gone is refused nothing: closed, the proxy has heard of the end of its own connection to the host.
    await proxy.close();
    expect((await proxy.parts.operations.totals()).refusals).toEqual({});
  });

  it.each(ENDS)("comes for the client when the host's socket is %s", async (_, end) => {
    const { port, next, proxy } = await accepting();
    const joined = next();
    const socket = await connect(port);
    const hostSocket = await joined;
    await readUntil(socket, '\r\n\r\n');
    const closed = Promise.all([once(hostSocket, 'close'), once(socket, 'close')]);
    hostSocket.resume();
    socket.on('end', () => socket.end()).resume();
    end(hostSocket);
    await closed;
    await drained(proxy.server);
  });

  it('comes after what was sent before it', async () => {
    const { port, next } = await accepting();
    const joined = next();
    const socket = await connect(port);
    const data = 'x'.repeat(1_000_000);
    (await joined).end(data);
    const text = await readUntil(socket, data);
    expect(text.length).toBeGreaterThan(data.length);
  });

  it('leaves no connection behind, 200 times', async () => {
    const { port, server, proxy } = await behind((_, socket) => {
      socket.write(bytesOf(ACCEPT));
      socket.on('end', () => socket.end()).resume();
      // Health checks are connections too.
    }, { checkInterval: 60_000 });
    const tunnels = await Promise.all(Array.from({ length: 200 }, () => connect(port)));
    await Promise.all(tunnels.map((socket) => readUntil(socket, '\r\n\r\n')));
    expect([await connections(proxy.server), await connections(server)]).toEqual([200, 200]);
    await Promise.all(tunnels.map((socket, i) => {
      const closed = once(socket.resume(), 'close');
      ENDS[i % ENDS.length]?.[1](socket);
      return closed;
    }));
    await drained(proxy.server, server);
  });
});

it('tells of a session that was opened by WebSocket', async () => {
  const host = await startSessionHost();
  const { url, proxy } = await startProxy({ hosts: [host.name] });
  const told = once(proxy, 'session');
  await openWebSocket(url);
  expect((await told)[0]).toEqual({ sid: clientSid(host.sids[0] ?? '', host.name), host: host.name, transport: 'websocket' });
});
