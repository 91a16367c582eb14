import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import createDebug from 'debug';
import { Bindings } from './bindings';
import { isObject, wrong } from './checks';
import { checkDiscovered, Discovery } from './discovery';
import { refusals, refuse, refuseUpgrade, type Refusal } from './errors';
import { Forwarder, type Session } from './forwarder';
import { HealthChecker, type HealthSource } from './health-checker';
import type { DownReason, HostStatus } from './host';
import { hostOf, weightOf, type HostOptions } from './host-options';
import { Hosts } from './hosts';
import { resolveOptions, type ProxyOptions, type ResolvedOptions } from './options';
import type { Route } from './route';
import { Router } from './router';
import { closeServer, createServer, takeOver } from './server';

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
  /** A host was added, by `addHost()` or from DNS. It is up once its first health check is over, if that is good. */
  added: [host: string];
  /** A host was removed, by `removeHost()`, or as DNS no longer names it. */
  removed: [host: string];
  /** A host that is draining has no session, request or WebSocket left, as far as this proxy knows. */
  drained: [host: string];
  /** DNS has failed, or does not know the name in `discover`: the hosts stay as they are until it does again. */
  undiscovered: [error: Error];
  /** A session was opened through this proxy, and is bound. */
  session: [session: Session];
  /** The session store has failed: this proxy goes on with what it knows. */
  degraded: [error: Error];
  /** The session store works again. */
  recovered: [];
  /** `close()` is done. */
  close: [];
}

/** What parts a proxy is made of, for programs that run several as one. @internal */
export interface ProxyInternals {
  /** Makes what tells the proxy which hosts there are and are up, in the place of health checks and DNS of its own. */
  healthSource?: (hosts: Hosts, options: ResolvedOptions) => HealthSource;
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
  readonly #health: HealthSource;
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
  constructor(options: ProxyOptions);
  /** @internal */
  constructor(options: ProxyOptions, internals: ProxyInternals);
  constructor(options: ProxyOptions, internals: ProxyInternals = {}) {
    super();
    const resolved = this.#options = resolveOptions(options);
    this.#hosts = new Hosts(resolved.hosts, resolved);
    this.#bindings = new Bindings(resolved.store, this.#hosts, resolved);
    this.#health = internals.healthSource?.(this.#hosts, resolved) ??
      this.#discovering(new HealthChecker(this.#hosts, resolved));
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

  /** The hosts as they are at the moment, in the order in which they were given and added. */
  get hosts(): readonly HostStatus[] {
    return this.#hosts.all.map(({ status }) => status);
  }

  /**
   * Adds a host. It gets new sessions once its first health check has found it up.
   *
   * @param host as in the option `hosts`.
   * @param options its `weight`, which is 1 by default.
   * @throws TypeError when the host is malformed, or is one of the hosts already, and when the weight is no integer
   * from 0 to 1000.
   */
  addHost(host: string, options: Omit<HostOptions, 'host'> = {}): void {
    if (!isObject(options)) throw wrong('options', 'be an object', options);
    this.#hosts.add(hostOf('host', host, weightOf('weight', options.weight ?? 1)));
  }

  /**
   * Removes a host at once: its requests and WebSockets are cut, and the sids of its sessions answered as unknown. One
   * that is to go without that is drained first.
   *
   * @throws Error when it is none of the hosts.
   */
  removeHost(host: string): void {
    this.#hosts.remove(host);
  }

  /**
   * Gives a host no new session, and lets those that it has go on. The event `drained` tells when none is left; where
   * there is none it comes at once. A host that is draining already is left as it is.
   *
   * @throws Error when it is none of the hosts.
   */
  drainHost(host: string): void {
    this.#hosts.drain(host);
  }

  /**
   * Gives a host that is draining, or was drained, new sessions again.
   *
   * @throws Error when it is none of the hosts.
   */
  undrainHost(host: string): void {
    this.#hosts.undrain(host);
  }

  /**
   * Changes a host's share of new sessions. With 0 it gets none.
   *
   * @throws TypeError when the weight is no integer from 0 to 1000, and Error when the host is none of the hosts.
   */
  setWeight(host: string, weight: number): void {
    this.#hosts.setWeight(host, weightOf('weight', weight));
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
    void this.#health.start();
    this.emit('listening');
  }

  #discovering(health: HealthSource): HealthSource {
    const { discover, keyExpiry } = this.#options;
    if (!discover) return health;
    const undiscovered = (error: Error): void => void this.emit('undiscovered', error);
    return checkDiscovered(new Discovery({ discover, keyExpiry }, this.#hosts, undiscovered), health);
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
    for (const event of ['added', 'removed', 'drained'] as const) {
      this.#hosts.on(event, ({ name }) => {
        debug('%s is %s', name, event);
        this.emit(event, name);
      });
    }
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
    if (!this.#health.ready) {
      // The first round tells which hosts are up; it takes `checkTimeout` at most, and 5 s more where DNS is silent.
      void this.#health.start().then(() => this.#routed(req, then));
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
    this.#health.stop();
    await this.#bindings.close();
    debug('closed');
    this.emit('close');
  }
}
