import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { SonicBoom } from 'sonic-boom';

/** The largest block for a pipe or a socket, in bytes: up to `PIPE_BUF`, those of several processes do not mix. */
const PIPE_BLOCK = 4096;

/** The largest block for anything else, in bytes: each write wakes another thread, and one to a file is never mixed. */
const FILE_BLOCK = 65_536;

/** How long a line may wait to be written together with others, in ms. */
const FLUSH_INTERVAL = 250;

/** The most bytes that may wait while a block is written. Further blocks are dropped. */
const MAX_WAITING = 8 * 1024 * 1024;

const LINE_FEED = 0x0a;

export interface BlocksListener {
  readonly failed: (error: Error) => void;
  /** Called with the number of lines that were dropped, as they came faster than they could be written. */
  readonly dropped: (lines: number) => void;
}

/** What sonic-boom can write with `contentMode: 'buffer'`, which its types lack. */
interface BlockOutput {
  write(block: Buffer): boolean;
}

/**
 * Writes lines to a file descriptor, many at once, and waits for none. Each line becomes bytes at once: texts that are
 * joined to a long one live until that is written, which was measured to cost more than the writing.
 */
export class Blocks {
  readonly #output: SonicBoom & BlockOutput;
  readonly #flushing: NodeJS.Timeout;
  /** The lines that wait for others. */
  readonly #block: Buffer;
  #used = 0;

  constructor(fd: number, { failed, dropped }: BlocksListener) {
    const kind = fstatSync(fd);
    const size = kind.isFIFO() || kind.isSocket() ? PIPE_BLOCK : FILE_BLOCK;
    this.#block = Buffer.allocUnsafe(size);
    const options = { fd, sync: false, contentMode: 'buffer', maxWrite: size, maxLength: MAX_WAITING } as const;
    this.#output = new SonicBoom(options) as SonicBoom & BlockOutput;
    this.#output.on('error', failed);
    this.#output.on('drop', (block: Buffer) => dropped(block.filter((byte) => byte === LINE_FEED).length));
    this.#flushing = setInterval(() => this.#flush(), FLUSH_INTERVAL).unref();
  }

  /** @param line with its line feed. */
  write(line: string): void {
    const size = Buffer.byteLength(line);
    if (this.#used + size > this.#block.length) this.#send();
    if (size > this.#block.length) this.#output.write(Buffer.from(line));
    else this.#used += this.#block.write(line, this.#used);
  }

  /** Writes what waits, and closes the descriptor. Resolves when that is done, or has failed. */
  async end(): Promise<void> {
    clearInterval(this.#flushing);
    this.#send();
    const closed = once(this.#output, 'close');
    this.#output.end();
    // The listener has heard of a failure.
    await closed.catch(() => this.#output.destroy());
  }

  /** Closes the descriptor, whatever waits. */
  destroy(): void {
    this.#output.destroy();
  }

  #flush(): void {
    this.#send();
    // What has failed is tried again.
    this.#output.flush();
  }

  #send(): void {
    if (this.#used === 0) return;
    this.#output.write(Buffer.from(this.#block.subarray(0, this.#used)));
    this.#used = 0;
  }
}
