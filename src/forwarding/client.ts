import type { IncomingMessage } from 'node:http';
import type { PlainHead } from '../base/request-head';
import type { PlainFields } from './plain-fields';

/** A request that has come in one piece, with its body, and whose head every server reads alike. */
export class WholeRequest implements PlainHead {
  readonly method: string;
  readonly url: string;
  readonly httpVersion = '1.1';
  readonly isPlain = true;
  readonly socket: PlainHead['socket'];
  readonly fields: PlainFields;
  /** In latin1. */
  readonly body: string | undefined;
  #content: PlainFields['content'] | undefined;

  constructor(
    method: string, url: string, socket: PlainHead['socket'], fields: PlainFields, body: string | undefined,
  ) {
    this.method = method;
    this.url = url;
    this.socket = socket;
    this.fields = fields;
    this.body = body;
  }

  get rawHeaders(): PlainHead['rawHeaders'] {
    return (this.#content ??= this.fields.content).rawHeaders;
  }

  get headers(): PlainHead['headers'] {
    return (this.#content ??= this.fields.content).headers;
  }
}

/** A client's request. */
export type ClientRequest = IncomingMessage | WholeRequest;

/** The answer to a client: a `ServerResponse`, as far as it is needed, or what stands in for it. */
export interface ClientResponse {
  /** The head is fixed, and has left or leaves with the first bytes of the body. */
  readonly headersSent: boolean;
  readonly statusCode: number;
  readonly destroyed: boolean;
  /** All bytes have left this process. */
  readonly writableFinished: boolean;
  writeHead(status: number, message: string, headers: string[]): unknown;
  /** @returns false if `drain` should be awaited before more is written. */
  write(chunk: Buffer): boolean;
  /** An empty text sends the head alone. */
  write(text: string, encoding: 'latin1'): boolean;
  end(): unknown;
  end(text: string, encoding: 'latin1'): unknown;
  destroy(): unknown;
  /** `close` comes once, when the response has left or its client has gone. */
  once(event: 'close' | 'drain', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}
