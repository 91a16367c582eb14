import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { onCleanup } from '../support/cleanup';
import { startHost, startHosts, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { pollBytes, storeThatSays } from '../support/polls';
import { startProxy, type Started } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { until } from '../support/until';

/** A session that has taken its first packets, so that its next poll is held. */
async function heldSession(url: string): Promise<string> {
  const sid = await handshake(url);
  await request(pollUrl(url, sid), { method: 'POST', body: '40' });
  await request(pollUrl(url, sid));
  return sid;
}

/** A connection with a held poll. */
async function holdPoll(port: number, host: HostProcess, sid: string): Promise<net.Socket> {
  const polled = once(host, 'poll');
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  onCleanup(() => socket.destroy());
  socket.write(pollBytes(sid));
  await polled;
  return socket;
}

describe('a client that leaves a held poll', () => {
  let host: HostProcess;
  let started: Started;

  beforeAll(async () => {
    host = await startHost();
    started = await startProxy({ hosts: [host.name] });
  });

  it.each<[string, (socket: net.Socket) => void]>([
    ['by closing', (socket) => socket.destroy()],
    ['by a reset', (socket) => socket.resetAndDestroy()],
    ['by a FIN', (socket) => socket.end()],
  ])('%s frees the host\'s request, which it would hold for 25 s', async (_, leave) => {
    const socket = await holdPoll(started.port, host, await heldSession(started.url));
    expect(await host.call('polls')).toBe(1);
    leave(socket);
    await until('the poll is freed', async () => await host.call<number>('polls') === 0);
  });

  it('while its body is on the way frees the host\'s request too', async () => {
    const received: string[] = [];
    const { name } = await startServer((req, res) => {
      if (req.method === 'GET') res.end('ok');
      req.on('data', () => received.push('data'));
      req.on('close', () => received.push('close'));
      req.on('error', () => {});
    });
    const { port } = await startProxy({ hosts: [name], store: storeThatSays(name) });
    const socket = net.connect(port, '127.0.0.1');
    socket.write(`POST /socket.io/?sid=x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`);
    await until('the body arrives', () => received.includes('data'));
    socket.resetAndDestroy();
    await until('the request is closed', () => received.includes('close'));
  });
});

it('holds nothing after 1,000 clients have come and gone in every way', async () => {
  const hosts = await startHosts(2, { pingInterval: 1000, pingTimeout: 1000 });
  const proxy = await startProxyProcess({ hosts: hosts.map(({ name }) => name), keepAliveTimeout: 1000 }, ['--expose-gc']);
  const socketsOf = async (): Promise<number[]> => Promise.all(hosts.map((host) => host.call<number>('sockets')));

  const ways: ((sid: string) => Promise<void>)[] = [
    async (sid) => {
      await request(pollUrl(proxy.url, sid), { method: 'POST', body: '1' });
    },
    ...(['destroy', 'resetAndDestroy', 'end'] as const).map((way) => async (sid: string): Promise<void> => {
      const socket = net.connect(proxy.port, '127.0.0.1').on('error', () => {});
      socket.write(pollBytes(sid));
      await once(socket, 'connect');
      await sleep(5);
      socket[way]();
      // Some are reset, which `once` would reject with.
      await new Promise((resolve) => void socket.resume().once('close', resolve));
    }),
    ...([0, 1, 2] as const).map((way) => async (sid: string): Promise<void> => {
      const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&sid=${sid}`);
      socket.on('error', () => {});
      const closed = once(socket, 'close');
      await once(socket, 'open');
      if (way === 0) socket.close();
      else if (way === 1) socket.terminate();
      else socket.send('1');
      await closed;
    }),
    async () => {
      const socket = net.connect(proxy.port, '127.0.0.1').on('error', () => {});
      socket.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: webs');
      await once(socket, 'connect');
      socket.resetAndDestroy();
    },
  ];
  const wave = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 50) {
      await Promise.all(Array.from({ length: 50 }, async (_, k) => ways[(i + k) % ways.length]?.(await handshake(proxy.url))));
    }
  };
  const settled = async (): Promise<{ sockets: number; heapUsed: number }> => {
    // Idle connections to the hosts end after 4 s; what is left is the listening server's and the probes'.
    await until('the hosts\' sockets are closed', async () => (await socketsOf()).every((count) => count <= 1), 10_000);
    await until('the proxy\'s sockets are closed', async () => (await proxy.usage()).sockets <= 2, 10_000);
    return proxy.usage();
  };

  // A first wave, so that code and caches are in place.
  await wave(500);
  const before = await settled();
  await wave(1000);
  const after = await settled();
  // 1,000 sessions are remembered until they expire, at some 300 bytes each.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(2_000_000);
}, 60_000);

