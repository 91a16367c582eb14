import type { ClientResponse } from './client';

/** The largest part of a body to send with its head in one write, in bytes. Longer ones are not worth a copy. */
export const MAX_JOINED = 16_384;

/** Writes a host's response to a client. A small one that has come whole leaves in one write. */
export class Answer {
  readonly #res: ClientResponse;
  /** The head is written, and nothing has left yet. */
  #isWaiting = false;
  /** The first part of the body, which leaves with the head. */
  #start: string | undefined;

  constructor(res: ClientResponse) {
    this.#res = res;
  }

  /** The head leaves with the first part of the body, or with `flush`. */
  head(status: number, message: string, headers: string[]): void {
    this.#res.writeHead(status, message, headers);
    this.#isWaiting = true;
  }

  /** @returns false if `drain` should be awaited before more is written. Nothing keeps the chunk. */
  write(chunk: Buffer): boolean {
    if (this.#isWaiting && this.#start === undefined && chunk.length <= MAX_JOINED) {
      this.#start = chunk.toString('latin1');
      return true;
    }
    this.#isWaiting = false;
    if (this.#start !== undefined) this.#res.write(this.#start, 'latin1');
    this.#start = undefined;
    return this.#res.write(Buffer.from(chunk));
  }

  /** Sends what waits: more may take its time. */
  flush(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    // With `flushHeaders`, Node would encode the head in UTF-8.
    this.#res.write(this.#start ?? '', 'latin1');
    this.#start = undefined;
  }

  /** Sends what waits, and ends the response. */
  end(): void {
    // One string, so that the kernel gets one buffer instead of two. latin1 preserves every byte.
    if (this.#start === undefined) this.#res.end();
    else this.#res.end(this.#start, 'latin1');
  }
}
