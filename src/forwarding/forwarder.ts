import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import createDebug from 'debug';
import httpProxy from 'http-proxy';
import { link, NEVER, unlink, type Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import type { Connection } from './connection';
import { Connections, type ConnectionsOptions } from './connections';
import { refusals, refuse, refuseUpgrade, type Refusal } from '../base/errors';
import { Exchange, type ExchangeContext } from './exchange';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { countRefusal, type Totals } from '../base/totals';
import { reroute, type Route } from '../routing/route';
import { shownSid } from '../base/shown';
import type { OpenPacket } from '../routing/sniffer';
import { Tunnel, type TunnelContext, type TunnelOptions } from './tunnel';
import type { UnderWay } from './under-way';
import type { Upgrade } from './upgrade';

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

export interface ForwarderOptions extends TunnelOptions, ConnectionsOptions {
  readonly onStoreFailure: 'local' | 'refuse';
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

/** The pass that http-proxy would give it to is another. */
const NOTHING = Buffer.alloc(0);

/** http-proxy asks for a target before it begins. */
const UNUSED_TARGET = new URL('http://localhost');

/**
 * Sends requests to the hosts that their routes name. http-proxy is the frame; in the place of its last passes stand
 * an exchange for requests and a tunnel for WebSockets.
 */
export class Forwarder implements ExchangeContext, TunnelContext {
  readonly options: ForwarderOptions;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #totals: Totals;
  readonly #onSession: (session: Session) => void;
  readonly #connections: Connections;
  readonly #frame: Frame;
  readonly #underWay: UnderWay;

  constructor(
    options: ForwarderOptions, hosts: Hosts, bindings: Bindings, totals: Totals, underWay: UnderWay,
    onSession: (session: Session) => void,
  ) {
    this.#underWay = underWay;
    this.options = options;
    this.#totals = totals;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#onSession = onSession;
    this.#connections = new Connections(options);
    this.#frame = createFrame();
    hosts.on('removed', (host) => this.#abandon(host));
  }

  get closing(): boolean {
    return this.#underWay.closing;
  }

  /** Forwards a request. */
  web(req: IncomingMessage, res: ServerResponse, route: Route): Exchange {
    const exchange = new Exchange(req, res, route, this);
    this.#begin(exchange);
    this.#frame.web(req, res, () => this.#run(exchange));
    return exchange;
  }

  /** Forwards an upgrade to WebSocket. */
  ws(upgrade: Upgrade, route: Route): Tunnel {
    const tunnel = new Tunnel(upgrade, route, this);
    this.#begin(tunnel);
    this.#frame.ws(upgrade.req, upgrade.socket, NOTHING, () => this.#run(tunnel));
    this.#underWay.watch();
    return tunnel;
  }

  acquire(route: Route): Connection {
    return this.#connections.acquire(route.host);
  }

  reroute(work: Exchange | Tunnel, error: Error, again: () => void): Refusal | undefined {
    const { route } = work;
    const { host: from } = route;
    debug('%s can not be reached: %s', from.name, error.message);
    const { connectTimeout, hostTimeout } = this.options;
    const context = { hosts: this.#hosts, bindings: this.#bindings, connectTimeout, hostTimeout };
    const outcome = reroute(route, work.req, error, context);
    if (route.host !== from) {
      count(work, route.host, 1);
      route.host.opening += 1;
      count(work, from, -1);
      from.opening -= 1;
      this.#hosts.settle(from);
    }
    if (typeof outcome !== 'number') return outcome;
    if (outcome > 0) setTimeout(again, outcome).unref();
    else again();
    return undefined;
  }

  async opened(exchange: Exchange, { sid, lifetime }: OpenPacket): Promise<Refusal | undefined> {
    const binding = await this.#bindings.bind(sid, exchange.route.host, lifetime);
    if (binding.storedAt === NEVER && this.options.onStoreFailure === 'refuse') {
      this.#bindings.forget(binding, 'ended');
      return refusals.storeFailed;
    }
    this.#bound(exchange, binding, 'polling');
    return undefined;
  }

  openedByWebSocket(tunnel: Tunnel, { sid, lifetime }: OpenPacket): void {
    void this.#bindings.bind(sid, tunnel.route.host, lifetime).then((binding) => {
      this.#bound(tunnel, binding, 'websocket');
    });
  }

  refuse(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void {
    countRefusal(this.#totals, refusal);
    refuse(req, res, refusal, this.closing || refusal.close);
  }

  refuseUpgrade(req: IncomingMessage, socket: Duplex, refusal: Refusal): void {
    countRefusal(this.#totals, refusal);
    refuseUpgrade(req, socket, refusal);
  }

  /** The requests and WebSockets of a session that are under way. */
  of(binding: Binding): (Exchange | Tunnel)[] {
    const works: (Exchange | Tunnel)[] = [];
    for (let work = binding.work; work; work = work.older) {
      if (work instanceof Exchange || work instanceof Tunnel) works.push(work);
    }
    return works;
  }

  /** Counts what is open has carried so far: what has ended is counted already. */
  count(): void {
    for (const work of this.#underWay.items) if (work instanceof Tunnel) work.count();
    this.#connections.count();
  }

  ended(work: Exchange | Tunnel): void {
    const { host, binding } = work.route;
    this.#underWay.delete(work);
    count(work, host, -1);
    if (!binding) {
      host.opening -= 1;
    } else {
      unlink(work, binding);
      this.#bindings.release(binding);
      if (work instanceof Tunnel) this.#leave(work, binding);
    }
    if (host.draining) this.#hosts.settle(host);
  }

  /** Closes the connections to the hosts. */
  close(): void {
    this.#connections.destroy();
  }

  #begin(work: Exchange | Tunnel): void {
    const { host, binding } = work.route;
    if (binding) this.#hold(binding, work);
    else host.opening += 1;
    count(work, host, 1);
  }

  #hold(binding: Binding, work: Exchange | Tunnel): void {
    link(work, binding);
    this.#bindings.hold(binding);
  }

  #run(work: Exchange | Tunnel): void {
    this.#underWay.add(work);
    work.start();
  }

  /** What has opened a session belongs to it from then on. */
  #bound(work: Exchange | Tunnel, binding: Binding, transport: Transport): void {
    const { sid, host } = binding;
    debug('%s opened on %s by %s', shownSid(sid), host.name, transport);
    host.totals.handshakes[transport] += 1;
    if (this.#underWay.has(work)) {
      host.opening -= 1;
      work.route.binding = binding;
      this.#hold(binding, work);
    } else if (transport === 'websocket') {
      this.#bindings.unbind(binding, host, 'ended');
    }
    this.#onSession({ sid, host: host.name, transport });
  }

  /** A WebSocket has ended, and with it the session that it has opened, which no other transport can carry on. */
  #leave(tunnel: Tunnel, binding: Binding): void {
    if (tunnel.hasOpened) this.#bindings.unbind(binding, binding.host, 'ended');
    else this.#bindings.fade(binding);
  }

  /** The host is to carry nothing any more. */
  #abandon(host: Host): void {
    for (const work of this.#underWay.items) {
      if ((work instanceof Exchange || work instanceof Tunnel) && work.route.host === host) work.destroy();
    }
    this.#connections.abandon(host);
  }
}

function count(work: Exchange | Tunnel, host: Host, change: 1 | -1): void {
  if (work instanceof Tunnel) {
    host.tunnels += change;
  } else {
    host.requests += change;
    if (work.isPoll) host.polls += change;
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
