import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusals, refuse, refuseUpgrade, type Refusal } from './errors';
import type { Forwarder } from './forwarder';
import type { HealthSource } from './health-checker';
import type { Route } from './route';
import type { Router } from './router';

/** What requests and upgrades pass through. */
export interface PipelineParts {
  readonly health: HealthSource;
  readonly router: Router;
  readonly forwarder: Forwarder;
  /** No new session is to be opened. */
  isClosing(): boolean;
}

/** The ways of a request and of an upgrade: the same to a route, and then apart. */
export class Pipelines {
  readonly #parts: PipelineParts;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  request(req: IncomingMessage, res: ServerResponse): void {
    const { forwarder } = this.#parts;
    if (!res.socket) {
      // Pipelined: its turn comes when the response before it has left. Begun earlier, it would not be told of the
      // end of its connection, and what follows a refused body would be believed.
      res.once('socket', () => this.request(req, res));
      return;
    }
    this.#routed(req, (outcome) => {
      if ('status' in outcome) {
        forwarder.refused(outcome);
        refuse(req, res, outcome);
      } else if (!res.destroyed) {
        forwarder.web(req, res, outcome);
      }
    });
  }

  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { forwarder } = this.#parts;
    // Without a listener a reset connection would end the process.
    socket.on('error', () => {});
    const refused = (refusal: Refusal): void => {
      forwarder.refused(refusal);
      refuseUpgrade(req, socket, refusal);
    };
    if (req.method !== 'GET' || req.headers.upgrade?.toLowerCase() !== 'websocket') {
      refused(refusals.badUpgrade);
      return;
    }
    this.#routed(req, (outcome) => {
      if ('status' in outcome) refused(outcome);
      else if (!socket.destroyed) forwarder.ws(req, socket, head, outcome);
    });
  }

  /** Takes a turn only where something has to be waited for. */
  #routed(req: IncomingMessage, then: (outcome: Route | Refusal) => void): void {
    const { health, router } = this.#parts;
    if (!health.ready) {
      // The first round tells which hosts are up; it takes `checkTimeout` at most, and 5 s more where DNS is silent.
      void health.start().then(() => this.#routed(req, then));
      return;
    }
    const outcome = router.route(req);
    if (outcome instanceof Promise) void outcome.then((late) => then(this.#admitted(late)));
    else then(this.#admitted(outcome));
  }

  #admitted(outcome: Route | Refusal): Route | Refusal {
    const isHandshake = !('status' in outcome) && outcome.binding === undefined;
    return isHandshake && this.#parts.isClosing() ? refusals.closing : outcome;
  }
}
