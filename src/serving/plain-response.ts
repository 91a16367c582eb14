import type { Socket } from 'node:net';
import { MAX_JOINED } from '../forwarding/answer';
import type { ClientResponse } from '../forwarding/client';

/** What each answer says of its connection. */
export interface KeepAlive {
  /** How long an idle connection is kept, in ms. */
  readonly keepAliveTimeout: number;
}

/** The response to a whole request, written to its socket as a `ServerResponse` would. */
export class PlainResponse implements ClientResponse {
  statusCode = 0;
  headersSent = false;
  writableFinished = false;
  readonly #socket: Socket;
  readonly #keepAlive: KeepAlive;
  /** The head that has not left yet. */
  #head = '';
  #isChunked = false;
  /** The connection ends with this response. */
  #isLast = false;
  #onClose: (() => void)[] | undefined = [];

  constructor(socket: Socket, keepAlive: KeepAlive) {
    this.#socket = socket;
    this.#keepAlive = keepAlive;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  writeHead(status: number, message: string, headers: readonly string[]): void {
    this.statusCode = status;
    this.headersSent = true;
    let hasLength = status === 204 || status === 304;
    let hasDate = false;
    let head = `HTTP/1.1 ${status} ${message}\r\n`;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] ?? '';
      head += `${name}: ${headers[i + 1] ?? ''}\r\n`;
      // Comparing lengths first rules out most headers cheaply.
      if (name.length === 14) hasLength ||= name.toLowerCase() === 'content-length';
      else if (name.length === 4) hasDate ||= name.toLowerCase() === 'date';
      // Only this proxy sets it, and only to close. What a host says of its connection is dropped.
      else if (name.length === 10) this.#isLast ||= name === 'Connection';
    }
    if (!hasDate) head += `Date: ${new Date().toUTCString()}\r\n`;
    if (!this.#isLast) {
      const seconds = Math.floor(this.#keepAlive.keepAliveTimeout / 1000);
      head += `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`;
    }
    this.#isChunked = !hasLength;
    this.#head = this.#isChunked ? `${head}Transfer-Encoding: chunked\r\n\r\n` : `${head}\r\n`;
  }

  write(chunk: Buffer | string): boolean {
    if (typeof chunk === 'string') return this.#send(chunk === '' ? '' : this.#framed(chunk));
    if (chunk.length <= MAX_JOINED) return this.#send(this.#framed(chunk.toString('latin1')));
    this.#socket.cork();
    this.#send(this.#isChunked ? `${chunk.length.toString(16)}\r\n` : '');
    this.#socket.write(chunk);
    if (this.#isChunked) this.#socket.write('\r\n', 'latin1');
    this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
  }

  end(text = ''): void {
    const body = text === '' ? '' : this.#framed(text);
    this.#send(this.#isChunked ? `${body}0\r\n\r\n` : body);
    // Usually the kernel has taken everything by now.
    if (this.#socket.writableLength === 0) this.#finish();
    else this.#socket.write('', 'latin1', (error) => error ?? this.#finish());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  once(event: 'close' | 'drain', listener: () => void): void {
    if (event === 'close') this.#onClose?.push(listener);
    else this.#socket.once('drain', listener);
  }

  off(_event: 'close', listener: () => void): void {
    this.#onClose = this.#onClose?.filter((one) => one !== listener);
  }

  /** To be called when the connection has ended. */
  close(): void {
    const listeners = this.#onClose ?? [];
    this.#onClose = undefined;
    for (const listener of listeners) listener();
  }

  #framed(text: string): string {
    return this.#isChunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text;
  }

  /** Sends text in latin1, after the head if that has not left. */
  #send(text: string): boolean {
    const whole = this.#head + text;
    this.#head = '';
    return whole === '' || this.#socket.write(whole, 'latin1');
  }

  #finish(): void {
    this.writableFinished = true;
    if (this.#isLast) this.#socket.end(() => this.#socket.destroy());
    this.close();
  }
}
