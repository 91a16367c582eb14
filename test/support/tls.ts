import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { closeWithTest } from './http';

const read = (file: string): string => readFileSync(join(__dirname, '../fixtures/tls', file), 'utf8');

/** A certificate that signs itself, for localhost, 127.0.0.1 and ::1, until 2126: its own `ca`. */
export const CERT = read('cert.pem');
export const KEY = read('key.pem');

/** An HTTPS server in this process. */
export async function startTlsServer(
  handler: RequestListener,
  options: https.ServerOptions = {},
  address = '127.0.0.1',
): Promise<{ server: https.Server; name: string; port: number }> {
  const server = https.createServer({ cert: CERT, key: KEY, ...options }, handler);
  server.listen(0, address);
  closeWithTest(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, port, name: `https://${address}:${port}` };
}
