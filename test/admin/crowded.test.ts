import { once } from 'node:events';
import net from 'node:net';
import { startOperated, TOKEN } from '../support/admin';
import { onCleanup } from '../support/cleanup';
import { openStream } from '../support/event-stream';
import { request } from '../support/http';
import { until } from '../support/until';

const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** One address of this machine for those who crowd the server, another for those who do not. */
const [CROWD, OTHER] = ['127.0.0.1', process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1'];

interface Client {
  readonly socket: net.Socket;
  readonly closed: boolean;
  text: string;
}

/** Connects, and sends `bytes`; what is read of an answer is kept. */
async function connect(port: number, bytes = '', localAddress = CROWD): Promise<Client> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress });
  onCleanup(() => socket.destroy());
  // Whose place is given away may be reset.
  socket.on('error', () => {});
  const client = {
    socket,
    get closed() {
      return socket.closed;
    },
    text: '',
  };
  socket.on('data', (data) => (client.text += data.toString()));
  await once(socket, 'connect');
  socket.write(bytes);
  return client;
}

/** The same, so many times. */
const crowd = (count: number, ...args: Parameters<typeof connect>): Promise<Client[]> =>
  Promise.all(Array.from({ length: count }, () => connect(...args)));

const openOf = (clients: readonly Client[]): number => clients.filter(({ closed }) => !closed).length;

/** Asks on the connection once more, and resolves with the status; 0 where it is closed. */
async function statusOn(client: Client): Promise<number> {
  client.text = '';
  client.socket.write(HEALTH);
  await until('it is answered or closed', () => client.closed || /\r\n\r\n.*\}$/s.test(client.text));
  return Number(/^HTTP\/1\.1 (\d+) /.exec(client.text)?.[1] ?? 0);
}

// More than are kept.
it.each([
  ['say nothing', ''],
  ['do not end a head', 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: '],
  ['do not end a body', `POST /api/hosts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n{`],
  ['keep their connection', HEALTH],
  ['send one request after the other and read no answer', HEALTH.repeat(20)],
])('150 connections that %s do not take health and readiness away from others', async (_, bytes) => {
  const { admin, adminPort } = await startOperated({ admin: { token: TOKEN } });
  const clients = await crowd(150, adminPort, bytes);
  for (const { socket } of clients) socket.pause();
  const statuses = await Promise.all(Array.from({ length: 10 }, async () =>
    [(await request(`${admin}/healthz`)).status, (await request(`${admin}/readyz`)).status]));
  expect(statuses).toEqual(statuses.map(() => [200, 503]));
});

it('goes on answering while some bytes of each request come', async () => {
  const { admin, adminPort } = await startOperated({ admin: { token: TOKEN } });
  const clients = await crowd(100, adminPort, 'GET /healthz HTTP/1.1\r\n');
  for (let round = 0; round < 10; round += 1) {
    for (const { socket } of clients) socket.write('X');
    expect((await request(`${admin}/healthz`)).status).toBe(200);
  }
});

it('keeps no more than 100 connections without the token', async () => {
  const { adminPort } = await startOperated({ admin: { token: TOKEN } });
  const clients = await crowd(130, adminPort);
  await until('30 are closed', () => openOf(clients) === 100);
  await crowd(10, adminPort);
  await until('10 more are closed', () => openOf(clients) === 90);
});

it('closes those of the address that has most of them', async () => {
  const { adminPort } = await startOperated({ admin: { token: TOKEN } });
  const prober = await connect(adminPort, HEALTH, OTHER);
  await until('it is answered', () => prober.text.endsWith('}'));
  await crowd(150, adminPort);
  expect(await statusOn(prober)).toBe(OTHER === CROWD ? 0 : 200);
});

it('closes of one address the one that was used longest ago', async () => {
  const { adminPort } = await startOperated({ admin: { token: TOKEN } });
  const prober = await connect(adminPort, HEALTH);
  await until('it is answered', () => prober.text.endsWith('}'));
  const clients = await crowd(99, adminPort);
  // By now it is the newest of 100.
  expect(await statusOn(prober)).toBe(200);
  await crowd(99, adminPort);
  expect(await statusOn(prober)).toBe(200);
  await until('the others are closed', () => openOf(clients) === 0);
});

it('ends no answer to who shows the token', async () => {
  const { admin, adminPort, proxy } = await startOperated({ admin: { token: TOKEN } });
  const stream = await openStream(admin, { Authorization: `Bearer ${TOKEN}` });
  const body = '{"host":"127.0.0.1:2"}';
  const authorised = `POST /api/hosts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  const client = await connect(adminPort, `${authorised}Content-Length: ${body.length}\r\n\r\n`);
  expect((await request(`${admin}/healthz`)).status).toBe(200);
  const clients = await crowd(150, adminPort);
  await until('there are 100 of them', () => openOf(clients) <= 100);
  client.socket.write(body);
  await until('it is answered', () => client.text.endsWith('}'));
  expect(client.text).toMatch(/^HTTP\/1\.1 201 /);
  proxy.addHost('127.0.0.1:3');
  for (let host: unknown; host !== '127.0.0.1:3';) ({ host } = (await stream.next('change')).data as { host: unknown });
  stream.end();
});

it('refuses the 101st request that is under way with the right to it, and answers health checks', async () => {
  const { admin, adminPort } = await startOperated();
  const head = 'POST /api/hosts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n';
  const clients = await crowd(101, adminPort, head);
  await until('one is refused', () => clients.some(({ text }) => text !== ''));
  const refused = clients.filter(({ text }) => text !== '');
  expect(refused.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^HTTP\/1\.1 503 .*\r\nRetry-After: 1\r\n.*"code":"UNAVAILABLE","message":"100 requests are under way"/s),
  ]);
  expect((await request(`${admin}/healthz`)).status).toBe(200);
  clients.find(({ text }) => text === '')?.socket.destroy();
  await until('there is room', async () => (await request(`${admin}/api/hosts`)).status === 200);
});
