import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { onCleanup } from '../support/cleanup';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { hostSid } from '../support/stores';
import { CERT, KEY, startTlsServer } from '../support/tls';

const POLL = '/socket.io/?EIO=4&transport=polling';

describe('https hosts', () => {
  it.each(['127.0.0.1', 'localhost'])('are served where the certificate of %s is trusted', async (hostname) => {
    const { port } = await startTlsServer((req, res) => res.end(req.headers.host));
    const { url } = await startProxy({ hosts: [`https://${hostname}:${port}`], hostTls: { ca: CERT } });
    expect(await request(url + POLL)).toMatchObject({ status: 200, body: `${hostname}:${port}` });
  });

  it('are refused where the certificate is not trusted', async () => {
    let asked = 0;
    const { name } = await startTlsServer((_, res) => {
      asked += 1;
      res.end();
    });
    const { url } = await startProxy({ hosts: [name] });
    expect((await request(url + POLL)).status).toBe(503);
    expect((await request(url + POLL)).status).toBe(503);
    expect(asked).toBe(0);
  });

  it('are served untrusted with rejectUnauthorized: false', async () => {
    const { name } = await startTlsServer((_, res) => res.end('ok'));
    const { url } = await startProxy({ hosts: [name], hostTls: { rejectUnauthorized: false } });
    expect((await request(url + POLL)).body).toBe('ok');
  });

  it("are shown the proxy's own certificate", async () => {
    const { name } = await startTlsServer(
      ({ socket }, res) => res.end(String(socket instanceof TLSSocket && socket.authorized)),
      { requestCert: true, ca: CERT },
    );
    const { url } = await startProxy({ hosts: [name], hostTls: { ca: CERT, cert: CERT, key: KEY } });
    expect(await request(url + POLL)).toMatchObject({ status: 200, body: 'true' });
  });

  it('take WebSockets', async () => {
    const { server, name } = await startTlsServer((_, res) => res.end());
    const wss = new WebSocketServer({ server });
    wss.on('connection', (ws) => ws.on('message', (data) => ws.send(data)));
    const { port } = await startProxy({ hosts: [name], hostTls: { ca: CERT } });
    const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
    onCleanup(() => ws.terminate());
    await once(ws, 'open');
    ws.send('hello');
    expect(String((await once(ws, 'message'))[0])).toBe('hello');
  });
});

it('serves a host by its IPv6 address', async () => {
  const server = http.createServer((req, res) => res.end(req.headers.host)).listen(0, '::1');
  onCleanup(() => server.close().closeAllConnections());
  const wss = new WebSocketServer({ server });
  await once(server, 'listening');
  const name = `[::1]:${(server.address() as AddressInfo).port}`;
  const { url, port } = await startProxy({ hosts: [name] });
  expect((await request(url + POLL)).body).toBe(name);
  const connected = once(wss, 'connection') as Promise<[WebSocket, http.IncomingMessage]>;
  const ws = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  onCleanup(() => ws.terminate());
  await once(ws, 'open');
  expect((await connected)[1].headers.host).toBe(name);
});

describe('CORS preflights', () => {
  const preflight = (url: string): ReturnType<typeof request> => request(url, {
    method: 'OPTIONS',
    headers: {
      'Origin': 'http://page.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type',
    },
  });

  it("are answered by a host, with a sid by the session's", async () => {
    const origins = ['http://a.example', 'http://b.example'];
    const hosts = await Promise.all(origins.map((origin, i) => startServer(({ method, url }, res) => {
      res.setHeader('Access-Control-Allow-Origin', origin);
      if (method === 'OPTIONS') res.writeHead(204, { 'Access-Control-Allow-Headers': 'content-type' }).end();
      else res.end(url?.includes('transport') ? `0{"sid":"of-${i}"}` : undefined);
    })));
    const { url } = await startProxy({ hosts: hosts.map(({ name }) => name), balance: 'round-robin' });
    for (const sid of [await handshake(url), await handshake(url)]) {
      for (let i = 0; i < 3; i += 1) {
        const { status, headers } = await preflight(pollUrl(url, sid));
        expect([status, headers['access-control-allow-origin']]).toEqual([204, origins[Number(hostSid(sid).slice(3))]]);
      }
    }
    const { status, headers } = await preflight(url + POLL);
    expect([status, headers['access-control-allow-headers']]).toEqual([204, 'content-type']);
    expect(origins).toContain(headers['access-control-allow-origin']);
  });
});
