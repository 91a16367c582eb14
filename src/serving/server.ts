import http, { type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import https, { type Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { MAX_DELAY } from '../base/checks';

/** What a server's events are handed to. */
export interface ServerHandlers {
  /** Whether a request with this URL is the proxy's. It is given what nobody else takes too. */
  owns(url: string): boolean;
  request(req: IncomingMessage, res: ServerResponse): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  listening(): void;
  /** @returns whether anybody was told. */
  error(error: Error): boolean;
}

/** Limits of the proxy's own server: times in ms, the size in bytes. */
export interface ServerLimits {
  readonly maxHeaderSize: number;
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly keepAliveTimeout: number;
  readonly hostTimeout: number;
}

/** In PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

type Listener = (...args: unknown[]) => void;

/** A listener in the place of those that a server had for an event. */
class Seat {
  readonly #server: Server | HttpsServer;
  readonly #event: 'request' | 'upgrade';
  readonly #listener: Listener;
  #before: Listener[] = [];
  #isTaken = false;

  constructor(server: Server | HttpsServer, event: 'request' | 'upgrade', listener: Listener) {
    this.#server = server;
    this.#event = event;
    this.#listener = listener;
  }

  take(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    // As they are, so that one of `once` knows that it was called.
    this.#before = this.#server.rawListeners(this.#event) as Listener[];
    this.#server.removeAllListeners(this.#event).on(this.#event, this.#listener);
  }

  /**
   * Puts the listeners back, unless somebody has taken this one away to call it himself, as Socket.IO does that is
   * attached later: then it goes on to call them.
   *
   * @returns whether it has left.
   */
  leave(): boolean {
    if (!this.#server.listeners(this.#event).includes(this.#listener)) return false;
    this.#isTaken = false;
    this.#server.off(this.#event, this.#listener);
    for (const listener of this.#before) this.#server.on(this.#event, listener);
    return true;
  }

  /** Calls those that were there before. @returns whether there was any, or others have come, or may have. */
  call(args: unknown[]): boolean {
    const before = this.#before;
    this.#before = before.filter((listener) => !('listener' in listener));
    for (const listener of before) Reflect.apply(listener, this.#server, args);
    if (before.length > 0) return true;
    const listeners = this.#server.listeners(this.#event);
    // Who has taken this one away to call it himself may have taken others with it.
    return listeners.length > 1 || !listeners.includes(this.#listener);
  }
}

/**
 * Stands before the listeners that a server has for `request` and `upgrade`, for any number of proxies: each gets what
 * is its own, the listeners keep what is no proxy's, and what nobody else takes is given to a proxy, to be refused.
 */
class Dispatcher {
  readonly #server: Server | HttpsServer;
  readonly #proxies = new Set<ServerHandlers>();
  readonly #requests: Seat;
  readonly #upgrades: Seat;

  constructor(server: Server | HttpsServer) {
    this.#server = server;
    this.#requests = new Seat(server, 'request', (...args) => {
      const [req, res] = args as [IncomingMessage, ServerResponse];
      this.#takerOf(req, this.#requests, args)?.request(req, res);
    });
    this.#upgrades = new Seat(server, 'upgrade', (...args) => {
      const [req, socket, head] = args as [IncomingMessage, Duplex, Buffer];
      this.#takerOf(req, this.#upgrades, args)?.upgrade(req, socket, head);
    });
  }

  add(proxy: ServerHandlers): void {
    if (this.#proxies.size === 0) this.#server.on('listening', this.#onListening).on('error', this.#onError);
    this.#proxies.add(proxy);
    for (const seat of [this.#requests, this.#upgrades]) seat.take();
  }

  /** Puts the listeners back once the last proxy has gone. */
  delete(proxy: ServerHandlers): void {
    if (!this.#proxies.delete(proxy) || this.#proxies.size > 0) return;
    this.#server.off('listening', this.#onListening).off('error', this.#onError);
    const left = [this.#requests, this.#upgrades].map((seat) => seat.leave());
    if (!left.includes(false)) dispatchers.delete(this.#server);
  }

  readonly #onListening = (): void => {
    for (const proxy of [...this.#proxies]) proxy.listening();
  };

  /** As without a proxy, an error that nobody listens for is thrown; listeners of the server's are enough. */
  readonly #onError = (error: Error): void => {
    let isTold = this.#server.listenerCount('error') > 1;
    for (const proxy of [...this.#proxies]) isTold = proxy.error(error) || isTold;
    if (!isTold) throw error;
  };

  #takerOf({ url = '' }: IncomingMessage, seat: Seat, args: unknown[]): ServerHandlers | undefined {
    let first: ServerHandlers | undefined;
    for (const proxy of this.#proxies) {
      if (proxy.owns(url)) return proxy;
      first ??= proxy;
    }
    return seat.call(args) ? undefined : first;
  }
}

const dispatchers = new WeakMap<Server | HttpsServer, Dispatcher>();

/**
 * Puts the proxy before the listeners that a server has for `request` and `upgrade`: they keep what is not the
 * proxy's, and what nobody else takes is given to it too, to be refused. Other proxies may stand there.
 *
 * @returns a function that lets the proxy go: with the last one the listeners are put back.
 */
export function takeOver(server: Server | HttpsServer, handlers: ServerHandlers): () => void {
  const dispatcher = dispatchers.get(server) ?? new Dispatcher(server);
  dispatchers.set(server, dispatcher);
  dispatcher.add(handlers);
  return () => dispatcher.delete(handlers);
}

/** The proxy's own server, where it was given none, which keeps its clients to the limits of the options. */
export function createServer(limits: ServerLimits): Server;
export function createServer(limits: ServerLimits, tls: Certificate): HttpsServer;
export function createServer(limits: ServerLimits, tls?: Certificate): Server | HttpsServer {
  const options = serverOptionsOf(limits);
  const server = tls ? https.createServer({ ...options, cert: tls.cert, key: tls.key }) : http.createServer(options);
  // On a connection in use: of a client that reads nothing of its response. No other wait is that long.
  server.timeout = Math.min(limits.hostTimeout + limits.requestTimeout, MAX_DELAY);
  return server;
}

function serverOptionsOf(limits: ServerLimits): ServerOptions {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = limits;
  // Node looks every 30 s by default, and so might let a slow head last that much longer.
  const connectionsCheckingInterval = Math.min(headersTimeout, 5000);
  return { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval };
}

/** Takes no more connections, and resolves when those that are open have ended. */
export function closeServer(server: Server | HttpsServer): Promise<void> {
  return new Promise((resolve) => {
    // The error says that the server was not listening, which is what is wanted.
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
