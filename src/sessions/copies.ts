import { Copy, NEVER, RENEWED_AFTER, storedNow, tick, type Binding } from './binding';
import type { Host } from '../hosts/host';
import { Rewrites } from './rewrites';
import type { StoreGuard } from './store-guard';

/** The bindings of this process, of which the store has copies. */
export interface Originals {
  /** All bindings known here, of which some may have expired. */
  all(): Iterable<Binding>;
  /** Whether the binding was neither forgotten nor replaced in the meantime. */
  isCurrent(binding: Binding): boolean;
  /**
   * Called to store a binding that could not be stored, or that the store has for another host by now. Never rejects.
   *
   * @returns false if the store could not be asked.
   */
  settle(binding: Binding): Promise<boolean>;
}

/**
 * Keeps the store's copies of the bindings known here: stores, renews and removes them, and stores them again when the
 * store has lost them.
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
    guard.on('writable', () => this.#rewrites.unstored());
  }

  /** Renews the store's copy once a part of its ttl has passed. */
  freshen(binding: Binding, now: number): void {
    const { storedAt, ttl } = binding;
    const isFresh = storedAt !== NEVER && now - storedAt <= ttl * 1000 * RENEWED_AFTER;
    if (isFresh || this.#guard.degraded || binding.host.removed) return;
    void this.#renew(binding);
  }

  /**
   * Removes the sid if it is bound to this host.
   *
   * @param unlessUsed the binding that has ended: a copy that lives longer than that is another session's by now. This
   *   holds unless the store takes longer to do it than the session lived.
   */
  unbind(sid: string, host: Host, unlessUsed: Binding | undefined): void {
    if (unlessUsed?.storedAt === NEVER) return;
    const removal: Promise<void> = this.#guard.release(sid, host.name, lifeOf(unlessUsed)).finally(() => {
      if (this.#removals.get(sid) === removal) this.#removals.delete(sid);
    });
    this.#removals.set(sid, removal);
  }

  /** The removal of a sid in progress. A look-up waits for it, so that it does not find the removed binding. */
  removal(sid: string): Promise<void> | undefined {
    return this.#removals.get(sid);
  }

  /** Resolves once what is in progress is removed and stored, or the store has not answered in time. */
  async close(): Promise<void> {
    await Promise.all([this.#rewrites.close(), ...this.#removals.values()]);
  }

  async #renew(binding: Binding): Promise<void> {
    if (binding.copy === Copy.Barred || binding.copy === Copy.Unconfirmed) return;
    // Another call may be storing it just now.
    if (binding.copy === Copy.None && (binding.storedAt !== NEVER || !this.#originals.isCurrent(binding))) return;
    // Set first, so that requests in the meantime do not renew it too.
    binding.storedAt = storedNow();
    const isStored = await (binding.copy === Copy.Made ? this.#restore(binding) : this.#originals.settle(binding));
    if (isStored) binding.copy = Copy.Made;
    binding.storedAt = isStored ? storedNow() : NEVER;
  }

  /** Renews by `find`, which never shortens another proxy's expiry. Stores a binding again that the store has lost. */
  async #restore(binding: Binding): Promise<boolean> {
    const { sid, host, ttl } = binding;
    try {
      let found = await this.#guard.find(sid, ttl);
      if (found === undefined && this.#originals.isCurrent(binding)) {
        found = await this.#guard.claim(sid, host.name, ttl);
        if (found === undefined) return false;
      }
      const isOthers = found !== undefined && found !== host.name;
      return isOthers && this.#originals.isCurrent(binding) ? await this.#originals.settle(binding) : true;
    } catch {
      return false;
    }
  }
}

/** How long the store's copy of a binding lives at most if nobody else has renewed it, in seconds. */
function lifeOf(binding: Binding | undefined): number {
  if (!binding) return Number.MAX_SAFE_INTEGER;
  return binding.storedAt === NEVER ? -Infinity : binding.ttl - (tick() - binding.storedAt) / 1000;
}
