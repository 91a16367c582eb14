import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { mayHaveBody } from '../base/methods';

/** The largest body to gather and send in one write, in bytes: no host waits for a slow client. */
const MAX_GATHERED = 16_384;

/** A body to stream. */
export interface StreamedBody {
  readonly source: Readable;
  /** In bytes; `undefined` if only the end of the stream tells. */
  readonly length: number | undefined;
}

/** A body: in latin1 where it is whole, `undefined` where there is none. */
export type RequestBody = string | StreamedBody | undefined;

/**
 * Reads the body of a request whose framing was checked, as far as it is gathered. Calls `then` with it, or `refuse`.
 *
 * @param isChunked the request has `Transfer-Encoding`.
 */
export function readBody(
  req: IncomingMessage, isChunked: boolean, then: (body: RequestBody) => void, refuse: () => void,
): void {
  // The response's `close` handles a client that goes away.
  req.on('error', () => {});
  if (isChunked && !mayHaveBody(req.method ?? '')) {
    awaitEmpty(req, then, refuse);
    return;
  }
  const length = isChunked ? undefined : Number(req.headers['content-length'] ?? 0);
  if (length === 0) then(undefined);
  else if (length === undefined || length > MAX_GATHERED) then({ source: req, length });
  else gather(req, then);
}

/** Gateways send a GET with a chunked body of nothing, which is none. A byte of it is refused. */
function awaitEmpty(req: IncomingMessage, then: (body: undefined) => void, refuse: () => void): void {
  const onEnd = (): void => then(undefined);
  req.once('end', onEnd).once('data', () => {
    req.off('end', onEnd);
    refuse();
  });
}

function gather(req: IncomingMessage, then: (body: string) => void): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => then(Buffer.concat(chunks).toString('latin1')));
}

/**
 * The header that frames the body. It is written only here, from the body that is really sent and never from the
 * client's headers, so that the host finds the next request exactly where this one ends.
 */
export function framingField(method: string, body: RequestBody): string {
  // For a method that may have a body, an empty one is announced (RFC 9110 §8.6).
  if (body === undefined) return mayHaveBody(method) ? 'Content-Length: 0\r\n' : '';
  return body.length === undefined ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${body.length}\r\n`;
}

/** Streams a request's body from the client to the host, with backpressure. */
export class BodyStream {
  readonly #source: Readable;
  readonly #socket: Socket;
  readonly #isChunked: boolean;
  /** The bytes left to send of a body of known length. */
  #remaining: number;
  #isWhole = false;

  constructor({ source, length }: StreamedBody, socket: Socket) {
    this.#source = source;
    this.#socket = socket;
    this.#isChunked = length === undefined;
    this.#remaining = length ?? 0;
  }

  /** The whole body was sent. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Everything received was sent: the next move is the client's, not the host's. */
  get waitsForClient(): boolean {
    return !this.#isWhole && !this.#socket.writableNeedDrain;
  }

  /** Sends the request's head and begins to stream. */
  send(head: string): void {
    this.#socket.write(head, 'latin1');
    this.#source.on('data', this.#onData);
    this.#source.once('end', this.#onEnd);
  }

  /** Stops sending. Reads and drops the rest of the client's body, so that its connection stays usable. */
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

  /** A body of the wrong length would shift the boundary between this request and the next. */
  #breakOff(): void {
    this.stop();
    this.#socket.destroy(new Error('the body of the request is not as long as its head says'));
  }
}
