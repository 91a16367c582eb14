import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SessionWork } from '../sessions/binding';
import type { Connection, Failure, ResponseHandler } from './connection';
import { refusals, type Refusal } from '../base/errors';
import { hasLeft, headerOf, requestHeaders, responseHeaders, type HeaderRules } from './headers';
import type { StreamedBody } from './request-body';
import type { Route } from '../routing/route';
import { mayOpenByPolling, MAX_HANDSHAKE_SIZE, openPacketOf, type OpenPacket } from '../routing/sniffer';
import { originFormOf } from '../base/target';
import { observe } from '../base/histogram';
import { countResponse } from '../base/totals';
import type { Work } from './under-way';

/** The largest request body, in bytes, that is gathered and sent in one write: no host waits for a slow client. */
const MAX_GATHERED_BODY = 16_384;

/** Methods of requests that change nothing (RFC 9110 §9.2.1), and so may be sent again. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What an exchange needs of the forwarder that runs it. */
export interface ExchangeContext {
  readonly options: HeaderRules;
  /** The proxy is closing: the client's connection is not kept after the response. */
  readonly closing: boolean;
  acquire(route: Route): Connection;
  /** `undefined` where it tries `again`, now or soon: the route may lead to another host then. */
  reroute(exchange: Exchange, error: Error, again: () => void): Refusal | undefined;
  /** Binds the session that a handshake has opened; a refusal when it may not go on. */
  opened(exchange: Exchange, packet: OpenPacket): Promise<Refusal | undefined>;
  /** Counts the refusal, and answers with it. */
  refuse(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void;
  /** Called once when the exchange is over, however it ended. */
  ended(exchange: Exchange): void;
}

/** A handshake's response while it is held back. */
interface Held {
  readonly status: number;
  readonly message: string;
  readonly headers: string[];
  readonly chunks: Buffer[];
  size: number;
}

/**
 * One HTTP request and its response, over one connection to a host. Everything streams with backpressure, but for the
 * response of a handshake by polling, which is held until its sid is bound.
 */
export class Exchange implements ResponseHandler, SessionWork, Work {
  readonly route: Route;
  place = -1;
  newer: SessionWork | undefined;
  older: SessionWork | undefined;
  readonly req: IncomingMessage;
  /** A host answers it when it has something to say. */
  readonly isPoll: boolean;
  readonly #res: ServerResponse;
  readonly #context: ExchangeContext;
  #connection: Connection | undefined;
  #body: Buffer | StreamedBody | undefined;
  #held: Held | undefined;
  /** By `performance.now()`; 0 where it does not tell how fast the host is. */
  #sentAt = 0;
  /** Some of the response's body has been written, and its head with it. */
  #hasBody = false;
  /** The client has yet to take what was written. What comes all the same was read before the host was stopped. */
  #isFull = false;
  #wasResent = false;
  #refusal: Refusal | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, route: Route, context: ExchangeContext) {
    this.req = req;
    this.#res = res;
    this.route = route;
    this.#context = context;
    this.isPoll = route.binding !== undefined && req.method === 'GET';
  }

  /** Why the client was refused after all, where it was. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  start(): void {
    this.#res.once('close', () => this.#closed());
    const req = this.req;
    // A client that goes away in the middle is seen by the response's `close`.
    req.on('error', () => {});
    // Of the two there is at most one, which is well-formed: the router has refused all else.
    const isChunked = req.headers['transfer-encoding'] !== undefined;
    const length = isChunked ? undefined : Number(req.headers['content-length'] ?? 0);
    if (length !== undefined && length > 0 && length <= MAX_GATHERED_BODY) {
      this.#gatherBody();
    } else {
      if (length !== 0) this.#body = { source: req, length };
      this.#dispatch();
    }
  }

  /** Ends it now, the client's connection included, unless it waits for the store alone: then it is refused. */
  destroy(): void {
    const isBinding = this.#held !== undefined && this.#connection === undefined;
    if (!isBinding || this.#res.headersSent) this.#res.destroy();
    else this.#refuse(this.#context.closing ? refusals.closing : refusals.hostFailed);
  }

  onHead(status: number, message: string, raw: string[]): void {
    const { host } = this.route;
    host.answered();
    countResponse(host.totals, status);
    if (this.#sentAt > 0) observe(host.totals.latency, (performance.now() - this.#sentAt) / 1000);
    const headers = responseHeaders(raw, status);
    if (this.#context.closing) headers.push('Connection', 'close');
    if (status === 200 && this.#isHandshake() && !exceeds(headerOf(headers, 'content-length'))) {
      this.#held = { status, message, headers, chunks: [], size: 0 };
    } else {
      this.#writeHead(status, message, headers);
      // With what has come with it; alone, where the host lets its body wait.
      process.nextTick(() => this.#flushHead());
    }
  }

  onBody(chunk: Buffer): void {
    const held = this.#held;
    if (!held) {
      this.#write(chunk);
      return;
    }
    held.chunks.push(chunk);
    held.size += chunk.length;
    if (held.size <= MAX_HANDSHAKE_SIZE) return;
    // No handshake is that large: let it pass, unbound.
    this.#held = undefined;
    this.#writeHead(held.status, held.message, held.headers);
    this.#write(Buffer.concat(held.chunks));
  }

  onEnd(): void {
    this.#connection = undefined;
    if (this.#held) void this.#finishHandshake(this.#held);
    else this.#res.end();
  }

  onError(error: Error, failure: Failure): void {
    this.#connection = undefined;
    if (this.#res.destroyed) return;
    if (this.#res.headersSent) {
      // The client must see that the response is not whole.
      this.#res.destroy();
    } else if (failure === 'stale' && this.#mayResend()) {
      this.#wasResent = true;
      this.#dispatch();
    } else if (failure !== 'unreached') {
      this.#refuse(failure === 'timeout' ? refusals.hostTimeout : refusals.hostFailed);
    } else {
      const refusal = this.#context.reroute(this, error, () => this.#dispatch());
      if (refusal) this.#refuse(refusal);
    }
  }

  #dispatch(): void {
    if (hasLeft(this.req)) {
      this.destroy();
      return;
    }
    const { method = 'GET', url = '/' } = this.req;
    const headers = requestHeaders(this.req, this.route.host, this.#context.options);
    // A poll is held, and the time of a body that streams is its client's.
    const isStreamed = this.#body !== undefined && !Buffer.isBuffer(this.#body);
    if (!this.isPoll && !isStreamed) this.#sentAt = performance.now();
    this.#connection = this.#context.acquire(this.route);
    this.#connection.send({ method, path: originFormOf(url), headers, body: this.#body }, this);
  }

  /**
   * To the same host, on a new connection, where the one that was reused has ended without a byte. Had the host taken
   * the request, and emptied a session's buffer for it, the answer would have come first: what it has written is
   * delivered before the end.
   */
  #mayResend(): boolean {
    return !this.#wasResent && this.#body === undefined && SAFE.has(this.req.method ?? '');
  }

  #gatherBody(): void {
    const chunks: Buffer[] = [];
    this.req.on('data', (chunk: Buffer) => chunks.push(chunk));
    this.req.on('end', () => {
      this.#body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
      this.#dispatch();
    });
  }

  #isHandshake(): boolean {
    return this.route.binding === undefined && this.req.method === 'GET' && mayOpenByPolling(this.req.url ?? '');
  }

  async #finishHandshake({ status, message, headers, chunks }: Held): Promise<void> {
    const body = Buffer.concat(chunks);
    const packet = openPacketOf(body, headerOf(headers, 'content-encoding'));
    const refusal = packet && await this.#context.opened(this, packet);
    if (this.#res.destroyed || this.#res.headersSent) return;
    if (refusal) {
      this.#refuse(refusal);
      return;
    }
    this.#writeHead(status, message, headers);
    this.#res.end(body);
  }

  #writeHead(status: number, message: string, headers: string[]): void {
    this.#res.writeHead(status, message, headers);
  }

  #flushHead(): void {
    if (!this.#hasBody && !this.#res.writableEnded && !this.#res.destroyed) this.#res.flushHeaders();
  }

  #write(chunk: Buffer): void {
    this.#hasBody = true;
    const connection = this.#connection;
    if (this.#res.write(chunk) || !connection || this.#isFull) return;
    this.#isFull = true;
    connection.pause();
    this.#res.once('drain', this.#onDrain);
  }

  readonly #onDrain = (): void => {
    this.#isFull = false;
    // By now it may carry another's request.
    this.#connection?.resume();
  };

  #refuse(refusal: Refusal): void {
    this.#refusal = refusal;
    this.#context.refuse(this.req, this.#res, refusal);
  }

  /** The response has left, or the client has: then the host is not to go on either. */
  #closed(): void {
    if (!this.#res.writableFinished) this.#abort();
    this.#context.ended(this);
  }

  #abort(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}

function exceeds(contentLength: string | undefined): boolean {
  return contentLength !== undefined && Number(contentLength) > MAX_HANDSHAKE_SIZE;
}
