import type { Duplex } from 'node:stream';

/** Detects a socket whose output is stuck. Polled now and then, so that passing bytes cost nothing. */
export class Outflow {
  readonly #socket: Duplex;
  #left = -1;
  #queued = -1;
  #looks = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** @returns in how many looks in a row bytes were waiting and none had left. */
  look(): number {
    const socket = this.#socket;
    const { writableLength } = socket;
    const left = numberAt(socket, 'bytesWritten') - writableLength;
    // A part of a large write may have left. Node's own socket timeouts check this queue too.
    const queued = numberAt(Reflect.get(socket, '_handle'), 'writeQueueSize');
    const isStill = writableLength > 0 && left === this.#left && queued === this.#queued;
    this.#left = left;
    this.#queued = queued;
    return this.#looks = isStill ? this.#looks + 1 : 0;
  }
}

/** A number of a socket; 0 if a caller's server accepted a stream of another kind without it. */
function numberAt(object: unknown, name: string): number {
  const value: unknown = Reflect.get(Object(object), name);
  return typeof value === 'number' ? value : 0;
}
