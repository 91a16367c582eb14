import type { Socket } from 'node:net';
import type { HostTotals } from '../base/totals';

/** Counts the bytes of a socket to a host: not each time that some pass, but when it is asked to. */
export class Traffic {
  readonly #socket: Socket;
  readonly #totals: HostTotals;
  #sent = 0;
  #received = 0;

  constructor(socket: Socket, totals: HostTotals) {
    this.#socket = socket;
    this.#totals = totals;
  }

  /** Adds what has passed since it was last called. */
  count(): void {
    const { bytesRead, bytesWritten } = this.#socket;
    this.#totals.sentBytes += bytesWritten - this.#sent;
    this.#totals.receivedBytes += bytesRead - this.#received;
    this.#sent = bytesWritten;
    this.#received = bytesRead;
  }
}
