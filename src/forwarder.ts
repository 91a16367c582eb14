import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import createDebug from 'debug';
import httpProxy from 'http-proxy';
import { Bag } from './bag';
import type { Binding, Bindings } from './bindings';
import type { Connection } from './connection';
import { Connections } from './connections';
import { refusals, type Refusal } from './errors';
import { Exchange, type ExchangeContext } from './exchange';
import type { Hosts } from './hosts';
import type { ResolvedOptions } from './options';
import { reroute, type Route } from './route';
import type { OpenPacket } from './sniffer';
import { Tunnel, type TunnelContext } from './tunnel';

const debug = createDebug('socket.io-proxy:forwarder');

/** How a session was opened. */
export type Transport = 'polling' | 'websocket';

/** A session that was just opened through this proxy. */
export interface Session {
  /** The session id, as the host made it. */
  readonly sid: string;
  /** The host's name, as it stands in `hosts`. */
  readonly host: string;
  /** What its handshake came by. */
  readonly transport: Transport;
}

/** A pass that returns true ends the chain. The last argument is the caller's, which no pass of http-proxy's calls. */
type Pass = (req: unknown, out: unknown, options: unknown, head: unknown, frame: unknown, run: () => void) => boolean;

/**
 * What http-proxy has and its types do not tell. Options of a single request would say where it goes, but http-proxy
 * copies them, and all others, by `util._extend`, which warns that it is deprecated. So its callback says it.
 */
interface Frame {
  before(type: 'web' | 'ws', name: 'stream', pass: Pass): void;
  web(req: IncomingMessage, res: ServerResponse, run: () => void): void;
  ws(req: IncomingMessage, socket: Duplex, head: Buffer, run: () => void): void;
}

/** http-proxy asks for a target before it begins. */
const UNUSED_TARGET = new URL('http://localhost');

/**
 * Sends requests to the hosts that their routes name. http-proxy is the frame; in the place of its last passes stand
 * an exchange for requests and a tunnel for WebSockets.
 */
export class Forwarder implements ExchangeContext, TunnelContext {
  readonly options: ResolvedOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #onSession: (session: Session) => void;
  readonly #connections: Connections;
  readonly #frame: Frame;
  readonly #active = new Bag<Exchange | Tunnel>();
  #closing = false;
  #onIdle: (() => void) | undefined;

  constructor(options: ResolvedOptions, hosts: Hosts, bindings: Bindings, onSession: (session: Session) => void) {
    this.options = options;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#onSession = onSession;
    this.#connections = new Connections(options);
    this.#frame = createFrame();
  }

  get changeOrigin(): boolean {
    return this.options.changeOrigin;
  }

  get xfwd(): boolean {
    return this.options.xfwd;
  }

  get trustProxy(): boolean {
    return this.options.trustProxy;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Forwards a request. */
  web(req: IncomingMessage, res: ServerResponse, route: Route): void {
    if (route.binding) this.#bindings.hold(route.binding);
    this.#frame.web(req, res, () => this.#run(new Exchange(req, res, route, this)));
  }

  /** Forwards an upgrade to WebSocket; `head` is what the client sent after the request's head. */
  ws(req: IncomingMessage, socket: Duplex, head: Buffer, route: Route): void {
    if (route.binding) this.#bindings.hold(route.binding);
    this.#frame.ws(req, socket, head, () => this.#run(new Tunnel(req, socket, head, route, this)));
  }

  acquire(route: Route): Connection {
    return this.#connections.acquire(route.host);
  }

  reroute(route: Route, error: Error): Refusal | undefined {
    debug('%s can not be reached: %s', route.host.name, error.message);
    const { connectTimeout } = this.options;
    return reroute(route, error, { hosts: this.#hosts, bindings: this.#bindings, connectTimeout });
  }

  async opened(route: Route, packet: OpenPacket): Promise<Refusal | undefined> {
    const binding = await this.#bindings.bind(packet.sid, route.host.name, packet.lifetime);
    if (binding.storedAt === 0 && this.options.onStoreFailure === 'refuse') {
      this.#bindings.unbind(packet.sid);
      return refusals.storeFailed;
    }
    this.#tell(binding, 'polling');
    return undefined;
  }

  openedByWebSocket(tunnel: Tunnel, { sid, lifetime }: OpenPacket): void {
    void this.#bindings.bind(sid, tunnel.route.host.name, lifetime).then((binding) => {
      this.#tell(binding, 'websocket');
      if (!this.#active.has(tunnel)) return;
      this.#bindings.hold(binding);
      tunnel.binding = binding;
    });
  }

  ended(over: Exchange | Tunnel): void {
    this.#active.delete(over);
    if (over.route.binding) this.#bindings.release(over.route.binding);
    if (over instanceof Tunnel && over.binding) this.#bindings.release(over.binding);
    if (this.#active.size === 0) this.#onIdle?.();
  }

  /**
   * Waits until every request and WebSocket has ended, or ends those that have not after `drainTimeout`. Then closes
   * the connections to the hosts.
   */
  async drain(): Promise<void> {
    this.#closing = true;
    if (this.#active.size > 0) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(() => {
          debug('%d requests and WebSockets end with the drain timeout', this.#active.size);
          for (const active of this.#active.items) active.destroy();
        }, this.options.drainTimeout);
        this.#onIdle = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
    }
    this.#connections.destroy();
  }

  #run(work: Exchange | Tunnel): void {
    this.#active.add(work);
    work.start();
  }

  #tell({ sid, host }: Binding, transport: Transport): void {
    debug('%s opened on %s by %s', sid, host, transport);
    this.#onSession({ sid, host, transport });
  }
}

function createFrame(): Frame {
  const frame = httpProxy.createProxyServer({ target: UNUSED_TARGET }) as httpProxy & Frame;
  const pass: Pass = (_req, _out, _options, _head, _frame, run) => {
    run();
    return true;
  };
  frame.before('web', 'stream', pass);
  frame.before('ws', 'stream', pass);
  return frame;
}
