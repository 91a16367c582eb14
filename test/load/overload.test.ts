import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { startHosts, type HostProcess } from '../support/hosts';
import { handshake, request, startServer } from '../support/http';
import { startProxyProcess, type ProxyProcess, type Usage } from '../support/proxy-process';
import { onCleanup } from '../support/cleanup';
import { Remote } from '../support/remote';
import { until } from '../support/until';

const MB = 1_000_000;
const CHUNK = Buffer.alloc(65_536);

let hosts: HostProcess[];

beforeAll(async () => {
  hosts = await startHosts(3);
});

function startProxy(options: Record<string, unknown> = {}): Promise<ProxyProcess> {
  return startProxyProcess({ hosts: hosts.map(({ name }) => name), ...options }, ['--expose-gc']);
}

it('answers 2,000 handshakes at once', async () => {
  const proxy = await startProxy();
  const storm = async (): Promise<Usage> => {
    const sids = await Promise.all(Array.from({ length: 2000 }, () => handshake(proxy.url)));
    expect(new Set(sids).size).toBe(2000);
    await until('its connections are closed', async () => (await proxy.usage()).sockets <= 5);
    return proxy.usage();
  };
  // The first warms up what Node keeps for the next, such as its parsers.
  const before = await storm();
  const after = await storm();
  // 2,000 bindings more in the cache, and in the memory store, at half a kilobyte; the rest is what compiling leaves.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(8 * MB);
});

it('carries 5,000 WebSockets at once, and lets go of them', async () => {
  const proxy = await startProxy();
  const crowd = new Remote('crowd.mjs');
  const before = await proxy.usage();
  expect(await crowd.call('open', proxy.port, 5000)).toBe(5000);
  const during = await proxy.usage();
  expect(during.sockets - before.sockets).toBeGreaterThanOrEqual(10_000);
  expect((during.heapUsed + during.external - before.heapUsed - before.external) / 5000).toBeLessThan(40_000);
  expect(await crowd.call('echo')).toBe(5000);
  await crowd.call('close');
  await until('they are closed', async () => (await proxy.usage()).sockets <= before.sockets + 5);
  const after = await proxy.usage();
  // 5,000 bindings remain until they expire.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(8 * MB);
}, 90_000);

it('cuts off 500 clients that send their heads a byte at a time, and serves others meanwhile', async () => {
  const proxy = await startProxy({ headersTimeout: 1000, requestTimeout: 2000 });
  const slow = Array.from({ length: 500 }, () => {
    const socket = net.connect(proxy.port, '127.0.0.1').on('error', () => {});
    const head = 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nX: ';
    let at = 0;
    const drip = setInterval(() => socket.write(head[at++] ?? 'x'), 50);
    socket.on('close', () => clearInterval(drip));
    onCleanup(() => socket.destroy());
    return socket.resume();
  });
  // Some are reset, which `once` would reject with.
  const closed = Promise.all(slow.map((socket) => new Promise((resolve) => void socket.once('close', resolve))));
  for (let i = 0; i < 20; i += 1) await handshake(proxy.url);
  await closed;
  await handshake(proxy.url);
});

it('cuts off a client that reads nothing of its response, and nobody who reads slowly', async () => {
  const ended: (string | null)[] = [];
  let isEnough = false;
  const { name } = await startServer((req, res) => {
    const client = new URL(req.url ?? '', 'http://host').searchParams.get('client');
    if (client === null) {
      res.end();
      return;
    }
    res.on('close', () => ended.push(client));
    // Neither is done before it is enough, however fast it reads.
    const write = (): void => {
      while (!isEnough) if (!res.write(CHUNK)) return;
      res.end();
    };
    res.on('drain', write);
    write();
  });
  const proxy = await startProxyProcess({ hosts: [name], hostTimeout: 2000, headersTimeout: 1000, requestTimeout: 1000 });
  const ask = (client: string): net.Socket => {
    const socket = net.connect(proxy.port, '127.0.0.1').on('error', () => {});
    onCleanup(() => socket.destroy());
    socket.write(`GET /socket.io/?transport=polling&client=${client} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    return socket.pause();
  };
  ask('stalled');
  const slow = ask('slow');
  const reading = setInterval(() => void slow.read(), 5);
  onCleanup(() => clearInterval(reading));
  await until('one is cut off', () => ended.length > 0);
  expect(ended).toEqual(['stalled']);
  isEnough = true;
  clearInterval(reading);
  const rest = await slow.toArray() as Buffer[];
  expect(Buffer.concat(rest).subarray(-5).toString()).toBe('0\r\n\r\n');
});

it('passes on four uploads of 100 MB with bounded memory', async () => {
  const { name } = await startServer((req, res) => {
    let size = 0;
    req.on('data', (chunk: Buffer) => size += chunk.length);
    req.on('end', () => res.end(String(size)));
  });
  const proxy = await startProxyProcess({ hosts: [name] }, ['--expose-gc']);
  await request(`${proxy.url}/socket.io/`);
  const before = await proxy.usage();
  let peak = 0;
  const uploading = new AbortController();
  const sampling = (async (): Promise<void> => {
    while (!uploading.signal.aborted) peak = Math.max(peak, (await proxy.usage()).rss);
  })();
  const megabyte = Buffer.alloc(MB);
  const upload = async (): Promise<string> => {
    const req = http.request(`${proxy.url}/socket.io/?transport=polling`, { method: 'POST', headers: { 'Content-Length': 100 * MB } });
    const responded = once(req, 'response') as Promise<[http.IncomingMessage]>;
    for (let i = 0; i < 100; i += 1) if (!req.write(megabyte)) await once(req, 'drain');
    req.end();
    const [res] = await responded;
    return (await res.toArray() as Buffer[]).join('');
  };
  expect(await Promise.all([upload(), upload(), upload(), upload()])).toEqual(Array(4).fill(String(100 * MB)));
  uploading.abort();
  await sampling;
  expect(peak - before.rss).toBeLessThan(120 * MB);
});

it('answers 431 to a head beyond maxHeaderSize', async () => {
  const proxy = await startProxy();
  const reply = await request(`${proxy.url}/socket.io/`, { headers: { 'X-Large': 'x'.repeat(20_000) } });
  expect(reply.status).toBe(431);
});
