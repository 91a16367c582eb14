import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { once } from 'node:events';
import { onCleanup } from './cleanup';

export interface Reply {
  status: number;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  body: string;
  bytes: Buffer;
  json: () => unknown;
}

export interface RequestOptions extends Omit<https.RequestOptions, 'agent'> {
  body?: string | Buffer;
  /** Keeps connections; without it each request has its own. */
  agent?: http.Agent | https.Agent;
}

/** Sends one request, and resolves with the whole response. */
export async function request(url: string, { body, ...options }: RequestOptions = {}): Promise<Reply> {
  const send = url.startsWith('https:') ? https.request : http.request;
  const req = send(url, { agent: false, ...options });
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  // One that comes after the response, for what was still to be sent, is none: without a listener it would be thrown.
  req.on('error', () => {});
  req.end(body);
  const [res] = await responded;
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString();
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    body: text,
    bytes,
    json: () => JSON.parse(text) as unknown,
  };
}

/** Makes a handshake by polling, of Engine.IO protocol 4, and resolves with the sid. */
export async function handshake(url: string, path = '/socket.io/'): Promise<string> {
  const reply = await request(`${url}${path}?EIO=4&transport=polling`);
  if (reply.status !== 200) throw new Error(`handshake: ${reply.status} ${reply.body}`);
  return (JSON.parse(reply.body.slice(1)) as { sid: string }).sid;
}

/** The URL of a poll. */
export function pollUrl(url: string, sid: string, path = '/socket.io/'): string {
  return `${url}${path}?EIO=4&transport=polling&sid=${encodeURIComponent(sid)}`;
}

/** Sends bytes on a connection of its own, and resolves with all that comes back until it is closed. */
export async function exchangeBytes(port: number, bytes: string | Buffer): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  onCleanup(() => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'connect');
  // A reset ends it as well as a FIN: `once` would reject.
  socket.on('error', () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString('latin1');
}

/** An HTTP server in this process, for tests that need one that misbehaves, or that shows what arrived. */
export async function startServer(
  handler: http.RequestListener,
  options: http.ServerOptions = {},
  { host = '127.0.0.1', port: wanted = 0 }: net.ListenOptions = {},
): Promise<{ server: http.Server; name: string; port: number }> {
  const server = http.createServer(options, handler);
  server.listen(wanted, host);
  closeWithTest(server);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  return { server, port, name: `${host}:${port}` };
}

/** Closes a server when the test is over, with all of its connections: upgraded ones, too. */
export function closeWithTest(server: net.Server): void {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  onCleanup(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
}
