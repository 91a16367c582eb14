import type { Bagged } from '../base/bag';
import type { Host } from '../hosts/host';

/** A request or WebSocket of a session that is under way, in a chain of all of them. */
export interface SessionWork {
  newer: SessionWork | undefined;
  older: SessionWork | undefined;
}

/** The pair sid → host, as this proxy knows it. */
export interface Binding extends Bagged {
  readonly sid: string;
  readonly host: Host;
  /** How long the store keeps it after it was stored, in seconds. */
  readonly ttl: number;
  /** Since when it is known here: by `performance.now()`, like all times here, as clocks are put forward and back. */
  readonly since: number;
  /** When it was last used. */
  usedAt: number;
  /** When it was last stored, or `NEVER`. */
  storedAt: number;
  /** The store has had it: it was found there, or bound. */
  stored: boolean;
  /** How many requests and WebSockets of the session are open. */
  holds: number;
  /** The newest of these. */
  work: SessionWork | undefined;
  /** It can be found here. One that cannot may still be held. */
  cached: boolean;
  /** The host's era in which it was counted as one of its sessions, or `UNCOUNTED`. */
  era: number;
  /** The second in which it is due to be looked at, or -1: `Expiries` alone sets it. */
  due: number;
}

/** Of what is not in the store. */
export const NEVER = -Infinity;

/** The era of what does not count. */
export const UNCOUNTED = -1;

/** One that was just bound, or found. */
export function createBinding(sid: string, host: Host, ttl: number, stored: boolean): Binding {
  const now = performance.now();
  const { era } = host;
  return {
    sid, host, ttl, since: now, usedAt: now, storedAt: now, stored, holds: 0, work: undefined, place: -1, due: -1,
    cached: true, era,
  };
}

/** Puts what is under way to its session's. In a chain, as a session may have thousands, and as it costs nothing. */
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

/** When a binding that is not held expires. */
export function expiryOf({ usedAt, ttl }: Binding): number {
  return usedAt + ttl * 1000;
}

/** It lives no longer: neither is it held, nor was it used lately; or its host is gone from the list. */
export function isExpired(binding: Binding, now: number): boolean {
  return binding.host.removed || (binding.holds === 0 && now > expiryOf(binding));
}

/** A part of a string keeps the whole of it in memory: here, a request's URL. */
export function copyOf(text: string): string {
  return Buffer.from(text).toString();
}
