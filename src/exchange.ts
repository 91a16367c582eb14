import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Connection } from './connections';
import { refusals, refuse, type Refusal } from './errors';
import { headerOf, requestHeaders, responseHeaders } from './headers';
import type { Route } from './route';
import { mayOpenByPolling, MAX_HANDSHAKE_SIZE, openPacketOf, type OpenPacket } from './sniffer';

/** The largest request body, in bytes, that is gathered and sent in one write: no host waits for a slow client. */
const MAX_GATHERED_BODY = 16_384;

/** What an exchange needs of the forwarder that runs it. */
export interface ExchangeContext {
  readonly changeOrigin: boolean;
  readonly xfwd: boolean;
  /** The proxy is closing: the client's connection is not kept after the response. */
  readonly closing: boolean;
  acquire(route: Route): Connection;
  /** `undefined` when the route leads to another host now. */
  reroute(route: Route, error: Error): Refusal | undefined;
  /** Binds the session that a handshake has opened; a refusal when it may not go on. */
  opened(route: Route, packet: OpenPacket): Promise<Refusal | undefined>;
  /** Hears once that the exchange is over, however it ended. */
  ended(exchange: Exchange): void;
}

/** A handshake's response while it is held back. */
interface Held {
  readonly status: number;
  readonly message: string | undefined;
  readonly headers: string[];
  readonly chunks: Buffer[];
  size: number;
}

/**
 * One HTTP request and its response, over one connection to a host. Everything streams with backpressure, but for the
 * response of a handshake by polling, which is held until its sid is bound.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly route: Route;
  place = -1;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #context: ExchangeContext;
  #connection: Connection | undefined;
  #body: Buffer | PassThrough | null = null;
  /** Set as soon as bytes of the request may have left: from then on it may not be sent again. */
  #controller: Dispatcher.DispatchController | undefined;
  #held: Held | undefined;
  /** Some of the response's body has been written, and its head with it. */
  #hasBody = false;

  constructor(req: IncomingMessage, res: ServerResponse, route: Route, context: ExchangeContext) {
    this.#req = req;
    this.#res = res;
    this.route = route;
    this.#context = context;
  }

  start(): void {
    this.#res.once('close', () => this.#closed());
    const req = this.#req;
    const length = Number(req.headers['content-length'] ?? 0);
    if (length === 0 && req.headers['transfer-encoding'] === undefined) {
      this.#dispatch();
    } else if (length > 0 && length <= MAX_GATHERED_BODY) {
      this.#gatherBody();
    } else {
      // Not `req` itself: undici destroys a body that it could not send, and with it went the client's connection and
      // the answer that tells why.
      const body = new PassThrough();
      body.on('error', () => {});
      req.once('error', (error) => body.destroy(error));
      this.#body = req.pipe(body);
      this.#dispatch();
    }
  }

  /** Ends it now, the client's connection included. */
  destroy(): void {
    this.#res.destroy();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#res.destroyed) this.#abort();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, message?: string): void {
    // Interim responses are the hop's own; a client was told to continue already.
    if (status < 200) return;
    this.route.host.answered();
    // As they were sent: in what undici has parsed, repeated headers are joined and their order is lost.
    const headers = responseHeaders(Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []);
    if (this.#context.closing) headers.push('Connection', 'close');
    if (status === 200 && this.#isHandshake() && !exceeds(headerOf(headers, 'content-length'))) {
      this.#held = { status, message, headers, chunks: [], size: 0 };
    } else {
      this.#writeHead(status, message, headers);
      // With what has come with it; alone, where the host lets its body wait.
      process.nextTick(() => this.#flushHead());
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const held = this.#held;
    if (!held) {
      this.#write(controller, chunk);
      return;
    }
    held.chunks.push(chunk);
    held.size += chunk.length;
    if (held.size <= MAX_HANDSHAKE_SIZE) return;
    // No handshake is that large: let it pass, unbound.
    this.#held = undefined;
    this.#writeHead(held.status, held.message, held.headers);
    this.#write(controller, Buffer.concat(held.chunks));
  }

  onResponseEnd(): void {
    this.#connection?.release();
    this.#connection = undefined;
    if (this.#held) void this.#finishHandshake(this.#held);
    else this.#res.end();
  }

  onResponseError(_: unknown, error: Error): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    if (this.#res.destroyed) return;
    if (this.#res.headersSent) {
      // The client must see that the response is not whole.
      this.#res.destroy();
    } else if (codeOf(error) === 'UND_ERR_INVALID_ARG') {
      this.#refuse(refusals.badRequest);
    } else if (this.#controller) {
      this.#refuse(codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT' ? refusals.hostTimeout : refusals.hostFailed);
    } else {
      const refusal = this.#context.reroute(this.route, error);
      if (refusal) this.#refuse(refusal);
      else this.#dispatch();
    }
  }

  #dispatch(): void {
    const { method = 'GET', url = '/' } = this.#req;
    this.#connection = this.#context.acquire(this.route);
    this.#connection.dispatch(
      { method, path: url, headers: requestHeaders(this.#req, this.route.host, this.#context), body: this.#body },
      this,
    );
  }

  #gatherBody(): void {
    const chunks: Buffer[] = [];
    // A client that goes away in the middle is seen by the response's `close`.
    this.#req.on('error', () => {});
    this.#req.on('data', (chunk: Buffer) => chunks.push(chunk));
    this.#req.on('end', () => {
      this.#body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
      this.#dispatch();
    });
  }

  #isHandshake(): boolean {
    const { route: { binding } } = this;
    return binding === undefined && this.#req.method === 'GET' && mayOpenByPolling(this.#req.url ?? '');
  }

  async #finishHandshake({ status, message, headers, chunks }: Held): Promise<void> {
    const body = Buffer.concat(chunks);
    const packet = openPacketOf(body, headerOf(headers, 'content-encoding'));
    const refusal = packet && await this.#context.opened(this.route, packet);
    if (this.#res.destroyed) return;
    if (refusal) {
      this.#refuse(refusal);
      return;
    }
    this.#writeHead(status, message, headers);
    this.#res.end(body);
  }

  #writeHead(status: number, message: string | undefined, headers: string[]): void {
    const phrase = reasonPhrase(status, message);
    if (phrase === undefined) this.#res.writeHead(status, headers);
    else this.#res.writeHead(status, phrase, headers);
  }

  #flushHead(): void {
    if (!this.#hasBody && !this.#res.writableEnded && !this.#res.destroyed) this.#res.flushHeaders();
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#hasBody = true;
    if (this.#res.write(chunk)) return;
    controller.pause();
    this.#res.once('drain', () => controller.resume());
  }

  #refuse(refusal: Refusal): void {
    refuse(this.#req, this.#res, refusal);
  }

  /** The response has left, or the client has: then the host is not to go on either. */
  #closed(): void {
    if (!this.#res.writableFinished) this.#abort();
    this.#context.ended(this);
  }

  #abort(): void {
    this.#controller?.abort(new Error('the client has gone'));
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}

/** The reason phrase to send, of which undici has decoded the bytes as UTF-8; `undefined` for the standard one. */
function reasonPhrase(status: number, message: string | undefined): string | undefined {
  const standard = STATUS_CODES[status];
  // undici keeps only the last part of one that has arrived in several.
  if (!message || message === standard || standard?.endsWith(message)) return undefined;
  return message.includes('\ufffd') ? undefined : Buffer.from(message).toString('latin1');
}

function exceeds(contentLength: string | undefined): boolean {
  return contentLength !== undefined && Number(contentLength) > MAX_HANDSHAKE_SIZE;
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}
