import http, { type IncomingMessage, type Server } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { isWebSocket } from '../routing/request-checks';

/** The name of the function by which Node, from version 24.9 on, asks a server whether a request may upgrade. */
const MAY_UPGRADE = 'shouldUpgradeCallback';

/** Fields of an upgrade that is ignored. They concern this connection only, and `Connection` names them. */
const OF_UPGRADE = new Set(['upgrade', 'http2-settings']);

/**
 * Lets a server ignore upgrades to anything but WebSocket in a proxy's requests that may have a body. Node from version
 * 24.9 on can do so, and ends the connection after the answer. Earlier versions leave the body unread, as
 * {@link readAgain} needs it.
 *
 * @param owns whether the request is a proxy's.
 * @returns a function that undoes it.
 */
export function ignoreUpgradesWithBody(
  server: Server | HttpsServer, owns: (req: IncomingMessage) => boolean,
): () => void {
  const before: unknown = Reflect.get(server, MAY_UPGRADE);
  if (typeof before !== 'function') return () => {};
  const mayUpgrade = (req: IncomingMessage): unknown =>
    (!announcesBody(req) || isWebSocket(req) || !owns(req)) && Reflect.apply(before, server, [req]);
  Reflect.set(server, MAY_UPGRADE, mayUpgrade);
  return () => {
    if (Reflect.get(server, MAY_UPGRADE) === mayUpgrade) Reflect.set(server, MAY_UPGRADE, before);
  };
}

/**
 * Lets a server read a request again as if it had asked for no upgrade (RFC 9110 §7.8): Node reads no more requests
 * from a connection once one has asked for any. What has come after the head is read as the request's body, and as
 * further requests. The request's fields must have been checked, and Node must show all of them.
 *
 * @param socket of the request. Its unread bytes follow the head.
 */
export function readAgain(server: Server | HttpsServer, req: IncomingMessage, socket: Duplex): void {
  socket.unshift(headOf(req));
  // What Node itself does with a new connection. The documented way is to emit the event, but the caller's listeners
  // have heard of this connection already.
  const accept: unknown = Reflect.get(http, '_connectionListener');
  if (typeof accept === 'function') Reflect.apply(accept, server, [socket]);
  else server.emit(server instanceof HttpsServer ? 'secureConnection' : 'connection', socket);
  socket.resume();
}

function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    const key = name.toLowerCase();
    if (key === 'connection') head += `${name}: ${withoutUpgrade(value)}\r\n`;
    else if (!OF_UPGRADE.has(key)) head += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

function withoutUpgrade(connection: string): string {
  return connection.split(',').filter((token) => !OF_UPGRADE.has(token.trim().toLowerCase())).join(',');
}
