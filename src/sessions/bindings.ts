import { EventEmitter } from 'node:events';
import createDebug from 'debug';
import { LRUCache } from 'lru-cache';
import { Bag } from '../base/bag';
import {
  Copy, copyOf, createApart, createBinding, expireNow, expireSoon, isExpired, isHeld, link, NEVER, tick, ttlOf, unlink,
  type Binding, type SessionWork,
} from './binding';
import { BindingCache } from './binding-cache';
import { Claims } from './claims';
import { Copies } from './copies';
import { Expiries } from './expiries';
import type { Absence } from '../base/refusals';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { LookUps } from './look-ups';
import type { SessionAtHostOptions } from './session-at-host';
import { SessionCounts } from './session-counts';
import { shownSid } from '../base/shown';
import { StoreGuard } from './store-guard';
import type { SessionStore, StoredBinding } from './session-store';
import { createTotals, type Totals } from '../base/totals';

const debug = createDebug('socket.io-proxy:bindings');

export interface BindingsOptions extends SessionAtHostOptions {
  /** In seconds, but `storeTimeout` in ms. */
  readonly keyExpiry: number;
  readonly cacheSize: number;
  readonly storeTimeout: number;
}

export interface BindingsEvents {
  degraded: [error: Error];
  recovered: [];
  duplicate: [sid: string, host: Host, otherHost: string];
}

/**
 * sid → host, over a session store. Bindings are cached here, since a sid's host never changes. The store's copy is
 * renewed while a session is used or held open. While the store fails, sessions known here go on, and are stored later.
 * What ends something:
 *
 * | | Counted | In the cache | Copy in the store | Absence |
 * |---|---|---|---|---|
 * | `discount` | no more | stays | stays: another proxy may reach the host | – |
 * | `release`, the last | no more, if not in the cache | stays | is renewed when due | – |
 * | `fade` | until it expires, soon | until then | expires by itself | `expired`, `host_gone` |
 * | `forget`, `unbind` | no more | leaves | stays, but `unbind` removes it | as given |
 */
export class Bindings extends EventEmitter<BindingsEvents> {
  readonly #hosts: Hosts;
  readonly #guard: StoreGuard;
  readonly #keyExpiry: number;
  /** What the store has of a binding that is found there. */
  readonly #found: Copy;
  readonly #cache: BindingCache;
  readonly #held = new Bag<Binding>();
  readonly #expiries = new Expiries((binding) => this.#expired(binding));
  readonly #absent = new LRUCache<string, Absence>({ max: 10_000 });
  readonly #lookUps: LookUps;
  readonly #copies: Copies;
  readonly #claims: Claims;
  readonly counts: SessionCounts;
  readonly #totals: Totals;
  #sweeping: NodeJS.Timeout | undefined;
  /** The binding of a sid, also if it has expired and is still counted. */
  readonly cached = (sid: string): Binding | undefined => this.#cache.peek(sid);
  /** What is known here of a sid, without counting as a use of it. */
  readonly known = (sid: string): Binding | undefined => {
    const binding = this.#cache.peek(sid);
    return binding && !isExpired(binding, performance.now()) ? binding : undefined;
  };

  constructor(store: SessionStore, hosts: Hosts, options: BindingsOptions, totals = createTotals()) {
    super();
    this.#totals = totals;
    this.#hosts = hosts;
    this.counts = new SessionCounts(hosts);
    this.#keyExpiry = options.keyExpiry;
    this.#found = options.tokens ? Copy.Unconfirmed : Copy.Made;
    this.#cache = new BindingCache(options.cacheSize, (binding) => this.#dropped(binding));
    this.#guard = new StoreGuard(store, options.storeTimeout, totals.store);
    this.#guard.on('degraded', (error) => this.emit('degraded', error)).on('recovered', () => this.emit('recovered'));
    this.#claims = new Claims(this.#guard, hosts, options, {
      known: this.known,
      remember: (...args) => this.#remember(...args),
      displaced: (it, isOver) =>
        isOver ? this.forget(it.sid, 'ended', it) : this.#isCurrent(it) && this.#cache.delete(it.sid),
      duplicate: (sid, host, otherHost) => {
        debug('%s assigned %s, which is alive on %s', host.name, shownSid(sid), otherHost);
        totals.duplicateSids += 1;
        this.emit('duplicate', sid, host, otherHost);
      },
    });
    this.#lookUps = new LookUps((sid) => this.#guard.find(sid, this.#keyExpiry));
    this.#copies = new Copies(this.#guard, {
      all: () => this.all(),
      isCurrent: (binding) => this.#isCurrent(binding),
      settle: (binding) => this.#claims.settle(binding),
    });
  }

  /** Whether the store has failed. */
  get degraded(): boolean {
    return this.#guard.degraded;
  }

  /** Opens the store. From now on renews held bindings, and forgets expired ones. */
  start(): void {
    this.#guard.start();
    // An eighth of the shortest ttl: each held binding is seen well before half of its ttl has passed.
    this.#sweeping = setInterval(() => this.#sweep(), Math.min(5000, this.#keyExpiry * 125)).unref();
  }

  /**
   * Binds a sid. Resolves once the binding is stored or the store has failed. After a failure, only this proxy has the
   * binding until the store is back. Never rejects.
   *
   * @param lifetime how long the session survives without a packet of its client, in seconds.
   * @returns `undefined` if the sid belongs to a session that is alive on another host, and so is not bound.
   */
  async bind(sid: string, host: Host, lifetime: number): Promise<Binding | undefined> {
    await this.#copies.removal(sid);
    return this.#claims.bind(sid, host, ttlOf(lifetime, this.#keyExpiry));
  }

  /** Counts a session whose sid is another session's, and which needs no routing: it was opened by WebSocket. */
  bindApart(sid: string, host: Host, lifetime: number): Binding {
    const binding = createApart(sid, host, ttlOf(lifetime, this.#keyExpiry));
    this.counts.add(binding);
    return binding;
  }

  /**
   * The sid's binding: at once when it is known here, else a promise of the store's answer; `undefined` when it is
   * unknown or expired. The promise rejects when the store cannot be asked.
   */
  find(sid: string): Binding | Promise<Binding | undefined> {
    const binding = this.#cache.get(sid);
    const now = tick();
    // Another proxy may have used an expired binding since: the store knows.
    if (binding === undefined || isExpired(binding, now)) {
      this.#totals.cache.misses += 1;
      return this.#lookUp(sid);
    }
    this.#totals.cache.hits += 1;
    // The request will be refused, and so does not count as a use.
    if (binding.host.gone) return binding;
    binding.usedAt = now;
    // The session may no longer count, but is in use again.
    this.counts.add(binding);
    this.#copies.freshen(binding, now);
    return binding;
  }

  /** Why `find` has found nothing, as far as this proxy knows. */
  absence(sid: string): Absence {
    return this.#absent.get(sid) ?? 'never_seen';
  }

  /** Looks a sid up without counting as a use of it. Rejects when the store cannot be asked. */
  async inspect(sid: string): Promise<Binding | StoredBinding | undefined> {
    await this.#copies.removal(sid);
    return this.known(sid) ?? this.#guard.inspect(sid);
  }

  /** Whether the binding is neither forgotten nor expired. */
  has(binding: Binding): boolean {
    return this.#held.has(binding) || this.known(binding.sid) === binding;
  }

  /** All bindings known here. Some may have expired. */
  *all(): Generator<Binding> {
    yield* this.#held.items;
    for (const binding of this.#cache.latest()) if (!this.#held.has(binding)) yield binding;
  }

  /** Stops counting a session that has ended or whose host is gone, until it is used again. */
  discount(binding: Binding): void {
    this.counts.delete(binding);
  }

  /**
   * Forgets a session that is over for every proxy: here at once, and in the store soon.
   *
   * @param mayBeBack its client may have opened another session of that sid, by way of another proxy.
   */
  unbind(sid: string, host: Host, binding = this.#cache.peek(sid), mayBeBack = false): void {
    if (this.forget(sid, 'ended', binding)) this.#copies.unbind(sid, host, mayBeBack ? binding : undefined);
    debug('%s unbound', shownSid(sid));
  }

  /** Forgets a session in this process only. @returns false when its sid by now names another session here. */
  forget(sid: string, absence: Absence, binding = this.#cache.peek(sid)): boolean {
    const latest = this.#cache.peek(sid);
    if (binding) {
      // Its open requests and WebSockets no longer belong to a session.
      this.#held.delete(binding);
      this.discount(binding);
    }
    // A server may be configured to assign a sid again, and may have done so by now.
    if (latest && binding && latest !== binding) return false;
    this.#absent.set(sid, absence);
    this.#cache.delete(sid);
    return true;
  }

  /** Keeps a binding alive until `release`, while a request or WebSocket of its session is open. */
  hold(binding: Binding, work: SessionWork): void {
    link(work, binding);
    this.#expiries.delete(binding);
    this.#held.add(binding);
  }

  /** @param isDoubtful the host may not know the sid, but another one may by now: the store is asked next time. */
  release(binding: Binding, work: SessionWork, isDoubtful: boolean): void {
    unlink(work, binding);
    const now = tick();
    if (isDoubtful && this.#isIdle(binding)) expireNow(binding);
    else binding.usedAt = now;
    if (!isHeld(binding)) {
      this.#held.delete(binding);
      if (this.#cache.release(binding)) this.#expiries.add(binding);
      else this.discount(binding);
    }
    // The next request may reach another proxy, which knows the session only from the store.
    if (!isDoubtful) this.#copies.freshen(binding, now);
  }

  /**
   * Called when a WebSocket that came with the sid has ended, and the session probably with it. Unless the session is
   * used again, it soon stops counting. The store keeps the binding.
   */
  fade(binding: Binding): void {
    if (this.#isIdle(binding)) expireSoon(binding);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    await this.#copies.close();
    await this.#guard.close();
  }

  async #lookUp(sid: string): Promise<Binding | undefined> {
    await this.#copies.removal(sid);
    const name = await this.#lookUps.find(sid);
    const host = name === undefined ? undefined : await this.#hosts.seek(name);
    // A binding made here in the meantime is newer than the store's answer.
    const known = this.known(sid);
    if (known) return known;
    if (host) return this.#remember(copyOf(sid), host, this.#keyExpiry, this.#found);
    // The name is never used as an address: whoever can write to the store could direct requests anywhere.
    if (name !== undefined) this.#absent.set(copyOf(sid), 'host_gone');
    this.#cache.delete(sid);
    return undefined;
  }

  /** Nothing of the session is open, and if it goes on, the store can be asked for it. */
  #isIdle(binding: Binding): boolean {
    if (isHeld(binding) || this.cached(binding.sid) !== binding) return false;
    return binding.storedAt !== NEVER && !this.#guard.degraded;
  }

  /** Neither forgotten nor replaced. */
  #isCurrent(binding: Binding): boolean {
    const cached = this.#cache.peek(binding.sid);
    return cached ? cached === binding : this.#held.has(binding);
  }

  #remember(sid: string, host: Host, ttl: number, copy: Copy): Binding {
    debug('%s → %s for %d s', shownSid(sid), host.name, ttl);
    const binding = createBinding(sid, host, ttl, copy);
    this.#lookUps.forget(sid);
    this.#cache.set(sid, binding);
    this.counts.add(binding);
    this.#expiries.add(binding);
    return binding;
  }

  /** Called when a binding has left the cache. */
  #dropped(binding: Binding): void {
    this.#expiries.delete(binding);
    if (!isHeld(binding)) this.discount(binding);
  }

  #sweep(now = performance.now()): void {
    for (const binding of this.#held.items) this.#copies.freshen(binding, now);
    this.#expiries.sweep();
  }

  /** Forgets an expired binding here. The store's copy expires by itself. */
  #expired(binding: Binding): void {
    this.#absent.set(binding.sid, binding.host.gone ? 'host_gone' : 'expired');
    this.#cache.delete(binding.sid);
  }
}
