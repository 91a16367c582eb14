import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { refusals, refuse, refuseUpgrade, type Refusal } from './errors';
import type { ResolvedOptions } from './options';

/** What a server's events are handed to. */
export interface ServerHandlers {
  /** Whether a request with this URL is the proxy's. */
  owns(url: string): boolean;
  request(req: IncomingMessage, res: ServerResponse): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  listening(): void;
  error(error: Error): void;
  /** What nobody takes was refused. */
  refused(refusal: Refusal): void;
}

/**
 * Puts the proxy before the listeners that a server has for `request` and `upgrade`: they keep what is not the
 * proxy's, and what nobody else takes is refused.
 *
 * @returns a function that puts them back.
 */
export function takeOver(server: Server | HttpsServer, handlers: ServerHandlers): () => void {
  const requestListeners = server.listeners('request');
  const upgradeListeners = server.listeners('upgrade');

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    if (handlers.owns(req.url ?? '')) handlers.request(req, res);
    else if (!callAll(requestListeners, server, [req, res]) && server.listenerCount('request') === 1) {
      refuse(req, res, refusals.badPath);
      handlers.refused(refusals.badPath);
    }
  };
  const onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (handlers.owns(req.url ?? '')) handlers.upgrade(req, socket, head);
    else if (!callAll(upgradeListeners, server, [req, socket, head]) && server.listenerCount('upgrade') === 1) {
      socket.on('error', () => {});
      refuseUpgrade(req, socket, refusals.badPath);
      handlers.refused(refusals.badPath);
    }
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

/** The proxy's own server, where it was given none. */
export function createServer(options: ResolvedOptions): Server {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = options;
  // Node looks every 30 s by default, and so might let a slow head last that much longer.
  const connectionsCheckingInterval = Math.min(headersTimeout, 5000);
  const limits = { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval };
  return http.createServer(limits);
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
