import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import createDebug from 'debug';
import httpProxy from 'http-proxy';
import type { Binding, Bindings } from './bindings';
import { Connections, type Connection } from './connections';
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

/** http-proxy's own options, and the route: its passes hand them on to the last, which is ours. */
interface PassOptions extends httpProxy.ServerOptions {
  readonly route: Route;
}

type Pass<Out> = (req: IncomingMessage, out: Out, options: PassOptions, head: Buffer) => true;

/** What http-proxy has and its types do not tell: a pass that returns true ends the chain. */
interface Frame extends httpProxy {
  before(type: 'web', name: string, pass: Pass<ServerResponse>): void;
  before(type: 'ws', name: string, pass: Pass<Duplex>): void;
}

/**
 * Sends requests to the hosts that their routes name. http-proxy is the frame, and adds `X-Forwarded-*`; in the place
 * of its last passes stand an exchange for requests and a tunnel for WebSockets.
 */
export class Forwarder implements ExchangeContext, TunnelContext {
  readonly options: ResolvedOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #onSession: (session: Session) => void;
  readonly #connections: Connections;
  readonly #frame: Frame;
  readonly #active = new Set<Exchange | Tunnel>();
  #closing = false;
  #onIdle: (() => void) | undefined;

  constructor(options: ResolvedOptions, hosts: Hosts, bindings: Bindings, onSession: (session: Session) => void) {
    this.options = options;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#onSession = onSession;
    this.#connections = new Connections(options);
    this.#frame = httpProxy.createProxyServer({ xfwd: options.xfwd }) as Frame;
    this.#frame.before('web', 'stream', (req, res, { route }) => this.#run(new Exchange(req, res, route, this)));
    this.#frame.before('ws', 'stream', (req, socket, { route }, head) =>
      this.#run(new Tunnel(req, socket, head, route, this)));
  }

  get changeOrigin(): boolean {
    return this.options.changeOrigin;
  }

  get xfwd(): boolean {
    return this.options.xfwd;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /** Forwards a request. */
  web(req: IncomingMessage, res: ServerResponse, route: Route): void {
    if (route.binding) this.#bindings.hold(route.binding);
    this.#frame.web(req, res, passOptions(route));
  }

  /** Forwards an upgrade to WebSocket; `head` is what the client sent after the request's head. */
  ws(req: IncomingMessage, socket: Duplex, head: Buffer, route: Route): void {
    if (route.binding) this.#bindings.hold(route.binding);
    this.#frame.ws(req, socket, head, passOptions(route));
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
          for (const active of this.#active) active.destroy();
        }, this.options.drainTimeout);
        this.#onIdle = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
    }
    this.#connections.destroy();
  }

  #run(work: Exchange | Tunnel): true {
    this.#active.add(work);
    work.start();
    return true;
  }

  #tell({ sid, host }: Binding, transport: Transport): void {
    debug('%s opened on %s by %s', sid, host, transport);
    this.#onSession({ sid, host, transport });
  }
}

/** http-proxy asks for a target, and leaves one that is no string as it is. */
function passOptions(route: Route): PassOptions {
  return { target: route.host.url, route };
}
