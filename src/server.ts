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
  error(error: Error): void;
}

/** In PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Puts the proxy before the listeners that a server has for `request` and `upgrade`: they keep what is not the
 * proxy's, and what nobody else takes is given to it too, to be refused.
 *
 * @returns a function that puts them back.
 */
export function takeOver(server: Server | HttpsServer, handlers: ServerHandlers): () => void {
  const requestListeners = server.listeners('request');
  const upgradeListeners = server.listeners('upgrade');
  const isOurs = (req: IncomingMessage, others: readonly unknown[], event: string, args: unknown[]): boolean =>
    handlers.owns(req.url ?? '') || (!callAll(others, server, args) && server.listenerCount(event) === 1);

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    if (isOurs(req, requestListeners, 'request', [req, res])) handlers.request(req, res);
  };
  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (isOurs(req, upgradeListeners, 'upgrade', [req, socket, head])) handlers.upgrade(req, socket, head);
  };
  const onListening = (): void => handlers.listening();
  const onError = (error: Error): void => handlers.error(error);

  server.removeAllListeners('request').removeAllListeners('upgrade');
  server.on('request', onRequest).on('upgrade', onUpgrade).on('listening', onListening).on('error', onError);
  return () => {
    server.off('request', onRequest).off('upgrade', onUpgrade).off('listening', onListening).off('error', onError);
    for (const listener of requestListeners) server.on('request', listener as () => void);
    for (const listener of upgradeListeners) server.on('upgrade', listener as () => void);
  };
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
