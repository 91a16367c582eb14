import http, { type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import https, { type Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { stallTimeoutOf } from '../forwarding/under-way';
import { ignoreUpgradesWithBody } from './other-upgrades';
import { UpgradeGuard } from './upgrade-guard';

/** Handles the events of a server. */
export interface ServerHandlers {
  /** Whether a request with this URL is for the proxy. The proxy also gets requests that nobody else handles. */
  owns(url: string): boolean;
  request(req: IncomingMessage, res: ServerResponse): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  listening(): void;
  /** @returns whether anybody listens for the error. */
  error(error: Error): boolean;
}

/** Limits of the server that the proxy creates: times in ms, the size in bytes. */
export interface ServerLimits {
  readonly maxHeaderSize: number;
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly keepAliveTimeout: number;
  readonly hostTimeout: number;
}

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

type Listener = (...args: unknown[]) => void;

/** Replaces a server's listeners for an event by one of ours, and calls them through it. */
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

  /** Nobody has removed our listener. */
  get isThere(): boolean {
    return this.#server.listeners(this.#event).includes(this.#listener);
  }

  take(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    // Raw, so that a wrapper of `once` still removes itself when called.
    this.#before = this.#server.rawListeners(this.#event) as Listener[];
    this.#server.removeAllListeners(this.#event).on(this.#event, this.#listener);
  }

  /**
   * Restores the listeners, unless another party has removed ours to call it itself, as Socket.IO does when it is
   * attached later. In that case ours keeps calling them.
   *
   * @returns whether the listeners were restored.
   */
  leave(): boolean {
    if (!this.isThere) return false;
    this.#isTaken = false;
    this.#server.off(this.#event, this.#listener);
    for (const listener of this.#before) this.#server.on(this.#event, listener);
    return true;
  }

  /** Whether there is any other listener, or may be one. */
  get isShared(): boolean {
    // A party that removed ours to call it itself may have removed others too.
    return this.#before.length > 0 || this.#server.listenerCount(this.#event) > 1 || !this.isThere;
  }

  /** Calls the replaced listeners. @returns whether there is any other listener, or may be one. */
  call(args: unknown[]): boolean {
    const { isShared } = this;
    const before = this.#before;
    this.#before = before.filter((listener) => !('listener' in listener));
    for (const listener of before) Reflect.apply(listener, this.#server, args);
    return isShared;
  }
}

/**
 * Dispatches a server's `request` and `upgrade` events to any number of proxies. Each proxy gets its own requests, and
 * the server's earlier listeners get the rest. Without such listeners, the first proxy refuses the rest.
 */
class Dispatcher {
  readonly #server: Server | HttpsServer;
  readonly #proxies = new Set<ServerHandlers>();
  readonly #requests: Seat;
  readonly #upgrades: Seat;
  /** `undefined` on the proxy's own server: other listeners there only watch, and may see the proxy's upgrades. */
  readonly #guard: UpgradeGuard | undefined;
  #restoreUpgrades = (): void => {};

  constructor(server: Server | HttpsServer, isOwn: boolean) {
    this.#server = server;
    this.#requests = new Seat(server, 'request', (...args) => {
      const [req, res] = args as [IncomingMessage, ServerResponse];
      this.#takerOf(req, this.#requests, args)?.request(req, res);
    });
    this.#upgrades = new Seat(server, 'upgrade', (...args) => {
      const [req, socket, head] = args as [IncomingMessage, Duplex, Buffer];
      this.#takerOf(req, this.#upgrades, args)?.upgrade(req, socket, head);
    });
    this.#guard = isOwn ? undefined : new UpgradeGuard(server, (args) => this.#takesUpgrade(args));
  }

  add(proxy: ServerHandlers): void {
    if (this.#proxies.size === 0) {
      this.#server.on('listening', this.#onListening).on('error', this.#onError);
      // Without the proxy, Node would ignore an upgrade that nobody listens for.
      const owns = (req: IncomingMessage): boolean => this.#ownerOf(req) !== undefined || !this.#upgrades.isShared;
      this.#restoreUpgrades = ignoreUpgradesWithBody(this.#server, owns);
    }
    this.#proxies.add(proxy);
    for (const seat of [this.#requests, this.#upgrades]) seat.take();
    this.#guard?.start();
  }

  /** Restores the earlier listeners once the last proxy has gone. */
  delete(proxy: ServerHandlers): void {
    if (!this.#proxies.delete(proxy) || this.#proxies.size > 0) return;
    this.#server.off('listening', this.#onListening).off('error', this.#onError);
    this.#restoreUpgrades();
    // Each is asked to leave, also if another one stays.
    const guardLeft = this.#guard?.stop() ?? true;
    const requestsLeft = this.#requests.leave();
    const upgradesLeft = this.#upgrades.leave();
    if (guardLeft && requestsLeft && upgradesLeft) dispatchers.delete(this.#server);
  }

  readonly #onListening = (): void => {
    for (const proxy of [...this.#proxies]) proxy.listening();
  };

  /** Throws an error that neither the server nor a proxy has a listener for, as Node would without a proxy. */
  readonly #onError = (error: Error): void => {
    let isTold = this.#server.listenerCount('error') > 1;
    for (const proxy of [...this.#proxies]) isTold = proxy.error(error) || isTold;
    if (!isTold) throw error;
  };

  /** Takes an upgrade that is a proxy's, unless somebody has removed our listener to call it himself. */
  #takesUpgrade(args: unknown[]): boolean {
    const [req, socket, head] = args as [IncomingMessage, Duplex, Buffer];
    const owner = this.#upgrades.isThere ? this.#ownerOf(req) : undefined;
    if (!owner) return false;
    owner.upgrade(req, socket, head);
    return true;
  }

  #ownerOf({ url = '' }: IncomingMessage): ServerHandlers | undefined {
    for (const proxy of this.#proxies) if (proxy.owns(url)) return proxy;
    return undefined;
  }

  #takerOf(req: IncomingMessage, seat: Seat, args: unknown[]): ServerHandlers | undefined {
    const owner = this.#ownerOf(req);
    if (owner) return owner;
    const [first] = this.#proxies;
    return seat.call(args) ? undefined : first;
  }
}

const dispatchers = new WeakMap<Server | HttpsServer, Dispatcher>();

/**
 * Registers a proxy for its requests and upgrades on a server, see {@link Dispatcher}.
 *
 * @param isOwn the proxy has made the server.
 * @returns a function that removes the proxy.
 */
export function takeOver(server: Server | HttpsServer, isOwn: boolean, handlers: ServerHandlers): () => void {
  const dispatcher = dispatchers.get(server) ?? new Dispatcher(server, isOwn);
  dispatchers.set(server, dispatcher);
  dispatcher.add(handlers);
  return () => dispatcher.delete(handlers);
}

/** Creates the proxy's own server, with the limits of the options. */
export function createServer(limits: ServerLimits): Server;
export function createServer(limits: ServerLimits, tls: Certificate): HttpsServer;
export function createServer(limits: ServerLimits, tls?: Certificate): Server | HttpsServer {
  const options = serverOptionsOf(limits);
  const server = tls ? https.createServer({ ...options, cert: tls.cert, key: tls.key }) : http.createServer(options);
  // For clients that do not read their response. No other wait on a busy connection is that long.
  server.timeout = stallTimeoutOf(limits);
  return server;
}

function serverOptionsOf(limits: ServerLimits): ServerOptions {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = limits;
  // By default Node checks its timeouts only every 30 s.
  const connectionsCheckingInterval = Math.min(headersTimeout, 5000);
  return { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval };
}

/** How long load balancers often keep an idle connection, in ms. */
const COMMON_KEEP_ALIVE = 60_000;

/** Tells, a moment later, if a server keeps idle connections for a shorter time, and what to do. */
export function checkKeepAlive({ keepAliveTimeout }: Server | HttpsServer, tell: (text: string) => void): void {
  // With 0 it keeps them for ever.
  if (keepAliveTimeout === 0 || keepAliveTimeout >= COMMON_KEEP_ALIVE) return;
  const text = `the server's keepAliveTimeout is ${keepAliveTimeout} ms: a load balancer that keeps idle connections ` +
    'for longer answers 502 now and then. Set server.keepAliveTimeout to 75000, or longer than the load balancer does';
  // The server may listen already when the proxy is created, and has its listeners.
  process.nextTick(() => tell(text));
}

/** Stops accepting connections. Resolves when all open ones have ended. */
export function closeServer(server: Server | HttpsServer): Promise<void> {
  return new Promise((resolve) => {
    // The only possible error is that the server was not listening, which is fine.
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
