import { write, type Output } from './output';

/** Returns to the line's start and clears it. */
const CLEAR = '\r\x1b[K';
const INTERVAL = 1000;

/** A line at the foot of a terminal that is written again and again. What is printed meanwhile goes above it. */
export class StatusLine {
  readonly #output: Output;
  #text = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows what `text` says from now on, asked once a second. */
  start(text: () => string): void {
    const show = (): void => {
      const { columns = 0 } = this.#output;
      // One that filled the last column, or went beyond, could not be cleared. Some terminals know no width: 0.
      this.#text = text().slice(0, (columns > 0 ? columns : 80) - 1);
      write(this.#output, CLEAR + this.#text);
    };
    this.#timer = setInterval(show, INTERVAL).unref();
    show();
  }

  /** Leaves the terminal as it would be without it. */
  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#text = '';
    this.#output.write(CLEAR);
  }

  /** In one write, so that nothing comes in between. */
  print(line: string): void {
    write(this.#output, this.#timer ? `${CLEAR}${line}\n${this.#text}` : `${line}\n`);
  }
}
