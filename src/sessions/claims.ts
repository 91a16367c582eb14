import { RENEWED_AFTER, type Binding } from './binding';
import { hasSession, type SessionAtHostOptions } from './session-at-host';
import type { StoreGuard } from './store-guard';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';

/**
 * Decides to which host a sid belongs that two hosts have assigned. A session that is alive keeps its sid, since
 * otherwise its client's requests would reach another client's session. A session that has ended gives its sid up.
 */
export class Claims {
  readonly #guard: StoreGuard;
  readonly #hosts: Hosts;
  readonly #options: SessionAtHostOptions;

  constructor(guard: StoreGuard, hosts: Hosts, options: SessionAtHostOptions) {
    this.#guard = guard;
    this.#hosts = hosts;
    this.#options = options;
  }

  /**
   * Binds a sid in the store, unless it belongs to a session that is alive on another host.
   *
   * @param older what this process knows of the sid.
   * @returns whether the sid is stored; or the other host. Never rejects.
   */
  async claim(sid: string, host: Host, ttl: number, older: Binding | undefined): Promise<boolean | Host> {
    if (older && older.host !== host && await this.#isAlive(sid, older.host, () => isInUse(older))) return older.host;
    const name = await this.#guard.claim(sid, host.name, ttl);
    if (name === undefined || name === host.name) return name !== undefined;
    if (name !== older?.host.name) {
      const other = await this.#hosts.seek(name);
      if (other && await this.#isAlive(sid, other, () => this.#isStoredInUse(sid, ttl))) return other;
    }
    return this.#guard.bind(sid, host.name, ttl);
  }

  /** @param isUsed is asked where the host's answer does not tell. */
  async #isAlive(sid: string, host: Host, isUsed: () => boolean | Promise<boolean>): Promise<boolean> {
    if (!host.up) return false;
    return await hasSession(host, sid, this.#options) ?? isUsed();
  }

  /** A binding that was not renewed within that time is not in use anywhere. */
  async #isStoredInUse(sid: string, ttl: number): Promise<boolean> {
    const stored = await this.#guard.inspect(sid).catch(() => undefined);
    const { expiresIn = ttl } = stored ?? {};
    return expiresIn > ttl * (1 - RENEWED_AFTER);
  }
}

function isInUse({ holds, usedAt, ttl }: Binding): boolean {
  return holds > 0 || performance.now() - usedAt < ttl * 1000 * RENEWED_AFTER;
}
