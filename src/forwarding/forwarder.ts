import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import createDebug from 'debug';
import httpProxy from 'http-proxy';
import { NEVER, type Binding } from '../sessions/binding';
import type { Bindings } from '../sessions/bindings';
import type { ClientRequest, ClientResponse } from './client';
import type { Connection } from './connection';
import { Connections, type ConnectionsOptions } from './connections';
import { refusals, type Refusal } from '../base/refusals';
import type { RequestHead } from '../base/request-head';
import { Exchange, type ExchangeContext } from './exchange';
import type { HeldResponse } from './held-response';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { countRefusal, countResponse, type Totals } from '../base/totals';
import { reroute, type Route } from '../routing/route';
import { shownSid } from '../base/shown';
import { isJsonp, type OpenPacket } from '../routing/sniffer';
import { closeSession, type SessionAtHostOptions } from '../sessions/session-at-host';
import { Tunnel, type TunnelContext, type TunnelOptions } from './tunnel';
import { refuse, refuseUpgrade } from './refuse';
import type { UnderWay } from './under-way';
import type { Upgrade } from './upgrade';

const debug = createDebug('socket.io-proxy:forwarder');

/** The transport that opened a session. */
export type Transport = 'polling' | 'websocket';

/** A session that this proxy has just opened. */
export interface Session {
  /** The session id that the host assigned. */
  readonly sid: string;
  /** The host's name, as in `hosts`. */
  readonly host: string;
  /** The transport of the handshake. */
  readonly transport: Transport;
}

export interface ForwarderOptions extends TunnelOptions, ConnectionsOptions, SessionAtHostOptions {
  readonly onStoreFailure: 'local' | 'refuse';
}

/** The parts that a forwarder works with. */
export interface ForwarderParts {
  readonly hosts: Hosts;
  readonly bindings: Bindings;
  readonly totals: Totals;
  readonly underWay: UnderWay;
}

/** A pass of http-proxy. Returning true ends the chain. http-proxy's own passes ignore the last argument. */
type Pass = (req: unknown, out: unknown, options: unknown, head: unknown, frame: unknown, run: () => void) => boolean;

/**
 * The part of http-proxy that its types lack. The exchange or tunnel comes in through the callback: http-proxy copies
 * per-request options with `util._extend`, which prints a deprecation warning.
 */
interface Frame {
  before(type: 'web' | 'ws', name: 'stream', pass: Pass): void;
  web(req: ClientRequest, res: ClientResponse, run: () => void): void;
  ws(req: IncomingMessage, socket: Duplex, head: Buffer, run: () => void): void;
}

/** http-proxy requires a `head`, but its pass that reads it is replaced. */
const UNUSED_HEAD = Buffer.alloc(0);

/** http-proxy requires a target. */
const UNUSED_TARGET = new URL('http://localhost');

/**
 * Forwards requests to the hosts of their routes. http-proxy is the frame, since this package wraps its life cycle. Its
 * last passes would open a connection for each request: an exchange for requests and a tunnel for WebSockets replace
 * them.
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

  constructor(options: ForwarderOptions, parts: ForwarderParts, onSession: (session: Session) => void) {
    const { hosts } = parts;
    this.options = options;
    this.#hosts = hosts;
    this.#bindings = parts.bindings;
    this.#totals = parts.totals;
    this.#underWay = parts.underWay;
    this.#onSession = onSession;
    this.#connections = new Connections(options);
    this.#frame = createFrame();
    hosts.on('removed', (host) => this.#abandon(host));
  }

  get closing(): boolean {
    return this.#underWay.closing;
  }

  web(req: ClientRequest, res: ClientResponse, route: Route): Exchange {
    const exchange = new Exchange(req, res, route, this);
    this.#begin(exchange);
    this.#frame.web(req, res, () => this.#run(exchange));
    return exchange;
  }

  ws(upgrade: Upgrade, route: Route): Tunnel {
    const tunnel = new Tunnel(upgrade, route, this);
    this.#begin(tunnel);
    this.#frame.ws(upgrade.req, upgrade.socket, UNUSED_HEAD, () => this.#run(tunnel));
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
      countOpen(work, route.host, 1);
      route.host.opening += 1;
      countOpen(work, from, -1);
      from.opening -= 1;
      this.#hosts.settle(from);
    }
    if (typeof outcome !== 'number') return outcome;
    if (outcome > 0) setTimeout(again, outcome).unref();
    else again();
    return undefined;
  }

  async opened(exchange: Exchange, packet: OpenPacket, held: HeldResponse): Promise<Refusal | undefined> {
    const { req, route: { host } } = exchange;
    const sid = this.#clientSid(packet, host);
    const isShown = sid === packet.sid || held.rename(sid);
    const binding = isShown ? await this.#bindings.bind(sid, host, packet.lifetime) : undefined;
    if (!binding) {
      // The session that the host has just opened has no client.
      void closeSession(host, sid, isJsonp(req.url ?? ''), this.options).catch(() => {});
      return isShown ? refusals.duplicateSid : refusals.noToken;
    }
    if (binding.storedAt === NEVER && this.options.onStoreFailure === 'refuse') {
      this.#bindings.forget(sid, 'ended', binding);
      return refusals.storeFailed;
    }
    this.#bound(exchange, binding, 'polling');
    return undefined;
  }

  openedByWebSocket(tunnel: Tunnel, packet: OpenPacket): void {
    const { host } = tunnel.route;
    const { lifetime } = packet;
    // Its client needs no token, but an operator may name any session in one way.
    const sid = this.#clientSid(packet, host);
    void this.#bindings.bind(sid, host, lifetime).then((binding) => {
      // A session that was opened by WebSocket needs no routing, so it may go on without its sid.
      this.#bound(tunnel, binding ?? this.#bindings.bindApart(sid, host, lifetime), 'websocket');
    });
  }

  answered({ route: { host, binding }, req: { method } }: Exchange | Tunnel, status: number): void {
    host.answered(status < 500);
    countResponse(host.totals, status);
    // A preflight is answered for any sid.
    if (binding && (status === 101 || (status === 200 && (method === 'GET' || method === 'POST')))) {
      this.#bindings.counts.confirm(binding);
    }
  }

  refuse(req: RequestHead, res: ClientResponse, refusal: Refusal): void {
    countRefusal(this.#totals, refusal);
    refuse(req, res, refusal, this.closing || refusal.close);
  }

  refuseUpgrade(req: IncomingMessage, socket: Duplex, refusal: Refusal): void {
    countRefusal(this.#totals, refusal);
    refuseUpgrade(req, socket, refusal);
  }

  /** The open requests and WebSockets of a session. */
  of(binding: Binding): (Exchange | Tunnel)[] {
    const works: (Exchange | Tunnel)[] = [];
    for (let work = binding.work; work; work = work.older) {
      if (work instanceof Exchange || work instanceof Tunnel) works.push(work);
    }
    return works;
  }

  /** Adds the bytes that open connections have carried so far. Closed ones were counted when they ended. */
  countBytes(): void {
    for (const work of this.#underWay.items) if (work instanceof Tunnel) work.countBytes();
    this.#connections.countBytes();
  }

  ended(work: Exchange | Tunnel): void {
    const { host, binding } = work.route;
    this.#underWay.delete(work);
    countOpen(work, host, -1);
    if (!binding) {
      host.opening -= 1;
    } else {
      this.#bindings.release(binding, work, work.wasRejected);
      if (work instanceof Tunnel && work.isJoined) this.#leave(work, binding);
    }
    if (host.draining) this.#hosts.settle(host);
  }

  /** Closes the connections to the hosts. */
  close(): void {
    this.#connections.destroy();
  }

  #begin(work: Exchange | Tunnel): void {
    const { host, binding } = work.route;
    if (binding) this.#bindings.hold(binding, work);
    else host.opening += 1;
    countOpen(work, host, 1);
  }

  #run(work: Exchange | Tunnel): void {
    this.#underWay.add(work);
    work.start();
  }

  /** The sid under which the session is bound. */
  #clientSid({ sid }: OpenPacket, { name }: Host): string {
    return this.options.tokens?.add(sid, name) ?? sid;
  }

  /** Assigns the handshake's request or WebSocket to the session that it opened. */
  #bound(work: Exchange | Tunnel, binding: Binding, transport: Transport): void {
    const { sid, host } = binding;
    debug('%s opened on %s by %s', shownSid(sid), host.name, transport);
    host.totals.handshakes[transport] += 1;
    if (this.#underWay.has(work)) {
      host.opening -= 1;
      work.route.binding = binding;
      this.#bindings.hold(binding, work);
    } else if (transport === 'websocket') {
      // Its client may be back by way of another proxy, and the store may have that session by now.
      this.#bindings.forget(sid, 'ended', binding);
    }
    this.#onSession({ sid, host: host.name, transport });
  }

  /** Called when a WebSocket has ended. If it opened the session, the session ends too: no transport can resume it. */
  #leave(tunnel: Tunnel, binding: Binding): void {
    if (tunnel.hasOpened) this.#bindings.unbind(binding.sid, binding.host, binding, true);
    else this.#bindings.fade(binding);
  }

  /** Ends everything on a removed host. */
  #abandon(host: Host): void {
    for (const work of this.#underWay.items) {
      if ((work instanceof Exchange || work instanceof Tunnel) && work.route.host === host) work.destroy();
    }
    this.#connections.abandon(host);
  }
}

function countOpen(work: Exchange | Tunnel, host: Host, change: 1 | -1): void {
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
