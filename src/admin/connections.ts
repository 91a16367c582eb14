import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from './problems';

/** How many connections there may be beside those on which a request with the right to it is answered. */
const MAX_OTHERS = 100;

/** How many requests with the right to what they ask for may be under way. */
const MAX_SERVED = 100;

/**
 * The connections of the admin server. Health checks show no token, and so share their room with whoever connects:
 * where it is full, the address that has taken the most of it loses its oldest connection. Those who say nothing, send
 * slowly or do not read thus make room for whoever comes next. Who shows the token has room apart.
 */
export class Connections {
  /** From the one on which the last answer, or else its beginning, is the longest ago. */
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
   * Takes in that a request is answered on it that has the right to what it asks for.
   *
   * @throws Problem when there are too many.
   */
  serve(socket: Socket): void {
    if (this.#served.size >= MAX_SERVED) {
      throw new Problem('UNAVAILABLE', `${MAX_SERVED} requests are under way`, { 'Retry-After': '1' });
    }
    this.#others.delete(socket);
    this.#served.add(socket);
  }

  /** Takes in that a request on it is over. */
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

  /** Of the address that has the most connections, the oldest one. */
  #oldestOfMost(): Socket | undefined {
    const counts = new Map<string, number>();
    for (const { remoteAddress = '' } of this.#others) counts.set(remoteAddress, (counts.get(remoteAddress) ?? 0) + 1);
    const most = Math.max(...counts.values());
    return Array.from(this.#others).find(({ remoteAddress = '' }) => counts.get(remoteAddress) === most);
  }
}
