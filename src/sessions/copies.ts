import { NEVER, type Binding } from './binding';
import type { Host } from '../hosts/host';
import { Rewrites } from './rewrites';
import type { StoreGuard } from './store-guard';

/** What the copies are copies of. */
export interface Originals {
  /** What is known here: some twice, and some that have expired. */
  all(): Iterable<Binding>;
  /** It was neither forgotten in the meantime, nor has another one taken its place. */
  isCurrent(binding: Binding): boolean;
  isBound(sid: string): boolean;
  /** The store has another host, which another proxy has bound: that counts from the next request on. */
  displaced(binding: Binding): void;
}

/**
 * The store's copies of the bindings that are known here: made, renewed, made again where the store has lost them, and
 * removed. Where the store has another host than this proxy, the store's counts.
 */
export class Copies {
  readonly #guard: StoreGuard;
  readonly #originals: Originals;
  readonly #rewrites: Rewrites;
  readonly #removals = new Map<string, Promise<void>>();

  constructor(guard: StoreGuard, originals: Originals) {
    this.#guard = guard;
    this.#originals = originals;
    this.#rewrites = new Rewrites({
      all: () => originals.all(),
      renew: (binding) => this.#renew(binding),
      isUp: () => !guard.degraded,
    });
    // The store may have lost what it held.
    guard.on('ready', () => this.#rewrites.all());
    guard.on('trusted', () => this.#rewrites.unstored());
  }

  /** Resolves once it is stored, or the store has failed. Never rejects. */
  async bind(binding: Binding): Promise<void> {
    binding.stored = await this.#guard.bind(binding.sid, binding.host.name, binding.ttl);
    if (!binding.stored) binding.storedAt = NEVER;
  }

  /** Renews in the store what has lived a quarter of its time there, so that it always outlives its last use by ¾. */
  freshen(binding: Binding, now: number): void {
    if (now - binding.storedAt <= binding.ttl * 250 || this.#guard.degraded || binding.host.removed) return;
    void this.#renew(binding);
  }

  /** Removes what is bound to the host: another proxy may have bound the sid to another one since. */
  unbind(sid: string, host: Host): void {
    const removal: Promise<void> = this.#remove(sid, host).finally(() => {
      if (this.#removals.get(sid) === removal) this.#removals.delete(sid);
    });
    this.#removals.set(sid, removal);
  }

  /** What is being removed is not to be found any more: resolves once it cannot be. */
  removal(sid: string): Promise<void> | undefined {
    return this.#removals.get(sid);
  }

  /** Resolves once what is being removed is gone, or the store has not answered in time. */
  async close(): Promise<void> {
    this.#rewrites.close();
    await Promise.all(this.#removals.values());
  }

  async #remove(sid: string, host: Host): Promise<void> {
    const stored = await this.#guard.inspect(sid).catch(() => undefined);
    if (stored?.host === host.name && !this.#originals.isBound(sid)) await this.#guard.unbind(sid);
  }

  async #renew(binding: Binding): Promise<void> {
    if (!binding.stored) {
      await this.#bindLate(binding);
      return;
    }
    // Set first, so that the requests that come meanwhile do not renew it too.
    binding.storedAt = performance.now();
    if (!await this.#restore(binding)) binding.storedAt = NEVER;
  }

  /** One that could not be stored when it was made is newer than what the store may have. */
  async #bindLate(binding: Binding): Promise<void> {
    // It may be being bound just now.
    if (binding.storedAt !== NEVER || !this.#originals.isCurrent(binding)) return;
    binding.storedAt = performance.now();
    await this.bind(binding);
  }

  /** Renewing by `find` never shortens what another proxy set; what the store has lost is stored again. */
  async #restore(binding: Binding): Promise<boolean> {
    const { sid, host, ttl } = binding;
    try {
      let found = await this.#guard.find(sid, ttl);
      if (found === undefined && this.#originals.isCurrent(binding)) {
        if (!await this.#guard.restore(sid, host.name, ttl)) return false;
        found = await this.#guard.find(sid, ttl);
      }
      const isOthers = found !== undefined && found !== host.name;
      if (isOthers && this.#originals.isCurrent(binding)) this.#originals.displaced(binding);
      return true;
    } catch {
      return false;
    }
  }
}
