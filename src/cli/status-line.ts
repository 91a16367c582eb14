import type { WriteStream } from 'node:tty';

/** Where lines go: a terminal, a pipe or a file. */
export type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

/** Returns to the line's start and clears it. */
const CLEAR = '\r\x1b[K';
const INTERVAL = 1000;

/** A line at the foot of a terminal that is written again and again. What is printed meanwhile goes above it. */
export class StatusLine {
  readonly #output: Output;
  #text: (() => string) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output) {
    this.#output = output;
    // A log that nobody reads any more is no reason to end.
    output.on('error', () => {});
  }

  /** Shows what `text` says from now on, once a second. */
  start(text: () => string): void {
    this.#text = text;
    this.#timer = setInterval(() => this.#draw(CLEAR), INTERVAL).unref();
    this.#draw(CLEAR);
  }

  /** Leaves the terminal as it would be without it. */
  stop(): void {
    if (!this.#text) return;
    clearInterval(this.#timer);
    this.#text = undefined;
    this.#output.write(CLEAR);
  }

  print(line: string): void {
    this.#draw(`${this.#text ? CLEAR : ''}${line}\n`);
  }

  /** In one write, so that nothing comes in between. */
  #draw(before: string): void {
    // One that filled the last column, or went beyond, could not be cleared.
    const text = this.#text?.().slice(0, (this.#output.columns ?? 80) - 1) ?? '';
    this.#output.write(before + text);
  }
}
