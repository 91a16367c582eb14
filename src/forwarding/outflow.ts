import type { Duplex } from 'node:stream';

/** What waits to leave by a socket. Nothing is done when bytes pass: it is looked at now and then. */
export class Outflow {
  readonly #socket: Duplex;
  #left = -1;
  #queued = -1;
  #looks = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Looks once more. @returns how often in a row bytes have waited since none has left. */
  look(): number {
    const socket = this.#socket;
    const { writableLength } = socket;
    const left = numberAt(socket, 'bytesWritten') - writableLength;
    // Of a large write, which counts as one, a part may have left. Node's own timeouts of sockets look there too.
    const queued = numberAt(Reflect.get(socket, '_handle'), 'writeQueueSize');
    const isStill = writableLength > 0 && left === this.#left && queued === this.#queued;
    this.#left = left;
    this.#queued = queued;
    return this.#looks = isStill ? this.#looks + 1 : 0;
  }
}

/** A server may have been given a connection of another kind, which knows less. */
function numberAt(object: unknown, name: string): number {
  const value: unknown = Reflect.get(Object(object), name);
  return typeof value === 'number' ? value : 0;
}
