import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { mayHaveBody } from '../base/methods';

/** A body that is sent as it comes. */
export interface StreamedBody {
  readonly source: Readable;
  /** How long it will be, in bytes; `undefined` where only its end tells. */
  readonly length: number | undefined;
}

/**
 * The line of a head that says where the body ends: written here alone, and from what is really sent. Whatever the
 * client's request said, the host is to find the next request where this one ends.
 */
export function framingOf(method: string, body: Buffer | StreamedBody | undefined): string {
  // A method that may have a body tells that there is none (RFC 9110 §8.6).
  if (body === undefined) return mayHaveBody(method) ? 'Content-Length: 0\r\n' : '';
  return body.length === undefined ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${body.length}\r\n`;
}

/** A request's body that goes to the host as it comes from the client, no faster than the host reads. */
export class RequestBody {
  readonly #source: Readable;
  readonly #socket: Socket;
  readonly #isChunked: boolean;
  /** How many bytes of a body of known length are still to be sent. */
  #remaining: number;
  #isWhole = false;

  constructor({ source, length }: StreamedBody, socket: Socket) {
    this.#source = source;
    this.#socket = socket;
    this.#isChunked = length === undefined;
    this.#remaining = length ?? 0;
  }

  /** All of it has been sent. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** What has come has been sent: it is the client's turn, and not the host's. */
  get waitsForClient(): boolean {
    return !this.#isWhole && !this.#socket.writableNeedDrain;
  }

  /** Begins, with a request's head. */
  send(head: string): void {
    this.#socket.write(head, 'latin1');
    this.#source.on('data', this.#onData);
    this.#source.once('end', this.#onEnd);
  }

  /** Sends no more. What the client still sends is taken in and dropped, so that its connection can go on. */
  stop(): void {
    this.#source.off('data', this.#onData);
    this.#source.off('end', this.#onEnd);
    this.#socket.off('drain', this.#onDrain);
    this.#source.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    const socket = this.#socket;
    if (this.#isChunked) {
      socket.cork();
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
      socket.write(chunk);
      socket.write('\r\n', 'latin1');
      process.nextTick(() => socket.uncork());
    } else {
      this.#remaining -= chunk.length;
      if (this.#remaining < 0) {
        this.#breakOff();
        return;
      }
      socket.write(chunk);
    }
    if (!socket.writableNeedDrain) return;
    this.#source.pause();
    socket.once('drain', this.#onDrain);
  };

  readonly #onDrain = (): void => {
    this.#source.resume();
  };

  readonly #onEnd = (): void => {
    if (this.#remaining !== 0) {
      this.#breakOff();
      return;
    }
    this.#isWhole = true;
    if (this.#isChunked) this.#socket.write('0\r\n\r\n', 'latin1');
  };

  /** The host would take for the body what follows it, or the other way round. */
  #breakOff(): void {
    this.stop();
    this.#socket.destroy(new Error('the body of the request is not as long as its head says'));
  }
}
