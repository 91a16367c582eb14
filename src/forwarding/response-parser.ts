import { isFieldName } from '../base/fields';

/** Receives the parts of a response from a {@link ResponseParser}, in this order. */
export interface ResponseListener {
  /** The head of the final response. `headers` is a flat list of names and values as they were sent, in latin1. */
  onHead(status: number, message: string, headers: string[]): void;
  /** A piece of the body, without its framing. Only for now: the next read overwrites it. */
  onBody(chunk: Buffer): void;
  /** The response is complete. */
  onEnd(): void;
}

enum State {
  /** Between responses: no byte is expected. */
  Idle,
  Head,
  /** In a body of known length, or in a chunk. */
  Sized,
  ChunkSize,
  ChunkEnd,
  Trailer,
  /** In a body that ends with the connection. */
  Endless,
  /** At the end of a response, before `onEnd`. */
  Whole,
}

/** The longest line between or after chunks, in bytes: a chunk size with its extensions, or a trailer. */
const MAX_CHUNK_LINE = 4096;

/** The most interim (1xx) responses before the final one. */
const MAX_INTERIM = 100;

const LF = 10;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;
/** Forbidden in a head: control characters but tab, a lone CR or LF, a tab behind framing, which Node misreads. */
const FORBIDDEN = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n|\t(?<=\n(?:content-length|transfer-encoding):.*)/i;
/** A field that does not frame. */
const TRAILER = /^(?!content-length:|transfer-encoding:)[\w!#-'*+.^`|~-]+:[\t\x20-\x7e\x80-\xff]*$/i;
const CHUNK_LINE = /^([\da-f]{1,12})[\t ]*(?:;[\w!#-'*+.^`|~-]+(?:=(?:[\w!#-'*+.^`|~-]+|"[ !#-[\]-~\x80-\xff]*"))?)*$/i;

/**
 * Parses the responses of one connection (RFC 9112), one after the other. Strict, to prevent response splitting: a
 * malformed or ambiguously framed response throws.
 */
export class ResponseParser {
  readonly #maxHeadSize: number;
  readonly #listener: ResponseListener;
  #state = State.Idle;
  /** The received part of an incomplete line or head. */
  #partial = '';
  #hasNoBody = false;
  #isChunked = false;
  /** The bytes of the body or chunk that are still to come. */
  #remaining = 0;
  /** The bytes of trailers received. */
  #trailers = 0;
  /** The interim responses received. */
  #interim = 0;
  #keepAlive = false;
  #idleTimeout: number | undefined;

  /** @param maxHeadSize the largest head, and the largest trailer section, in bytes. */
  constructor(maxHeadSize: number, listener: ResponseListener) {
    this.#maxHeadSize = maxHeadSize;
    this.#listener = listener;
  }

  /** The head of the response is not complete yet. */
  get isInHead(): boolean {
    return this.#state === State.Head;
  }

  /** The connection may carry another request after this response (RFC 9112 §9.3). */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** How long the server keeps an idle connection, in ms, if it says so (`Keep-Alive: timeout=5`). */
  get idleTimeout(): number | undefined {
    return this.#idleTimeout;
  }

  /** Prepares for the response to a request with this method. */
  expect(method: string): void {
    this.#state = State.Head;
    this.#partial = '';
    this.#interim = 0;
    this.#hasNoBody = method === 'HEAD';
  }

  /** Stops parsing the current response. */
  stop(): void {
    this.#state = State.Idle;
  }

  /**
   * Parses received bytes. The listener gets them as they are, not copies.
   *
   * @throws Error if the response is malformed.
   */
  write(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case State.Idle: throw new Error('the host sent bytes that belong to no response');
        case State.Head: at = this.#readHead(bytes, at); break;
        case State.Sized: at = this.#readSized(bytes, at); break;
        case State.Endless:
          this.#listener.onBody(bytes.subarray(at));
          return;
        default: at = this.#readLine(bytes, at);
      }
      if (this.#state === State.Whole) {
        // Extra bytes could pass for the response to the next request.
        if (at < bytes.length) this.#keepAlive = false;
        this.#finish();
        return;
      }
    }
  }

  /**
   * Call when the server has ended the connection.
   *
   * @throws Error if the response is not complete.
   */
  end(): void {
    if (this.#state === State.Endless) this.#finish();
    else if (this.#state !== State.Idle) throw new Error('the host closed the connection in mid-response');
  }

  #readHead(bytes: Buffer, at: number): number {
    const had = this.#partial.length;
    // Not the whole buffer: a long body may follow the head.
    const text = this.#partial + bytes.toString('latin1', at, Math.min(bytes.length, at + this.#maxHeadSize + 1 - had));
    const end = text.indexOf('\r\n\r\n', Math.max(0, had - 3));
    if (end === -1) {
      if (text.length > this.#maxHeadSize) throw new Error(`the response's head is over ${this.#maxHeadSize} bytes`);
      this.#partial = text;
      return bytes.length;
    }
    this.#partial = '';
    this.#parseHead(text.slice(0, end));
    return at + end + 4 - had;
  }

  #parseHead(head: string): void {
    if (FORBIDDEN.test(head)) throw new Error('the head of the response holds a forbidden character');
    const lines = head.split('\r\n');
    const [, minor, digits, message = ''] = STATUS_LINE.exec(lines[0] ?? '') ?? [];
    if (digits === undefined) throw new Error('the response has an invalid status line');
    const status = Number(digits);
    const headers: string[] = [];
    for (let i = 1; i < lines.length; i += 1) {
      const line = lines[i] ?? '';
      const colon = line.indexOf(':');
      const name = line.slice(0, colon);
      // Rejects folded lines too, which begin with a space (RFC 9112 §5.2).
      if (colon === -1 || !isFieldName(name)) throw new Error('the response has a malformed header');
      headers.push(name, trim(line, colon + 1));
    }
    if (status === 101) throw new Error('the host switched protocols without an upgrade request');
    // After an interim response, another head follows.
    if (status > 199) this.#beginBody(status, message, headers, minor === '1');
    else if (++this.#interim > MAX_INTERIM) throw new Error(`more than ${MAX_INTERIM} interim responses`);
  }

  #beginBody(status: number, message: string, headers: string[], isHttp11: boolean): void {
    const { length, isChunked, connection, idleTimeout } = framingOf(headers);
    // RFC 9112 §6.1: after a chunked HTTP/1.0 response, the connection must not be reused.
    this.#keepAlive = isHttp11 ? !hasToken(connection, 'close') : !isChunked && hasToken(connection, 'keep-alive');
    this.#idleTimeout = idleTimeout;
    this.#isChunked = isChunked;
    this.#remaining = length ?? 0;
    const hasNoBody = this.#hasNoBody || status === 204 || status === 304 || length === 0;
    const isEndless = !hasNoBody && !isChunked && length === undefined;
    // A faulty host may send a body after the response to HEAD, or after a 204 or 304. The body would pass for the next
    // response, so the connection is reused only if the length is 0.
    if (isEndless || (hasNoBody && length !== 0)) this.#keepAlive = false;
    this.#state = isEndless ? State.Endless : isChunked ? State.ChunkSize : State.Sized;
    this.#listener.onHead(status, message, headers);
    if (hasNoBody && this.#isActive()) this.#state = State.Whole;
  }

  #readSized(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#remaining);
    this.#remaining -= end - at;
    this.#listener.onBody(bytes.subarray(at, end));
    if (this.#remaining === 0 && this.#isActive()) this.#state = this.#isChunked ? State.ChunkEnd : State.Whole;
    return end;
  }

  /** Reads a line between or after chunks (RFC 9112 §7.1). */
  #readLine(bytes: Buffer, at: number): number {
    const found = bytes.indexOf(LF, at);
    const end = found === -1 ? bytes.length : found + 1;
    const line = this.#partial + bytes.toString('latin1', at, Math.min(end, at + MAX_CHUNK_LINE + 1));
    if (line.length > MAX_CHUNK_LINE) throw new Error(`a line between chunks is over ${MAX_CHUNK_LINE} bytes`);
    if (found === -1) {
      this.#partial = line;
      return end;
    }
    if (!line.endsWith('\r\n')) throw new Error('a line between chunks does not end with CRLF');
    this.#partial = '';
    this.#takeLine(line.slice(0, -2));
    return end;
  }

  #takeLine(line: string): void {
    if (this.#state === State.ChunkSize) {
      const size = CHUNK_LINE.exec(line)?.[1];
      if (size === undefined) throw new Error('a chunk has an invalid size');
      this.#remaining = parseInt(size, 16);
      this.#state = this.#remaining === 0 ? State.Trailer : State.Sized;
      this.#trailers = 0;
    } else if (line === '') {
      this.#state = this.#state === State.ChunkEnd ? State.ChunkSize : State.Whole;
    } else {
      // Trailers are dropped, as RFC 9110 §6.5.1 allows.
      this.#trailers += line.length;
      const isTrailer = this.#state === State.Trailer && this.#trailers <= this.#maxHeadSize && TRAILER.test(line);
      if (!isTrailer) throw new Error('a chunk or the body has a malformed end');
    }
  }

  #isActive(): boolean {
    return this.#state !== State.Idle;
  }

  #finish(): void {
    this.#state = State.Idle;
    this.#listener.onEnd();
  }
}

interface Framing {
  readonly length: number | undefined;
  readonly isChunked: boolean;
  readonly connection: string | undefined;
  readonly idleTimeout: number | undefined;
}

/** The headers that frame the body and control the connection (RFC 9112 §6.3). */
function framingOf(headers: readonly string[]): Framing {
  let length: string | undefined;
  let encoding: string | undefined;
  let connection: string | undefined;
  let keepAlive: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    // Comparing lengths first rules out most headers cheaply.
    if (name.length === 14 && name.toLowerCase() === 'content-length') length = join(length, value);
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') encoding = join(encoding, value);
    else if (name.length === 10) {
      const key = name.toLowerCase();
      if (key === 'connection') connection = join(connection, value);
      else if (key === 'keep-alive') keepAlive = value;
    }
  }
  if (length !== undefined && (encoding !== undefined || !/^\d{1,15}$/.test(length))) {
    throw new Error('the response has an invalid or ambiguous Content-Length');
  }
  // This hop-by-hop header is not passed on, so a further encoding would be lost.
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') throw new Error('unsupported Transfer-Encoding');
  return {
    length: length === undefined ? undefined : Number(length),
    isChunked: encoding !== undefined,
    connection,
    idleTimeout: keepAlive === undefined ? undefined : idleTimeoutOf(keepAlive),
  };
}

function join(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`;
}

function idleTimeoutOf(keepAlive: string): number | undefined {
  const seconds = /(?:^|[\s,])timeout=(\d{1,9})/i.exec(keepAlive)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

function hasToken(list: string | undefined, token: string): boolean {
  if (list === undefined) return false;
  return list.toLowerCase().split(',').some((item) => item.trim() === token);
}

/** A header's value, without the spaces and tabs around it. */
function trim(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start += 1;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
