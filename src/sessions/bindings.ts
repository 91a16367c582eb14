import { EventEmitter } from 'node:events';
import createDebug from 'debug';
import { LRUCache } from 'lru-cache';
import { Bag } from '../base/bag';
import { copyOf, createBinding, isExpired, NEVER, UNCOUNTED, type Binding } from './binding';
import { Copies } from './copies';
import { Expiries } from './expiries';
import type { Absence } from '../base/errors';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { LookUps } from './look-ups';
import { shownSid } from '../base/shown';
import { StoreGuard } from './store-guard';
import type { SessionStore, StoredBinding } from './session-store';
import { createTotals, type Totals } from '../base/totals';

const debug = createDebug('socket.io-proxy:bindings');

/**
 * How long a session counts as alive whose WebSocket has ended, in ms. Engine.IO ends a session with its transport. But
 * the WebSocket may also have been an upgrade that failed, whose session goes on by polling, and as a rule within that
 * time. Where it does so later, the store is asked.
 */
const ENDED_LIFE = 3000;

/** Of how many sids that have no session any more it is remembered why. */
const MAX_ABSENT = 10_000;

export interface BindingsOptions {
  /** In seconds. */
  readonly keyExpiry: number;
  readonly cacheSize: number;
  /** In ms. */
  readonly storeTimeout: number;
}

export interface BindingsEvents {
  degraded: [error: Error];
  recovered: [];
}

/**
 * sid → host over a session store. What was bound or found is remembered here, since a sid's host never changes; the
 * store's copy is renewed while a session is used or held open. When the store fails, sessions known here go on, and
 * what could not be stored is stored once it is back.
 */
export class Bindings extends EventEmitter<BindingsEvents> {
  readonly #hosts: Hosts;
  readonly #guard: StoreGuard;
  readonly #keyExpiry: number;
  readonly #cache: LRUCache<string, Binding>;
  readonly #held = new Bag<Binding>();
  /** No client knows of these yet. */
  readonly #opening = new Set<Binding>();
  readonly #expiries = new Expiries((binding) => this.#expired(binding));
  readonly #absent = new LRUCache<string, Absence>({ max: MAX_ABSENT });
  readonly #lookUps: LookUps;
  readonly #copies: Copies;
  readonly #totals: Totals;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(store: SessionStore, hosts: Hosts, options: BindingsOptions, totals = createTotals()) {
    super();
    this.#totals = totals;
    this.#hosts = hosts;
    this.#keyExpiry = options.keyExpiry;
    this.#cache = new LRUCache({ max: options.cacheSize, dispose: (binding) => this.#dropped(binding) });
    this.#guard = new StoreGuard(store, options.storeTimeout, totals.store);
    this.#guard.on('degraded', (error) => this.emit('degraded', error));
    this.#guard.on('recovered', () => this.emit('recovered'));
    this.#lookUps = new LookUps((sid) => this.#guard.find(sid, this.#keyExpiry));
    this.#copies = new Copies(this.#guard, {
      all: () => this.all(),
      isCurrent: (binding) => this.#isCurrent(binding),
      isBound: (sid) => this.#cache.has(sid),
      displaced: ({ sid }) => this.#cache.delete(sid),
    });
  }

  /** The store can't be used at the moment. */
  get degraded(): boolean {
    return this.#guard.degraded;
  }

  /** Opens the store, and begins to renew the bindings that are held, and to forget those that have expired. */
  start(): void {
    this.#guard.start();
    // An eighth of the shortest life finds each binding well before it has lived half of it.
    this.#sweeping = setInterval(() => this.#sweep(), Math.min(5000, this.#keyExpiry * 125)).unref();
  }

  /**
   * Binds a sid, and resolves once it is stored, or the store has failed: the binding then lives in this proxy alone
   * until the store is back. Never rejects.
   *
   * @param lifetime how long the session lives without a sign of its client, in seconds.
   */
  async bind(sid: string, host: Host, lifetime: number): Promise<Binding> {
    // A third more than it lives, so that it need not be renewed on every use (see `Copies`).
    const ttl = Math.max(this.#keyExpiry, Math.ceil((lifetime * 4) / 3));
    const binding = this.#remember(sid, host, ttl, false);
    this.#opening.add(binding);
    await this.#copies.bind(binding);
    this.#opening.delete(binding);
    debug('%s → %s for %d s', shownSid(sid), host.name, ttl);
    return binding;
  }

  /**
   * The sid's binding: at once when it is known here, else by asking the store; `undefined` when it is unknown or
   * expired. The promise rejects when the store can't be asked.
   */
  find(sid: string): Binding | Promise<Binding | undefined> {
    const binding = this.#cache.get(sid);
    const now = performance.now();
    // One that has expired here may have been used by another proxy since: the store knows.
    if (binding === undefined || isExpired(binding, now)) {
      this.#totals.cache.misses += 1;
      return this.#lookUp(sid);
    }
    this.#totals.cache.hits += 1;
    // What will be refused is no use of it.
    if (binding.host.gone) return binding;
    binding.usedAt = now;
    // Its host was gone in the meantime, and yet it is used.
    if (binding.era !== binding.host.era) this.#count(binding);
    this.#copies.freshen(binding, now);
    return binding;
  }

  /** Why a sid that `find` has not found has no session, as far as is known. */
  absence(sid: string): Absence {
    return this.#absent.get(sid) ?? 'never_seen';
  }

  /** What is known of a sid, which does not count as a use of it. Rejects when the store can't be asked. */
  async inspect(sid: string): Promise<Binding | StoredBinding | undefined> {
    await this.#copies.removal(sid);
    // One that is held may have left the cache.
    return this.#known(sid) ?? this.#held.items.find((held) => held.sid === sid) ?? this.#guard.inspect(sid);
  }

  /** It is neither forgotten nor expired, and its client may know of it: the store has been asked to bind it. */
  has(binding: Binding): boolean {
    if (this.#opening.has(binding)) return false;
    return this.#held.has(binding) || this.#known(binding.sid) === binding;
  }

  /** All that are known here, those twice that are held; some may have expired. */
  *all(): Generator<Binding> {
    yield* this.#held.items;
    yield* this.#cache.values();
  }

  /**
   * Its session no longer counts, unless it is used once more: it has ended, or its host is gone. Another proxy may
   * reach that host, so the store keeps the binding until it expires. It counts off once, though it may leave the cache
   * first, and be held and released after that.
   */
  discount(binding: Binding): void {
    const { host, era } = binding;
    if (era !== host.era) return;
    binding.era = UNCOUNTED;
    host.sessions -= 1;
    this.#hosts.settle(host);
  }

  /**
   * Forgets a session here at once, and in the store soon: one that is over, whichever proxy looks at it.
   *
   * @param session a sid where it may be known there alone.
   */
  unbind(session: Binding | string, host: Host, absence: Absence): void {
    const sid = typeof session === 'string' ? session : session.sid;
    if (this.forget(session, absence)) this.#copies.unbind(sid, host);
    debug('%s unbound', shownSid(sid));
  }

  /** Forgets a session in this process alone. @returns whether its sid is nobody else's here by now. */
  forget(session: Binding | string, absence: Absence): boolean {
    const sid = typeof session === 'string' ? session : session.sid;
    const latest = this.#cache.peek(sid);
    const binding = typeof session === 'string' ? latest : session;
    if (binding && binding.holds > 0) {
      // What is still open is no session any more.
      this.#held.delete(binding);
      this.discount(binding);
    }
    // Servers may be made to give a client the same sid again, and by now it is another's.
    if (latest && binding && latest.host !== binding.host) return false;
    this.#absent.set(sid, absence);
    this.#cache.delete(sid);
    return true;
  }

  /** Keeps a binding alive while a request or WebSocket of its session is open, until `release`. */
  hold(binding: Binding): void {
    binding.holds += 1;
    this.#held.add(binding);
  }

  release(binding: Binding): void {
    binding.holds -= 1;
    binding.usedAt = performance.now();
    if (binding.holds === 0) {
      this.#held.delete(binding);
      if (!binding.cached) this.discount(binding);
    }
    // The session may be used next through another proxy, which knows of it only from the store.
    this.#copies.freshen(binding, binding.usedAt);
  }

  /**
   * Takes in that a WebSocket which came with the sid has ended, and with it, as it seems, the session: unless it is
   * used again, it no longer counts from soon on. The store keeps its binding.
   */
  fade(binding: Binding): void {
    // Where this proxy alone knows it, nobody could be asked should it go on.
    if (binding.holds > 0 || !binding.cached || binding.storedAt === NEVER || this.#guard.degraded) return;
    binding.usedAt = Math.min(binding.usedAt, performance.now() - binding.ttl * 1000 + ENDED_LIFE);
    this.#expiries.add(binding);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    await this.#copies.close();
    await this.#guard.close();
  }

  async #lookUp(sid: string): Promise<Binding | undefined> {
    const removal = this.#copies.removal(sid);
    if (removal) await removal;
    const name = await this.#lookUps.find(sid);
    const host = name === undefined ? undefined : this.#hosts.get(name) ?? await this.#hosts.seek(name);
    // A binding made here in the meantime knows more than the store's answer.
    const known = this.#known(sid);
    if (known) return known;
    if (host) return this.#remember(copyOf(sid), host, this.#keyExpiry, true);
    // Never trusted as an address: who can write to the store could make the proxy send requests anywhere.
    if (name !== undefined) {
      debug('%s is bound to %s, which is no host', shownSid(sid), name);
      this.#absent.set(copyOf(sid), 'host_gone');
    }
    this.#cache.delete(sid);
    return undefined;
  }

  #known(sid: string): Binding | undefined {
    const binding = this.#cache.peek(sid);
    return binding && !isExpired(binding, performance.now()) ? binding : undefined;
  }

  #remember(sid: string, host: Host, ttl: number, stored: boolean): Binding {
    const binding = createBinding(sid, host, ttl, stored);
    this.#lookUps.forget(sid);
    this.#cache.set(sid, binding);
    this.#count(binding);
    this.#expiries.add(binding);
    return binding;
  }

  /** The cache has it no longer. */
  #dropped(binding: Binding): void {
    binding.cached = false;
    this.#expiries.delete(binding);
    if (binding.holds === 0) this.discount(binding);
  }

  #count(binding: Binding): void {
    binding.era = binding.host.era;
    binding.host.sessions += 1;
  }

  /** It was neither forgotten in the meantime, nor has another one taken its place. */
  #isCurrent(binding: Binding): boolean {
    const latest = this.#cache.peek(binding.sid);
    return latest ? latest === binding : this.#held.has(binding);
  }

  #sweep(): void {
    const now = performance.now();
    for (const binding of this.#held.items) this.#copies.freshen(binding, now);
    this.#expiries.sweep();
  }

  /** It counts no longer here; in the store it expires by itself. */
  #expired(binding: Binding): void {
    this.#absent.set(binding.sid, binding.host.gone ? 'host_gone' : 'expired');
    this.#cache.delete(binding.sid);
  }
}
