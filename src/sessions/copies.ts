import { NEVER, RENEWED_AFTER, type Binding } from './binding';
import type { Host } from '../hosts/host';
import { Rewrites } from './rewrites';
import type { StoreGuard } from './store-guard';

/** The bindings of this process, of which the store has copies. */
export interface Originals {
  /** All bindings known here, of which some may have expired. */
  all(): Iterable<Binding>;
  /** Whether the binding was neither forgotten nor replaced in the meantime. */
  isCurrent(binding: Binding): boolean;
  isBound(sid: string): boolean;
  /** Called when another proxy has bound the sid to another host, which counts from the next request on. */
  displaced(binding: Binding): void;
}

/**
 * Keeps the store's copies of the bindings known here: stores, renews and removes them, and stores them again when the
 * store has lost them. If the store has another host than this proxy, the store's host counts.
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

  /** Stores the binding over any other. Resolves once it is stored or the store has failed. Never rejects. */
  async bind(binding: Binding): Promise<void> {
    binding.stored = await this.#guard.bind(binding.sid, binding.host.name, binding.ttl);
    if (!binding.stored) binding.storedAt = NEVER;
  }

  /** Renews the store's copy once a part of its ttl has passed. */
  freshen(binding: Binding, now: number): void {
    const isFresh = now - binding.storedAt <= binding.ttl * 1000 * RENEWED_AFTER;
    if (isFresh || this.#guard.degraded || binding.host.removed) return;
    void this.#renew(binding);
  }

  /** Removes the sid if it is bound to this host: another proxy may have bound it to another one since. */
  unbind(sid: string, host: Host): void {
    const removal: Promise<void> = this.#remove(sid, host).finally(() => {
      if (this.#removals.get(sid) === removal) this.#removals.delete(sid);
    });
    this.#removals.set(sid, removal);
  }

  /** The removal of a sid in progress. A look-up waits for it, so that it does not find the removed binding. */
  removal(sid: string): Promise<void> | undefined {
    return this.#removals.get(sid);
  }

  /** Resolves once the removals in progress are done, or the store has not answered in time. */
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
    // Set first, so that requests in the meantime do not renew it too.
    binding.storedAt = performance.now();
    if (!await this.#restore(binding)) binding.storedAt = NEVER;
  }

  /** Overwrites the store's entry: a binding that could not be stored when it was made is newer. */
  async #bindLate(binding: Binding): Promise<void> {
    // Another call may be binding it just now.
    if (binding.storedAt !== NEVER || !this.#originals.isCurrent(binding)) return;
    binding.storedAt = performance.now();
    await this.bind(binding);
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
      if (isOthers && this.#originals.isCurrent(binding)) this.#originals.displaced(binding);
      return true;
    } catch {
      return false;
    }
  }
}
