import { once } from 'node:events';
import http, { type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ProxyOptions } from '../../src';
import { onCleanup } from '../support/cleanup';
import { settle, stopClock, type Clock } from '../support/clock';
import { handshake, startServer } from '../support/http';
import { startProxy, type ProxyInstance } from '../support/proxy';
import { before, startSessionHost, type SessionHost } from '../support/session-host';
import { until } from '../support/until';
import { connect, foreignStream, upgradeOf } from '../support/upgrades';

const ACCEPT = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** A proxy before a host that does with upgrades as it is told. */
async function behind(
  onUpgrade: (req: IncomingMessage, socket: Socket) => void, options: Partial<ProxyOptions> = {},
): Promise<{ proxy: ProxyInstance; port: number; server: Server }> {
  const { server, name } = await startServer((_, res) => res.end());
  server.on('upgrade', (req, socket: Socket) => {
    socket.on('error', () => {}).on('end', () => socket.end());
    onCleanup(() => socket.destroy());
    onUpgrade(req, socket);
  });
  const { proxy, port } = await startProxy({ hosts: [name], checkInterval: 2_000_000_000, ...options });
  await until('it is up', () => proxy.hosts[0]?.state === 'up');
  return { proxy, port, server };
}

const tunnels = (proxy: ProxyInstance): number | undefined => proxy.hosts[0]?.tunnels;

const LIMITS = { hostTimeout: 40_000, headersTimeout: 20_000, requestTimeout: 40_000 };

/** Sends until no more is taken. */
async function fill(socket: Socket): Promise<void> {
  const chunk = Buffer.alloc(1_000_000);
  const taken = (): number => socket.bytesWritten - socket.writableLength;
  for (let before = -1; taken() !== before;) {
    before = taken();
    for (let i = 0; i < 10; i += 1) socket.write(chunk);
    for (let i = 0; i < 10; i += 1) await settle();
  }
}

/** A WebSocket of which neither side reads anything yet, while the clock is held. */
async function joined(): Promise<{ proxy: ProxyInstance; clock: Clock; client: Socket; host: Socket }> {
  const { proxy, port, server } = await behind((_, socket) => {
    socket.write(ACCEPT);
    server.emit('joined', socket);
  }, LIMITS);
  const clock = stopClock();
  const joining = once(server, 'joined') as Promise<[Socket]>;
  const client = await connect(port, upgradeOf());
  const [host] = await joining;
  await until('it is joined', () => tunnels(proxy) === 1);
  return { proxy, clock, client, host };
}

describe('a WebSocket of which one side reads nothing', () => {
  it.each(['client', 'host'])('ends on both sides once bytes have waited for hostTimeout and requestTimeout: the %s', async (side) => {
    const { proxy, clock, client, host } = await joined();
    if (side === 'client') host.resume();
    else client.resume();
    await fill(side === 'client' ? host : client);
    await clock.advance(60_000);
    expect(tunnels(proxy)).toBe(1);
    await clock.advance(60_000);
    await until('it has ended', () => tunnels(proxy) === 0);
    await until('both are closed', () => client.resume().closed && host.resume().closed);
  });

  it('goes on while some is read now and then', async () => {
    const { proxy, clock, client, host } = await joined();
    await fill(host);
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(60_000);
      const before = client.bytesRead;
      client.resume();
      await until('it has read', () => client.bytesRead > before + 5_000_000);
      client.pause();
      await fill(host);
    }
    expect(tunnels(proxy)).toBe(1);
  });
});

it('ends the upgrade of a client that leaves before it is answered, though it has sent early', async () => {
  const { proxy, port, server } = await behind((_, socket) => server.emit('asked', socket));
  const asked = once(server, 'asked') as Promise<[Socket]>;
  const client = await connect(port, `${upgradeOf()}early`);
  const [host] = await asked;
  client.write('and more');
  const closed = once(host.resume(), 'close');
  client.end();
  await until('it has ended', () => tunnels(proxy) === 0);
  await closed;
});

it('ends the upgrade of a client that sends more before it is answered than can be kept, and so would not be seen to leave', async () => {
  const { proxy, port, server } = await behind((_, socket) => server.emit('asked', socket));
  const asked = once(server, 'asked') as Promise<[Socket]>;
  const client = await connect(port, upgradeOf());
  const [host] = await asked;
  host.resume();
  client.resume().write(Buffer.alloc(200_000));
  await until('both are closed', () => client.closed && host.closed);
  expect(tunnels(proxy)).toBe(0);
});

it('goes both ways over a stream that is no socket, and ends with it', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  onCleanup(() => server.close());
  const { proxy, server: hosting } = await behind((_, socket) => {
    socket.write(ACCEPT);
    socket.on('data', (bytes) => socket.write(bytes));
    socket.once('close', () => hosting.emit('left'));
  }, { server });
  const { stream, text } = foreignStream();
  server.emit('connection', stream);
  stream.push(upgradeOf());
  await until('it is open', () => text().startsWith('HTTP/1.1 101 '));
  stream.push('echo');
  await until('it is echoed', () => text().endsWith('\r\n\r\necho'));
  const left = once(hosting, 'left');
  stream.destroy();
  await left;
  expect(tunnels(proxy)).toBe(0);
});

describe('an upgrade that is pipelined behind a poll', () => {
  interface Pipelined {
    client: Socket;
    text: () => string;
    host: SessionHost;
    proxy: ProxyInstance;
  }

  async function start(): Promise<Pipelined> {
    const host = await startSessionHost();
    const { proxy, url, port } = await before([host], { drainTimeout: 1 });
    const sid = await handshake(url);
    const polled = once(host, 'poll');
    const upgraded = once(proxy.server, 'upgrade');
    const poll = `GET /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const client = await connect(port, `${poll}${poll}${upgradeOf(sid)}`);
    let text = '';
    client.on('data', (bytes: Buffer) => text += bytes.toString('latin1'));
    await Promise.all([polled, upgraded]);
    return { client, text: () => text, host, proxy };
  }

  it('waits until all answers before it have left, and goes on', async () => {
    const { text, host, proxy } = await start();
    // What would overtake them has had its time.
    await once(host, 'check');
    expect([text(), tunnels(proxy)]).toEqual(['', 0]);
    const second = once(host, 'poll');
    host.answer();
    await second;
    expect(tunnels(proxy)).toBe(0);
    host.answer();
    await until('it is answered', () => text().includes(' 101 '));
    expect(text().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 101']);
    expect(tunnels(proxy)).toBe(1);
  });

  it('ends with its connection', async () => {
    const { client, host, proxy } = await start();
    client.destroy();
    await until('the poll has ended', () => proxy.hosts[0]?.requests === 0);
    host.answer();
    await proxy.close();
  });

  it('ends with the drain timeout', async () => {
    const { client, proxy } = await start();
    const closed = once(client, 'close');
    await Promise.all([proxy.close(), closed]);
  });
});
