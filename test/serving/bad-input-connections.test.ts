import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { onCleanup } from '../support/cleanup';
import { exchangeBytes, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { hostSid } from '../support/stores';

const POLL = '/socket.io/?EIO=4&transport=polling';
const OPEN = '0{"sid":"well"}';
const UPGRADE = `GET ${POLL} HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n';

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A host that opens sessions, holds all other requests, and accepts every upgrade. */
interface Holding extends Started {
  /** The connections that the host has. */
  sockets: Set<Socket>;
  server: Server;
}

async function holding(): Promise<Holding> {
  const sockets = new Set<Socket>();
  const { server, name } = await startServer((req, res) => {
    if (req.url === '/socket.io/') res.end();
    else if (req.url === `${POLL}&well`) res.writeHead(200, { Connection: 'close' }).end(OPEN);
    else server.emit('held', req, res);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (_, socket: Socket) => {
    socket.on('error', () => {}).on('end', () => socket.end()).resume();
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  return { ...await startProxy({ hosts: [name] }), sockets, server };
}

async function nextHeld({ server }: Holding): Promise<[IncomingMessage, ServerResponse]> {
  return await once(server, 'held') as [IncomingMessage, ServerResponse];
}

/** Resolves when the host has no connection left. */
async function forsaken({ sockets }: Holding): Promise<void> {
  for (const socket of sockets) await new Promise((resolve) => socket.once('close', resolve));
}

/** What every test ends with: nothing has happened to the proxy. */
async function expectAlive({ url }: Started): Promise<void> {
  const { body } = await request(`${url}${POLL}&well`);
  expect(hostSid(/^0\{"sid":"(.*)"\}$/.exec(body)?.[1] ?? '')).toBe('well');
}

async function connect(port: number): Promise<Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onCleanup(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function allFrom(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(socket, 'end');
  return text;
}

it.each([
  ['an upgrade', UPGRADE],
  ['an upgrade that carries a frame', `${UPGRADE}\x81\x83abcd\x00\x00\x00`],
  ['a poll', `GET ${POLL} HTTP/1.1\r\nHost: a.example\r\n\r\n`],
  ['a POST', `POST ${POLL} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody`],
  ['a POST in chunks',
    `POST ${POLL} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n`],
])('survives clients that reset their connection after each byte of %s', async (_, text) => {
  const host = await holding();
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at <= bytes.length; at += 1) {
    const socket = await connect(host.port);
    if (at > 0) await new Promise((resolve) => socket.write(bytes.subarray(0, at), resolve));
    // Some resets are to come while the host is asked, and some when it has answered.
    await turns(at % 6);
    socket.resetAndDestroy();
  }
  await turns(10);
  await forsaken(host);
  await expectAlive(host);
});

describe('a client that half-closes', () => {
  it('after a request is let go, and so is the host', async () => {
    const host = await holding();
    const socket = await connect(host.port);
    const held = nextHeld(host);
    socket.write(`GET ${POLL} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    await held;
    socket.end();
    await allFrom(socket);
    await forsaken(host);
    await expectAlive(host);
  });

  it('in the middle of a head is let go', async () => {
    const host = await holding();
    const socket = await connect(host.port);
    socket.end(`GET ${POLL} HTTP/1.1\r\nHost: a.ex`);
    expect(await allFrom(socket)).toMatch(/^(?:HTTP\/1\.1 400 |$)/);
    await expectAlive(host);
  });

  it.each([
    ['a small body', 'Content-Length: 10\r\n\r\nabc'],
    ['a large body', 'Content-Length: 100000\r\n\r\nabc'],
    ['a chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\nabc'],
  ])('in the middle of %s is let go, and so is the host', async (_, rest) => {
    const host = await holding();
    const socket = await connect(host.port);
    const held = rest.includes('10\r\n') ? undefined : nextHeld(host);
    socket.write(`POST ${POLL} HTTP/1.1\r\nHost: a.example\r\n${rest}`);
    const [req] = await held ?? [];
    req?.on('error', () => {});
    socket.end();
    await allFrom(socket);
    await forsaken(host);
    await expectAlive(host);
  });

  it('before an upgrade is answered is let go', async () => {
    const host = await holding();
    const socket = await connect(host.port);
    socket.end(UPGRADE);
    await allFrom(socket);
    await forsaken(host);
    await expectAlive(host);
  });
});

describe('pipelined requests', () => {
  const head = (n: number, headers = ''): string => `GET ${POLL}&n=${n} HTTP/1.1\r\nHost: a.example\r\n${headers}\r\n`;

  it('end at the host when their client goes away', async () => {
    const host = await holding();
    const socket = await connect(host.port);
    const first = nextHeld(host);
    socket.write(head(1) + head(2) + head(3));
    await first;
    await turns(10);
    socket.resetAndDestroy();
    await forsaken(host);
    await host.proxy.close();
  });

  it('behind a response that ends the connection reach no host, and do not hold up close()', async () => {
    const host = await holding();
    let asked = 0;
    host.server.on('held', () => (asked += 1));
    const response = await exchangeBytes(
      host.port,
      `OPTIONS ${POLL} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx${head(2)}${head(3)}`,
    );
    expect(response.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    await expectAlive(host);
    expect(asked).toBe(0);
    await host.proxy.close();
  });

  it.each([
    ['a request', `GET ${POLL} HTTP/1.1\r\nHost: a.example\r\n\r\n`], ['an upgrade', UPGRADE],
  ])('%s that is read when the connection has just been ended reaches no host', async (_, next) => {
    const { proxy, port } = await holding();
    const hosts: (string | undefined)[] = [];
    proxy.on('access', ({ host }) => void hosts.push(host));
    proxy.server.once('connection', (socket: Socket) => {
      const end = socket.end.bind(socket);
      socket.end = (...args: []) => {
        end(...args);
        socket.emit('data', Buffer.from(next));
        return socket;
      };
    });
    const answer = await exchangeBytes(port, `GET ${POLL} HTTP/1.1\r\nHost: a.example\r\nConnection: host\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    await turns(5);
    expect(hosts).toEqual([undefined]);
  });

  it('are served up to a hundred behind a poll that is held, and more end their connection', async () => {
    const host = await holding();
    const heads = (count: number): string => `GET ${POLL}&well HTTP/1.1\r\nHost: a.example\r\n\r\n`.repeat(count);
    const modest = await connect(host.port);
    const held = nextHeld(host);
    modest.write(head(1) + heads(99) + `GET ${POLL}&well HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`);
    const [, response] = await held;
    const answers = allFrom(modest);
    expect(await exchangeBytes(host.port, head(1) + heads(101))).toBe('');
    response.end();
    expect((await answers).match(/HTTP\/1\.1 200 /g)).toHaveLength(101);
    await expectAlive(host);
  });
});
