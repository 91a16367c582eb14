import createDebug from 'debug';
import { LRUCache } from 'lru-cache';
import { Host } from './host';
import type { Hosts } from './hosts';

const debug = createDebug('socket.io-proxy:hosts');

/** How often hosts that are leaving are looked at beside the events that tell of them, in ms. */
const INTERVAL = 500;

/** Of how many hosts that have left it is remembered that they were hosts. */
const MAX_FORMER = 1000;

/** A host that is no longer wanted. */
interface Leaver {
  /** When it was dropped, by `performance.now()`. */
  readonly since: number;
  /** It drains because it was dropped, and not because somebody else has told it to. */
  readonly drained: boolean;
}

/**
 * How hosts leave that are no longer wanted, whoever says so. One drains, and leaves once it is gone, or once nothing
 * of it is known here and `keyExpiry` has passed. Another proxy may have sessions there even then: where one of these
 * comes here, its host is taken back, draining. So it loses none.
 */
export class Leaving {
  readonly #hosts: Hosts;
  readonly #keyExpiry: number;
  readonly #leavers = new Map<string, Leaver>();
  readonly #former = new LRUCache<string, true>({ max: MAX_FORMER });
  readonly #onEvent = (): void => {
    // After all that listen have heard of it.
    if (this.#leavers.size > 0) queueMicrotask(() => this.#look());
  };
  readonly #onKept = ({ name }: Host): void => void this.#leavers.delete(name);
  #timer: NodeJS.Timeout | undefined;

  /** @param keyExpiry in seconds. */
  constructor(hosts: Hosts, keyExpiry: number) {
    this.#hosts = hosts;
    this.#keyExpiry = keyExpiry;
    hosts.on('down', this.#onEvent).on('drained', this.#onEvent);
    // Others may remove it, or want it to have sessions again.
    hosts.on('removed', this.#onKept).on('undrained', this.#onKept);
    hosts.seekWith((name) => this.#recall(name));
  }

  /**
   * Lets a host leave.
   *
   * @throws Error when the host is unknown.
   */
  drop(name: string): void {
    const host = this.#hosts.named(name);
    const drained = !host.draining;
    this.#leavers.set(name, { since: performance.now(), drained });
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref();
    if (drained) this.#hosts.drain(name);
    if (host.gone) this.#onEvent();
  }

  /** Whether a host is leaving. */
  has(name: string): boolean {
    return this.#leavers.has(name);
  }

  /** Keeps a host that is leaving, and gives it new sessions as before. @returns whether it was leaving. */
  restore(name: string): boolean {
    const leaver = this.#leavers.get(name);
    this.#leavers.delete(name);
    if (leaver?.drained) this.#hosts.undrain(name);
    return leaver !== undefined;
  }

  stop(): void {
    this.#leavers.clear();
    this.#rest();
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
    if (this.#leavers.size === 0) this.#rest();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Only what was a host once: who can write to the store must not choose where requests go. */
  #recall(name: string): void {
    if (!this.#former.delete(name)) return;
    const host = new Host(name);
    if (this.#hosts.all.some(({ url }) => url.origin === host.url.origin)) return;
    debug('%s has sessions of another proxy, and is taken back', name);
    this.#hosts.add(host);
    this.drop(name);
  }
}
