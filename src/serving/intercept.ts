import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';

type Listener = (socket: Socket) => void;

/**
 * Shows each connection to `take` first, which hands it on to all that have listened for connections, or does not. For
 * the proxy's own server, once all else listens: who is put before another comes later.
 */
export function intercept(
  server: Server | HttpsServer, take: (socket: Socket, handOn: (socket: Socket) => void) => void,
): void {
  const readers = server.listeners('connection') as Listener[];
  const handOn: Listener = (socket) => {
    for (const reader of readers) Reflect.apply(reader, server, [socket]);
  };
  server.removeAllListeners('connection').on('connection', (socket: Socket) => take(socket, handOn));
}
