import { once } from 'node:events';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import createDebug from 'debug';
import { startDeadline } from '../base/deadline';
import { shownSid } from '../base/shown';
import type { Operator } from '../operating/operator';
import { ownProcessMetrics } from '../operating/process-metrics';
import { closeServer } from '../serving/server';
import { Connections } from './connections';
import { Guard } from './guard';
import type { ResolvedAdminOptions } from './options';
import { Problem } from './problems';
import { malformedReply, problemReply, send } from './reply';
import { handlerOf, type Found, type Handler, type Routes } from './router';
import { routesOf } from './routes';
import { Streams } from './streams';

const debug = createDebug('socket.io-proxy:admin');

const LIMITS = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1000,
  // The guard checks it, with a better answer than Node's.
  requireHostHeader: false,
};

/** How long `close()` waits for answers in progress, in ms. */
const CLOSE_TIMEOUT = 300;

/** The most pipelined requests to ignore on a connection whose answer has not ended. */
const MAX_SURPLUS = 1000;

/** The HTTP server for operators: JSON API, metrics, events and dashboard. `openapi.json` describes it. */
export class AdminServer {
  readonly #options: ResolvedAdminOptions;
  readonly #guard: Guard;
  readonly #streams: Streams;
  readonly #routes: Routes;
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #onListening: (address: AddressInfo) => void;
  /** For each connection with an unfinished answer: the number of further requests on it. */
  readonly #surplus = new WeakMap<Socket, number>();
  #listening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @param listening is called once the server listens. */
  constructor(operator: Operator, options: ResolvedAdminOptions, listening: (address: AddressInfo) => void) {
    this.#onListening = listening;
    this.#options = options;
    this.#guard = new Guard(options);
    this.#streams = new Streams(operator);
    this.#routes = routesOf(operator, this.#streams);
    const onRequest = (req: IncomingMessage, res: ServerResponse): void => void this.#onRequest(req, res);
    // Ignores unknown expectations, as HTTP allows. Node would refuse them without an explanation.
    this.#server = http.createServer(LIMITS, onRequest).on('checkExpectation', onRequest);
    this.#connections = new Connections(this.#server);
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (socket.writable && error.code !== 'ECONNRESET') socket.end(malformedReply(error.code));
      else socket.destroy();
    });
    // The first call starts the measurement of the event-loop lag.
    void ownProcessMetrics();
  }

  /** Rejects with the server's error if it cannot listen. A second call joins the first. */
  listen(): Promise<void> {
    return this.#listening ??= this.#listen();
  }

  /** Ends the streams, waits for answers in progress, then cuts the rest. A second call joins the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #listen(): Promise<void> {
    const { port, bind } = this.#options;
    this.#server.listen(port, bind);
    await once(this.#server, 'listening');
    this.#server.on('error', (error) => debug('the admin server has failed: %o', error));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the admin server does not listen on a port');
    this.#onListening(address);
  }

  async #close(): Promise<void> {
    this.#streams.close();
    // A server still begins to listen if it is closed during the DNS lookup of its address.
    await this.#listening?.catch(() => {});
    const cancel = startDeadline(CLOSE_TIMEOUT, () => this.#server.closeAllConnections());
    await closeServer(this.#server);
    cancel();
  }

  async #onRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!this.#occupy(req, res)) return;
    try {
      const reply = await this.#answer(req, res);
      if (reply) send(req, res, reply);
    } catch (error) {
      if (error instanceof Problem) {
        send(req, res, problemReply(error));
        return;
      }
      // Happens too when the client goes away in the middle of its request.
      debug('%s %s has failed: %o', req.method, shownPath(req.url), error);
      send(req, res, problemReply(new Problem('INTERNAL', 'the request could not be answered')));
    }
  }

  #answer(req: IncomingMessage, res: ServerResponse): ReturnType<Handler> {
    const [, path = '', search = ''] = /^(\/[^?#]*)(?:\?([^#]*))?/.exec(req.url ?? '') ?? [];
    this.#guard.checkOrigin(req, path);
    const found: Found | undefined = this.#routes.find(path);
    if (found?.route.isPublic !== true) {
      this.#guard.checkToken(req);
      this.#connections.serve(req.socket);
    }
    if (!found) throw new Problem('NOT_FOUND', 'unknown path');
    const { route, params } = found;
    return handlerOf(route, req.method ?? '')({ req, res, path, params, query: new URLSearchParams(search) });
  }

  /**
   * Allows one request at a time per connection, so that a client that does not read cannot queue up answers. A request
   * that arrives before the answer to the last one was sent is ignored, and the connection ends with that answer.
   * Clients that pipeline must then retry (RFC 9112 §9.3.2).
   *
   * @returns whether to answer this request.
   */
  #occupy({ socket }: IncomingMessage, res: ServerResponse): boolean {
    const surplus = this.#surplus.get(socket);
    if (surplus !== undefined) {
      this.#surplus.set(socket, surplus + 1);
      if (surplus >= MAX_SURPLUS) socket.destroy();
      return false;
    }
    this.#surplus.set(socket, 0);
    res.on('close', () => {
      if (this.#surplus.get(socket) !== 0) {
        socket.destroySoon();
        return;
      }
      this.#surplus.delete(socket);
      this.#connections.rest(socket);
    });
    return true;
  }
}

/** The path without the query, which may hold secrets, and with the sid shortened. */
function shownPath(url = ''): string {
  const path = url.replace(/[?#].*$/s, '');
  return path.replace(/(?<=^\/api\/sessions\/).*/, shownSid);
}
