import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { watch, type AccessEntry, type AccessOutcome } from './access';
import { refusals, type Refusal } from '../base/errors';
import type { Exchange } from '../forwarding/exchange';
import type { Forwarder } from '../forwarding/forwarder';
import type { HealthSource } from '../hosts/health-checker';
import type { Route } from '../routing/route';
import type { Router } from '../routing/router';
import type { Tunnel } from '../forwarding/tunnel';
import type { UnderWay } from '../forwarding/under-way';
import { Upgrade } from '../forwarding/upgrade';
import { Line, Wait } from './waiting';

/**
 * How many requests of a connection may wait for the response to the one before them. Node takes in any number, though
 * the first may be a poll that is held.
 */
const MAX_PIPELINED = 100;

/** What requests and upgrades pass through. */
export interface PipelineParts {
  readonly health: HealthSource;
  readonly router: Router;
  readonly forwarder: Forwarder;
  readonly underWay: UnderWay;
  readonly trustProxy: boolean;
  /** Who is to be told of each request that is over, if anyone is. */
  access(): ((entry: AccessEntry) => void) | undefined;
}

/** The ways of a request and of an upgrade: the same to a route, and then apart. */
export class Pipelines {
  readonly #parts: PipelineParts;
  /** Of each connection on which requests wait, or have waited. */
  readonly #lines = new WeakMap<Socket, Line>();

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  request(req: IncomingMessage, res: ServerResponse): void {
    const { forwarder, trustProxy } = this.#parts;
    if (!res.socket) {
      // Pipelined: its turn comes when the response before it has left. Begun earlier, it would not be told of the
      // end of its connection, and what follows a refused body would be believed.
      this.#wait(req, res);
      return;
    }
    let refusal: Refusal | undefined;
    let exchange: Exchange | undefined;
    const tell = this.#parts.access();
    if (tell) {
      const outcome = (): AccessOutcome => outcomeOf(refusal, exchange, res.headersSent ? res.statusCode : undefined);
      watch(req, res, trustProxy, outcome, tell);
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
    const upgrade = new Upgrade(req, socket, head, this.#parts.underWay);
    upgrade.inTurn(() => this.#upgrade(upgrade));
  }

  #upgrade(upgrade: Upgrade): void {
    const { forwarder, trustProxy } = this.#parts;
    const { req, socket } = upgrade;
    let refusal: Refusal | undefined;
    let tunnel: Tunnel | undefined;
    const tell = this.#parts.access();
    if (tell) watch(req, socket, trustProxy, () => outcomeOf(refusal, tunnel, tunnel?.status), tell);
    const then = (found: Route | Refusal): void => {
      if ('status' in found) {
        refusal = found;
        upgrade.leave();
        forwarder.refuseUpgrade(req, socket, found);
      } else if (!socket.destroyed) {
        tunnel = forwarder.ws(upgrade, found);
      }
    };
    if (req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket') this.#routed(req, socket, then);
    else then(refusals.badUpgrade);
  }

  /** Has a request wait for the responses to those before it on its connection. */
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
   * Takes a turn only where something has to be waited for.
   *
   * @param end the response, or the socket of an upgrade.
   */
  #routed(req: IncomingMessage, end: ServerResponse | Duplex, then: (outcome: Route | Refusal) => void): void {
    const { health, router, underWay } = this.#parts;
    if (underWay.over) {
      then(refusals.closing);
      return;
    }
    // The first round tells which hosts are up; it takes `checkTimeout` at most, and 5 s more where DNS is silent.
    const outcome = health.ready ? router.route(req) : health.start().then(() => router.route(req));
    if (outcome instanceof Promise) new Wait(end, underWay, outcome, (late) => then(this.#admitted(late)));
    else then(this.#admitted(outcome));
  }

  #admitted(outcome: Route | Refusal): Route | Refusal {
    const isHandshake = !('status' in outcome) && outcome.binding === undefined;
    return isHandshake && this.#parts.underWay.closing ? refusals.closing : outcome;
  }
}

/** @param refusal where it was refused before it had a host. */
function outcomeOf(
  refusal: Refusal | undefined, work: Exchange | Tunnel | undefined, answered: number | undefined,
): AccessOutcome {
  const { status, cause } = refusal ?? work?.refusal ?? { status: answered, cause: undefined };
  return { host: work?.route.host.name, sid: work?.route.binding?.sid, status, cause };
}
