import type { ClientRequest, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SessionWork } from '../sessions/binding';
import { startDeadline } from '../base/deadline';
import { refusals, type Refusal } from '../base/refusals';
import { fieldLines, hasLeft, requestHeaders, responseHeaders, type HeaderRules } from './headers';
import { requestTo } from '../hosts/host-request';
import type { HostTls } from '../hosts/host-tls';
import { hostTarget } from './host-target';
import { Joint } from './joint';
import { Outflow } from './outflow';
import { requestIdOf } from './request-id';
import type { Route } from '../routing/route';
import { MAX_HANDSHAKE_SIZE, openPacketOfFrame, type OpenPacket } from '../routing/sniffer';
import { Traffic } from './traffic';
import type { Work } from './under-way';
import type { Upgrade } from './upgrade';

/** Times in ms. */
export interface TunnelOptions extends HeaderRules {
  readonly connectTimeout: number;
  readonly hostTimeout: number;
  readonly hostTls: HostTls;
}

/** The forwarder, as far as a tunnel needs it. */
export interface TunnelContext {
  readonly options: TunnelOptions;
  /** Calls `again` now or soon, possibly with another host in the route; or returns a refusal. */
  reroute(tunnel: Tunnel, error: Error, again: () => void): Refusal | undefined;
  /** Called when the handshake opens a session. */
  openedByWebSocket(tunnel: Tunnel, packet: OpenPacket): void;
  /** Called with the status of each answer of the host. */
  answered(tunnel: Tunnel, status: number): void;
  /** Answers with the refusal and counts it. */
  refuseUpgrade(req: IncomingMessage, socket: Duplex, refusal: Refusal): void;
  /** Called once when the tunnel is over, in any way. */
  ended(tunnel: Tunnel): void;
}

/** One WebSocket: the upgrade request, and the two sockets that are joined once the host accepts it. */
export class Tunnel implements SessionWork, Work {
  readonly route: Route;
  place = -1;
  newer: SessionWork | undefined;
  older: SessionWork | undefined;
  /** As of an exchange. */
  readonly requestId: string | undefined;
  readonly #upgrade: Upgrade;
  readonly #socket: Duplex;
  #outflows: readonly Outflow[];
  readonly #context: TunnelContext;
  /** The request to the host, until that has switched protocols. */
  #request: ClientRequest | undefined;
  #hostSocket: Socket | undefined;
  #joint: Joint | undefined;
  #traffic: Traffic | undefined;
  #hasOpened = false;
  #status: number | undefined;
  #refusal: Refusal | undefined;

  constructor(upgrade: Upgrade, route: Route, context: TunnelContext) {
    this.#upgrade = upgrade;
    this.#socket = upgrade.socket;
    this.#outflows = upgrade.outflows;
    this.route = route;
    this.#context = context;
    this.requestId = requestIdOf(upgrade.req, context.options);
  }

  /** The upgrade request. @throws Error once the tunnel is joined. */
  get req(): IncomingMessage {
    return this.#upgrade.req;
  }

  /** A handshake over this WebSocket has opened the session. */
  get hasOpened(): boolean {
    return this.#hasOpened;
  }

  /** The status of the host's answer; `undefined` until then. */
  get status(): number | undefined {
    return this.#status;
  }

  /** The host has answered with 400, as it does if it does not know the sid. */
  get wasRejected(): boolean {
    return this.#status === 400;
  }

  /** The refusal that the client got instead of the host's answer, if any. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  get outflows(): readonly Outflow[] {
    return this.#outflows;
  }

  /** The host has accepted the WebSocket. */
  get isJoined(): boolean {
    return this.#joint !== undefined;
  }

  get isLasting(): boolean {
    return this.#joint?.isLeaving === false;
  }

  start(): void {
    this.#socket.once('close', () => {
      this.#request?.destroy();
      this.countBytes();
      this.#hostSocket?.destroy();
      this.#context.ended(this);
    });
    if (this.#socket instanceof Socket) {
      // The HTTP server's timeout does not apply to a WebSocket. Nagle's algorithm would delay small frames.
      this.#socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, 30_000);
    }
    this.#connect();
  }

  /** Ends the tunnel now, see {@link Joint.destroy}. */
  destroy(): void {
    if (this.#joint) this.#joint.destroy();
    else this.#socket.destroy();
  }

  /** Ends the tunnel as if the client had gone, see {@link Joint.leave}. */
  leave(): void {
    if (this.#joint) this.#joint.leave();
    else this.destroy();
  }

  /** Adds the bytes carried since the last call to the host's totals. */
  countBytes(): void {
    this.#traffic?.countBytes();
  }

  #connect(): void {
    if (hasLeft(this.req)) {
      this.destroy();
      return;
    }
    const { options } = this.#context;
    let connected = false;
    const request = this.#request = openRequest(this.req, this.route, options, this.requestId);
    let late: Refusal | undefined;
    const deadline = (ms: number, refusal: Refusal): (() => void) => startDeadline(ms, () => {
      late = refusal;
      request.destroy(Object.assign(new Error('the host is silent'), { code: 'ETIMEDOUT' }));
    });
    let cancel = deadline(options.connectTimeout, refusals.hostFailed);
    request.once('socket', (socket) => {
      socket.once(this.route.host.url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        if (socket.destroyed) return;
        // From here on the host may have the request, so it must not be sent again.
        connected = true;
        cancel();
        cancel = deadline(options.hostTimeout, refusals.hostTimeout);
      });
    });
    request.once('close', () => cancel());
    request.once('upgrade', (response, socket, head) => {
      cancel();
      this.#answered(101);
      this.#join(response, socket, head);
    });
    request.once('response', (response) => {
      cancel();
      this.#answered(response.statusCode ?? 502);
      this.#relay(response);
    });
    request.on('error', (error) => {
      if (this.#socket.destroyed || this.#hostSocket) return;
      if (connected) this.#refuse(late ?? refusals.hostFailed);
      else this.#goElsewhere(error);
    });
    request.end();
  }

  #answered(status: number): void {
    this.#status = status;
    this.#context.answered(this, status);
  }

  #goElsewhere(error: Error): void {
    const refusal = this.#context.reroute(this, error, () => this.#connect());
    if (refusal) this.#refuse(refusal);
  }

  #refuse(refusal: Refusal): void {
    this.#refusal = refusal;
    this.#context.refuseUpgrade(this.req, this.#socket, refusal);
  }

  /** Passes on the answer of a host that does not switch protocols. The client's connection ends with it. */
  #relay(response: IncomingMessage): void {
    response.on('error', () => this.destroy());
    this.#request?.setTimeout(this.#context.options.hostTimeout, () => this.destroy());
    const { statusCode = 502 } = response;
    const headers = [...responseHeaders(response.rawHeaders, statusCode), 'Connection', 'close'];
    this.#socket.write(head(`${statusCode} ${response.statusMessage ?? ''}`, headers), 'latin1');
    response.pipe(this.#socket).once('finish', () => this.destroy());
  }

  #join(response: IncomingMessage, hostSocket: Socket, hostHead: Buffer): void {
    const socket = this.#socket;
    // With its answer it would take as much memory as the rest of an idle WebSocket.
    this.#request = undefined;
    this.#hostSocket = hostSocket;
    this.#outflows = [...this.#outflows, new Outflow(hostSocket)];
    const { host: { totals }, binding } = this.route;
    this.#traffic = new Traffic(hostSocket, totals);
    if (binding) totals.upgrades += 1;
    hostSocket.setTimeout(0).setNoDelay(true).setKeepAlive(true, 30_000);
    const joint = this.#joint = new Joint(socket, hostSocket);
    if (socket.destroyed) {
      hostSocket.destroy();
      return;
    }
    // Before the first `data` listener: a flowing socket would emit it at once, before the pipe to the client exists.
    if (hostHead.length > 0) hostSocket.unshift(hostHead);
    if (!binding) this.#sniff(hostSocket);
    this.#upgrade.release();
    joint.join(head('101 Switching Protocols', [
      ...responseHeaders(response.rawHeaders, 101), 'Connection', 'Upgrade', 'Upgrade', 'websocket',
    ]));
  }

  /** Reads the first frame as it passes. It holds the sid of a session that the WebSocket opens. */
  #sniff(hostSocket: Socket): void {
    let seen: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const packet = openPacketOfFrame(seen);
      if (packet === 'incomplete' && seen.length <= MAX_HANDSHAKE_SIZE) return;
      hostSocket.off('data', onData);
      // The frame need not wait for the binding: no later request uses it.
      if (typeof packet !== 'object') return;
      this.#hasOpened = true;
      this.#context.openedByWebSocket(this, packet);
    };
    hostSocket.on('data', onData);
  }
}

function openRequest(
  req: IncomingMessage, { host, binding }: Route, options: TunnelOptions, id: string | undefined,
): ClientRequest {
  const headers = ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...requestHeaders(req, host, options)];
  if (id !== undefined) headers.push('X-Request-Id', id);
  const path = hostTarget(req.url ?? '/', binding, options.tokens);
  return requestTo(host, options.hostTls, { path, headers, setHost: false });
}

function head(status: string, headers: readonly string[]): string {
  return `HTTP/1.1 ${status}\r\n${fieldLines(headers)}\r\n`;
}
