import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { onCleanup } from '../support/cleanup';
import { settle } from '../support/clock';
import { handshake, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { until } from '../support/until';
import { connect, upgradeOf } from '../support/upgrades';

const ACCEPT = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

const packetOf = (sid: string): string => `0{"sid":"${sid}","pingInterval":25000,"pingTimeout":20000}`;
const frameOf = (text: string): string => `\x81${String.fromCharCode(text.length)}${text}`;

interface Bench extends Started {
  server: Server;
  /** The sids of the sessions that the proxy has told of. */
  told: string[];
}

/** A proxy before a host that opens `polled` by polling, and sends on WebSockets what the test does. */
async function start(): Promise<Bench> {
  const { server, name } = await startServer(({ url }, res) => res.end(url?.includes('transport=') ? packetOf('polled') : undefined));
  server.on('upgrade', (_, socket: Socket) => {
    onCleanup(() => socket.destroy());
    socket.on('error', () => {}).write(ACCEPT);
    server.emit('joined', socket);
  });
  const started = await startProxy({ hosts: [name] });
  const told: string[] = [];
  started.proxy.on('session', ({ sid }) => told.push(sid));
  return { ...started, server, told };
}

/** Has the host send these on a new WebSocket, each once the client has what came before. */
async function send({ port, server }: Bench, chunks: string[], sid?: string): Promise<void> {
  const joined = once(server, 'joined') as Promise<[Socket]>;
  const client = await connect(port, upgradeOf(sid));
  let text = '';
  client.on('data', (bytes: Buffer) => text += bytes.toString('latin1'));
  const [host] = await joined;
  let expected = '\r\n\r\n';
  await until('it is open', () => text.endsWith(expected));
  for (const chunk of chunks) {
    host.write(chunk, 'latin1');
    expected += chunk;
    await until('it has passed', () => text.endsWith(expected));
  }
  await settle();
}

it('is told once, though its first frame comes in pieces, and others follow', async () => {
  const bench = await start();
  const frame = frameOf(packetOf('pieces'));
  await send(bench, [frame.slice(0, 1), frame.slice(1, 2), frame.slice(2, 20), frame.slice(20), frameOf('2'), frameOf(packetOf('later'))]);
  expect(bench.told).toEqual(['pieces']);
});

it('is not told of a WebSocket that begins with something else', async () => {
  const bench = await start();
  await send(bench, [frameOf('40'), frameOf(packetOf('later'))]);
  expect(bench.told).toEqual([]);
});

it('is not told of a WebSocket of a session that is there, whatever it begins with', async () => {
  const bench = await start();
  expect(await handshake(bench.url)).toBe('polled');
  await send(bench, [frameOf(packetOf('other'))], 'polled');
  expect(bench.told).toEqual(['polled']);
});
