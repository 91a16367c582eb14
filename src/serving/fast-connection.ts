import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WholeRequest } from '../forwarding/client';
import type { PlainFields } from '../forwarding/plain-fields';
import { plainHeadOf, type WholeHead } from './plain-head';
import { PlainResponse, type KeepAlive } from './plain-response';

/** The most that a client may send ahead while its request is served, in bytes, before its connection is not read. */
const MAX_AHEAD = 65_536;

/** What a piece of that takes beside its bytes: it may be a single one. */
const PIECE = 1024;

enum State {
  /** Nothing has come yet. */
  New,
  /** All requests were answered. */
  Free,
  /** Node has a request. */
  AtNode,
  /** A request is served here. */
  Serving,
  /** Node has the connection for good. */
  Left,
}

/** What a connection needs to serve requests. */
export interface FastServing {
  readonly maxHeaderSize: number;
  readonly server: KeepAlive & { readonly timeout: number };
  /** Whether a request may be served here now. */
  mayServe(url: string): boolean;
  serve(req: WholeRequest, res: PlainResponse): void;
}

export type Reader = (chunk: Buffer) => void;

/**
 * A client's connection whose bytes are looked at before Node reads them. A whole request with a plain head is served
 * here. Node gets everything else, untouched. After anything but one request with a plain head at a time, Node has the
 * connection for good, since nobody else can tell where its reader stands.
 */
export class FastConnection {
  readonly #socket: Socket;
  readonly #serving: FastServing;
  /** Node's own listener for bytes. */
  readonly #read: Reader;
  readonly #left: () => void;
  #state = State.New;
  /** How much of the body of Node's request is still to come, in bytes. */
  #missing = 0;
  #response: PlainResponse | undefined;
  /** How much longer than `keepAliveTimeout` Node keeps an idle connection, in ms. */
  #grace = 0;
  /** What the client has sent ahead. */
  #ahead: Buffer[] = [];
  #aheadSize = 0;
  #lastGet: PlainFields | undefined;
  #lastPost: PlainFields | undefined;

  /** @param left called when Node has the connection for good, or it has ended. */
  constructor(socket: Socket, read: Reader, serving: FastServing, left: () => void) {
    this.#socket = socket;
    this.#serving = serving;
    this.#read = read;
    this.#left = left;
    socket.on('data', this.#onData).off('data', read).once('close', this.#onClose);
  }

  /** A request is served here, of which Node knows nothing. */
  get isServing(): boolean {
    return this.#state === State.Serving;
  }

  /** Node has read this connection's request. */
  follow(res: ServerResponse): void {
    if (this.#state === State.AtNode) res.once('close', this.#onAnswered);
  }

  readonly #onData = (chunk: Buffer): void => {
    switch (this.#state) {
      case State.Serving: this.#keep(chunk); break;
      case State.AtNode: this.#pass(chunk); break;
      default: this.#begin(chunk);
    }
  };

  #begin(chunk: Buffer): void {
    const text = chunk.toString('latin1');
    // What comes on a connection that was ended from here, Node reads for nobody.
    const head = this.#socket.writableEnded ? undefined : this.#headOf(text);
    const missing = head ? head.size + head.length - chunk.length : -1;
    if (!head || missing < 0) {
      this.#leave(chunk);
      return;
    }
    // Node takes a connection for silent, and ends it, until it has read a request.
    if (missing === 0 && this.#state === State.Free && this.#serving.mayServe(head.url)) {
      this.#serve(head, text);
    } else {
      this.#state = State.AtNode;
      this.#missing = missing;
      this.#read(chunk);
    }
  }

  #headOf(text: string): WholeHead | undefined {
    const isGet = text.startsWith('GET ');
    const head = plainHeadOf(text, this.#serving.maxHeaderSize, isGet ? this.#lastGet : this.#lastPost);
    if (isGet) this.#lastGet = head?.fields;
    else this.#lastPost = head?.fields;
    return head;
  }

  #serve({ method, url, fields, size, length }: WholeHead, text: string): void {
    this.#state = State.Serving;
    // As Node does when a request begins.
    this.#socket.setTimeout(this.#serving.server.timeout);
    const res = this.#response = new PlainResponse(this.#socket, this.#serving.server);
    res.once('close', this.#onServed);
    const body = length > 0 ? text.slice(size) : undefined;
    this.#serving.serve(new WholeRequest(method, url, this.#socket, fields, body), res);
  }

  readonly #onServed = (): void => {
    this.#response = undefined;
    if (this.#socket.destroyed) return;
    this.#socket.setTimeout(this.#serving.server.keepAliveTimeout + this.#grace);
    if (this.#ahead.length === 0) this.#state = State.Free;
    // Not now: what is being read from the host has not been read to its end.
    else process.nextTick(this.#goOn);
  };

  readonly #goOn = (): void => {
    // Node's reader may be another connection's by now.
    if (this.#socket.destroyed) return;
    const ahead = Buffer.concat(this.#ahead);
    this.#ahead = [];
    this.#aheadSize = 0;
    this.#state = State.Free;
    this.#socket.resume();
    this.#begin(ahead);
  };

  #keep(chunk: Buffer): void {
    this.#ahead.push(chunk);
    this.#aheadSize += chunk.length + PIECE;
    if (this.#aheadSize > MAX_AHEAD) this.#socket.pause();
  }

  #pass(chunk: Buffer): void {
    this.#missing -= chunk.length;
    if (this.#missing < 0) this.#leave(chunk);
    else this.#read(chunk);
  }

  readonly #onClose = (): void => {
    this.#left();
    this.#response?.close();
  };

  readonly #onAnswered = (): void => {
    if (this.#state !== State.AtNode) return;
    const { timeout = 0 } = this.#socket;
    this.#grace = Math.max(0, timeout - this.#serving.server.keepAliveTimeout);
    if (this.#missing === 0) this.#state = State.Free;
    else this.#leave();
  };

  /** Leaves the connection to Node for good. */
  #leave(chunk?: Buffer): void {
    this.#state = State.Left;
    this.#left();
    // Nothing refers to this object any more: a WebSocket lasts.
    this.#socket.on('data', this.#read).off('data', this.#onData).off('close', this.#onClose);
    if (chunk) this.#read(chunk);
  }
}
