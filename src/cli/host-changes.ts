import type { DownReason } from '../host';
import type { HostOptions } from '../host-options';
import type { Proxy } from '../proxy';
import { describe, type Log } from './log';

/** A host as it stands in the option `hosts`. */
export type Entry = string | HostOptions;

/** How often hosts that are leaving are looked at. */
const INTERVAL = 500;

/** Nothing listens there any more: whatever sessions other proxies may have on it are lost. */
const GONE = new Set<DownReason | undefined>(['refused', 'unreachable']);

/** Changes the hosts of a proxy that runs, and loses no session with it. */
export class HostChanges {
  readonly #proxy: Proxy;
  readonly #shared: boolean;
  readonly #log: Log;
  readonly #leaving = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** @param shared whether other proxies may have sessions that this one does not know of. */
  constructor(proxy: Proxy, shared: boolean, log: Log) {
    this.#proxy = proxy;
    this.#shared = shared;
    this.#log = log;
  }

  /** Adds what is new, drains what has vanished, and returns the names of both. */
  apply(before: readonly Entry[], after: readonly Entry[]): { added: string[]; draining: string[] } {
    const [old, wanted] = [weightsOf(before), weightsOf(after)];
    const draining = [...old.keys()].filter((host) => !wanted.has(host) && this.#try(() => this.#drain(host)));
    const added = [...wanted].filter(([host, weight]) => {
      if (old.has(host)) {
        if (old.get(host) !== weight) this.#try(() => this.#proxy.setWeight(host, weight));
        return false;
      }
      return this.#try(() => this.#add(host, weight));
    }).map(([host]) => host);
    return { added, draining };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #add(host: string, weight: number): void {
    if (!this.#leaving.delete(host)) {
      this.#proxy.addHost(host, { weight });
      return;
    }
    this.#proxy.undrainHost(host);
    this.#proxy.setWeight(host, weight);
  }

  #drain(host: string): void {
    this.#proxy.drainHost(host);
    this.#leaving.add(host);
    this.#timer ??= setInterval(() => this.#removeThoseThatMayGo(), INTERVAL).unref();
  }

  /**
   * One that other proxies use too is only removed when it is gone: till then a session of theirs, of which nothing
   * is known here, might come through this proxy and be answered as unknown.
   */
  #removeThoseThatMayGo(): void {
    for (const { host, state, downReason, sessions, tunnels, requests } of this.#proxy.hosts) {
      if (!this.#leaving.has(host) || tunnels > 0 || requests > 0) continue;
      const isGone = state === 'down' && GONE.has(downReason);
      if (!isGone && (this.#shared || sessions > 0)) continue;
      this.#leaving.delete(host);
      this.#try(() => this.#proxy.removeHost(host));
    }
    if (this.#leaving.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A host that is spelled in two ways, or that was removed by discovery meanwhile, is no reason to end. */
  #try(change: () => void): boolean {
    try {
      change();
      return true;
    } catch (error) {
      const message = error instanceof Error ? describe(error) : String(error);
      this.#log.warn('reload-failed', message, { error: message });
      return false;
    }
  }
}

function weightsOf(entries: readonly Entry[]): Map<string, number> {
  return new Map(entries.map((entry) => (typeof entry === 'string' ? [entry, 1] : [entry.host, entry.weight ?? 1])));
}
