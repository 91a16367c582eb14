import type { SessionWork } from '../sessions/binding';
import { Answer } from './answer';
import { WholeRequest, type ClientRequest, type ClientResponse } from './client';
import type { Connection, Failure, ResponseHandler } from './connection';
import { refusals, type Refusal } from '../base/refusals';
import type { RequestHead } from '../base/request-head';
import { fieldLines, hasLeft, limitEncodings, requestHeaders, responseHeaders, type HeaderRules } from './headers';
import { HeldResponse } from './held-response';
import { hostTarget } from './host-target';
import { readBody, type RequestBody } from './request-body';
import { requestIdLine, requestIdOf } from './request-id';
import type { Route } from '../routing/route';
import { mayOpenByPolling, type OpenPacket } from '../routing/sniffer';
import { withoutWebTransport } from './web-transport';
import { observe } from '../base/histogram';
import type { Work } from './under-way';

/** Safe methods (RFC 9110 §9.2.1), whose requests may be sent again. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The forwarder, as far as an exchange needs it. */
export interface ExchangeContext {
  readonly options: HeaderRules;
  /** True while the proxy is closing: the client's connection then ends with the response. */
  readonly closing: boolean;
  acquire(route: Route): Connection;
  /** Calls `again` now or soon, possibly with another host in the route; or returns a refusal. */
  reroute(exchange: Exchange, error: Error, again: () => void): Refusal | undefined;
  /**
   * Binds the session that a handshake has opened. Resolves with a refusal if the session must not go on.
   *
   * @param held the answer, in which the session may get another sid.
   */
  opened(exchange: Exchange, packet: OpenPacket, held: HeldResponse): Promise<Refusal | undefined>;
  /** Called with the status of each answer of the host. */
  answered(exchange: Exchange, status: number): void;
  /** Answers with the refusal and counts it. */
  refuse(req: RequestHead, res: ClientResponse, refusal: Refusal): void;
  /** Called once when the exchange is over, in any way. */
  ended(exchange: Exchange): void;
}

/**
 * One HTTP request and its response, over one connection to a host. Bodies stream with backpressure. Only the response
 * to a handshake by polling is held until its sid is bound.
 */
export class Exchange implements ResponseHandler, SessionWork, Work {
  readonly route: Route;
  place = -1;
  newer: SessionWork | undefined;
  older: SessionWork | undefined;
  readonly req: ClientRequest;
  /** A poll: the host answers when it has something to send. */
  readonly isPoll: boolean;
  /** What hosts are told that the request is called; `undefined` where the proxy does not say. */
  readonly requestId: string | undefined;
  readonly #res: ClientResponse;
  readonly #answer: Answer;
  readonly #isChunked: boolean;
  readonly #context: ExchangeContext;
  #connection: Connection | undefined;
  #body: RequestBody;
  #held: HeldResponse | undefined;
  /** By `performance.now()`; 0 if the response time says nothing about the host's speed. */
  #sentAt = 0;
  /** The client's socket is full. Chunks that still arrive were read before the connection was paused. */
  #isFull = false;
  #wasResent = false;
  #wasRejected = false;
  #refusal: Refusal | undefined;

  constructor(req: ClientRequest, res: ClientResponse, route: Route, context: ExchangeContext) {
    this.req = req;
    this.#res = res;
    this.#answer = new Answer(res);
    this.route = route;
    this.#context = context;
    // Read now: http-proxy takes the field away from some methods.
    this.#isChunked = !(req instanceof WholeRequest) && req.headers['transfer-encoding'] !== undefined;
    this.isPoll = route.binding !== undefined && req.method === 'GET';
    this.requestId = requestIdOf(req, context.options);
  }

  /** The refusal that the client got instead of the host's response, if any. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** The host has answered with 400, as it does if it does not know the sid. */
  get wasRejected(): boolean {
    return this.#wasRejected;
  }

  start(): void {
    this.#res.once('close', () => this.#closed());
    const { req } = this;
    const send = (body: RequestBody): void => {
      this.#body = body;
      this.#dispatch();
    };
    if (req instanceof WholeRequest) send(req.body);
    else readBody(req, this.#isChunked, send, () => this.#refuse(refusals.badBody));
  }

  /** Ends the exchange and the client's connection now; while it waits for the store only, refuses it instead. */
  destroy(): void {
    const isBinding = this.#held !== undefined && this.#connection === undefined;
    if (!isBinding || this.#res.headersSent) this.#res.destroy();
    else this.#refuse(this.#context.closing ? refusals.closing : refusals.hostFailed);
  }

  onHead(status: number, message: string, raw: string[]): void {
    this.#context.answered(this, status);
    if (this.#sentAt > 0) observe(this.route.host.totals.latency, (performance.now() - this.#sentAt) / 1000);
    this.#wasRejected = status === 400;
    const headers = responseHeaders(raw, status);
    if (this.#context.closing) headers.push('Connection', 'close');
    if (status === 200 && this.#isHandshake()) {
      this.#held = new HeldResponse(status, message, headers);
    } else {
      this.#answer.head(status, message, headers);
    }
  }

  onBody(chunk: Buffer): void {
    const held = this.#held;
    if (!held) {
      this.#write(chunk);
      return;
    }
    const packet = held.add(Buffer.from(chunk));
    if (packet !== undefined) void this.#streamHandshake(held, packet);
  }

  onLull(): void {
    this.#answer.flush();
  }

  onEnd(): void {
    this.#connection = undefined;
    if (!this.#held) this.#answer.end();
    else if (!this.#held.isOpening) void this.#finishHandshake(this.#held);
  }

  onError(error: Error, failure: Failure): void {
    this.#connection = undefined;
    if (this.#res.destroyed) return;
    if (this.#res.headersSent) {
      // The client must see that the response is truncated.
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
    const path = hostTarget(url, this.route.binding, this.#context.options.tokens);
    // Not for polls, which the host may hold, nor for streamed bodies, which take the client's time.
    const isStreamed = typeof this.#body === 'object';
    if (!this.isPoll && !isStreamed) this.#sentAt = performance.now();
    this.#connection = this.#context.acquire(this.route);
    this.#connection.send({ method, path, fields: this.#fields(), body: this.#body }, this);
  }

  #fields(): string {
    const { req, route: { host } } = this;
    const { options } = this.#context;
    const isHandshake = this.#isHandshake();
    const id = requestIdLine(this.requestId);
    if (req instanceof WholeRequest) return req.fields.linesFor(host, req, options, isHandshake) + id;
    const headers = requestHeaders(req, host, options);
    return fieldLines(isHandshake ? limitEncodings(headers, options) : headers) + id;
  }

  /**
   * Whether to send the request to the same host again, after a reused connection ended without a byte. If the host had
   * handled the request and emptied a session's buffer for it, its answer would have arrived before the close.
   */
  #mayResend(): boolean {
    return !this.#wasResent && this.#body === undefined && SAFE.has(this.req.method ?? '');
  }

  #isHandshake(): boolean {
    return this.route.binding === undefined && this.req.method === 'GET' && mayOpenByPolling(this.req.url ?? '');
  }

  async #finishHandshake(held: HeldResponse): Promise<void> {
    const { packet } = held;
    if (packet && !await this.#open(packet, held)) return;
    const body = packet ? withoutWebTransport(held.body, held.headers) : held.body;
    this.#answer.head(held.status, held.message, held.headers);
    this.#answer.write(body);
    this.#answer.end();
  }

  /** Binds the session by the first packet, and streams the rest. */
  async #streamHandshake(held: HeldResponse, packet: OpenPacket | false): Promise<void> {
    held.isOpening = true;
    this.#connection?.pause();
    if (packet && !await this.#open(packet, held)) return;
    this.#held = undefined;
    this.#answer.head(held.status, held.message, held.headers);
    this.#write(held.body);
    if (!this.#connection) {
      this.#answer.end();
      return;
    }
    this.#answer.flush();
    if (!this.#isFull) this.#connection.resume();
  }

  /** Whether the response may go on. */
  async #open(packet: OpenPacket, held: HeldResponse): Promise<boolean> {
    const refusal = await this.#context.opened(this, packet, held);
    if (this.#res.destroyed || this.#res.headersSent) return false;
    if (!refusal) return true;
    this.#abort();
    this.#refuse(refusal);
    return false;
  }

  #write(chunk: Buffer): void {
    const connection = this.#connection;
    if (this.#answer.write(chunk) || !connection || this.#isFull) return;
    this.#isFull = true;
    connection.pause();
    this.#res.once('drain', this.#onDrain);
  }

  readonly #onDrain = (): void => {
    this.#isFull = false;
    // `#connection` is unset once the connection may carry another request.
    this.#connection?.resume();
  };

  #refuse(refusal: Refusal): void {
    this.#refusal = refusal;
    this.#context.refuse(this.req, this.#res, refusal);
  }

  /** Called when the response was sent, or the client went away: then the host's part ends too. */
  #closed(): void {
    if (!this.#res.writableFinished) this.#abort();
    this.#context.ended(this);
  }

  #abort(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}
