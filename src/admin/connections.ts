import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from './problems';

/** The most connections without an authorized request in progress. */
const MAX_OTHERS = 100;

/** The most authorized requests in progress. */
const MAX_SERVED = 100;

/**
 * The connections of the admin server. Health checks send no token, so they share a limit with all other clients.
 * Beyond the limit, the address with the most connections loses its oldest one: clients that are silent, slow or do not
 * read make room for new ones. Authorized requests have a limit of their own.
 */
export class Connections {
  /** Ordered by the last answer, or else by the start of the connection, oldest first. */
  readonly #others = new Set<Socket>();
  readonly #served = new Set<Socket>();

  constructor(server: Server) {
    server.on('connection', (socket) => {
      socket.once('close', () => {
        this.#others.delete(socket);
        this.#served.delete(socket);
      });
      this.#admit(socket);
    });
  }

  /**
   * Records that an authorized request is in progress on a connection.
   *
   * @throws Problem if there are too many.
   */
  serve(socket: Socket): void {
    if (this.#served.size >= MAX_SERVED) {
      throw new Problem('UNAVAILABLE', `${MAX_SERVED} requests are under way`, { 'Retry-After': '1' });
    }
    this.#others.delete(socket);
    this.#served.add(socket);
  }

  /** Records that a request on a connection has ended. */
  rest(socket: Socket): void {
    if (socket.destroyed) return;
    this.#served.delete(socket);
    this.#others.delete(socket);
    this.#admit(socket);
  }

  #admit(socket: Socket): void {
    this.#others.add(socket);
    if (this.#others.size > MAX_OTHERS) this.#oldestOfMost()?.destroy();
  }

  /** The oldest connection of the address with the most connections. */
  #oldestOfMost(): Socket | undefined {
    const counts = new Map<string, number>();
    for (const { remoteAddress = '' } of this.#others) counts.set(remoteAddress, (counts.get(remoteAddress) ?? 0) + 1);
    const most = Math.max(...counts.values());
    return Array.from(this.#others).find(({ remoteAddress = '' }) => counts.get(remoteAddress) === most);
  }
}
