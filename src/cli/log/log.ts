import { oneLine } from '../../base/describe';
import type { StatusLine } from './status-line';

export type Level = 'info' | 'warn' | 'error';

/** Additional fields of a log line, shown only in JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** The log of events on the standard output: one line per event, as text or JSON. */
export class Log {
  readonly #format: 'text' | 'json';
  readonly #status: StatusLine;

  constructor(format: 'text' | 'json', status: StatusLine) {
    this.#format = format;
    this.#status = status;
  }

  info(event: string, message: string, fields?: Fields): void {
    this.#write('info', event, message, fields);
  }

  warn(event: string, message: string, fields?: Fields): void {
    this.#write('warn', event, message, fields);
  }

  error(event: string, message: string, fields?: Fields): void {
    this.#write('error', event, message, fields);
  }

  #write(level: Level, event: string, message: string, fields: Fields = {}): void {
    const line = this.#format === 'text'
      ? `${level === 'info' ? '' : `${level}: `}${message}`
      : JSON.stringify({ time: new Date().toISOString(), level, event, message, ...fields });
    this.#status.print(oneLine(redact(line)));
  }
}

/** Replaces the user and password of URLs. */
export function redact(text: string): string {
  // Up to the last `@`: a password may contain an unescaped one.
  return text.replace(/:\/\/[^\s'"]*@/g, '://***@');
}
