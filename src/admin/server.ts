import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import createDebug from 'debug';
import { startDeadline } from '../base/deadline';
import type { Operator } from '../operating/operator';
import { closeServer } from '../serving/server';
import { shownSid } from '../base/shown';
import { MAX_SID_LENGTH } from '../routing/sniffer';
import { Connections } from './connections';
import { Guard } from './guard';
import { HostRoutes } from './host-routes';
import { CONTENT_TYPE, metricsText } from './metrics';
import type { ResolvedAdminOptions } from './options';
import { Problem } from './problems';
import { ownProcessMetrics } from '../operating/process-metrics';
import { jsonReply, malformedReply, problemReply, send, type Reply } from './reply';
import { handlerOf, Routes, type Asked, type Found, type Handler } from './routes';
import { SessionRoutes } from './session-routes';
import { readinessOf } from './snapshot';
import { StaticFiles } from './static-files';
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

function routesOf(operator: Operator, streams: Streams): Routes {
  const hosts = new HostRoutes(operator);
  const sessions = new SessionRoutes(operator);
  const files = new StaticFiles();
  const description: Reply = {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    body: readFileSync(join(__dirname, 'openapi.json')),
  };
  const file: Handler = ({ req, path }) => files.reply(req, path);
  return new Routes([
    { path: '/', isPublic: true, methods: { GET: file } },
    { path: '/page/{file}', isPublic: true, methods: { GET: file } },
    { path: '/uplot/{file}', isPublic: true, methods: { GET: file } },
    { path: '/healthz', isPublic: true, methods: { GET: () => jsonReply(200, { status: 'ok' }) } },
    { path: '/readyz', isPublic: true, methods: { GET: () => readyReply(operator) } },
    { path: '/metrics', methods: { GET: () => metricsReply(operator) } },
    { path: '/openapi.json', methods: { GET: () => description } },
    { path: '/api/hosts', methods: { GET: () => hosts.list(), POST: (asked) => hosts.add(asked) } },
    {
      path: '/api/hosts/{host}',
      methods: {
        GET: (asked) => hosts.get(asked),
        PATCH: (asked) => hosts.change(asked),
        DELETE: (asked) => hosts.remove(asked),
      },
    },
    {
      path: '/api/sessions/{sid}',
      methods: {
        GET: (asked) => sessions.get(withSid(asked)), DELETE: (asked) => sessions.end(withSid(asked)),
      },
    },
    {
      path: '/api/rebalance',
      methods: {
        GET: () => sessions.getRebalance(),
        POST: (asked) => sessions.startRebalance(asked),
        DELETE: () => sessions.stopRebalance(),
      },
    },
    { path: '/api/events', methods: { GET: (asked) => eventsReply(streams, asked) } },
  ]);
}

function readyReply(operator: Operator): Reply {
  const { readiness } = operator.summary;
  return jsonReply(readiness.ready ? 200 : 503, readinessOf(readiness));
}

async function metricsReply(operator: Operator): Promise<Reply> {
  return { status: 200, headers: { 'Content-Type': CONTENT_TYPE }, body: await metricsText(operator) };
}

async function eventsReply(streams: Streams, { req, res }: Asked): Promise<Reply | undefined> {
  if (req.method === 'HEAD') return { status: 200, headers: { 'Content-Type': 'text/event-stream' } };
  const { 'last-event-id': lastId } = req.headers;
  await streams.open(res, typeof lastId === 'string' ? lastId : undefined);
  return undefined;
}

/** The path without the query, which may hold secrets, and with the sid shortened. */
function shownPath(url = ''): string {
  const path = url.replace(/[?#].*$/s, '');
  return path.replace(/(?<=^\/api\/sessions\/).*/, shownSid);
}

/** @throws Problem if the sid is too long: the proxy refuses such sids. */
function withSid(asked: Asked): Asked {
  const [sid = ''] = asked.params;
  if (sid.length > MAX_SID_LENGTH) throw new Problem('NEVER_SEEN', `a sid has at most ${MAX_SID_LENGTH} characters`);
  return asked;
}
