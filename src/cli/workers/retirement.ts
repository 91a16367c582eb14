import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';

/** How long WebSockets may take that were told to end last, in ms. */
const LAST_TIME = 200;

/**
 * Ends a server while others go on, without failing a request. The server accepts no more connections and serves one
 * more request on each open one. The response closes the connection, and the client goes to another server.
 */
export class Retirement {
  readonly #server: Server | HttpsServer;
  readonly #sockets = new Set<Socket>();
  #closed: Promise<unknown> = Promise.resolve();

  constructor(server: Server | HttpsServer) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  begin(): void {
    if (!this.#server.listening) return;
    subscribe('http.server.request.start', (message) => {
      if (Reflect.get(Object(message), 'server') !== this.#server) return;
      Reflect.set(Object(Reflect.get(Object(message), 'response')), 'shouldKeepAlive', false);
    });
    this.#closed = once(this.#server, 'close');
    // Not `http.Server.close`, which also cuts idle connections: a request may be on its way on them.
    NetServer.prototype.close.call(this.#server);
  }

  /** Resolves when the last connection has ended. Cuts those that are left a moment after `drainTimeout`. */
  async end(drainTimeout: number): Promise<void> {
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, drainTimeout + LAST_TIME);
    await this.#closed;
    clearTimeout(timer);
  }
}
