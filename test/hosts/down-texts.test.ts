import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { ProxyOptions } from '../../src';
import { closeWithTest, startServer } from '../support/http';
import { standForNames } from '../support/names';
import { startProxy } from '../support/proxy';
import { CERT, KEY, startTlsServer } from '../support/tls';

/** What the proxy says of a host that is down. */
async function downOf(host: string, hostTls: ProxyOptions['hostTls'] = {}): Promise<unknown[]> {
  const { proxy } = await startProxy({ hosts: [host], hostTls });
  const [, reason, text] = await once(proxy, 'down') as unknown[];
  expect(proxy.hosts).toMatchObject([{ downReason: reason, downText: text }]);
  return [reason, text];
}

/** A server that does this with each connection. */
async function tcpServer(act: (socket: net.Socket) => void): Promise<string> {
  const server = net.createServer((socket) => act(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  closeWithTest(server);
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a host that is failing says why:', () => {
  it('a status', async () => {
    const { name } = await startServer((_, res) => res.writeHead(503).end());
    expect(await downOf(name)).toEqual(['failing', 'the health check has status 503']);
  });

  it('http:// to a port that speaks TLS', async () => {
    const { port } = await startTlsServer((_, res) => res.end());
    expect(await downOf(`http://127.0.0.1:${port}`)).toEqual(['failing', 'cut before an answer; if it speaks TLS, write https://']);
    // As OpenSSL and its like answer.
    const alerting = await tcpServer((socket) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 10])));
    expect(await downOf(alerting)).toEqual(['failing', 'this port speaks TLS; write https://']);
  });

  it('https:// to a port that speaks none', async () => {
    const { name } = await startServer((_, res) => res.writeHead(400).end());
    expect(await downOf(`https://${name}`, { ca: CERT })).toEqual(['failing', 'this port speaks no TLS; write http://']);
  });

  it('a client certificate that is not shown', async () => {
    const tls = { ca: CERT, requestCert: true };
    const { name } = await startTlsServer((_, res) => res.writeHead(400).end(), tls);
    expect(await downOf(name, { ca: CERT })).toEqual(['failing', expect.stringContaining('asks for a client certificate: hostTls.cert')]);
    const old = await startTlsServer((_, res) => res.writeHead(400).end(), { ...tls, maxVersion: 'TLSv1.2' });
    expect(await downOf(old.name, { ca: CERT }))
      .toEqual(['failing', expect.stringContaining('asks for a client certificate: hostTls.cert')]);
    const { proxy } = await startProxy({ hosts: [name], hostTls: { ca: CERT, cert: CERT, key: KEY } });
    await once(proxy, 'up');
  });

  it('another failure of TLS, without the places in the source of OpenSSL', async () => {
    const { name } = await startTlsServer((_, res) => res.end(), { maxVersion: 'TLSv1.2' });
    expect(await downOf(name, { ca: CERT, minVersion: 'TLSv1.3' })).toEqual(['failing', expect.stringMatching(/^TLS fails: [\w ]+$/)]);
  });

  it('what is no HTTP, and a connection that is cut', async () => {
    expect(await downOf(await tcpServer((socket) => socket.write('SSH-2.0-x\r\n')))).toEqual(['failing', 'answers no HTTP']);
    const cutting = await tcpServer((socket) => socket.resume().end());
    expect(await downOf(cutting)).toEqual(['failing', 'cut before an answer; if it speaks TLS, write https://']);
  });
});

it.each([
  ['ENOTFOUND', 'the name has no address: ENOTFOUND'], ['EAI_AGAIN', 'DNS does not answer: EAI_AGAIN'],
] as const)('a host whose name leads nowhere says so: %s', async (code, text) => {
  standForNames({ 'chat.example': code });
  expect(await downOf('chat.example:3000')).toEqual(['unreachable', text]);
});
