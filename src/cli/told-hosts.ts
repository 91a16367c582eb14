import type { DownReason } from '../host';
import type { HealthSource } from '../health-checker';
import { hostOf } from '../host-options';
import type { Hosts } from '../hosts';
import { LOAD_INTERVAL, type HostEntry, type HostLoad } from './messages';

/** The hosts of a worker, which follow those of the primary. */
export class ToldHosts implements HealthSource {
  /** The primary starts a worker after the first round. */
  readonly ready = true;
  readonly #hosts: Hosts;
  #applying = false;

  /** @param unreached is called when the worker itself marks a host down. */
  constructor(hosts: Hosts, entries: readonly HostEntry[], unreached: (host: string, reason: DownReason) => void) {
    this.#hosts = hosts;
    hosts.on('down', ({ name }, reason) => {
      if (!this.#applying) unreached(name, reason);
    });
    this.apply(entries);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): void {
    // Nothing was begun.
  }

  apply(entries: readonly HostEntry[]): void {
    this.#applying = true;
    try {
      const names = new Set(entries.map(({ host }) => host));
      for (const { name } of this.#hosts.all) if (!names.has(name)) this.#hosts.remove(name);
      for (const entry of entries) this.#follow(entry);
    } finally {
      this.#applying = false;
    }
  }

  /** What is under way on each. */
  get load(): HostLoad[] {
    return this.#hosts.all.map((host) => {
      const { name, sessions, tunnels, requests } = host;
      return { host: name, sessions, tunnels, requests, answered: host.hasAnsweredWithin(LOAD_INTERVAL) };
    });
  }

  #follow({ host: name, state, downReason, draining, weight }: HostEntry): void {
    if (!this.#hosts.get(name)) this.#hosts.add(hostOf('host', name, weight));
    this.#hosts.setWeight(name, weight);
    if (draining) this.#hosts.drain(name);
    else this.#hosts.undrain(name);
    const host = this.#hosts.get(name);
    if (host && state !== 'checking') this.#hosts.report(host, downReason);
  }
}
