import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Outflow } from './outflow';
import type { UnderWay, Work } from './under-way';

/**
 * How much a client may send before its upgrade is answered, in bytes. It has to wait for that (RFC 6455 §4.1), and of
 * one that is no longer read from the end is never seen.
 */
const MAX_EARLY = 65_536;

/**
 * The client's side of an upgrade, until it is joined to a host's. Its socket is read from its arrival on: of one that
 * is not the end is never seen.
 */
export class Upgrade implements Work {
  place = -1;
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly outflows: readonly Outflow[];
  readonly #underWay: UnderWay;
  readonly #early: Buffer[] = [];
  #size = 0;
  #isLeaving = false;

  /** @param head what the client sent after the request's head, before it heard that it may. */
  constructor(req: IncomingMessage, socket: Duplex, head: Buffer, underWay: UnderWay) {
    this.req = req;
    this.socket = socket;
    this.outflows = [new Outflow(socket)];
    this.#underWay = underWay;
    // Without a listener a reset connection would end the process.
    socket.on('error', () => {});
    if (head.length > 0) this.#onData(head);
    socket.on('data', this.#onData).once('end', this.#onEnd);
    socket.once('close', () => underWay.delete(this));
  }

  /** Calls back once the responses to all requests before it on its connection have left; never where it ends first. */
  inTurn(then: () => void): void {
    const { socket } = this;
    // Node tells of an upgrade at once, and by this alone of what it comes too early for: it may be of another's.
    const ahead: unknown = Reflect.get(socket, '_httpMessage');
    if (!(ahead instanceof ServerResponse)) {
      then();
      // What it has become is under way by now.
      if (!this.#isLeaving) this.#underWay.delete(this);
      return;
    }
    // Node itself no longer looks after the socket.
    const onDrain = (): void => void ahead.emit('drain');
    socket.on('drain', onDrain);
    this.#stay();
    ahead.once('close', () => {
      socket.off('drain', onDrain);
      // The response before may be the last of the connection.
      if (socket.writable) this.inTurn(then);
      else this.leave();
    });
  }

  /** It is answered, and under way until that has left. */
  leave(): void {
    this.#isLeaving = true;
    this.#stay();
    this.socket.off('data', this.#onData).off('end', this.#onEnd).resume();
  }

  /** Ends it now. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Hands the socket on, which is read by whoever reads it next: what has come by now first. */
  release(): void {
    const { socket } = this;
    socket.off('data', this.#onData).off('end', this.#onEnd).pause();
    if (this.#size > 0) socket.unshift(Buffer.concat(this.#early));
  }

  #stay(): void {
    if (this.socket.closed) return;
    this.#underWay.add(this);
    this.#underWay.watch();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#size += chunk.length;
    if (this.#size > MAX_EARLY) this.socket.destroy();
  };

  /** A client that ends before it is answered has gone. */
  readonly #onEnd = (): void => void this.socket.destroy();
}
