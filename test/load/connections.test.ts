import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onCleanup } from '../support/cleanup';
import { pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { pollBytes, storeThatSays } from '../support/polls';
import { until } from '../support/until';

it('does not queue 1,000 held polls on one host', async () => {
  let held = 0;
  const { name } = await startServer((req, res) => {
    const url = req.url ?? '';
    if (!url.includes('sid=')) res.end('ok');
    else if (req.method === 'GET') held += 1;
    else res.end('ok');
  });
  const { port, url } = await startProxy({ hosts: [name], store: storeThatSays(name) });
  const sockets = Array.from({ length: 1000 }, (_, i) => {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    socket.write(pollBytes(`s${i}`));
    return socket;
  });
  onCleanup(() => sockets.forEach((socket) => socket.destroy()));
  await until('all polls are held at once', () => held === 1000, 60_000);
  expect((await request(pollUrl(url, 's1'), { method: 'POST', body: '2' })).body).toBe('ok');
  // None of them has made room for it.
  expect(sockets.filter((socket) => socket.bytesRead > 0 || socket.closed)).toEqual([]);
});

it('does not grow with four slow readers of 200 MB', async () => {
  const chunk = Buffer.alloc(1_000_000);
  let written = 0;
  const { name } = await startServer((req, res) => {
    if (!(req.url ?? '').includes('large')) {
      res.end('ok');
      return;
    }
    res.writeHead(200, { 'Content-Length': 200 * chunk.length });
    let left = 200;
    const go = (): void => {
      while (left > 0) {
        left -= 1;
        written += chunk.length;
        if (!res.write(chunk)) {
          res.once('drain', go);
          return;
        }
      }
      res.end();
    };
    go();
  });
  const proxy = await startProxyProcess({ hosts: [name] }, ['--expose-gc']);
  await request(`${proxy.url}/socket.io/`);
  const before = await proxy.usage();
  const sockets = await Promise.all(Array.from({ length: 4 }, async () => {
    const socket = net.connect(proxy.port, '127.0.0.1').on('error', () => {});
    onCleanup(() => socket.destroy());
    socket.write('GET /socket.io/large HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'readable');
    return socket;
  }));
  // They read a little, and stop: what the host goes on to write has to wait.
  for (const socket of sockets) socket.read(1000);
  let last = -1;
  await until('the host waits', async () => {
    const stalled = written === last;
    last = written;
    await sleep(300);
    return stalled;
  }, 10_000);
  const after = await proxy.usage();
  expect(written).toBeLessThan(100_000_000);
  expect(after.rss - before.rss).toBeLessThan(50_000_000);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(10_000_000);
});
