import type { HealthSource } from '../../hosts/health-checker';
import type { DownReason, HostStatus } from '../../hosts/host';
import type { Hosts } from '../../hosts/hosts';
import type { Operated } from '../../operating/operations';
import type { Proxy } from '../../proxy';
import { MemoryStore } from '../../sessions/session-store';
import type { HostEntry, HostList, HostLoad } from './messages';
import { proxyWithParts } from './parts';
import type { Settings } from '../settings/settings';

/** The hosts of all workers: checked and discovered here, while what is under way on them is in the workers. */
export class HostTable {
  /** It never listens: its hosts are meant, and what it tells of them. */
  readonly proxy: Proxy;
  readonly hosts: Hosts;
  readonly #health: HealthSource;
  #version = 0;
  #lastList = '';

  constructor({ options }: Settings, operated: Operated) {
    const { proxy, parts } = proxyWithParts({ ...options, store: new MemoryStore() }, { operated });
    this.proxy = proxy;
    this.hosts = parts.hosts;
    this.#health = parts.health;
    // It may have got a session of which nothing was told yet.
    this.hosts.on('draining', (host) => {
      host.uncertain = true;
    });
  }

  /** Resolves after the first round: within `checkTimeout`, and 5 s more where DNS is silent. */
  start(): Promise<void> {
    return this.#health.start();
  }

  /** Ends what checks and shows them. */
  stop(): Promise<void> {
    return this.proxy.close();
  }

  /** As it is now: one of a higher version where anything has changed. */
  get list(): HostList {
    const { undiscovered, levelling } = this.hosts;
    const entries = this.proxy.hosts.map(({ host, state, downReason, draining, weight }): HostEntry =>
      ({ host, state, downReason, draining, weight }));
    const text = JSON.stringify([undiscovered, levelling, entries]);
    if (text !== this.#lastList) this.#version += 1;
    this.#lastList = text;
    return { entries, version: this.#version, undiscovered, levelling };
  }

  /** Takes in that a worker has found a host down; the next checks tell whether it is. */
  unreached(name: string, reason: DownReason): void {
    const host = this.hosts.get(name);
    if (host?.up) this.hosts.follow(host, reason);
  }

  /**
   * Takes in what is under way in all workers.
   *
   * @param version of the list that all of them have followed: no host that drains by it has got a session since.
   */
  count(loads: readonly HostLoad[], version: number): void {
    const isCertain = version >= this.list.version;
    for (const host of this.hosts.all) {
      const own = loads.filter(({ host: name }) => name === host.name);
      const sum = (count: keyof Pick<HostStatus, 'sessions' | 'tunnels' | 'requests' | 'polls'>): number =>
        own.reduce((total, load) => total + load[count], 0);
      host.sessions = sum('sessions');
      host.tunnels = sum('tunnels');
      host.requests = sum('requests');
      host.polls = sum('polls');
      if (isCertain) host.uncertain = false;
      this.hosts.settle(host);
    }
  }

  /** Takes in that hosts have answered a worker, and so are at most busy. */
  answered(load: readonly HostLoad[]): void {
    for (const { host, answered } of load) if (answered) this.hosts.get(host)?.answered();
  }
}
