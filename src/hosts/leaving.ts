import createDebug from 'debug';
import { LRUCache } from 'lru-cache';
import { Host } from './host';
import type { Hosts } from './hosts';

const debug = createDebug('socket.io-proxy:hosts');

/** How often leaving hosts are checked in addition to their events, in ms. */
const INTERVAL = 500;

/** How many hosts that have left are remembered. */
const MAX_FORMER = 1000;

/** A host that is leaving. */
interface Leaver {
  /** When the host was dropped, by `performance.now()`. */
  readonly since: number;
  /** Whether the host drains only because it was dropped: nobody had drained it before. */
  readonly drainedByUs: boolean;
}

/**
 * Removes hosts that are no longer wanted. A dropped host drains. It leaves once it is gone, or once this proxy knows
 * of no session on it and `keyExpiry` has passed. Another proxy may still have sessions there: when this proxy gets a
 * request of one, it takes the host back, draining. So no session is lost.
 */
export class Leaving {
  readonly #hosts: Hosts;
  readonly #keyExpiry: number;
  readonly #leavers = new Map<string, Leaver>();
  readonly #former = new LRUCache<string, true>({ max: MAX_FORMER });
  readonly #onEvent = (): void => {
    // After all other listeners.
    if (this.#leavers.size > 0) queueMicrotask(() => this.#look());
  };
  readonly #forget = ({ name }: Host): void => void this.#leavers.delete(name);
  #timer: NodeJS.Timeout | undefined;

  /** @param keyExpiry in seconds. */
  constructor(hosts: Hosts, keyExpiry: number) {
    this.#hosts = hosts;
    this.#keyExpiry = keyExpiry;
    hosts.on('down', this.#onEvent).on('drained', this.#onEvent);
    // Somebody else may remove a leaving host, or give it sessions again.
    hosts.on('removed', this.#forget).on('undrained', this.#forget);
    hosts.seekWith((name) => this.#recall(name));
  }

  /**
   * Makes a host leave.
   *
   * @throws Error when the host is unknown.
   */
  drop(name: string): void {
    const host = this.#hosts.named(name);
    const drainedByUs = !host.draining;
    this.#leavers.set(name, { since: performance.now(), drainedByUs });
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref();
    if (drainedByUs) this.#hosts.drain(name);
    if (host.gone) this.#onEvent();
  }

  /** Whether a host is leaving. */
  has(name: string): boolean {
    return this.#leavers.has(name);
  }

  /** Keeps a leaving host, and gives it new sessions as before. @returns whether the host was leaving. */
  restore(name: string): boolean {
    const leaver = this.#leavers.get(name);
    this.#leavers.delete(name);
    if (leaver?.drainedByUs) this.#hosts.undrain(name);
    return leaver !== undefined;
  }

  stop(): void {
    this.#leavers.clear();
    this.#stopTimer();
  }

  #look(): void {
    const longEnough = performance.now() - this.#keyExpiry * 1000;
    for (const [name, { since }] of this.#leavers) {
      const host = this.#hosts.get(name);
      if (!host || !(host.gone || (this.#hosts.isSettled(host) && since <= longEnough))) continue;
      debug('%s leaves', name);
      this.#former.set(name, true);
      this.#hosts.remove(name);
    }
    if (this.#leavers.size === 0) this.#stopTimer();
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Takes back former hosts only: whoever can write to the store must not choose where requests go. */
  #recall(name: string): void {
    if (!this.#former.delete(name)) return;
    const host = new Host(name);
    if (this.#hosts.all.some(({ url }) => url.origin === host.url.origin)) return;
    debug('%s has sessions of another proxy, and is taken back', name);
    this.#hosts.add(host);
    this.drop(name);
  }
}
