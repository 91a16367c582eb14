import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { refusals, type Refusal } from '../base/refusals';
import type { ClientResponse } from '../forwarding/client';
import type { Route } from '../routing/route';
import type { UnderWay, Work } from '../forwarding/under-way';

/**
 * A request or an upgrade that waits for its route: for the store, the first health checks, or its turn among the
 * handshakes. If its client leaves first, `then` is not called.
 */
export class Wait implements Work {
  place = -1;
  readonly #end: ClientResponse | Duplex;
  readonly #underWay: UnderWay;
  readonly #then: (outcome: Route | Refusal) => void;

  /** @param end the response, or the socket of an upgrade. */
  constructor(
    end: ClientResponse | Duplex, underWay: UnderWay, outcome: Promise<Route | Refusal>,
    then: (outcome: Route | Refusal) => void,
  ) {
    this.#end = end;
    this.#underWay = underWay;
    this.#then = then;
    underWay.add(this);
    end.once('close', this.#leave);
    void outcome.then((late) => this.#settle(late));
  }

  /** Refuses the request. */
  destroy(): void {
    this.#settle(refusals.closing);
  }

  #settle(outcome: Route | Refusal): void {
    if (!this.#underWay.has(this)) return;
    this.#end.off('close', this.#leave);
    this.#then(outcome);
    // Only now: `then` has registered its own work.
    this.#leave();
  }

  readonly #leave = (): void => this.#underWay.delete(this);
}

interface Waiter {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** The pipelined requests of one connection that wait for earlier responses. */
export class Line implements Work {
  place = -1;
  readonly #underWay: UnderWay;
  readonly #refuse: (req: IncomingMessage, res: ServerResponse) => void;
  #waiting: Waiter[] = [];

  constructor(socket: Socket, underWay: UnderWay, refuse: (req: IncomingMessage, res: ServerResponse) => void) {
    this.#underWay = underWay;
    this.#refuse = refuse;
    socket.once('close', () => void this.#clear());
  }

  /** The number of waiting requests. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Calls `then` when the earlier response was sent. */
  add(req: IncomingMessage, res: ServerResponse, then: () => void): void {
    this.#waiting.push({ req, res });
    this.#underWay.add(this);
    res.once('socket', () => {
      if (this.#waiting[0]?.res !== res) return;
      this.#waiting.shift();
      then();
      if (this.#waiting.length === 0) this.#underWay.delete(this);
    });
  }

  /** Refuses all waiting requests. Node sends each refusal when its turn comes. */
  destroy(): void {
    for (const { req, res } of this.#clear()) this.#refuse(req, res);
  }

  #clear(): Waiter[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#underWay.delete(this);
    return waiting;
  }
}
