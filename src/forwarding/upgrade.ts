import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Outflow } from './outflow';
import type { UnderWay, Work } from './under-way';

/**
 * How much a client may send before its upgrade is answered, in bytes. A client must wait for the answer (RFC 6455
 * §4.1), but the proxy keeps reading to notice when it goes away.
 */
const MAX_EARLY = 65_536;

const onError = (): void => {};

/**
 * The client's side of an upgrade, until it is joined to a host. The socket is read from the start: otherwise the proxy
 * would not notice when the client goes away.
 */
export class Upgrade implements Work {
  place = -1;
  readonly socket: Duplex;
  readonly outflows: readonly Outflow[];
  readonly hasGrace = true;
  readonly #underWay: UnderWay;
  /** `undefined` once it is answered: a WebSocket that lasts for hours is not to keep it. */
  #req: IncomingMessage | undefined;
  readonly #early: Buffer[] = [];
  #size = 0;
  #isFlushing = false;

  /** @param head the bytes that the client sent after the request's head, without waiting for the answer. */
  constructor(req: IncomingMessage, socket: Duplex, head: Buffer, underWay: UnderWay) {
    this.#req = req;
    this.socket = socket;
    this.outflows = [new Outflow(socket)];
    this.#underWay = underWay;
    // Without a listener, a reset connection would crash the process.
    socket.on('error', onError).once('close', this.#onClose);
    if (head.length > 0) this.#onData(head);
    socket.on('data', this.#onData).once('end', this.#onEnd);
  }

  /** @throws Error once the client's socket was released. */
  get req(): IncomingMessage {
    if (!this.#req) throw new Error('the upgrade is over');
    return this.#req;
  }

  /** Calls `then` once the responses to all earlier requests on the connection were sent; never if that ends first. */
  inTurn(then: () => void): void {
    const { socket } = this;
    // Node emits an upgrade before earlier responses are sent. Only this private property shows the response in
    // progress, and it may hold something else.
    const ahead: unknown = Reflect.get(socket, '_httpMessage');
    if (!(ahead instanceof ServerResponse)) {
      then();
      // `then` has registered its own work by now.
      if (!this.#isFlushing) this.#underWay.delete(this);
      return;
    }
    // Node no longer forwards `drain` of an upgraded socket.
    const onDrain = (): void => void ahead.emit('drain');
    socket.on('drain', onDrain);
    this.#stay();
    ahead.once('close', () => {
      socket.off('drain', onDrain);
      // The earlier response may have closed the connection.
      if (socket.writable) this.inTurn(then);
      else this.awaitFlush();
    });
  }

  /**
   * Called when the client's last answer is written: a refusal, or an earlier response that ends the connection. The
   * upgrade counts as in progress until that was sent. What the client still sends is dropped.
   */
  awaitFlush(): void {
    this.#isFlushing = true;
    this.#stay();
    this.socket.off('data', this.#onData).off('end', this.#onEnd).resume();
  }

  /** Ends the upgrade now. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Stops reading the socket, for the next reader. Early bytes are put back for it. */
  release(): void {
    const { socket } = this;
    this.#req = undefined;
    socket.off('data', this.#onData).off('end', this.#onEnd).pause();
    if (this.#size > 0) socket.unshift(Buffer.concat(this.#early));
  }

  /** Gives the socket back as it came, with what was read of it. */
  giveBack(): void {
    this.release();
    this.socket.off('error', onError).off('close', this.#onClose);
    this.#underWay.delete(this);
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

  readonly #onClose = (): void => this.#underWay.delete(this);

  /** A client that ends before the answer has gone. */
  readonly #onEnd = (): void => void this.socket.destroy();
}
