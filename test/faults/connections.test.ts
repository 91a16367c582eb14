import { once } from 'node:events';
import net from 'node:net';
import { onCleanup } from '../support/cleanup';
import { stopClock } from '../support/clock';
import { handshake, startServer } from '../support/http';
import { pollBytes, storeThatSays } from '../support/polls';
import { startProxy } from '../support/proxy';
import { before, openWebSocket, startSessionHost } from '../support/session-host';
import { until } from '../support/until';

function connect(port: number, bytes: string): net.Socket {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  onCleanup(() => socket.destroy());
  socket.write(bytes);
  return socket;
}

describe('a client that leaves', () => {
  it('lets nothing remain, here or at its host, in whatever way it does', async () => {
    const clock = stopClock();
    const host = await startSessionHost();
    const { proxy, url, port } = await before([host], { checkInterval: 3_600_000, hostKeepAlive: 0 });
    for (const way of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const polled = once(host, 'poll');
      const socket = connect(port, pollBytes(await handshake(url)));
      await polled;
      socket[way]();
    }
    for (const way of ['close', 'terminate'] as const) (await openWebSocket(url, await handshake(url)))[way]();
    connect(port, 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: webs').end();
    await until('nothing is under way', () => proxy.hosts.every(({ requests, polls, tunnels }) => requests + polls + tunnels === 0));
    await until('none is connected', () => new Promise((resolve) => {
      proxy.server.getConnections((_, count) => resolve(count === 0));
    }));
   await clock.advance(10_000);
    await until('none to the host is left', async () => await host.connections === 0);
  });

  it('while its body is on the way frees the host\'s request', async () => {
    const received: string[] = [];
    const { name } = await startServer((req, res) => {
      if (req.method === 'GET') res.end('ok');
      req.on('data', () => received.push('data'));
      req.on('close', () => received.push('close'));
      req.on('error', () => {});
    });
    const { port } = await startProxy({ hosts: [name], store: storeThatSays(name) });
    const socket = connect(port, `POST /socket.io/?sid=x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`);
    await until('the body arrives', () => received.includes('data'));
    socket.resetAndDestroy();
    await until('the request is closed', () => received.includes('close'));
  });
});
