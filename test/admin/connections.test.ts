import net from 'node:net';
import { once } from 'node:events';
import { operatedBefore, pathOf, startOperated } from '../support/admin';
import { onCleanup } from '../support/cleanup';
import { startCommand } from '../support/command';
import { openStream } from '../support/event-stream';
import { exchangeBytes, request, startServer } from '../support/http';
import { startProxy } from '../support/proxy';
import { openWebSocket } from '../support/session-host';
import { until } from '../support/until';

/** A request as bytes, by a client that keeps its connection. */
const requestOf = (what: string, headers = ''): string => `${what} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

function open(port: number, bytes: string): net.Socket {
  const socket = net.connect(port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(bytes);
  return socket;
}

/** Resolves when what was sent has been read: what is sent after it is answered, on another connection. */
async function isRead(socket: net.Socket, port: number): Promise<void> {
  await once(socket, 'connect');
  await exchangeBytes(port, requestOf('GET /healthz', 'Connection: close\r\n'));
}

it('answers one request at a time on a connection, which ends with the answer where others come before it', async () => {
  const { adminPort, admin } = await startOperated();
  const text = await exchangeBytes(adminPort, requestOf('GET /metrics').repeat(500));
  expect(text.match(/^HTTP.*$/gm)).toEqual(['HTTP/1.1 200 OK']);
  // Streams that nobody hears, and whose end nobody is told.
  const socket = open(adminPort, requestOf('GET /api/events').repeat(30));
  await once(socket, 'data');
  socket.destroy();
  await until('there is room for 20', async () => {
    const opened = await Promise.allSettled(Array.from({ length: 20 }, () => openStream(admin)));
    for (const stream of opened) if (stream.status === 'fulfilled') stream.value.end();
    return opened.every(({ status }) => status === 'fulfilled');
  });
});

it('makes no answers to requests that come in crowds before the first one is answered, and ends their connection', async () => {
  const { adminPort, admin } = await startOperated();
  // Its answer goes on and on.
  const socket = open(adminPort, requestOf('GET /api/events'));
  let text = '';
  socket.on('data', (data) => text += data.toString());
  await until('it is answered', () => text.includes('200 OK'));
  for (let i = 0; i < 20; i += 1) socket.write(requestOf('GET /healthz').repeat(100));
  await until('it has ended', () => socket.closed);
  expect(text.match(/^HTTP.*$/gm)).toHaveLength(1);
  expect((await request(`${admin}/healthz`)).status).toBe(200);
});

it.each(['GGGPP', 'PPPG', 'GP'])('ends no process when many connections leave on which %s have come at once', async (kinds) => {
  const { command } = await startCommand(['--hosts', '127.0.0.1:1', '--admin-port', '0', '--log', 'json']);
  await command.line(/"admin"/);
  const admin = String(command.events.find(({ event }) => event === 'admin')?.url);
  const sent = { G: requestOf('GET /healthz'), P: `${requestOf('POST /healthz', 'Content-Length: 5\r\n')}{"a":` };
  const bytes = kinds.replace(/./g, (kind) => sent[kind as 'G' | 'P']);
  for (let round = 0; round < 5; round += 1) {
    const sockets = Array.from({ length: 20 }, () => open(Number(new URL(admin).port), bytes));
    // Those that were read first have been answered, and others not.
    await Promise.race(sockets.map((socket) => once(socket, 'data')));
    for (const socket of sockets) socket.destroy();
    expect((await request(`${admin}/healthz`)).status).toBe(200);
  }
  expect(command.errors).toBe('');
});

it('answers requests that follow each other on a connection', async () => {
  const { adminPort } = await startOperated();
  const socket = open(adminPort, '');
  for (const what of ['GET /healthz', 'GET /metrics', 'HEAD /', 'GET /page/app.js', 'DELETE /api/rebalance', 'GET /nowhere']) {
    socket.write(requestOf(what));
    const [data] = await once(socket, 'data') as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1\.1 (?:200|204|404) .*\r\nConnection: keep-alive\r\n/s);
  }
});

it('takes no notice of an expectation that it does not know', async () => {
  const { adminPort } = await startOperated();
  const text = await exchangeBytes(adminPort, requestOf('GET /healthz', 'Expect: more\r\nConnection: close\r\n'));
  expect(text).toMatch(/^HTTP\/1\.1 200 .*\{"status":"ok"\}$/s);
});

it('waits neither for requests that do not end, nor for those who do not read', async () => {
  // What the kernel keeps for who does not read may be several MB: of few hosts, whose names are long.
  const hosts = Array.from({ length: 700 }, (_, at) => `${'0'.repeat(250)}177.0.0.1:${at + 1}`);
  const { adminPort } = await startOperated({ hosts, checkInterval: 3_600_000 });
  const reader = open(adminPort, requestOf('GET /metrics'));
  // Its time begins with the answer, of which it reads the beginning.
  const begun = once(reader, 'data').then(() => reader.pause());
  await Promise.all(['GET / HTTP/1.1\r\n', requestOf('POST /api/hosts', 'Content-Length: 10\r\n')].map(async (bytes) => {
    expect(await exchangeBytes(adminPort, bytes)).toMatch(/^HTTP\/1\.1 408 .*\{"code":"MALFORMED","message":"Request Timeout"\}$/s);
  }));
  await begun;
  // As it does not read, only what it sends shows that it was cut off; an empty line says nothing.
  await until('it is cut off', () => {
    reader.write('\r\n');
    return reader.destroyed;
  });
  expect(reader.bytesRead).toBeLessThan(1e6);
});

it('removes no host to which a WebSocket is being opened', async () => {
  const { server, name } = await startServer((_, res) => void res.writeHead(400).end());
  const upgrade = once(server, 'upgrade') as Promise<[unknown, net.Socket]>;
  const { url, proxy, ask } = await operatedBefore([{ name }]);
  const opened = openWebSocket(url).catch(() => {});
  const [, socket] = await upgrade;
  const { status, body } = await ask(`DELETE ${pathOf(name)}`);
  expect([status, JSON.parse(body)]).toMatchObject([409, { code: 'SESSIONS_LIVE' }]);
  expect(proxy.hosts).toMatchObject([{ sessions: 0, tunnels: 1 }]);
  socket.destroy();
  await opened;
});

it('changes no host that was removed while its change came', async () => {
  const { adminPort, proxy } = await startOperated({ hosts: ['127.0.0.1:1', '127.0.0.1:2'] });
  const body = '{"weight":2}';
  const socket = open(adminPort, requestOf('PATCH /api/hosts/127.0.0.1%3A2', `Content-Length: ${body.length}\r\n`));
  await isRead(socket, adminPort);
  proxy.removeHost('127.0.0.1:2');
  socket.write(body);
  const [answer] = await once(socket, 'data') as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 .*"code":"HOST_UNKNOWN"/s);
});

it('ends within its deadline, whoever still talks to it', async () => {
  const { proxy, adminPort } = await startOperated();
  const socket = open(adminPort, `${requestOf('POST /api/hosts', 'Content-Length: 10\r\n')}{`);
  await isRead(socket, adminPort);
  const closed = once(socket, 'close');
  await proxy.close();
  await closed;
  await expect(exchangeBytes(adminPort, '')).rejects.toThrow('ECONNREFUSED');
});

it('tells where it cannot listen', async () => {
  const { adminPort } = await startOperated();
  const { proxy } = await startProxy({ hosts: ['127.0.0.1:1'], admin: { port: adminPort } });
  const [error] = await once(proxy, 'error') as [Error];
  expect(error.message).toContain('EADDRINUSE');
});
