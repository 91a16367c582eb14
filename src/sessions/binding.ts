import type { Bagged } from '../base/bag';
import type { Host } from '../hosts/host';

/** A request or WebSocket in progress, in the linked list of its session. */
export interface SessionWork {
  newer: SessionWork | undefined;
  older: SessionWork | undefined;
}

/** What the store has of a binding. */
export enum Copy {
  /** It has not had it yet. */
  None,
  /** It has it, or has had it: the binding was found there, or bound. */
  Made,
  /** It has it by a token, which outlives the session: the session does not count before its host has answered. */
  Unconfirmed,
  /** It must never have it, and no request finds the binding: the sid is another session's. */
  Barred,
}

/**
 * The pair sid → host, as this proxy knows it. There may be a million of them: with few fields, all of them pointers or
 * small integers. While it is held it is in the bag of those; while it is only cached, in that of `Expiries`.
 */
export interface Binding extends Bagged {
  readonly sid: string;
  readonly host: Host;
  /** How long the store keeps the binding after storing it, in seconds. */
  readonly ttl: number;
  /** When this proxy learned of it. All times here are by `tick()`. */
  readonly since: number;
  /** When it was last used. An earlier time lets it expire earlier: see `expireNow` and `expireSoon`. */
  usedAt: number;
  /** When it was last stored, or `NEVER`. */
  storedAt: number;
  copy: Copy;
  /** The newest request or WebSocket of the session that is open. While there is one, the binding is held. */
  work: SessionWork | undefined;
  /** The host's era in which the session was counted, or `UNCOUNTED`. */
  era: number;
}

/** The `storedAt` of a binding that is not in the store. Like all times here an integer: see `tick`. */
export const NEVER = -2_000_000_000;

/** The `usedAt` of a binding that has expired, however long its ttl is. */
const LONG_AGO = -2_000_000_000;

/**
 * How long a session counts as alive after its WebSocket has ended, in ms. Engine.IO ends a session with its transport.
 * But if the WebSocket was a failed upgrade, the session goes on by polling, usually within this time. If it goes on
 * later, the store is asked.
 */
const ENDED_LIFE = 3000;

/**
 * The fraction of its ttl after which a binding in use is renewed. So the store's copy always outlives its last use by
 * the rest of it.
 */
export const RENEWED_AFTER = 0.25;

/** The `era` of a session that does not count. */
export const UNCOUNTED = -1;

/**
 * How long the store keeps a session's binding, in seconds: a third longer than the session's lifetime, so that not
 * every use must renew it (see `Copies`).
 */
export function ttlOf(lifetime: number, keyExpiry: number): number {
  return Math.max(keyExpiry, Math.ceil((lifetime * 4) / 3));
}

/**
 * The time by `performance.now()`, as clocks are put forward and back, in whole ms: V8 keeps an integer in the object
 * itself, and a fraction in one more. With many sessions that is a sixth of their memory.
 */
export function tick(): number {
  return Math.floor(performance.now());
}

/** The `storedAt` of a binding that the store has now: no earlier, or its copy would live longer than is believed. */
export function storedNow(): number {
  return Math.ceil(performance.now());
}

/** A binding that was just bound or found. */
export function createBinding(sid: string, host: Host, ttl: number, copy: Copy): Binding {
  const now = tick();
  const storedAt = copy === Copy.None ? NEVER : storedNow();
  return { sid, host, ttl, since: now, usedAt: now, storedAt, copy, work: undefined, place: -1, era: UNCOUNTED };
}

/** A binding of a session that needs no routing, whose sid is another session's. */
export function createApart(sid: string, host: Host, ttl: number): Binding {
  return createBinding(sid, host, ttl, Copy.Barred);
}

/** Lets a binding that is not held expire at once, unless it is used again. */
export function expireNow(binding: Binding): void {
  binding.usedAt = LONG_AGO;
}

/** Lets a binding that is not held expire after `ENDED_LIFE`, if not before, unless it is used again. */
export function expireSoon(binding: Binding): void {
  binding.usedAt = Math.min(binding.usedAt, tick() - binding.ttl * 1000 + ENDED_LIFE);
}

/** Adds work to its session: to a linked list, since a session may have thousands, and linking costs nothing. */
export function link(work: SessionWork, binding: Binding): void {
  const next = work.older = binding.work;
  if (next) next.newer = work;
  binding.work = work;
}

export function unlink(work: SessionWork, binding: Binding): void {
  const { newer, older } = work;
  if (newer) newer.older = older;
  else binding.work = older;
  if (older) older.newer = newer;
  work.newer = work.older = undefined;
}

/** Whether a request or WebSocket of the session is open. */
export function isHeld({ work }: Binding): boolean {
  return work !== undefined;
}

/** When a binding expires, unless it is held. */
export function expiryOf({ usedAt, ttl }: Binding): number {
  return usedAt === LONG_AGO ? -Infinity : usedAt + ttl * 1000;
}

/** Whether the binding is neither held nor recently used, or its host was removed. */
export function isExpired(binding: Binding, now: number): boolean {
  return binding.host.removed || (!isHeld(binding) && now > expiryOf(binding));
}

/** Copies a text. A substring would keep the whole string in memory: here, a request's URL. */
export function copyOf(text: string): string {
  return Buffer.from(text).toString();
}
