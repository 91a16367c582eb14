import { gunzipSync } from 'node:zlib';
import { exchangeBytes } from './http';

/** How a client writes its requests. All are valid; few clients write them all. */
export interface Manner {
  version?: '1.0' | '1.1';
  /** Of header names. */
  spelling?: (name: string) => string;
  /** More header lines of each request. */
  headers?: string[];
  /** Of a request's body. */
  encode?: (body: Buffer) => EncodedBody;
}

export interface EncodedBody {
  headers: string[];
  bytes: Buffer;
}

export interface RawReply {
  status: number;
  head: string;
  body: string;
}

const asIs = (name: string): string => name;

const withLength = (bytes: Buffer): EncodedBody => ({ headers: [`Content-Length: ${bytes.length}`], bytes });

/** Speaks HTTP by hand, each request on a connection of its own. */
export class RawClient {
  readonly #port: number;
  readonly #manner: Manner;

  constructor(port: number, manner: Manner = {}) {
    this.#port = port;
    this.#manner = manner;
  }

  get(target: string): Promise<RawReply> {
    return this.#send('GET', target, [], Buffer.alloc(0));
  }

  post(target: string, body: string, type = 'text/plain;charset=UTF-8'): Promise<RawReply> {
    const { headers, bytes } = (this.#manner.encode ?? withLength)(Buffer.from(body));
    return this.#send('POST', target, [`Content-Type: ${type}`, ...headers], bytes);
  }

  async #send(method: string, target: string, headers: string[], bytes: Buffer): Promise<RawReply> {
    const { version = '1.1', spelling = asIs, headers: more = [] } = this.#manner;
    const hop = version === '1.1' ? ['Host: proxy.example', 'Connection: close'] : [];
    const lines = [...hop, ...headers, ...more].map((line) => line.replace(/^[^:]+/, (name) => spelling(name)));
    const head = [`${method} ${target} HTTP/${version}`, ...lines, '', ''].join('\r\n');
    return parse(await exchangeBytes(this.#port, Buffer.concat([Buffer.from(head), bytes])));
  }
}

/** The final response, of bytes that are spelled as latin1. */
function parse(received: string): RawReply {
  const end = received.indexOf('\r\n\r\n');
  const head = received.slice(0, end);
  const rest = received.slice(end + 4);
  const status = Number(head.split(' ')[1]);
  if (status === 100) return parse(rest);
  const bytes = Buffer.from(/^transfer-encoding: chunked$/im.test(head) ? joinChunks(rest) : rest, 'latin1');
  return { status, head, body: (/^content-encoding: gzip$/im.test(head) ? gunzipSync(bytes) : bytes).toString() };
}

/** A body without the framing of its chunks. */
export function joinChunks(text: string): string {
  const size = parseInt(text, 16);
  const start = text.indexOf('\r\n') + 2;
  return size > 0 ? text.slice(start, start + size) + joinChunks(text.slice(start + size + 2)) : '';
}
