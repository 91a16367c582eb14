import http, { type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import https, { type Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { MAX_DELAY } from './checks';
import type { ResolvedOptions } from './options';

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

/** In PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Stands before the listeners that a server has for `request` and `upgrade`, for any number of proxies: each gets what
 * is its own, the listeners keep what is no proxy's, and what nobody else takes is given to a proxy, to be refused.
 */
class Dispatcher {
  readonly #server: Server | HttpsServer;
  readonly #proxies = new Set<ServerHandlers>();
  readonly #requestListeners: readonly unknown[];
  readonly #upgradeListeners: readonly unknown[];

  constructor(server: Server | HttpsServer) {
    this.#server = server;
    this.#requestListeners = server.listeners('request');
    this.#upgradeListeners = server.listeners('upgrade');
    server.removeAllListeners('request').removeAllListeners('upgrade');
    server.on('request', this.#onRequest).on('upgrade', this.#onUpgrade);
    server.on('listening', this.#onListening).on('error', this.#onError);
  }

  add(proxy: ServerHandlers): void {
    this.#proxies.add(proxy);
  }

  /** Puts the listeners back once the last proxy has gone. */
  delete(proxy: ServerHandlers): void {
    if (!this.#proxies.delete(proxy) || this.#proxies.size > 0) return;
    const server = this.#server;
    dispatchers.delete(server);
    server.off('request', this.#onRequest).off('upgrade', this.#onUpgrade);
    server.off('listening', this.#onListening).off('error', this.#onError);
    for (const listener of this.#requestListeners) server.on('request', listener as () => void);
    for (const listener of this.#upgradeListeners) server.on('upgrade', listener as () => void);
  }

  readonly #onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    this.#takerOf(req, this.#requestListeners, 'request', [req, res])?.request(req, res);
  };

  readonly #onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#takerOf(req, this.#upgradeListeners, 'upgrade', [req, socket, head])?.upgrade(req, socket, head);
  };

  readonly #onListening = (): void => {
    for (const proxy of [...this.#proxies]) proxy.listening();
  };

  /** As without a proxy, an error that nobody listens for is thrown; listeners of the server's are enough. */
  readonly #onError = (error: Error): void => {
    let isTold = this.#server.listenerCount('error') > 1;
    for (const proxy of [...this.#proxies]) isTold = proxy.error(error) || isTold;
    if (!isTold) throw error;
  };

  #takerOf(
    req: IncomingMessage, listeners: readonly unknown[], event: string, args: unknown[],
  ): ServerHandlers | undefined {
    const url = req.url ?? '';
    let first: ServerHandlers | undefined;
    for (const proxy of this.#proxies) {
      if (proxy.owns(url)) return proxy;
      first ??= proxy;
    }
    const isTaken = callAll(listeners, this.#server, args) || this.#server.listenerCount(event) > 1;
    return isTaken ? undefined : first;
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
export function createServer(options: ResolvedOptions): Server;
export function createServer(options: ResolvedOptions, tls: Certificate): HttpsServer;
export function createServer(options: ResolvedOptions, tls?: Certificate): Server | HttpsServer {
  const limits = limitsOf(options);
  const server = tls ? https.createServer({ ...limits, cert: tls.cert, key: tls.key }) : http.createServer(limits);
  // On a connection in use: of a client that reads nothing of its response. No other wait is that long.
  server.timeout = Math.min(options.hostTimeout + options.requestTimeout, MAX_DELAY);
  return server;
}

function limitsOf(options: ResolvedOptions): ServerOptions {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = options;
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

/** @returns whether there was any. */
function callAll(listeners: readonly unknown[], server: Server | HttpsServer, args: unknown[]): boolean {
  for (const listener of listeners) {
    if (typeof listener === 'function') Reflect.apply(listener, server, args);
  }
  return listeners.length > 0;
}
