import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** A request's body that goes to the host as it comes from the client, no faster than the host reads. */
export class RequestBody {
  readonly #source: IncomingMessage;
  readonly #socket: Socket;
  readonly #isChunked: boolean;
  #isWhole = false;

  constructor(source: IncomingMessage, socket: Socket) {
    this.#source = source;
    this.#socket = socket;
    this.#isChunked = source.headers['content-length'] === undefined;
  }

  /** All of it has been sent. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** What has come has been sent: it is the client's turn, and not the host's. */
  get waitsForClient(): boolean {
    return !this.#isWhole && !this.#socket.writableNeedDrain;
  }

  /** Begins, with a request's head that lacks its end. */
  send(head: string): void {
    this.#socket.write(`${head}${this.#isChunked ? 'Transfer-Encoding: chunked\r\n' : ''}\r\n`, 'latin1');
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
    this.#isWhole = true;
    if (this.#isChunked) this.#socket.write('0\r\n\r\n', 'latin1');
  };
}
