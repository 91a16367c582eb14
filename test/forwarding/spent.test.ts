import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import tls from 'node:tls';
import { CAN_FREE, freeSpent } from '../../src/forwarding/spent';
import { onCleanup } from '../support/cleanup';
import { startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { CERT, startTlsServer } from '../support/tls';
import { until } from '../support/until';
import { upgradeOf } from '../support/upgrades';

const SIZE = 65_536;
const ACCEPT = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A host that sends back all that comes after an upgrade. */
async function echo(secure: boolean): Promise<{ name: string; socket: () => Promise<Socket> }> {
  const { server, name } = secure ? await startTlsServer((_, res) => res.end()) : await startServer((_, res) => res.end());
  const joined = once(server, 'joined') as Promise<[Socket]>;
  server.on('upgrade', (_, socket: Socket) => {
    onCleanup(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(ACCEPT);
    socket.pipe(socket);
    server.emit('joined', socket);
  });
  return { name, socket: async () => (await joined)[0] };
}

/** Two ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [[far]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(near, 'connect')]);
  for (const socket of [near, far]) socket.on('error', () => {});
  onCleanup(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return [near, far];
}

describe.each([[false, false], [true, false], [false, true]])('with TLS to clients: %s, to hosts: %s', (toClients, toHosts) => {
  it.each([
    ['at once', true], ['once its host can send no more', false],
  ])('a client that reads %s gets large messages whole', async (_, eager) => {
    const host = await echo(toHosts);
    const own = toClients ? await startTlsServer((_req, res) => res.end()) : undefined;
    const { port } = await startProxy({ hosts: [host.name], hostTls: { ca: CERT }, ...own && { server: own.server } });
    const client: Socket = toClients
      ? tls.connect({ port, host: '127.0.0.1', ca: CERT }) : net.connect(port, '127.0.0.1');
    onCleanup(() => client.destroy());
    client.write(upgradeOf());
    await once(client, 'readable');
    expect(String(client.read(ACCEPT.length))).toMatch(/^HTTP\/1.1 101 /);
    const message = randomBytes(16 * 1024 * 1024);
    const echoed: Buffer[] = [];
    client.write(message);
    const far = await host.socket();
    if (!eager) await until('the host can send no more', () => far.writableLength > 0);
    client.on('data', (chunk: Buffer) => echoed.push(chunk));
    await until('all is back', () => echoed.reduce((sum, { length }) => sum + length, 0) >= message.length);
    expect(hashOf(Buffer.concat(echoed))).toBe(hashOf(message));
  });
});

describe('a chunk', () => {
  let from: PassThrough;
  let [to, far]: Socket[] = [];
  beforeEach(async () => {
    from = new PassThrough();
    from.on('data', () => {});
    [to, far] = await pair();
  });

  /** How much of a chunk is left. */
  const left = (chunk: Buffer, socket: net.Socket | PassThrough | undefined = to): number => {
    if (!socket) throw new Error('there is no socket');
    socket.write(chunk);
    freeSpent(chunk, from, socket, 1);
    return chunk.length;
  };

  it('is freed once the kernel has taken it, from Node.js 21 on', async () => {
    expect(CAN_FREE).toBe(Number(process.versions.node.split('.')[0]) > 20);
    const come: Buffer[] = [];
    far?.on('data', (chunk: Buffer) => come.push(chunk));
    expect(left(Buffer.alloc(SIZE, 'x'))).toBe(CAN_FREE ? 0 : SIZE);
    await until('it has come', () => Buffer.concat(come).length === SIZE);
    expect(Buffer.concat(come).equals(Buffer.alloc(SIZE, 'x'))).toBe(true);
  });

  it('is kept while the kernel has not taken it', () => {
    // More than the kernel takes.
    for (let i = 0; i < 1000 && to?.writableLength === 0; i += 1) left(Buffer.alloc(SIZE));
    expect(to?.writableLength).toBeGreaterThan(0);
    expect(left(Buffer.alloc(SIZE))).toBe(SIZE);
  });

  it.each<[string, () => number]>([
    ['is small', () => left(Buffer.alloc(16_383))],
    ['is a part of something larger', () => left(Buffer.alloc(2 * SIZE).subarray(SIZE))],
    ['goes to a stream that is no socket', () => left(Buffer.alloc(SIZE), new PassThrough())],
    ['goes to a socket that somebody has wrapped', () => {
      const write = to?.write.bind(to);
      if (to) to.write = (chunk: Uint8Array) => write?.(chunk) ?? false;
      return left(Buffer.alloc(SIZE));
    }],
    ['is read by others, too', () => {
      from.on('data', () => {});
      return left(Buffer.alloc(SIZE));
    }],
  ])('is kept where it %s', (_, kept) => {
    expect(kept()).toBeGreaterThan(0);
  });
});
