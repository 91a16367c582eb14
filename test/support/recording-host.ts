import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onCleanup } from './cleanup';
import type { ReadRequest } from './node-reader';
import { StrictReader } from './strict-reader';

/** What a response would be that nobody has asked for. */
export const STRAY = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray';

export interface RecordingListener {
  /** A request as the host has read it, by Node's parser or by one that is independent of it. */
  onRequest(request: ReadRequest, reader: 'node' | 'strict'): void;
  onFault(fault: string): void;
}

export const idOf = (target = ''): string | undefined => /[?&]id=([\w-]+)/.exec(target)?.[1];

/** Whether the host does what it does to every `nth` request. */
export const isEvery = (nth: number, target = ''): boolean => Number(/\d+$/.exec(idOf(target) ?? '')?.[0]) % nth === 0;

/** It answers before it has read the body. */
export const isEarly = (target: string): boolean => isEvery(13, target);

/** The connections on which it has answered without a body, and sends one before the next answer. */
const strays = new WeakSet<Socket>();

/** It switches protocols for every second upgrade. */
export const isAccepted = (target: string): boolean => isEvery(2, target);

/** A host that reads each of its connections twice, and answers each request with its id. */
export async function startRecordingHost(listener: RecordingListener): Promise<string> {
  const server = http.createServer({ keepAliveTimeout: 60_000 });
  // Node 22 and later refuse more, and the proxy adds some to what clients may send.
  server.maxHeadersCount = 1100;
  server.on('connection', (socket: Socket) => {
    const reader = new StrictReader({
      onRequest: (request) => idOf(request.target) !== undefined && listener.onRequest(request, 'strict'),
      onFault: (fault) => listener.onFault(fault),
    });
    socket.on('data', (chunk: Buffer) => reader.write(chunk)).on('close', () => reader.end()).on('error', () => {});
  });
  server.on('request', (req, res) => serve(req, res, listener));
  server.on('upgrade', (req, socket: Socket) => upgrade(req, socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE') listener.onFault(`Node: ${error.code}`);
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function serve(req: IncomingMessage, res: ServerResponse, listener: RecordingListener): void {
  const { url: target = '', method = '', httpVersion: version, rawHeaders: fields } = req;
  const id = idOf(target);
  if (id === undefined) {
    // A handshake, or a health check.
    res.end('0{"sid":"fuzz"}');
    return;
  }
  if (strays.has(req.socket)) req.socket.write(STRAY);
  const chunks: Buffer[] = [];
  const tell = (): void => {
    listener.onRequest({ method, target, version, fields, body: Buffer.concat(chunks), isWhole: req.complete, isUpgrade: false }, 'node');
  };
  req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {}).once('close', tell);
  if (isEvery(17, target)) res.setHeader('Connection', 'close');
  if (isEarly(target)) {
    res.end(`<${id}>`);
    return;
  }
  req.on('end', () => {
    if (isEvery(7, target)) res.writeHead(204);
    if (method === 'HEAD' || res.statusCode === 204) strays.add(req.socket);
    res.end(`<${id}>`);
  });
}

function upgrade({ url: target = '' }: IncomingMessage, socket: Socket): void {
  const id = idOf(target);
  socket.on('end', () => socket.end()).resume();
  if (isAccepted(target)) socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  else socket.write(`HTTP/1.1 400 Bad Request\r\nContent-Length: ${String(id).length + 2}\r\n\r\n<${id}>`);
}
