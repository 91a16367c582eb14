import type { Host } from '../host';
import type { Hosts } from '../hosts';
import { Leaving } from '../leaving';
import type { Proxy } from '../proxy';
import { describe, type Log } from './log';

/** What became of a change: the names of hosts. */
export interface Changed {
  readonly added: string[];
  readonly draining: string[];
}

/** Changes the hosts of a proxy that runs, and loses no session with it. */
export class HostChanges {
  readonly #proxy: Proxy;
  readonly #hosts: Hosts;
  readonly #leaving: Leaving;
  readonly #log: Log;

  constructor(proxy: Proxy, hosts: Hosts, keyExpiry: number, log: Log) {
    this.#proxy = proxy;
    this.#hosts = hosts;
    this.#leaving = new Leaving(hosts, keyExpiry);
    this.#log = log;
  }

  /** Adds what is new, and lets what has vanished leave. */
  apply(before: readonly Host[], after: readonly Host[]): Changed {
    const vanished = before.filter((host) => !twinOf(host, after));
    const names = vanished.map((host) => this.#nameOf(host));
    const draining = names.filter((name) => this.#try(() => this.#leaving.drop(name)));
    const added = after.filter((host) => {
      const old = twinOf(host, before);
      if (!old) return this.#try(() => this.#add(host));
      if (old.weight !== host.weight) this.#try(() => this.#proxy.setWeight(this.#nameOf(host), host.weight));
      return false;
    });
    this.#tellOfSpelling(after);
    return { added: added.map((host) => this.#nameOf(host)), draining };
  }

  stop(): void {
    this.#leaving.stop();
  }

  #add(host: Host): void {
    const name = this.#nameOf(host);
    if (this.#leaving.restore(name)) this.#proxy.setWeight(name, host.weight);
    else this.#proxy.addHost(name, { weight: host.weight });
  }

  /** As it is spelled here, by which its sessions are bound. */
  #nameOf(host: Host): string {
    return (twinOf(host, this.#hosts.all) ?? host).name;
  }

  #tellOfSpelling(after: readonly Host[]): void {
    for (const host of after) {
      const name = this.#nameOf(host);
      if (name === host.name) continue;
      const message = `only a restart spells ${name} as ${host.name}, by which new sessions would be bound`;
      this.#log.warn('restart-needed', message, { flags: ['hosts'] });
    }
  }

  /** A host that an operator has added or removed meanwhile is no reason to end. */
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

/** The same server, however it is spelled. */
function twinOf(host: Host, hosts: readonly Host[]): Host | undefined {
  return hosts.find(({ url }) => url.origin === host.url.origin);
}
