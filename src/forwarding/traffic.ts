import type { Socket } from 'node:net';
import type { HostTotals } from '../base/totals';

/** Counts the bytes of a socket to a host. Reads the socket's counters on demand: passing bytes cost nothing. */
export class Traffic {
  readonly #socket: Socket;
  readonly #totals: HostTotals;
  #sent = 0;
  #received = 0;

  constructor(socket: Socket, totals: HostTotals) {
    this.#socket = socket;
    this.#totals = totals;
  }

  /** Adds the bytes since the last call to the host's totals. */
  countBytes(): void {
    const { bytesRead, bytesWritten } = this.#socket;
    this.#totals.sentBytes += bytesWritten - this.#sent;
    this.#totals.receivedBytes += bytesRead - this.#received;
    this.#sent = bytesWritten;
    this.#received = bytesRead;
  }
}
