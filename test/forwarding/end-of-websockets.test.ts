import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { before, openWebSocket, startSessionHost } from '../support/session-host';
import { clientSid } from '../support/stores';
import { connect, upgradeOf } from '../support/upgrades';
import { until } from '../support/until';

const ACCEPT = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const GOING_AWAY = '\x88\x02\x03\xe9';

const closeOf = async (socket: WebSocket): Promise<number> => (await once(socket, 'close') as [number])[0];

interface RawHost {
  name: string;
  server: Server;
}

/** A host that accepts upgrades, and gives the socket to the test. */
async function startRawHost(onSocket: (socket: Duplex) => void): Promise<RawHost> {
  const host = await startServer((_, res) => res.writeHead(400).end());
  host.server.on('upgrade', (_, socket: Duplex) => {
    onCleanup(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(ACCEPT);
    onSocket(socket);
  });
  return host;
}

/** A client's side of a WebSocket: all that comes after the head of the answer. */
async function open(port: number): Promise<{ socket: Socket; text: () => string; ended: Promise<unknown> }> {
  const socket = await connect(port, upgradeOf());
  let text = '';
  socket.on('data', (bytes: Buffer) => text += bytes.toString('latin1'));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await until('it is open', () => text.includes('\r\n\r\n'));
  return { socket, text: () => text.slice(text.indexOf('\r\n\r\n') + 4), ended };
}

const startRaw = async (onSocket: (socket: Duplex) => void, options = {}): Promise<Started & { host: RawHost }> => {
  const host = await startRawHost(onSocket);
  const started = await startProxy({ hosts: [host.name], ...options });
  await until('it is up', () => started.proxy.hosts[0]?.state === 'up');
  return { ...started, host };
};

describe('close', () => {
  it('ends WebSockets one after the other over drainTimeout, each with the code 1001', async () => {
    const COUNT = 20;
    const host = await startSessionHost();
    const { proxy, url } = await before([host], { drainTimeout: 20_000, checkInterval: 3_600_000 });
    const sockets = await Promise.all(Array.from({ length: COUNT }, () => openWebSocket(url)));
    const codes: number[] = [];
    for (const socket of sockets) void closeOf(socket).then((code) => codes.push(code));
    const clock = stopClock();
    let isClosed = false;
    void proxy.close(() => isClosed = true);
    const most: number[] = [];
    let seen = 0;
    let steps = 0;
    const passed = await clock.advanceUntil('closed', () => {
      steps += 1;
      if (steps % 20 === 0) {
        most.push(codes.length - seen);
        seen = codes.length;
      }
      return isClosed;
    }, 100);
    most.push(codes.length - seen);
    expect(codes).toEqual(Array.from({ length: COUNT }, () => 1001));
    // About two in two seconds.
    expect(Math.max(...most)).toBeLessThanOrEqual(3);
    expect(passed).toBeGreaterThan(15_000);
    expect(passed).toBeLessThanOrEqual(20_000);
  });

  it('ends all at once with drainTimeout 0, each with the code 1001', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host], { drainTimeout: 0 });
    const sockets = await Promise.all([0, 1, 2].map(() => openWebSocket(url)));
    const codes = Promise.all(sockets.map(closeOf));
    await proxy.close();
    expect(await codes).toEqual([1001, 1001, 1001]);
  });

  it('ends also those that come during the drain', async () => {
    const host = await startSessionHost();
    const { proxy, url, port } = await before([host], { drainTimeout: 60_000, checkInterval: 3_600_000 });
    const code = closeOf(await openWebSocket(url));
    const late = await connect(port, '');
    const clock = stopClock();
    let isClosed = false;
    void proxy.close(() => isClosed = true);
    late.write(upgradeOf(clientSid(host.sids[0] ?? '', host.name)));
    const [answer] = await once(late, 'data') as [Buffer];
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
    expect(await clock.advanceUntil('closed', () => isClosed, 100)).toBeLessThan(60_000);
    expect(await code).toBe(1001);
  });

  it('waits until its end for an upgrade that a host has not answered', async () => {
    const { server, name } = await startServer((_, res) => res.writeHead(400).end());
    server.on('upgrade', (_, socket: Duplex) => {
      onCleanup(() => socket.destroy());
      server.emit('asked', socket.on('error', () => {}));
    });
    const { proxy, port } = await before([{ name }], { drainTimeout: 20_000, checkInterval: 3_600_000 });
    const asked = once(server, 'asked') as Promise<[Duplex]>;
    const client = await connect(port, upgradeOf());
    const [socket] = await asked;
    const clock = stopClock();
    let isClosed = false;
    void proxy.close(() => isClosed = true);
    // WebSockets that are open have ended by then.
    await clock.advance(19_000);
    socket.write(ACCEPT);
    const [answer] = await once(client, 'data') as [Buffer];
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
    await clock.advanceUntil('closed', () => isClosed, 100);
  });
});

describe('a WebSocket that the proxy ends', () => {
  it.each([0, 100, 2000])('gives its client first what the host sends meanwhile, with drainTimeout %d', async (drainTimeout) => {
    let hostSocket: Duplex | undefined;
    const { proxy, port } = await startRaw((socket) => {
      hostSocket = socket;
      socket.resume().once('end', () => socket.end('\x81\x04last', 'latin1'));
    }, { drainTimeout });
    const { text, ended } = await open(port);
    hostSocket?.write('\x81\x05first', 'latin1');
    await proxy.close();
    await ended;
    expect(text()).toBe(`\x81\x05first\x81\x04last${GOING_AWAY}`);
  });

  it.each([
    ['in the middle of a frame', '\x81\x05fir'], ['in the middle of a header', '\x81\x7e\x01'], ['after a close frame', '\x88\x02\x03\xe8'],
  ])('gives its client no close frame %s', async (_, bytes) => {
    const { proxy, port } = await startRaw((socket) => {
      socket.write(bytes, 'latin1');
      socket.resume().once('end', () => socket.end());
    }, { drainTimeout: 100 });
    const { text, ended } = await open(port);
    await until('it has come', () => text() === bytes);
    await proxy.close();
    await ended;
    expect(text()).toBe(bytes);
  });

  it('gives its client a close frame also where the host never ends', async () => {
    const { proxy, port } = await startRaw((socket) => socket.write('\x81\x05first', 'latin1'), { drainTimeout: 100 });
    const { text, ended } = await open(port);
    await until('it has come', () => text() === '\x81\x05first');
    await proxy.close();
    await ended;
    expect(text()).toBe(`\x81\x05first${GOING_AWAY}`);
  });

  it('waits for no client that does not end after the close frame', async () => {
    const { proxy, port } = await startRaw((socket) => socket.resume().once('end', () => socket.end()), { drainTimeout: 60_000 });
    const socket = await connect(port, upgradeOf());
    const seen = once(socket, 'data');
    socket.allowHalfOpen = true;
    await seen;
    const clock = stopClock();
    let isClosed = false;
    void proxy.close(() => isClosed = true);
    expect(await clock.advanceUntil('closed', () => isClosed, 100)).toBeLessThan(59_500);
  });

  it('ends with 1001 where its host is removed', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const code = closeOf(await openWebSocket(url));
    proxy.removeHost(host.name);
    expect(await code).toBe(1001);
    expect(proxy.hosts).toEqual([]);
  });

  it('ends with 1001 where its session is moved', async () => {
    const host = await startSessionHost();
    const { proxy, url } = await before([host]);
    const socket = await openWebSocket(url);
    const code = closeOf(socket);
    expect(await proxy.endSession(clientSid(host.sids[0] ?? '', host.name))).toBe('ended');
    expect(await code).toBe(1001);
  });
});
