import type { Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';

type Emit = Server['emit'];

/**
 * Hides upgrades that are a proxy's from the other listeners of a server. A framework may add a listener of its own at
 * any time, and end every socket that it does not know: Next.js does so at its first request. A listener can not keep
 * an event from those behind it, so this replaces the server's `emit`.
 */
export class UpgradeGuard {
  readonly #server: Server | HttpsServer;
  readonly #take: (args: unknown[]) => boolean;
  #emit: Emit | undefined;
  /** An `emit` that somebody else had replaced before. */
  #before: Emit | undefined;

  /** @param take takes an upgrade, given the arguments of its event. Returns false if it is for others. */
  constructor(server: Server | HttpsServer, take: (args: unknown[]) => boolean) {
    this.#server = server;
    this.#take = take;
  }

  start(): void {
    if (this.#emit) return;
    const server = this.#server;
    const own: unknown = Object.getOwnPropertyDescriptor(server, 'emit')?.value;
    const before = this.#before = typeof own === 'function' ? own as Emit : undefined;
    const take = this.#take;
    this.#emit = server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      if (event === 'upgrade' && take(args)) return true;
      // Looked up now: monitoring may replace that of the class at any time.
      const emit: unknown = before ?? Reflect.get(Object.getPrototypeOf(server) as object, 'emit');
      return typeof emit === 'function' && Boolean(Reflect.apply(emit, server, [event, ...args]));
    };
  }

  /** @returns false if somebody else has replaced `emit` since: then the guard stays, for proxies that come later. */
  stop(): boolean {
    if (this.#server.emit !== this.#emit) return false;
    if (this.#before) this.#server.emit = this.#before;
    else Reflect.deleteProperty(this.#server, 'emit');
    this.#emit = undefined;
    return true;
  }
}
