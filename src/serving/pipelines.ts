import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { watch, type AccessEntry, type AccessOutcome } from './access';
import { refusals, type Refusal } from '../base/refusals';
import type { Totals } from '../base/totals';
import type { ClientRequest, ClientResponse } from '../forwarding/client';
import type { Exchange } from '../forwarding/exchange';
import type { Forwarder } from '../forwarding/forwarder';
import type { HealthSource } from '../hosts/health-checker';
import { isWebSocket } from '../routing/request-checks';
import type { Route } from '../routing/route';
import type { Router } from '../routing/router';
import type { TrustProxy } from '../base/trusted-networks';
import type { Tunnel } from '../forwarding/tunnel';
import type { UnderWay } from '../forwarding/under-way';
import { Upgrade } from '../forwarding/upgrade';
import { limitConnections } from './connection-limit';
import { FastPath, type FastPathParts } from './fast-path';
import type { HealthPath } from './health-path';
import { readAgain } from './other-upgrades';
import { readProxyHeaders } from './proxy-protocol';
import { Line, Wait } from './waiting';

/**
 * The most pipelined requests that may wait on a connection. Node reads any number of them, even while the first is a
 * held poll.
 */
const MAX_PIPELINED = 100;

export interface PipelineOptions extends Pick<FastPathParts, 'path' | 'maxHeaderSize'> {
  readonly trustProxy: TrustProxy;
  readonly fastPath: boolean;
  readonly proxyProtocol: boolean;
  /** `undefined`: unlimited. */
  readonly maxConnectionsPerAddress: number | undefined;
}

/** The parts that handle requests and upgrades. */
export interface PipelineParts {
  readonly health: HealthSource;
  readonly healthPath: HealthPath;
  readonly router: Router;
  readonly forwarder: Forwarder;
  readonly underWay: UnderWay;
  readonly server: Server | HttpsServer;
  /** The listener for finished requests, if there is one. */
  access(): ((entry: AccessEntry) => void) | undefined;
}

/** Handles requests and upgrades: both get a route in the same way and differ after that. */
export class Pipelines {
  readonly #options: PipelineOptions;
  readonly #parts: PipelineParts;
  #fast: FastPath | undefined;
  /** The lines of all connections on which requests wait or have waited. */
  readonly #lines = new WeakMap<Socket, Line>();

  constructor(options: PipelineOptions, parts: PipelineParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Does what is done on the proxy's own server alone, once it is taken over. */
  ownServer(totals: Totals, suspicious: (host: undefined, text: string) => void): void {
    const { server, underWay } = this.#parts;
    const options = this.#options;
    if (options.fastPath) {
      this.#fast = new FastPath(server, { ...options, underWay, serve: (req, res) => this.serve(req, res) });
    }
    const { maxConnectionsPerAddress: most, trustProxy } = options;
    if (most !== undefined) limitConnections(server, most, trustProxy, totals);
    // Last, since it comes before all that listen for connections.
    if (options.proxyProtocol) readProxyHeaders(server, options, totals, suspicious);
  }

  request(req: IncomingMessage, res: ServerResponse): void {
    const { healthPath, underWay } = this.#parts;
    if (hasEnded(req.socket)) return;
    this.#fast?.follow(req, res);
    // A pipelined request waits until the earlier response was sent. If it began now, it would not notice the end of
    // its connection, and requests after a refused body would be trusted.
    if (!res.socket) this.#wait(req, res);
    // Before anything that counts, waits or may refuse.
    else if (healthPath.owns(req.url ?? '')) healthPath.answer(req, res, underWay.closing);
    else this.serve(req, res);
  }

  /** Handles a request for the proxy's path whose turn has come. */
  serve(req: ClientRequest, res: ClientResponse): void {
    const { forwarder } = this.#parts;
    let refusal: Refusal | undefined;
    let exchange: Exchange | undefined;
    const tell = this.#parts.access();
    if (tell) {
      watch(req, res, this.#options.trustProxy, () => outcomeOf(refusal, exchange, statusOf(res)), tell);
    }
    this.#routed(req, res, (found) => {
      if ('status' in found) {
        refusal = found;
        forwarder.refuse(req, res, found);
      } else if (!res.destroyed) {
        exchange = forwarder.web(req, res, found);
      }
    });
  }

  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (hasEnded(socket)) {
      // Node no longer listens, and without a listener an error would end the process.
      socket.on('error', () => {});
      return;
    }
    const upgrade = new Upgrade(req, socket, head, this.#parts.underWay);
    upgrade.inTurn(() => {
      if (isWebSocket(req)) this.#upgrade(upgrade);
      else this.#ignore(upgrade);
    });
  }

  /** Handles the request as one that asks for no upgrade, unless the bytes that follow it cannot be trusted. */
  #ignore(upgrade: Upgrade): void {
    const { router, server } = this.#parts;
    const { req, socket } = upgrade;
    if (socket instanceof Socket && !router.headFaultOf(req)) {
      upgrade.giveBack();
      readAgain(server, req, socket);
    } else {
      this.#upgrade(upgrade);
    }
  }

  #upgrade(upgrade: Upgrade): void {
    const { forwarder } = this.#parts;
    const { req, socket } = upgrade;
    let refusal: Refusal | undefined;
    let tunnel: Tunnel | undefined;
    const tell = this.#parts.access();
    if (tell) watch(req, socket, this.#options.trustProxy, () => outcomeOf(refusal, tunnel, tunnel?.status), tell);
    const then = (found: Route | Refusal): void => {
      if ('status' in found) {
        refusal = found;
        upgrade.awaitFlush();
        forwarder.refuseUpgrade(req, socket, found);
      } else if (!socket.destroyed) {
        tunnel = forwarder.ws(upgrade, found);
      }
    };
    if (req.method === 'GET' && isWebSocket(req)) this.#routed(req, socket, then);
    else then(this.#parts.router.faultOf(req) ?? refusals.badUpgrade);
  }

  /** Queues a pipelined request until the earlier responses on its connection were sent. */
  #wait(req: IncomingMessage, res: ServerResponse): void {
    const { forwarder, underWay } = this.#parts;
    if (underWay.over) {
      forwarder.refuse(req, res, refusals.closing);
      return;
    }
    const { socket } = req;
    let line = this.#lines.get(socket);
    if (!line) {
      line = new Line(socket, underWay, (...waiting) => forwarder.refuse(...waiting, refusals.closing));
      this.#lines.set(socket, line);
    }
    if (line.length >= MAX_PIPELINED) socket.destroy();
    else line.add(req, res, () => this.request(req, res));
  }

  /**
   * Finds the route of a request. Calls `then` synchronously, unless there is something to wait for.
   *
   * @param end the response, or the socket of an upgrade.
   */
  #routed(req: ClientRequest, end: ClientResponse | Duplex, then: (outcome: Route | Refusal) => void): void {
    const { health, router, underWay } = this.#parts;
    if (underWay.over) {
      then(refusals.closing);
      return;
    }
    // Waits for the first health checks: at most `checkTimeout`, and 5 s more if DNS does not answer.
    const outcome = health.ready ? router.route(req) : health.start().then(() => router.route(req));
    if (outcome instanceof Promise) new Wait(end, underWay, outcome, (late) => then(this.#unlessDraining(late)));
    else then(this.#unlessDraining(outcome));
  }

  #unlessDraining(outcome: Route | Refusal): Route | Refusal {
    const isHandshake = !('status' in outcome) && outcome.binding === undefined;
    return isHandshake && this.#parts.underWay.draining ? refusals.closing : outcome;
  }
}

/**
 * An earlier response has ended the connection, and what has still been read on it cannot be trusted: that response may
 * have been the refusal of a request whose end is in doubt. Node ends the connection as soon as that has left.
 */
function hasEnded(socket: Duplex): boolean {
  return socket.writableEnded;
}

/** The status that was sent; `undefined` if none was. */
function statusOf(res: ClientResponse): number | undefined {
  return res.headersSent ? res.statusCode : undefined;
}

/** @param refusal set if the request was refused before it had a host. */
function outcomeOf(
  refusal: Refusal | undefined, work: Exchange | Tunnel | undefined, answered: number | undefined,
): AccessOutcome {
  const { status, cause } = refusal ?? work?.refusal ?? { status: answered, cause: undefined };
  const { route, requestId } = work ?? {};
  return { host: route?.host.name, sid: route?.binding?.sid, status, cause, requestId };
}
