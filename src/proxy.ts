import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { ListenOptions } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import createDebug from 'debug';
import { createAdminServer, type AdminServer } from './admin/lazy';
import { Admission } from './routing/admission';
import { Bindings } from './sessions/bindings';
import { MAX_DELAY, toError } from './base/checks';
import { within } from './base/deadline';
import { discovering } from './hosts/discovery';
import type { Absence } from './base/errors';
import { Forwarder, type Session } from './forwarding/forwarder';
import { HealthChecker, type HealthSource } from './hosts/health-checker';
import type { HostOptions } from './hosts/host-options';
import { Hosts } from './hosts/hosts';
import { Operations } from './operating/operations';
import type {
  DrainOptions, EndOutcome, HostReport, RebalanceOptions, RebalanceStatus, SessionReport,
} from './operating/operator';
import { resolveOptions, type ResolvedOptions } from './options/options';
import { OwnProcess } from './operating/own-process';
import { Pipelines } from './serving/pipelines';
import { relayBindings, relayHosts, type ProxyEvents } from './operating/proxy-events';
import type { ProxyInternals } from './proxy-internals';
import type { PartialProxyOptions, ProxyOptions } from './options/proxy-options';
import { Router } from './routing/router';
import { closeServer, createServer, takeOver } from './serving/server';
import { announce, callOut } from './base/announce';
import { createTotals } from './base/totals';
import { UnderWay } from './forwarding/under-way';

const debug = createDebug('socket.io-proxy:proxy');

/** How long `close()` waits at last for the store, the admin server and its connections, in ms. */
const CLOSE_TIMEOUT = 550;

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
  readonly #admission: Admission;
  readonly #underWay: UnderWay;
  readonly #forwarder: Forwarder;
  readonly #operations: Operations;
  readonly #admin: AdminServer | undefined;
  readonly #release: () => void;
  readonly #isOwn: boolean;
  #started = false;
  #closing: Promise<void> | undefined;

  /**
   * Does not listen yet, unless the `server` that it is given does.
   *
   * @throws TypeError that names the option, what was expected and what was received.
   */
  constructor(options: ProxyOptions);
  /** @internal */
  constructor(options: PartialProxyOptions, internals: ProxyInternals);
  constructor(options: PartialProxyOptions, internals: ProxyInternals = {}) {
    super();
    const resolved = this.#options = resolveOptions(options);
    this.#hosts = new Hosts(resolved.hosts, resolved);
    const totals = createTotals();
    this.#bindings = new Bindings(resolved.store, this.#hosts, resolved, totals);
    const onDiscoveryError = (error: Error): void => announce(this, 'discoveryError', error);
    this.#health = internals.healthSource?.(this.#hosts, resolved) ??
      discovering(new HealthChecker(this.#hosts, resolved), this.#hosts, resolved, onDiscoveryError);
    this.#admission = new Admission(resolved);
    const router = new Router(resolved, this.#hosts, this.#bindings, this.#admission);
    const onSession = (session: Session): void => announce(this, 'session', session);
    this.#underWay = new UnderWay(Math.min(resolved.hostTimeout + resolved.requestTimeout, MAX_DELAY));
    this.#forwarder = new Forwarder(resolved, this.#hosts, this.#bindings, totals, this.#underWay, onSession);
    const own = new OwnProcess(resolved, this.#hosts, this.#bindings, this.#forwarder, this.#admission, totals);
    internals.parts?.({ hosts: this.#hosts, health: this.#health, own });
    this.#operations = new Operations(this.#hosts, own, resolved, this, () => this.#health.ready);
    const pipelines = new Pipelines({
      health: this.#health,
      router,
      forwarder: this.#forwarder,
      trustProxy: resolved.trustProxy,
      underWay: this.#underWay,
      access: () => (this.listenerCount('access') > 0 ? (entry) => announce(this, 'access', entry) : undefined),
    });
    this.#admin = resolved.admin &&
      createAdminServer(this.#operations, resolved.admin, (address) => announce(this, 'adminListening', address));
    this.#isOwn = resolved.server === undefined;
    this.server = resolved.server ?? createServer(resolved);
    this.#release = takeOver(this.server, {
      owns: (url) => router.owns(url),
      request: (req, res) => pipelines.request(req, res),
      upgrade: (req, socket, head) => pipelines.upgrade(req, socket, head),
      listening: () => this.#start(),
      error: (error) => this.#onServerError(error),
    });
    relayHosts(this.#hosts, this);
    relayBindings(this.#bindings, this);
    if (this.server.listening) this.#start();
  }

  /** The hosts as they are at the moment, in the order in which they were given and added. */
  get hosts(): readonly HostReport[] {
    return this.#operations.hosts;
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
    this.#operations.addHost(host, options);
  }

  /**
   * Removes a host at once: its requests and WebSockets are cut, and the sids of its sessions answered as unknown. One
   * that is to go without that is drained first.
   *
   * @throws Error when the host is unknown.
   */
  removeHost(host: string): void {
    this.#operations.removeHost(host);
  }

  /**
   * Gives a host no new session, and lets those that it has go on. The event `drained` tells when none is left; where
   * there is none it comes at once.
   *
   * With a `deadline` the sessions that are left by then are moved, a few a second: each is ended, and its client comes
   * back on another host by itself. This proxy moves those that it knows of. A host that is draining already is given
   * the deadline, and without one left as it is.
   *
   * @throws Error when the host is unknown, and TypeError when an option is out of its bounds.
   */
  drainHost(host: string, options: DrainOptions = {}): void {
    this.#operations.drainHost(host, options);
  }

  /**
   * Gives a host that is draining, or was drained, new sessions again.
   *
   * @throws Error when the host is unknown.
   */
  undrainHost(host: string): void {
    this.#operations.undrainHost(host);
  }

  /**
   * Changes a host's share of new sessions. With 0 it gets none.
   *
   * @throws TypeError when the weight is no integer from 0 to 1000, and Error when the host is unknown.
   */
  setWeight(host: string, weight: number): void {
    this.#operations.setWeight(host, weight);
  }

  /**
   * Moves sessions from the fullest hosts to the others, until each that is open to new ones has its share of them, by
   * its weight, within 10 % (or one session). Each is ended, and its client comes back by itself. Meanwhile the
   * emptiest host gets the new sessions, unless `balance` is a function. The events `rebalancing` and `rebalanced` tell
   * when it begins and ends.
   *
   * @throws Error when one is under way, and TypeError when `perMinute` is out of its bounds.
   */
  rebalance(options: RebalanceOptions = {}): void {
    this.#operations.rebalance(options);
  }

  /** Stops a rebalance, if one is under way. */
  stopRebalance(): void {
    this.#operations.stopRebalance();
  }

  /** How the last rebalance stands, and how far from their shares the hosts are. */
  get rebalanceStatus(): RebalanceStatus {
    return this.#operations.summary.rebalance;
  }

  /**
   * Where a session goes, and how that is known; or why no session has the sid. Rejects when the session store can't be
   * asked.
   */
  findSession(sid: string): Promise<SessionReport | Absence> {
    return this.#operations.findSession(sid);
  }

  /**
   * Ends a session: its host is told as if the client had closed it, and the client makes a new handshake by itself.
   * `elsewhere`: its WebSocket goes through another proxy, which alone can end it. Rejects when the session store or
   * the host can't be asked.
   */
  endSession(sid: string): Promise<EndOutcome> {
    return this.#operations.endSession(sid);
  }

  /**
   * Listens as `http.Server.listen` does, with all the arguments that it takes. Errors come as the event `error`.
   *
   * @throws Error what `http.Server.listen` throws, as `ERR_SERVER_ALREADY_LISTEN`; and after `close()`.
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
    if (this.#closing) throw new Error('a proxy that was closed can not listen again: make another one');
    Reflect.apply(this.server.listen.bind(this.server), undefined, args);
    return this;
  }

  /**
   * Stops: refuses new sessions at once, lets requests and WebSockets end by themselves for up to `drainTimeout`, ends
   * what is left, refuses what comes then, and closes what this proxy has opened. A server and an open Redis client of
   * the caller's stay open. A second call joins the first. Resolves within `drainTimeout` and a second in any case.
   *
   * @param callback is called when all is closed.
   */
  close(callback?: () => void): Promise<void> {
    let closed = (): void => {};
    if (!this.#closing) {
      // Known before anything is told, as a listener may call this too.
      this.#closing = new Promise((resolve) => {
        closed = resolve;
      });
      void this.#close().then(closed);
    }
    if (callback) void this.#closing.then(() => callOut(callback));
    return this.#closing;
  }

  /**
   * Lets the admin server listen, where there is one: a proxy that listens does so by itself.
   *
   * @internal
   */
  async listenAdmin(): Promise<void> {
    await this.#admin?.listen();
  }

  /** What those see and do who operate it. @internal */
  get operations(): Operations {
    return this.#operations;
  }

  #start(): void {
    // A name that was looked up when it was closed: it comes to listen all the same.
    if (this.#closing && this.#isOwn) void closeServer(this.server);
    if (this.#started || this.#closing) return;
    this.#started = true;
    debug('listening on %o, hosts %o', this.server.address(), this.#options.hosts.map(({ name }) => name));
    this.#bindings.start();
    void this.#health.start();
    void this.listenAdmin().catch((error: unknown) => announce(this, 'error', toError(error)));
    announce(this, 'listening');
  }

  #onServerError(error: Error): boolean {
    if (this.listenerCount('error') === 0) return false;
    announce(this, 'error', error);
    return true;
  }

  /** Never rejects. */
  async #close(): Promise<void> {
    debug('closing');
    this.#operations.close();
    this.#admission.stop();
    const closed = this.#isOwn ? closeServer(this.server) : undefined;
    await this.#underWay.drain(this.#options.drainTimeout);
    this.#forwarder.close();
    // The last answers have been written by then, but not all of them have left.
    await nextTurn();
    if (this.#isOwn) this.server.closeAllConnections();
    this.#health.stop();
    await within(CLOSE_TIMEOUT, Promise.all([closed, this.#bindings.close(), this.#admin?.close()]));
    // What has come meanwhile, and was refused, may not have left.
    this.#underWay.cut();
    if (!this.#isOwn) this.#release();
    debug('closed');
    announce(this, 'close');
  }
}
