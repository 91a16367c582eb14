import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Frames, GOING_AWAY } from './frames';
import { CAN_FREE, freeSpent } from './spent';

/** How long one side may stay open after the other has ended, in ms. Data on its way has arrived by then. */
const HALF_OPEN_TIMEOUT = 10_000;

/** How long a client may take to end its connection after a close frame, in ms. */
const CLOSE_TIMEOUT = 1000;

/** The two sockets of a WebSocket, joined: what one sends goes to the other. */
export class Joint {
  readonly #socket: Duplex;
  readonly #hostSocket: Socket;
  /** The frames from the host. */
  readonly #frames = new Frames();
  #lingering: NodeJS.Timeout | undefined;
  #isLeaving = false;
  /** The client was sent a close frame of ours. */
  #wasCloseSent = false;

  /** Nothing passes before `join`. */
  constructor(socket: Duplex, hostSocket: Socket) {
    this.#socket = socket;
    this.#hostSocket = hostSocket;
    const linger = (): void => this.#linger();
    socket.once('end', linger).once('close', () => clearTimeout(this.#lingering));
    hostSocket.on('error', () => socket.destroy());
    hostSocket.once('end', () => {
      if (this.#isLeaving) this.#sendClose();
      socket.end();
      linger();
    });
    hostSocket.once('close', () => {
      // The last bytes from the host may still be queued for the client.
      linger();
      socket.end(() => this.#finished());
    });
  }

  /** The proxy ends the WebSocket, or has ended it. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** Joins the sockets. The client gets `head` first. */
  join(head: string): void {
    const [socket, hostSocket, frames] = [this.#socket, this.#hostSocket, this.#frames];
    socket.write(head, 'latin1');
    // Not a pipe and a listener beside it: calling two for each chunk was measured to cost 5 % of a small message.
    hostSocket.on('data', (chunk: Buffer) => {
      frames.follow(chunk);
      if (!socket.write(chunk)) hostSocket.pause();
      freeSpent(chunk, hostSocket, socket, 1);
    });
    socket.on('drain', () => void hostSocket.resume());
    socket.pipe(hostSocket);
    // Behind the pipe's listener, which has written the chunk.
    if (CAN_FREE) socket.on('data', (chunk: Buffer) => freeSpent(chunk, socket, hostSocket, 2));
  }

  /**
   * Ends the WebSocket as if the client had gone. The host receives nothing more. The client still receives what the
   * host has sent so far, and a close frame. Then its connection ends too.
   */
  leave(): void {
    this.#part();
    this.#hostSocket.end();
    this.#linger();
  }

  /**
   * Ends the WebSocket now: with a close frame for the client, if it can take one at once. A second call, such as that
   * of `#finished` when the client has not answered the frame in time, cuts its connection.
   */
  destroy(): void {
    const isIdle = this.#socket.writableLength === 0;
    if (this.#wasCloseSent || !isIdle || !this.#sendClose()) {
      this.#socket.destroy();
      return;
    }
    this.#part();
    // Its `close` ends the client's connection.
    this.#hostSocket.destroy();
  }

  /** Passes nothing more on to the host. */
  #part(): void {
    this.#isLeaving = true;
    this.#socket.unpipe(this.#hostSocket);
    this.#socket.resume();
  }

  /** Sends a close frame to the client. @returns whether the frames from the host allow one. */
  #sendClose(): boolean {
    this.#wasCloseSent = this.#frames.mayAdd && this.#socket.writable;
    if (this.#wasCloseSent) this.#socket.write(GOING_AWAY);
    return this.#wasCloseSent;
  }

  /** Called when the client was sent everything. Its answer to a close frame must not meet a closed connection. */
  #finished(): void {
    if (!this.#wasCloseSent) {
      this.#socket.destroy();
    } else if (!this.#socket.destroyed) {
      clearTimeout(this.#lingering);
      this.#lingering = setTimeout(() => this.destroy(), CLOSE_TIMEOUT);
    }
  }

  /** Called when one side has ended. Gives the other a while to end too. */
  #linger(): void {
    if (!this.#socket.destroyed) this.#lingering ??= setTimeout(() => this.destroy(), HALF_OPEN_TIMEOUT);
  }
}
