import { RENEWED_AFTER, type Binding } from './binding';
import { closeSession, hasSession, type SessionAtHostOptions } from './session-at-host';
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
  remember(sid: string, host: Host, ttl: number, stored: boolean): Binding;
  /** Called when the sid of a binding has turned out to be another session's. */
  displaced(binding: Binding): unknown;
  /** Called when `host` has assigned the sid of a session that is alive on `otherHost`. */
  duplicate(sid: string, host: Host, otherHost: Host): void;
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
  /** Two hosts may assign the same sid at once. */
  readonly #turns = new Turns();

  constructor(guard: StoreGuard, hosts: Hosts, options: ClaimsOptions, originals: KnownBindings) {
    this.#guard = guard;
    this.#hosts = hosts;
    this.#options = options;
    this.#originals = originals;
  }

  /**
   * Binds the sid of a new session, in the store too unless that fails. Never rejects.
   *
   * @param ttl in seconds.
   * @returns `undefined` if the sid belongs to a session that is alive on another host.
   */
  bind(sid: string, host: Host, ttl: number): Promise<Binding | undefined> {
    return this.#turns.take(sid, async () => {
      const claimed = await this.#claim(sid, host, ttl, this.#originals.known(sid));
      if (typeof claimed === 'boolean') return this.#originals.remember(sid, host, ttl, claimed);
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
    const { sid, host, ttl, stored } = binding;
    // The store's host counts, unless this session is in use and that one has ended.
    const claimed = stored && !isInUse(binding) ? undefined :
      await this.#turns.take(sid, () => this.#claim(sid, host, ttl, undefined));
    if (typeof claimed === 'boolean') return claimed;
    this.#originals.displaced(binding);
    // A session that was stored may go on there by way of another proxy, as the same one.
    if (!stored && claimed) {
      this.#originals.duplicate(sid, host, claimed);
      void closeSession(host, sid, false, this.#options).catch(() => {});
    }
    return true;
  }

  /** @returns whether the sid is stored; or the other host. Never rejects. */
  async #claim(sid: string, host: Host, ttl: number, older: Binding | undefined): Promise<boolean | Host> {
    const answers = new Map<Host, boolean | undefined>();
    const isAlive = async (other: Host): Promise<boolean> => {
      if (!other.up) return false;
      if (!answers.has(other)) answers.set(other, await hasSession(other, sid, this.#options));
      // Where the host's answer does not tell.
      return answers.get(other) ?? (isUsedOn(other, older) || this.#isStoredInUse(sid, ttl));
    };
    if (older && older.host !== host && await isAlive(older.host)) return older.host;
    let over: string | undefined;
    for (let left = ATTEMPTS; left > 0; left -= 1) {
      const name = await this.#guard.claim(sid, host.name, ttl, over);
      if (name === undefined || name === host.name) return name !== undefined;
      const other = await this.#hosts.seek(name);
      if (other && await isAlive(other)) return other;
      // Another handshake may be about to take the sid over, too.
      over = name;
    }
    return false;
  }

  /** A binding that no proxy has renewed for that long is not in use anywhere. */
  async #isStoredInUse(sid: string, ttl: number): Promise<boolean> {
    const stored = await this.#guard.inspect(sid).catch(() => undefined);
    // Other proxies than the one that has bound the sid renew to `keyExpiry` alone. Redis rounds to seconds.
    const life = Math.min(ttl, this.#options.keyExpiry);
    const { expiresIn = life } = stored ?? {};
    return expiresIn > life * (1 - RENEWED_AFTER) - 1;
  }
}

function isUsedOn(host: Host, binding: Binding | undefined): boolean {
  return binding?.host === host && isInUse(binding);
}

/** Whether something of the session is open, or was a short time ago. */
function isInUse({ holds, usedAt, ttl }: Binding): boolean {
  return holds > 0 || performance.now() - usedAt < ttl * 1000 * RENEWED_AFTER;
}
