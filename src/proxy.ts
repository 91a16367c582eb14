import { EventEmitter } from 'node:events';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import createDebug from 'debug';
import { Bindings } from './bindings';
import { refusals, refuse, refuseUpgrade, type Refusal } from './errors';
import { Forwarder, type Session } from './forwarder';
import { HealthChecker } from './health-checker';
import { Hosts, type DownReason } from './hosts';
import { resolveOptions, type ProxyOptions, type ResolvedOptions } from './options';
import type { Route } from './route';
import { Router } from './router';
import { takeOver } from './server';

const debug = createDebug('socket.io-proxy:proxy');

/** Events of {@link Proxy}, and what their listeners are given. */
export interface ProxyEvents {
  /** The server listens. */
  listening: [];
  /** The server has failed, for instance with `EADDRINUSE`. */
  error: [error: Error];
  /** A host is up, after it was down or for the first time. */
  up: [host: string];
  /**
   * A host is down: no new session goes there. `refused`: nothing listens there. `unreachable`: no connection to it can
   * be made. `silent`: it takes connections and does not answer. `failing`: it answers health checks with a status from
   * 500, or cuts them.
   */
  down: [host: string, reason: DownReason];
  /** A session was opened through this proxy, and is bound. */
  session: [session: Session];
  /** The session store has failed: this proxy goes on with what it knows. */
  degraded: [error: Error];
  /** The session store works again. */
  recovered: [];
  /** `close()` is done. */
  close: [];
}

/**
 * A proxy in front of several Socket.IO servers that sends every request of a session to the same one, without
 * cookies: it learns the sid from the handshake.
 *
 * @example
 * new Proxy({ redisClient: createClient(), hosts: ['localhost:3000', 'localhost:3001'] }).listen(4000);
 */
export class Proxy extends EventEmitter<ProxyEvents> {
  /** The `http` or `https` server that takes the requests: the caller's, where one was given. */
  readonly server: Server | HttpsServer;
  readonly #options: ResolvedOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #healthChecker: HealthChecker;
  readonly #router: Router;
  readonly #forwarder: Forwarder;
  readonly #release: () => void;
  #started = false;
  #closing: Promise<void> | undefined;

  /**
   * Does not listen yet, unless the `server` that it is given does.
   *
   * @throws TypeError that names the option, what was expected and what was received.
   */
  constructor(options: ProxyOptions) {
    super();
    const resolved = this.#options = resolveOptions(options);
    this.#hosts = new Hosts(resolved.hosts, resolved);
    this.#bindings = new Bindings(resolved.store, resolved);
    this.#healthChecker = new HealthChecker(this.#hosts, resolved);
    this.#router = new Router(resolved, this.#hosts, this.#bindings);
    this.#forwarder = new Forwarder(resolved, this.#hosts, this.#bindings, (session) => this.emit('session', session));
    this.server = resolved.server ?? createServer(resolved);
    this.#release = takeOver(this.server, {
      owns: (url) => this.#router.owns(url),
      request: (req, res) => this.#onRequest(req, res),
      upgrade: (req, socket, head) => this.#onUpgrade(req, socket, head),
      listening: () => this.#start(),
      error: (error) => this.#onServerError(error),
    });
    this.#relayEvents();
    if (this.server.listening) this.#start();
  }

  /**
   * Listens as `http.Server.listen` does, with all the arguments that it takes. Errors come as the event `error`.
   *
   * @throws Error `ERR_SERVER_ALREADY_LISTEN`, and what else `http.Server.listen` throws.
   */
  listen(port?: number, hostname?: string, backlog?: number, listener?: () => void): this;
  listen(port?: number, hostname?: string, listener?: () => void): this;
  listen(port?: number, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, listener?: () => void): this;
  listen(path: string, backlog?: number, listener?: () => void): this;
  listen(options: ListenOptions, listener?: () => void): this;
  listen(handle: object, backlog?: number, listener?: () => void): this;
  listen(handle: object, listener?: () => void): this;
  listen(...args: unknown[]): this {
    Reflect.apply(this.server.listen.bind(this.server), undefined, args);
    return this;
  }

  /**
   * Stops: refuses new sessions at once, lets requests and WebSockets end by themselves for up to `drainTimeout`, ends
   * what is left, and closes what this proxy has opened. A server and an open Redis client of the caller's stay open.
   * A second call joins the first.
   *
   * @param callback is called when all is closed.
   */
  close(callback?: () => void): Promise<void> {
    this.#closing ??= this.#close();
    if (callback) void this.#closing.then(callback);
    return this.#closing;
  }

  #start(): void {
    if (this.#started || this.#closing) return;
    this.#started = true;
    debug('listening on %o, hosts %o', this.server.address(), this.#options.hosts.map(({ name }) => name));
    this.#bindings.start();
    void this.#healthChecker.start();
    this.emit('listening');
  }

  /** As a server's own, an error that nobody listens for is thrown; listeners of the server's are enough. */
  #onServerError(error: Error): void {
    if (this.listenerCount('error') > 0 || this.server.listenerCount('error') === 1) this.emit('error', error);
  }

  #relayEvents(): void {
    this.#hosts.on('up', ({ name }) => {
      debug('%s is up', name);
      this.emit('up', name);
    });
    this.#hosts.on('down', ({ name }, reason) => {
      debug('%s is down: %s', name, reason);
      this.emit('down', name, reason);
    });
    this.#bindings.on('degraded', (error) => this.emit('degraded', error));
    this.#bindings.on('recovered', () => this.emit('recovered'));
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    if (!res.socket) {
      // Pipelined: its turn comes when the response before it has left. Begun earlier, it would not be told of the
      // end of its connection, and what follows a refused body would be believed.
      res.once('socket', () => this.#onRequest(req, res));
      return;
    }
    this.#routed(req, (outcome) => {
      if ('status' in outcome) refuse(req, res, outcome);
      else if (!res.destroyed) this.#forwarder.web(req, res, outcome);
    });
  }

  #onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Without a listener a reset connection would end the process.
    socket.on('error', () => {});
    const isWebSocket = req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket';
    if (!isWebSocket) {
      refuseUpgrade(req, socket, refusals.badRequest);
      return;
    }
    this.#routed(req, (outcome) => {
      if ('status' in outcome) refuseUpgrade(req, socket, outcome);
      else if (!socket.destroyed) this.#forwarder.ws(req, socket, head, outcome);
    });
  }

  /** Requests and upgrades share one way to a route, which takes a turn only where something has to be waited for. */
  #routed(req: IncomingMessage, then: (outcome: Route | Refusal) => void): void {
    if (!this.#healthChecker.ready) {
      // The first round tells which hosts are up; it takes `checkTimeout` at most.
      void this.#healthChecker.start().then(() => this.#routed(req, then));
      return;
    }
    const outcome = this.#router.route(req);
    if (outcome instanceof Promise) void outcome.then((late) => then(this.#admitted(late)));
    else then(this.#admitted(outcome));
  }

  #admitted(outcome: Route | Refusal): Route | Refusal {
    const isHandshake = !('status' in outcome) && outcome.binding === undefined;
    return this.#closing && isHandshake ? refusals.closing : outcome;
  }

  async #close(): Promise<void> {
    debug('closing');
    const own = this.#options.server === undefined;
    const closed = own ? closeServer(this.server) : undefined;
    await this.#forwarder.drain();
    // The last answers have been written by then, but not all of them have left.
    await nextTurn();
    if (own) this.server.closeAllConnections();
    await closed;
    this.#release();
    this.#healthChecker.stop();
    await this.#bindings.close();
    debug('closed');
    this.emit('close');
  }
}

function createServer({ maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout }: ResolvedOptions): Server {
  // Node looks every 30 s by default, and so might let a slow head last that much longer.
  const connectionsCheckingInterval = Math.min(headersTimeout, 5000);
  const limits = { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval };
  return http.createServer(limits);
}

/** Takes no more connections, and resolves when those that are open have ended. */
function closeServer(server: Server | HttpsServer): Promise<void> {
  return new Promise((resolve) => {
    // The error says that the server was not listening, which is what is wanted.
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
