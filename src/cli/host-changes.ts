import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import { Leaving } from '../hosts/leaving';
import type { Operator } from '../operating/operator';
import { describe } from '../base/describe';
import type { Log } from './log/log';

/** The changes made, by host name. */
export interface Changed {
  readonly added: string[];
  readonly draining: string[];
  readonly weights: { readonly host: string; readonly weight: number; readonly before: number }[];
}

/**
 * Changes the hosts of a running proxy without losing a session. Other members of the fleet have settings of their own,
 * and are not told. What the fleet has set stays, unless the settings have changed there.
 */
export class HostChanges {
  readonly #operator: Operator;
  readonly #hosts: Hosts;
  readonly #leaving: Leaving;
  readonly #log: Log;

  constructor(operator: Operator, hosts: Hosts, keyExpiry: number, log: Log) {
    this.#operator = operator;
    this.#hosts = hosts;
    this.#leaving = new Leaving(hosts, keyExpiry);
    this.#log = log;
  }

  /**
   * Adds missing hosts and drops unwanted ones, whoever added or removed them.
   *
   * @param before in a fleet, the settings that were applied last: then only what differs from them is changed.
   */
  apply(wanted: readonly Host[], before?: readonly Host[]): Changed {
    const running = before ? this.#hosts.all.filter((host) => twinOf(host, before)) : this.#hosts.all;
    const unwanted = running.filter((host) => !twinOf(host, wanted) && !this.#leaving.has(host.name));
    const draining = unwanted.map(({ name }) => name).filter((name) => this.#try(() => this.#leaving.drop(name)));
    const isNew = (host: Host): boolean => !before || !twinOf(host, before);
    const weights = wanted.filter((host) => isNew(host) || twinOf(host, before ?? [])?.weight !== host.weight)
      .flatMap((host) => this.#weigh(host));
    const added = wanted.filter((host) => isNew(host) && this.#want(host));
    this.#tellOfSpelling(wanted);
    return { added: added.map((host) => this.#nameOf(host)), draining, weights };
  }

  stop(): void {
    this.#leaving.stop();
  }

  /** @returns whether the host was added or restored. */
  #want(host: Host): boolean {
    const running = twinOf(host, this.#hosts.all);
    if (running) return this.#leaving.restore(running.name);
    return this.#try(() => this.#operator.addHost(host.name, { weight: host.weight, scope: 'proxy' }));
  }

  #weigh(wanted: Host): Changed['weights'] {
    const running = twinOf(wanted, this.#hosts.all);
    if (!running || running.weight === wanted.weight) return [];
    const { name: host, weight: before } = running;
    this.#operator.setWeight(host, wanted.weight, { scope: 'proxy' });
    return [{ host, weight: wanted.weight, before }];
  }

  /** The host's name in the running proxy, which its bindings use. */
  #nameOf(host: Host): string {
    return (twinOf(host, this.#hosts.all) ?? host).name;
  }

  #tellOfSpelling(after: readonly Host[]): void {
    for (const host of after) {
      const name = this.#nameOf(host);
      if (name === host.name) continue;
      const message = `a restart is needed to rename ${name} to ${host.name}`;
      this.#log.warn('restart-needed', message, { flags: ['hosts'] });
    }
  }

  /** A listener of the proxy's events may have changed its hosts, so a change can fail. */
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

/** The host with the same origin, however its name is spelled. */
function twinOf(host: Host, hosts: readonly Host[]): Host | undefined {
  return hosts.find(({ url }) => url.origin === host.url.origin);
}
