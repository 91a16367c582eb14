import { EventEmitter } from 'node:events';
import { createAdminServer, type AdminServer } from '../../admin/lazy';
import { announce } from '../../base/announce';
import { createHealthSource } from '../../hosts/health-source';
import type { HealthSource } from '../../hosts/health-checker';
import { Host, type DownReason, type HostStatus } from '../../hosts/host';
import { Hosts } from '../../hosts/hosts';
import { Operations, type Operated } from '../../operating/operations';
import { relayHosts, type ProxyEvents } from '../../operating/proxy-events';
import type { ResolvedOptions } from '../../options/options';
import type { RateLimit } from '../../operating/fleet-rate';
import { createFleet, type ProxyFleet } from '../../operating/proxy-fleet';
import { unionOf } from '../../sessions/session-union';
import type { SidSample } from '../../sessions/sid-sample';
import type { EndedWorkers } from './ended-workers';
import type { HostEntry, HostList, HostLoad, SessionsElsewhere } from './messages';

/** What a worker has. */
interface WorkerLoad {
  readonly load: readonly HostLoad[];
  /** Some of the sids that it knows. */
  readonly sample: SidSample;
}

/** The hosts of all workers. The primary checks, discovers and operates them; the workers send their traffic. */
export class HostTable {
  readonly hosts: Hosts;
  readonly operations: Operations;
  /** The events of a proxy, for all workers together. */
  readonly events = new EventEmitter<ProxyEvents>();
  readonly #health: HealthSource;
  readonly fleet: ProxyFleet;
  readonly #admin: AdminServer | undefined;
  readonly #ended: EndedWorkers;
  #version = 0;
  #lastList = '';

  /** @param rate that the fleet may limit. */
  constructor(
    options: Omit<ResolvedOptions, 'store'>, operated: Operated, rate: RateLimit, ended: EndedWorkers,
  ) {
    const { events } = this;
    this.#ended = ended;
    const hosts = this.hosts = new Hosts(options.hosts.map(({ name, weight }) => new Host(name, weight)), options);
    const fleet = this.fleet = createFleet(options, hosts, events);
    fleet.sharing(rate);
    const health = this.#health = fleet.before(createHealthSource(hosts, options, (error) => {
      announce(events, 'discoveryError', error);
    }));
    this.operations = new Operations(hosts, operated, options, events, () => health.ready, fleet.member);
    fleet.show(this.operations, operated);
    this.#admin = options.admin && createAdminServer(this.operations, options.admin, (address) => {
      announce(events, 'adminListening', address);
    });
    relayHosts(hosts, events);
    // A worker may not have reported a new session on the host yet.
    hosts.on('draining', (host) => {
      host.uncertain = true;
    });
  }

  /** Makes the admin server listen, if there is one. Rejects with the server's error if it cannot. */
  async listenAdmin(): Promise<void> {
    await this.#admin?.listen();
  }

  /**
   * Resolves after the first look at the fleet and the first health checks: within `storeTimeout`, and within
   * `checkTimeout` and 5 s more if DNS does not answer.
   */
  start(): Promise<void> {
    return this.#health.start();
  }

  /** Stops the health checks and the admin server, and leaves the fleet. To be called when all workers have ended. */
  async stop(): Promise<void> {
    this.#health.stop();
    // So that the other members wait for these.
    for (const host of this.hosts.all) if (this.#ended.had(host.name)) host.sessions = Math.max(1, host.sessions);
    await Promise.all([this.fleet.stop(), this.#admin?.close()]);
  }

  /** The current list of hosts, under a new version if it has changed since the last call. */
  takeList(): HostList {
    const { awaitsDiscovery, levelling } = this.hosts;
    const entries = this.hosts.all.map(({ status, address: { used: address } }): HostEntry => {
      const { host, state, downReason, downText, draining, weight } = status;
      return { host, state, downReason, downText, draining, weight, address };
    });
    const text = JSON.stringify([awaitsDiscovery, levelling, entries]);
    if (text !== this.#lastList) this.#version += 1;
    this.#lastList = text;
    return { entries, version: this.#version, awaitsDiscovery, levelling };
  }

  /** Records that a worker has found a host down. The next checks decide whether it is. */
  unreached(name: string, reason: DownReason, text?: string): void {
    const host = this.hosts.get(name);
    if (host?.up) this.hosts.adopt(host, reason, text);
  }

  /**
   * Records the load of all workers. A session that several workers know counts once.
   * @param version of the list that all workers have applied: hosts that drain in it have got no session since. A
   * drain makes `takeList` be called at once, so that no newer list can have one.
   */
  count(workers: readonly WorkerLoad[], version: number): void {
    const isCertain = version >= this.#version;
    const union = unionOf(workers.map(({ load, sample }) => (
      { counts: new Map(load.map(({ host, sessions }) => [host, sessions])), sample }
    )));
    const loads = workers.flatMap(({ load }) => load);
    for (const host of this.hosts.all) {
      const own = loads.filter(({ host: name }) => name === host.name);
      const sum = (count: keyof Pick<HostStatus, 'tunnels' | 'requests' | 'polls'>): number =>
        own.reduce((total, load) => total + load[count], 0);
      host.sessions = union.get(host.name) ?? 0;
      host.tunnels = sum('tunnels');
      host.requests = sum('requests');
      host.polls = sum('polls');
      host.bindingLife = Math.max(host.bindingLife, ...own.map(({ bindingLife }) => bindingLife));
      const mayHaveMore = this.#ended.had(host.name);
      if (isCertain || mayHaveMore) host.uncertain = mayHaveMore;
      this.hosts.settle(host);
    }
  }

  /** What other workers and other members of the fleet have that a worker does not know. */
  elsewhere({ load }: WorkerLoad): SessionsElsewhere {
    const own = new Map(load.map(({ host, sessions }) => [host, sessions]));
    return Object.fromEntries(this.hosts.all.map(({ name, allSessions }) => (
      [name, Math.max(0, allSessions - (own.get(name) ?? 0))]
    )));
  }

  /** Records that hosts have answered a worker, so that they are at most busy. */
  answered(load: readonly HostLoad[]): void {
    for (const { host, answered, served } of load) if (answered) this.hosts.get(host)?.answered(served);
  }
}
