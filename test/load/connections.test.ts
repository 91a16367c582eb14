import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { onCleanup } from '../support/cleanup';
import { startHosts } from '../support/hosts';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { pollBytes, storeThatSays } from '../support/polls';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
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
  });
  const after = await proxy.usage();
  expect(written).toBeLessThan(100_000_000);
  expect(after.rss - before.rss).toBeLessThan(50_000_000);
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(10_000_000);
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
    await until('the hosts\' sockets are closed', async () => (await socketsOf()).every((count) => count <= 1));
    await until('the proxy\'s sockets are closed', async () => (await proxy.usage()).sockets <= 2);
    return proxy.usage();
  };

  // A first wave, so that code and caches are in place.
  await wave(500);
  const before = await settled();
  await wave(1000);
  const after = await settled();
  // 1,000 sessions are remembered until they expire, at some 300 bytes each.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(2_000_000);
});

it('keeps no more of a looked-up session than its binding, however long its URLs are', async () => {
  const [redisClient, keyPrefix] = [await openClient(), uniqueKeyPrefix()];
  const { name } = await startServer((req, res) => res.writeHead(req.url?.includes('sid=') ? 200 : 400).end());
  const proxy = await startProxyProcess({ hosts: [name], redisUrl: sharedRedisUrl(), keyPrefix }, ['--expose-gc']);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  onCleanup(() => agent.destroy());
  const pad = 'x'.repeat(12_000);
  const lookUp = async (from: number, count: number): Promise<number> => {
    const sids = Array.from({ length: count }, (_, i) => `a-session-of-some-length-${from + i}`);
    await Promise.all(sids.map((sid) => redisClient.set(keyPrefix + sid, name, { EX: 60 })));
    await Promise.all(sids.map((sid) => request(`${pollUrl(proxy.url, sid)}&pad=${pad}`, { method: 'POST', body: '2', agent })));
    return (await proxy.usage()).heapUsed;
  };
  const before = await lookUp(0, 400);
  expect(await lookUp(400, 400) - before).toBeLessThan(2_500_000);
});
