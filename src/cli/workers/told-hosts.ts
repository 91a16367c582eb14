import { startDeadline } from '../../base/deadline';
import { NOWHERE, type DownReason, type Host } from '../../hosts/host';
import type { HealthSource } from '../../hosts/health-checker';
import { hostOf } from '../../hosts/host-options';
import type { Hosts } from '../../hosts/hosts';
import { LOAD_INTERVAL, type HostEntry, type HostList, type HostLoad, type SessionsElsewhere } from './messages';

/** How long the primary may look for a host, in ms: longer than DNS takes to fail. */
const SEEK_TIMEOUT = 6000;

/** A worker's reports to the primary about hosts. */
export interface Telling {
  /** The worker has marked a host down. */
  unreached(host: string, reason: DownReason, text?: string): void;
  /** A session is bound to a host that the worker does not know. */
  seek(host: string): void;
}

/** Applies the primary's host list to the hosts of a worker. */
export class ToldHosts implements HealthSource {
  /** The primary starts workers after the first health checks. */
  readonly ready = true;
  /** The version of the last applied list. */
  version = 0;
  readonly #hosts: Hosts;
  readonly #sought = new Map<string, { promise: Promise<void>; resolve: () => void }>();
  readonly #telling: Telling;
  #named: ReadonlySet<string> = new Set();
  #applying = false;

  constructor(hosts: Hosts, list: HostList, telling: Telling) {
    this.#hosts = hosts;
    this.#telling = telling;
    hosts.on('down', ({ name, downText }, reason) => {
      if (!this.#applying) telling.unreached(name, reason, ...(downText === undefined ? [] : [downText]));
    });
    hosts.seekWith((name) => this.#seek(name));
    this.apply(list);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): void {
    for (const { resolve } of this.#sought.values()) resolve();
  }

  apply({ entries, version, awaitsDiscovery, levelling }: HostList): void {
    this.#applying = true;
    try {
      this.#named = new Set(entries.map(({ host }) => host));
      for (const host of this.#hosts.all) if (!this.#named.has(host.name)) this.#leave(host);
      for (const entry of entries) this.#follow(entry);
    } finally {
      this.#applying = false;
    }
    this.#hosts.awaitsDiscovery = awaitsDiscovery;
    this.#hosts.levelling = levelling;
    this.version = version;
  }

  /** Records what other processes know. Of their own counts only the primary needs more. */
  countElsewhere(sessions: SessionsElsewhere): void {
    for (const host of this.#hosts.all) host.elsewhere = { ...NOWHERE, sessions: sessions[host.name] ?? 0 };
    this.#hosts.shared = true;
  }

  /** Called when the primary's search for a host has ended. If found, the host is in the list by now. */
  sought(host: string): void {
    this.#sought.get(host)?.resolve();
  }

  /** The load of each host. */
  get load(): HostLoad[] {
    return this.#hosts.all.map((host) => {
      const { name, sessions, tunnels, requests, polls, bindingLife } = host;
      const [answered, served] = [host.hasAnsweredWithin(LOAD_INTERVAL), host.hasServedWithin(LOAD_INTERVAL)];
      return { host: name, sessions, tunnels, requests, polls, answered, served, bindingLife };
    });
  }

  /** Removes a host. If it still has sessions, which the primary may not know of, first asks the primary to keep it. */
  #leave(host: Host): void {
    const { name } = host;
    if (host.draining && !host.empty && !host.gone) {
      void this.#seek(name).then(() => {
        if (!this.#named.has(name) && !host.removed) this.#hosts.remove(name);
      });
    } else {
      this.#hosts.remove(name);
    }
  }

  #seek(host: string): Promise<void> {
    const known = this.#sought.get(host);
    if (known) return known.promise;
    let resolve = (): void => {};
    const promise = new Promise<void>((done) => {
      const cancel = startDeadline(SEEK_TIMEOUT, () => resolve());
      resolve = () => {
        cancel();
        this.#sought.delete(host);
        done();
      };
    });
    this.#sought.set(host, { promise, resolve });
    this.#telling.seek(host);
    return promise;
  }

  #follow({ host: name, state, downReason, downText, draining, weight, address }: HostEntry): void {
    if (!this.#hosts.get(name)) this.#hosts.add(hostOf('host', name, weight));
    this.#hosts.setWeight(name, weight);
    if (draining) this.#hosts.drain(name);
    else this.#hosts.undrain(name);
    const host = this.#hosts.get(name);
    if (address !== undefined) host?.adoptAddress(address);
    if (host && state !== 'checking') this.#hosts.adopt(host, downReason, downText);
  }
}
