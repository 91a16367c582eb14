import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { startOperated, pathOf } from '../support/admin';
import { stopClock } from '../support/clock';
import { startCommand } from '../support/command';
import { handshake, pollUrl, request } from '../support/http';
import { standForNames } from '../support/names';
import { startProxy } from '../support/proxy';
import { openWebSocket } from '../support/session-host';
import { CERT, startTlsServer } from '../support/tls';

const fixture = (name: string): string => readFileSync(join(__dirname, '../fixtures/tls', name), 'utf8');

const NEXT = { cert: fixture('next-cert.pem'), key: fixture('next-key.pem') };

/** A host of Engine.IO as far as it matters: handshakes, and all else. */
const answer: RequestListener = (req, res) => {
  if (!req.url?.includes('transport=')) res.writeHead(400).end();
  else if (req.url.includes('sid=')) res.end('ok');
  else res.end(`0${JSON.stringify({ sid: 's', pingInterval: 45_000, pingTimeout: 0 })}`);
};

describe('a host whose certificate', () => {
  it('is not trusted, is down for that, which events and API tell with the reason', async () => {
    const { name } = await startTlsServer(answer);
    const { proxy, ask, url } = await startOperated({ hosts: [name] });
    const [, , text] = await once(proxy, 'down') as unknown[];
    expect(text).toMatch(/self-signed certificate/);
    expect(proxy.hosts).toMatchObject([{ state: 'down', downReason: 'untrusted', downText: text }]);
    expect((await ask(`GET ${pathOf(name)}`)).json()).toMatchObject({ health: 'down', downReason: 'untrusted', downText: text });
    expect((await request(`${url}/socket.io/?EIO=4&transport=polling`)).json()).toMatchObject({ code: 'NO_HOST' });
  });

  it.each(['127.0.0.2', 'chat.example'])('is not for %s, is down for that, and up where its name is expected', async (called) => {
    standForNames({ 'chat.example': ['127.0.0.2'] });
    const names: unknown[] = [];
    const heads: unknown[] = [];
    const note = ({ socket, headers }: IncomingMessage): void => {
      names.push(Reflect.get(socket, 'servername'));
      heads.push(headers.host);
    };
    const { server, port } = await startTlsServer((req, res) => {
      note(req);
      answer(req, res);
    }, {}, '127.0.0.2');
    new WebSocketServer({ server }).on('connection', (socket, req) => {
      note(req);
      socket.send('0{"sid":"w","pingInterval":1,"pingTimeout":1}');
    });
    const name = `https://${called}:${port}`;
    const wrong = await startProxy({ hosts: [name], hostTls: { ca: CERT } });
    expect(await once(wrong.proxy, 'down')).toEqual([name, 'untrusted', expect.stringContaining("is not in the cert's ")]);
    const { proxy, url } = await startProxy({ hosts: [name], hostTls: { ca: CERT, servername: 'localhost' } });
    await once(proxy, 'up');
    const sid = await handshake(url);
    await openWebSocket(url);
    expect(await proxy.endSession(sid)).toBe('ended');
    expect(names).toEqual(Array.from({ length: 4 }, () => 'localhost'));
    expect(new Set(heads)).toEqual(new Set([new URL(name).host]));
  });

  it('is not trusted any more keeps its sessions for 20 s, in which it may come back', async () => {
    const clock = stopClock();
    const { server, name } = await startTlsServer(answer);
    const options = { hostKeepAlive: 0, checkInterval: 600_000 };
    const { proxy, url } = await startProxy({ hosts: [name], hostTls: { ca: CERT }, ...options });
    await once(proxy, 'up');
    const sid = await handshake(url);
    const post = (): Promise<{ status: number }> => request(pollUrl(url, sid), { method: 'POST', body: '2' });
    server.setSecureContext(NEXT);
    const late = post();
    await clock.advanceUntil('it is down', () => proxy.hosts[0]?.downReason === 'untrusted', 100);
    expect(proxy.hosts).toMatchObject([{ sessions: 1 }]);
    server.setSecureContext({ cert: CERT, key: fixture('key.pem') });
    let status = 0;
    void late.then((reply) => (status = reply.status));
    await clock.advanceUntil('it is answered', () => status !== 0, 100);
    expect(status).toBe(200);
    server.setSecureContext(NEXT);
    await clock.advance(21_000);
    expect((await post()).status).toBe(400);
  });
});

it('is logged by the command with the reason, and taken by --host-servername', async () => {
  const { name } = await startTlsServer(answer, {}, '127.0.0.2');
  const ca = join(__dirname, '../fixtures/tls/cert.pem');
  const { command } = await startCommand(['--hosts', name, '--host-ca', ca, '--log', 'json']);
  const [down] = command.events.filter(({ event }) => event === 'down');
  expect(down).toMatchObject({ host: name, reason: 'untrusted', text: expect.stringContaining("is not in the cert's list") as string });
  expect(down?.message).toBe(`${name} is down: untrusted (${String(down?.text)})`);
  const other = await startCommand(['--hosts', name, '--host-ca', ca, '--host-servername', 'localhost', '--log', 'json']);
  expect(other.command.events.filter(({ event }) => event === 'up')).toMatchObject([{ host: name }]);
});
