import { once } from 'node:events';
import { openSync } from 'node:fs';
import { isIP } from 'node:net';
import { SonicBoom } from 'sonic-boom';
import type { AccessEntry } from '../../serving/access';
import { toError } from '../../base/checks';
import { startDeadline } from '../../base/deadline';
import { seldom } from '../../base/seldom';
import { describe } from '../../base/describe';
import type { Log } from './log';
import type { AccessLogOptions } from '../settings/settings';

/** The most bytes to buffer. Further lines are dropped. */
const MAX_WAITING = 8 * 1024 * 1024;

/**
 * The largest write, in bytes: up to `PIPE_BUF`, writes of several processes to one pipe do not mix. Larger ones to a
 * file were measured to cost more: what is joined to a long text lives until then.
 */
const MAX_WRITE = 4096;

/** How long a line may wait to be written together with others, in ms. */
const FLUSH_INTERVAL = 250;

/** How long `close()` waits for buffered lines, in ms: the reader may have stalled. */
const CLOSE_TIMEOUT = 1000;

/** How long to wait before another attempt to open the file, in ms. */
const OPEN_INTERVAL = 1000;

/** The access log: one line per finished request. */
export class AccessLog {
  readonly write: (entry: AccessEntry) => void;
  readonly #target: string | number;
  /** Once a minute at most: a full disk fails each line. */
  readonly #fail: (error: string) => void;
  /** `undefined` while there is no file to write to. */
  #output: SonicBoom | undefined;
  /** Resolves when earlier outputs are closed. */
  #finished: Promise<unknown> = Promise.resolve();
  #opening: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor({ format, target }: AccessLogOptions, log: Pick<Log, 'warn'>) {
    this.#target = target;
    this.#fail = seldom((error) => log.warn('access-log-failed', `the access log: ${error}`, { error }));
    const toLine = format === 'json' ? jsonLine : commonLine;
    this.write = (entry) => {
      if (this.#output) this.#output.write(toLine(entry));
      else this.#dropped += 1;
    };
    this.#open();
  }

  /** Reopens the file, which may have been rotated. */
  reopen(): void {
    if (typeof this.#target === 'string') this.#open();
  }

  /** Writes the buffered lines, for up to a second. */
  async close(): Promise<void> {
    clearTimeout(this.#opening);
    this.#finish();
    await this.#finished;
  }

  /** If opening fails, an open file stays in use. */
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
    // Each write wakes another thread: as few as the limit allows.
    const output = new SonicBoom({
      fd, sync: false, periodicFlush: FLUSH_INTERVAL,
      minLength: MAX_WRITE - 1, maxWrite: MAX_WRITE, maxLength: MAX_WAITING,
    });
    output.on('error', (error: Error) => this.#fail(describe(error)));
    output.on('drop', () => this.#drop());
    return output;
  }

  /** Closes the output once the buffered lines are written or the deadline has passed. */
  #finish(): void {
    const output = this.#output;
    if (!output) return;
    const cancel = startDeadline(CLOSE_TIMEOUT, () => {
      this.#fail('buffered lines were dropped, as the reader has stalled');
      output.destroy();
    });
    // The `error` listener has already reported a failure.
    const closed = once(output, 'close').catch(() => output.destroy()).finally(cancel);
    output.end();
    this.#finished = Promise.all([this.#finished, closed]).then(() => {});
    this.#output = undefined;
  }

  #drop(): void {
    this.#dropped += 1;
    this.#fail(`${this.#dropped} lines were dropped, as they came faster than they could be written`);
  }
}

function jsonLine(entry: AccessEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** The Common Log Format, with `-` for the client's identity and user, which are not known. */
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

/** Escapes characters that would end the field or the line, or control a terminal. */
function quoted(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return Array.from(Buffer.from(character), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
}
