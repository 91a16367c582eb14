import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCommand } from '../../support/command';
import { request, startServer } from '../../support/http';
import { startProxy } from '../../support/proxy';
import { Program, startOnSomePort, temporaryFolder } from '../../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { startSessionHost } from '../../support/session-host';
import { CERT, KEY } from '../../support/tls';
import { until } from '../../support/until';

const POLL = '/socket.io/?EIO=4&transport=polling';

/** A HAProxy that passes on the bytes of connections, with a check. Resolves with its port. */
async function startHaproxy(proxy: number, send: string): Promise<number> {
  const file = join(temporaryFolder('haproxy-'), 'haproxy.cfg');
  const { port } = await startOnSomePort('Loading success', (candidate) => {
    writeFileSync(file, `${[
      'defaults', '  mode tcp', '  timeout connect 5s', '  timeout client 120s', '  timeout server 120s',
      'listen clients', `  bind 127.0.0.1:${candidate}`, `  server a 127.0.0.1:${proxy} check inter 100ms ${send}`,
    ].join('\n')}\n`);
    return new Program('haproxy', ['-W', '-db', '-f', file]);
  });
  return port;
}

const SENDS = ['send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id'];

describe.each(SENDS)('behind HAProxy with %s', (send) => {
  it('takes the address of the client, and no check for a fault', async () => {
    const host = await startServer(({ headers }, res) => res.end(String(headers['x-forwarded-for'])));
    const { proxy, port } = await startProxy({ hosts: [host.name], proxyProtocol: true, trustProxy: ['127.0.0.1'] });
    let checks = 0;
    proxy.server.on('connection', () => (checks += 1));
    const front = await startHaproxy(port, send);
    await until('it has checked', () => checks > 3);
    for (let i = 0; i < 3; i += 1) {
      const { body } = await request(`http://127.0.0.1:${front}${POLL}`, { localAddress: '127.0.0.5' });
      expect(body).toBe('127.0.0.5');
    }
    expect((await proxy.parts.operations.totals()).refusals).toEqual({});
  });
});

it('is read by the command with workers and TLS', async () => {
  const host = await startSessionHost();
  const folder = temporaryFolder('tls-');
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(cert, CERT);
  writeFileSync(key, KEY);
  const { command, url } = await startCommand([
    '--hosts', host.name, '--workers', '2', '--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix(),
    '--tls-cert', cert, '--tls-key', key, '--proxy-protocol', '--trust-proxy', '127.0.0.1', '--access-log', 'json', '--log', 'json',
  ]);
  const front = `https://localhost:${await startHaproxy(Number(new URL(url).port), 'send-proxy-v2')}`;
  for (let i = 0; i < 4; i += 1) {
    const { status } = await request(front + POLL, { ca: CERT, localAddress: '127.0.0.5' });
    expect(status).toBe(200);
  }
  await until('all is logged', () => command.events.filter(({ client }) => client === '127.0.0.5').length === 4);
  // Without a header, from where one is due.
  await expect(request(url + POLL, { ca: CERT })).rejects.toThrow();
  expect(await command.line(/"suspicious"/)).toContain('has to begin with a PROXY header');
});
