import { once } from 'node:events';
import { openSync } from 'node:fs';
import { isIP } from 'node:net';
import { SonicBoom } from 'sonic-boom';
import type { AccessEntry } from '../../serving/access';
import { toError } from '../../base/checks';
import { startDeadline } from '../../base/deadline';
import { describe, type Log } from './log';
import type { AccessLogOptions } from '../settings/settings';

/** How many bytes may wait to be written; what comes beyond is left out rather than held in memory. */
const MAX_WAITING = 8 * 1024 * 1024;

/** The largest write, in bytes: what processes write to one pipe is not mixed up to this size (`PIPE_BUF`). */
const MAX_WRITE = 4096;

/** How long a line may wait for others to be written with it, in ms. */
const FLUSH_INTERVAL = 250;

/** How long the command's end waits for what is still to be written, in ms: its reader may have stalled. */
const CLOSE_TIMEOUT = 1000;

/** How often it is told that lines were left out, in ms. */
const DROP_INTERVAL = 60_000;

/** How long it waits until it opens its file again where it has none, in ms. */
const OPEN_INTERVAL = 1000;

/** The access log: a line for each request that is over. */
export class AccessLog {
  readonly write: (entry: AccessEntry) => void;
  readonly #target: string | number;
  readonly #log: Pick<Log, 'warn'>;
  /** `undefined` while there is no file to write to. */
  #output: SonicBoom | undefined;
  /** What was written to before has been closed. */
  #finished: Promise<unknown> = Promise.resolve();
  #opening: NodeJS.Timeout | undefined;
  #dropped = 0;
  #toldAt = -Infinity;

  constructor({ format, target }: AccessLogOptions, log: Pick<Log, 'warn'>) {
    this.#target = target;
    this.#log = log;
    const toLine = format === 'json' ? jsonLine : commonLine;
    this.write = (entry) => {
      if (this.#output) this.#output.write(toLine(entry));
      else this.#dropped += 1;
    };
    this.#open();
  }

  /** Opens the file anew: the one that was open may have been moved away. */
  reopen(): void {
    if (typeof this.#target === 'string') this.#open();
  }

  /** Writes what waits, as far as that can be written within a second. */
  async close(): Promise<void> {
    clearTimeout(this.#opening);
    this.#finish();
    await this.#finished;
  }

  /** Where that fails, the file that was open stays so. */
  #open(): void {
    clearTimeout(this.#opening);
    try {
      const fd = typeof this.#target === 'number' ? this.#target : openSync(this.#target, 'a');
      this.#finish();
      this.#output = this.#outputOf(fd);
    } catch (error) {
      this.#fail(describe(toError(error)));
      if (!this.#output) this.#opening = setTimeout(() => this.#open(), OPEN_INTERVAL).unref();
    }
  }

  #outputOf(fd: number): SonicBoom {
    const output = new SonicBoom({
      fd, sync: false, periodicFlush: FLUSH_INTERVAL,
      minLength: MAX_WRITE / 2, maxWrite: MAX_WRITE, maxLength: MAX_WAITING,
    });
    output.on('error', (error: Error) => this.#fail(describe(error)));
    output.on('drop', () => this.#drop());
    return output;
  }

  /** Closes what is open once what waits is written, or the deadline has passed. */
  #finish(): void {
    const output = this.#output;
    if (!output) return;
    const cancel = startDeadline(CLOSE_TIMEOUT, () => {
      this.#fail('what has waited for its reader was left out');
      output.destroy();
    });
    // What has failed is told by then.
    const closed = once(output, 'close').catch(() => output.destroy()).finally(cancel);
    output.end();
    this.#finished = Promise.all([this.#finished, closed]).then(() => {});
    this.#output = undefined;
  }

  #drop(): void {
    this.#dropped += 1;
    this.#fail(`${this.#dropped} lines were left out, as they came faster than they could be written`);
  }

  #fail(error: string): void {
    if (performance.now() - this.#toldAt < DROP_INTERVAL) return;
    this.#toldAt = performance.now();
    this.#log.warn('access-log-failed', `the access log: ${error}`, { error });
  }
}

function jsonLine({ time, duration, ...rest }: AccessEntry): string {
  return `${JSON.stringify({ time: time.toISOString(), ...rest, duration: Math.round(duration * 1000) / 1000 })}\n`;
}

/** The Common Log Format: of the client neither identity nor user are known. */
function commonLine({ time, client, method, url, httpVersion, status, bytes }: AccessEntry): string {
  const request = quoted(`${method} ${url} HTTP/${httpVersion}`);
  return `${isIP(client) === 0 ? '-' : client} - - [${commonTime(time)}] "${request}" ${status} ${bytes}\n`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `10/Oct/2000:13:55:36 +0000` */
function commonTime(time: Date): string {
  const [date = '', clock = ''] = time.toISOString().split(/[T.]/);
  const [year = '', month = '', day = ''] = date.split('-');
  return `${day}/${MONTHS[Number(month) - 1] ?? ''}/${year}:${clock} +0000`;
}

/** What would end the field, or the line, or speak to a terminal. */
function quoted(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return Array.from(Buffer.from(character), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
}
