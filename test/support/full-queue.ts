import { once } from 'node:events';
import net from 'node:net';
import { onCleanup } from './cleanup';
import { Remote } from './remote';

/** A server whose queue of connections can be filled: then it neither takes nor refuses any more. */
export class FullQueue {
  readonly #server = new Remote('backlog.mjs');
  readonly #address: string;
  port = 0;

  private constructor(address: string) {
    this.#address = address;
  }

  /** @param address of the loopback interface. */
  static async start(address = '127.0.0.1', port = 0): Promise<FullQueue> {
    const queue = new FullQueue(address);
    queue.port = await queue.#server.call<number>('start', address, port);
    return queue;
  }

  /** Lets it answer no connection from here on. */
  async fill(): Promise<void> {
    this.#server.freeze();
    const fill = Array.from({ length: 8 }, () => net.connect(this.port, this.#address).on('error', () => {}));
    onCleanup(() => fill.forEach((socket) => socket.destroy()));
    // Those that fit are connected at once; the others are not, and nothing is from here on.
    await Promise.race(fill.map((socket) => once(socket, 'connect')));
  }
}
