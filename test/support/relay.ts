import net from 'node:net';
import { once } from 'node:events';
import { onCleanup } from './cleanup';

/** A TCP relay between a client and a server of the test's, that delays what passes, holds it, or cuts it. */
export class Relay {
  /** How long each chunk is held in either direction, in ms. */
  delay = 0;
  /** How long what follows a response's head in the same chunk is held, in ms. */
  bodyDelay = 0;
  /** What has passed, in order: towards the server, or back. */
  readonly log: { to: 'server' | 'client'; bytes: Buffer }[] = [];
  /** The port that new connections go to. */
  target: number;
  /** How many connections it has taken. */
  connections = 0;
  readonly #server: net.Server;
  readonly #pairs = new Set<[net.Socket, net.Socket]>();
  /** Sockets of connections that nothing passes any more. */
  readonly #dead = new WeakSet<net.Socket>();
  /** What is to be written once it holds nothing back any more. */
  #held: (() => void)[] | undefined;

  private constructor(port: number, address: string) {
    this.target = port;
    this.#server = net.createServer((client) => {
      this.connections += 1;
      const server = net.connect(this.target, address);
      const pair: [net.Socket, net.Socket] = [client, server];
      this.#pairs.add(pair);
      this.#pass(client, server, 'server');
      this.#pass(server, client, 'client');
      for (const socket of pair) {
        socket.setNoDelay(true);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#pairs.delete(pair);
          // After what is still held back.
          for (const other of pair) setTimeout(() => other.destroy(), this.delay);
        });
      }
    });
  }

  /** How many of them are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /**
   * @param address where the server listens.
   * @param own where the relay listens, at any port unless one is named.
   */
  static async start(port: number, address = '127.0.0.1', own: net.ListenOptions = { host: '127.0.0.1' }): Promise<Relay> {
    const relay = new Relay(port, address);
    await relay.listen(own);
    onCleanup(() => {
      relay.cut();
      relay.#server.close();
    });
    return relay;
  }

  /** Listens again after it has refused: name its port then, or it is another one. */
  async listen(own: net.ListenOptions): Promise<void> {
    this.#server.listen({ port: 0, ...own });
    await once(this.#server, 'listening');
  }

  /** From now on new connections are refused, and those that are open are cut. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** From now on nothing passes of what is open, and nobody is told. New connections are not concerned. */
  swallow(): void {
    for (const pair of this.#pairs) for (const socket of pair) this.#dead.add(socket);
  }

  /** From now on nothing passes until it is let go, of new connections either. */
  hold(): void {
    this.#held ??= [];
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const write of held) write();
  }

  /** Cuts every connection; new ones may come. */
  cut(): void {
    // Not by a reset: with a write under way, Node 20 then spins for ever when its process ends.
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  #pass(from: net.Socket, to: net.Socket, direction: 'server' | 'client'): void {
    from.on('data', (bytes: Buffer) => {
      if (this.#dead.has(from)) return;
      this.log.push({ to: direction, bytes });
      const head = this.bodyDelay > 0 && direction === 'client' ? bytes.indexOf('\r\n\r\n') : -1;
      if (this.#held) this.#held.push(() => to.write(bytes));
      else if (head >= 0) {
        to.write(bytes.subarray(0, head + 4));
        setTimeout(() => to.write(bytes.subarray(head + 4)), this.bodyDelay);
      } else if (this.delay > 0) setTimeout(() => to.write(bytes), this.delay);
      else to.write(bytes);
    });
    from.on('end', () => setTimeout(() => to.end(), this.delay));
  }
}
