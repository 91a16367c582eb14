import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { ListenOptions } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import createDebug from 'debug';
import { createAdminServer, type AdminServer } from './admin/lazy';
import { Admission } from './routing/admission';
import { Bindings } from './sessions/bindings';
import { toError } from './base/checks';
import { within } from './base/deadline';
import { createFleet, type ProxyFleet } from './operating/proxy-fleet';
import { createHealthSource } from './hosts/health-source';
import { Forwarder } from './forwarding/forwarder';
import type { HealthSource } from './hosts/health-checker';
import { Hosts } from './hosts/hosts';
import { Operations } from './operating/operations';
import { resolveOptions, type ResolvedOptions } from './options/options';
import { OwnProcess } from './operating/own-process';
import { HealthPath } from './serving/health-path';
import { Pipelines } from './serving/pipelines';
import { relayEvents } from './operating/proxy-events';
import { CLOSE_TIMEOUT, type ProxyInternals, type ProxyParts } from './proxy-internals';
import { Router } from './routing/router';
import { checkKeepAlive, closeServer, createServer, takeOver } from './serving/server';
import { announce, announceIfHeard, callOut } from './base/announce';
import { createTotals } from './base/totals';
import { stallTimeoutOf, UnderWay } from './forwarding/under-way';
import type {
  Absence, DrainOptions, EndOutcome, FleetReport, HostOptions, HostReport, PartialProxyOptions, ProxyEvents,
  ProxyOptions, RebalanceOptions, RebalanceStatus, ScopeOptions, SessionReport,
} from './types';

const debug = createDebug('socket.io-proxy:proxy');

/**
 * A load balancer for Socket.IO. It sends all requests of a session to the same host, without cookies: it learns the
 * sid from the handshake's response.
 *
 * @example
 * new Proxy({ redisClient: createClient(), hosts: ['localhost:3000', 'localhost:3001'] }).listen(4000);
 */
export class Proxy extends EventEmitter<ProxyEvents> {
  /** The server that receives the requests: the option `server`, or else an `http.Server` that the proxy created. */
  readonly server: Server | HttpsServer;
  readonly #options: ResolvedOptions;
  readonly #bindings: Bindings;
  readonly #health: HealthSource;
  readonly #fleet: ProxyFleet;
  readonly #admission: Admission;
  readonly #underWay: UnderWay;
  readonly #forwarder: Forwarder;
  readonly #operations: Operations;
  readonly #parts: ProxyParts;
  readonly #admin: AdminServer | undefined;
  readonly #release: () => void;
  readonly #isOwn: boolean;
  #started = false;
  #closing: Promise<void> | undefined;

  /**
   * Creates a proxy. Call `listen()` to start it, unless the option `server` listens already.
   *
   * @throws TypeError if an option is invalid. The message names the option, what was expected and what was received.
   */
  constructor(options: ProxyOptions);
  /** @internal */
  constructor(options: PartialProxyOptions, internals: ProxyInternals);
  constructor(given: PartialProxyOptions, internals: ProxyInternals = {}) {
    super();
    const options = this.#options = resolveOptions(given, internals.ownsServer);
    const totals = createTotals();
    const hosts = new Hosts(options.hosts, options);
    const bindings = this.#bindings = new Bindings(options.store, hosts, options, totals);
    const fleet = this.#fleet = createFleet(options, hosts, this);
    const health = this.#health = fleet.before(internals.healthSource?.(hosts, options) ??
      createHealthSource(hosts, options, this.#announcing('discoveryError')));
    const admission = this.#admission = fleet.sharing(new Admission(options));
    const router = new Router(options, hosts, bindings, admission);
    const underWay = this.#underWay = new UnderWay(stallTimeoutOf(options));
    const opened = this.#announcing('session');
    const forwarder = this.#forwarder = new Forwarder(options, { hosts, bindings, totals, underWay }, opened);
    const own = new OwnProcess(options, { hosts, bindings, forwarder, admission, totals });
    const operations = this.#operations = new Operations(hosts, own, options, this, () => health.ready, fleet.member);
    fleet.show(operations, own);
    this.#parts = { hosts, operations, own, admission, underWay };
    this.#admin = options.admin && createAdminServer(operations, options.admin, this.#announcing('adminListening'));
    const tell = this.#announcing('access');
    const access = (): typeof tell | undefined => (this.listenerCount('access') > 0 ? tell : undefined);
    this.#isOwn = options.server === undefined || internals.ownsServer === true;
    const server = this.server = options.server ?? createServer(options);
    const healthPath = new HealthPath(options, () => operations.readiness.ready);
    const pipelines = new Pipelines(options, { health, healthPath, router, forwarder, server, underWay, access });
    this.#release = takeOver(server, this.#isOwn, {
      owns: (url) => router.owns(url) || healthPath.owns(url),
      request: (req, res) => pipelines.request(req, res),
      upgrade: (req, socket, head) => pipelines.upgrade(req, socket, head),
      listening: () => this.#start(),
      error: (error) => announceIfHeard(this, 'error', error),
    });
    if (this.#isOwn) pipelines.ownServer(totals, this.#announcing('suspicious'));
    relayEvents(hosts, bindings, this);
    if (server.listening) this.#start();
  }

  /** The current state of all hosts, in the order in which they were given and added. */
  get hosts(): readonly HostReport[] {
    return this.#operations.hosts;
  }

  /** The members of the fleet, as far as this proxy knows, and whether they agree. */
  get fleet(): FleetReport {
    return this.#operations.fleet;
  }

  /**
   * Adds a host. It gets new sessions as soon as a health check finds it up.
   *
   * @param host as in the option `hosts`.
   * @param options the host's `weight`, 1 by default, and the `scope`.
   * @throws TypeError if the host is malformed or already exists, or if the weight is not an integer from 0 to 1000.
   */
  addHost(host: string, options: Omit<HostOptions, 'host'> & ScopeOptions = {}): void {
    this.#operations.addHost(host, options);
  }

  /**
   * Removes a host at once: ends its requests and WebSockets, and answers later requests of its sessions as unknown. To
   * remove a host without cutting sessions, drain it first.
   *
   * @throws Error if the host is unknown.
   */
  removeHost(host: string, options: ScopeOptions = {}): void {
    this.#operations.removeHost(host, options);
  }

  /**
   * Drains a host: it gets no new sessions and keeps those that it has. The proxy emits `drained` when none is left, or
   * at once if there is none.
   *
   * After the `deadline`, if given, the proxy moves the remaining sessions that it knows of, a few per second: it ends
   * each one, and the client reconnects to another host. If the host is already draining, a `deadline` replaces the
   * earlier one; without a `deadline`, nothing changes.
   *
   * @throws Error if the host is unknown. TypeError if an option is out of its bounds.
   */
  drainHost(host: string, options: DrainOptions = {}): void {
    this.#operations.drainHost(host, options);
  }

  /**
   * Gives new sessions again to a host that is draining or drained.
   *
   * @throws Error if the host is unknown.
   */
  undrainHost(host: string, options: ScopeOptions = {}): void {
    this.#operations.undrainHost(host, options);
  }

  /**
   * Changes a host's share of new sessions. A host of weight 0 gets none.
   *
   * @throws TypeError if the weight is not an integer from 0 to 1000. Error if the host is unknown.
   */
  setWeight(host: string, weight: number, options: ScopeOptions = {}): void {
    this.#operations.setWeight(host, weight, options);
  }

  /**
   * Moves sessions from the fullest hosts to the others, until every host that takes new sessions has its share by
   * weight, within 10 % or one session. To move a session, the proxy ends it, and the client reconnects. Meanwhile new
   * sessions go to the emptiest host, unless `balance` is a function. The proxy emits `rebalancing` at the start and
   * `rebalanced` at the end.
   *
   * @throws Error if a rebalance is already running. TypeError if `perMinute` is out of its bounds.
   */
  rebalance(options: RebalanceOptions = {}): void {
    this.#operations.rebalance(options);
  }

  /** Stops a running rebalance, if there is one. */
  stopRebalance(options: ScopeOptions = {}): void {
    this.#operations.stopRebalance(options);
  }

  /** The progress of the last rebalance, and how far the hosts are from their shares. */
  get rebalanceStatus(): RebalanceStatus {
    return this.#operations.summary.rebalance;
  }

  /**
   * Resolves with a session's host and the source of that knowledge, or with the reason why the sid has no session.
   * Rejects if the session store cannot be asked.
   */
  findSession(sid: string): Promise<SessionReport | Absence> {
    return this.#operations.findSession(sid);
  }

  /**
   * Ends a session: closes it at its host as its client would. The client then makes a new handshake by itself.
   * Resolves with `elsewhere` if the session's WebSocket goes through another proxy that does not end it for this one.
   * Rejects if the session store or the host cannot be asked.
   */
  endSession(sid: string): Promise<EndOutcome> {
    return this.#operations.endSession(sid);
  }

  /**
   * Starts to listen. Takes the arguments of `http.Server.listen`. Failures are emitted as `error`.
   *
   * @throws Error after `close()`, and as `http.Server.listen` does, for example `ERR_SERVER_ALREADY_LISTEN`.
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
    if (this.#closing) throw new Error('a closed proxy cannot listen again: create a new one');
    Reflect.apply(this.server.listen.bind(this.server), undefined, args);
    return this;
  }

  /**
   * Closes the proxy. Goes on for `shutdownDelay`. Then refuses new sessions, waits up to `drainTimeout` for requests
   * to end, and meanwhile ends WebSockets one by one. Then cuts the rest. Closes all that the proxy has opened; a
   * server or an open Redis client of the caller's stays open. Resolves within `shutdownDelay` + `drainTimeout` + 1 s.
   * A second call joins the first.
   *
   * @param callback is called when everything is closed.
   */
  close(callback?: () => void): Promise<void> {
    if (!this.#closing) {
      let closed = (): void => {};
      // Set before the first event: a listener may call `close()` again.
      this.#closing = new Promise((resolve) => closed = resolve);
      void this.#close().then(closed);
    }
    if (callback) void this.#closing.then(() => callOut(callback));
    return this.#closing;
  }

  /** Makes the admin server listen, if there is one. `listen()` does so by itself. @internal */
  async listenAdmin(): Promise<void> {
    await this.#admin?.listen();
  }

  /** For the command. @internal */
  get parts(): ProxyParts {
    return this.#parts;
  }

  #announcing<E extends keyof ProxyEvents>(event: E): (...args: ProxyEvents[E]) => void {
    return (...args) => announce(this, event, ...args);
  }

  #start(): void {
    // The server still begins to listen if `close()` was called during the DNS lookup of its address.
    if (this.#closing && this.#isOwn) void closeServer(this.server);
    if (this.#started || this.#closing) return;
    this.#started = true;
    debug('listening on %o, hosts %o', this.server.address(), this.#options.hosts.map(({ name }) => name));
    this.#bindings.start();
    void this.#health.start();
    void this.listenAdmin().catch((error: unknown) => announce(this, 'error', toError(error)));
    announce(this, 'listening');
    if (!this.#isOwn) checkKeepAlive(this.server, (text) => announce(this, 'suspicious', undefined, text));
  }

  /**
   * Never rejects. Phase → effect, see `UnderWay`:
   * - lingering, for `shutdownDelay` → sessions open as before, but each answer closes its connection
   * - draining, for up to `drainTimeout` → no session opens, no connection is accepted, WebSockets end one by one
   * - over → every request is refused; what is left ends, and is cut a moment later; then all parts close
   */
  async #close(): Promise<void> {
    debug('closing');
    const { shutdownDelay, drainTimeout } = this.#options;
    this.#operations.close();
    if (shutdownDelay > 0 && this.server.listening) await this.#underWay.linger(shutdownDelay);
    this.#admission.stop();
    const closed = this.#isOwn ? closeServer(this.server) : undefined;
    await this.#underWay.drain(drainTimeout);
    this.#forwarder.close();
    // The last responses are written by then, but not all are flushed.
    await nextTurn();
    if (this.#isOwn) this.server.closeAllConnections();
    this.#health.stop();
    const left = this.#fleet.stop().then(() => this.#bindings.close());
    await within(CLOSE_TIMEOUT, Promise.all([closed, left, this.#admin?.close()]));
    // Refusals of requests that arrived meanwhile may not be flushed yet.
    this.#underWay.cut();
    if (!this.#isOwn) this.#release();
    debug('closed');
    announce(this, 'close');
  }
}
