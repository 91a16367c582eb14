import { write, type Output } from './output';

/** Moves the cursor to the line's start and clears the line. */
const CLEAR = '\r\x1b[K';
const INTERVAL = 1000;

/** A line at the bottom of a terminal, updated every second. Other output is printed above it. */
export class StatusLine {
  readonly #output: Output;
  #text = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows `text()`, updated once a second. */
  start(text: () => string): void {
    const show = (): void => {
      const { columns = 0 } = this.#output;
      // A line that reaches the last column could not be cleared. Some terminals report a width of 0.
      this.#text = text().slice(0, (columns > 0 ? columns : 80) - 1);
      write(this.#output, CLEAR + this.#text);
    };
    this.#timer = setInterval(show, INTERVAL).unref();
    show();
  }

  /** Clears the line and stops updating it. */
  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#text = '';
    this.#output.write(CLEAR);
  }

  /** Prints a line above, in one write, so that nothing comes in between. */
  print(line: string): void {
    write(this.#output, this.#timer ? `${CLEAR}${line}\n${this.#text}` : `${line}\n`);
  }
}
