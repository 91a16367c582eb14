import { Alive } from './alive';
import { Copy, isHeld, RENEWED_AFTER, type Binding } from './binding';
import { closeSession, type SessionAtHostOptions } from './session-at-host';
import type { StoreGuard } from './store-guard';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { Turns } from './turns';

/** How many hosts may take a sid over in turn, while it is being claimed. */
const ATTEMPTS = 5;

export interface ClaimsOptions extends SessionAtHostOptions {
  /** In seconds. */
  readonly keyExpiry: number;
}

/** The bindings that this process knows. */
export interface KnownBindings {
  known(sid: string): Binding | undefined;
  remember(sid: string, host: Host, ttl: number, copy: Copy): Binding;
  /** Called when the sid is another session's. `isOver`: this one has ended, else it may be the same one. */
  displaced(binding: Binding, isOver: boolean): unknown;
  /** Called when `host` has assigned the sid of a session that is alive on `otherHost`. */
  duplicate(sid: string, host: Host, otherHost: string): void;
}

/**
 * Decides to which host a sid belongs that two hosts have assigned. A session that is alive keeps its sid, since
 * otherwise its client's requests would reach another client's session. A session that has ended gives its sid up.
 */
export class Claims {
  readonly #guard: StoreGuard;
  readonly #hosts: Hosts;
  readonly #options: ClaimsOptions;
  readonly #originals: KnownBindings;
  readonly #alive: Alive;
  /** Two hosts may assign the same sid at once. */
  readonly #turns = new Turns();

  constructor(guard: StoreGuard, hosts: Hosts, options: ClaimsOptions, originals: KnownBindings) {
    this.#guard = guard;
    this.#hosts = hosts;
    this.#options = options;
    this.#originals = originals;
    this.#alive = new Alive(options);
  }

  /**
   * Binds the sid of a new session, in the store too unless that fails. Never rejects.
   *
   * @param ttl in seconds.
   * @returns `undefined` if the sid belongs to a session that is alive on another host.
   */
  bind(sid: string, host: Host, ttl: number): Promise<Binding | undefined> {
    return this.#turns.take(sid, async () => {
      const older = this.#originals.known(sid);
      const claimed = await this.#claim(sid, host, ttl, older);
      if (typeof claimed === 'boolean') {
        return this.#originals.remember(sid, host, ttl, claimed ? Copy.Made : Copy.None);
      }
      // The sid is neither that session's nor the new one's.
      if (older && older.host.name !== claimed) this.#originals.displaced(older, false);
      this.#originals.duplicate(sid, host, claimed);
      return undefined;
    });
  }

  /**
   * Decides whose the sid of a binding is that could not be stored, or that the store has for another host by now.
   * Forgets the binding if it is another session's. Never rejects.
   *
   * @returns false if the store could not be asked.
   */
  async settle(binding: Binding): Promise<boolean> {
    const { sid, host, ttl, copy } = binding;
    const claim = (): Promise<boolean | string> => this.#turns.take(sid, () => this.#claim(sid, host, ttl, undefined));
    if (copy === Copy.None) {
      const claimed = await claim();
      if (typeof claimed === 'boolean') return claimed;
      return this.#giveUp(binding, await this.#alive.ask(host, sid) === false ? undefined : claimed);
    }
    const isAlive = await this.#alive.ask(host, sid);
    if (!(isAlive ?? isInUse(binding))) return this.#giveUp(binding, undefined);
    const claimed = await claim();
    if (typeof claimed === 'boolean') return claimed;
    return this.#giveUp(binding, isAlive === true ? claimed : undefined);
  }

  /** @param other the host of another session of this sid; `undefined` if that may be the same, or this one is over. */
  #giveUp(binding: Binding, other: string | undefined): true {
    const { sid, host } = binding;
    this.#originals.displaced(binding, other !== undefined);
    if (other !== undefined) {
      this.#originals.duplicate(sid, host, other);
      void closeSession(host, sid, false, this.#options).catch(() => {});
    }
    return true;
  }

  /** @returns whether the sid is stored; or the name of the other host. Never rejects. */
  async #claim(sid: string, host: Host, ttl: number, older: Binding | undefined): Promise<boolean | string> {
    if (older && older.host !== host && await this.#isTaken(sid, older.host.name, ttl, older)) return older.host.name;
    let over: string | undefined;
    for (let left = ATTEMPTS; left > 0; left -= 1) {
      const name = await this.#guard.claim(sid, host.name, ttl, over);
      if (name === undefined) return false;
      if (name === host.name) return over === undefined || this.#confirm(sid, host, ttl, over);
      if (await this.#isTaken(sid, name, ttl, older)) return name;
      // Another handshake may be about to take the sid over, too.
      over = name;
    }
    return false;
  }

  /** While a host was asked for a session that had ended, it may have opened another one of that sid. */
  async #confirm(sid: string, host: Host, ttl: number, over: string): Promise<boolean | string> {
    const other = this.#hosts.get(over);
    if (!other || await this.#alive.askAgain(other, sid) !== true) return true;
    await this.#guard.claim(sid, over, ttl, host.name);
    return over;
  }

  /** Whether the sid belongs to a session that is alive on a host. */
  async #isTaken(sid: string, name: string, ttl: number, older: Binding | undefined): Promise<boolean> {
    const other = await this.#hosts.seek(name);
    // Another proxy may know a host that this one does not.
    const isAlive = other && await this.#alive.ask(other, sid);
    return isAlive ?? ((older?.host.name === name && isInUse(older)) || this.#isStoredInUse(sid, name, ttl));
  }

  /** Whether the store has a binding to that host that a proxy has stored or renewed a short time ago. */
  async #isStoredInUse(sid: string, name: string, ttl: number): Promise<boolean> {
    try {
      const stored = await this.#guard.inspect(sid);
      if (stored?.host !== name) return false;
      // Other proxies than the one that has bound the sid renew to `keyExpiry` alone. Redis rounds to seconds.
      const life = Math.min(ttl, this.#options.keyExpiry);
      const { expiresIn = life } = stored;
      return expiresIn > life * (1 - RENEWED_AFTER) - 1;
    } catch {
      return true;
    }
  }
}

/** Whether something of the session is open, or was a short time ago. */
function isInUse(binding: Binding): boolean {
  return isHeld(binding) || performance.now() - binding.usedAt < binding.ttl * 1000 * RENEWED_AFTER;
}
