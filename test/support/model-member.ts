import { Fleet } from '../../src/fleet/fleet';
import type { Beat, FleetStore, Reading } from '../../src/fleet/fleet-store';
import type { EndedShown } from '../../src/fleet/member';
import type { Host } from '../../src/hosts/host';
import { hostOf } from '../../src/hosts/host-options';
import { Hosts } from '../../src/hosts/hosts';
import { followCounts } from '../../src/operating/fleet-counts';
import { FleetSelf, type ShownOptions } from '../../src/operating/fleet-self';
import { Copy, createBinding, type Binding } from '../../src/sessions/binding';
import { SessionCounts } from '../../src/sessions/session-counts';
import { ModelStore } from './fleet-model';

/** Members in this process that beat when a test says so, at a time that it sets. */
export class ModelFleet implements FleetStore {
  /** The clock of all, in ms. */
  time = 1_000_000;
  /** Redis cannot be reached. */
  isAway = false;
  /** Redis answers, and refuses the fleet. */
  isForbidden = false;
  /** Redis's clock minus `time`, in ms. */
  offset = 0;
  #store = new ModelStore();

  beat(beat: Beat): Promise<Reading> {
    if (this.isForbidden) return Promise.reject(new Error("NOPERM this user has no permissions to run the 'eval' command"));
    if (this.isAway) return Promise.reject(new Error('no connection'));
    this.#store.now = this.time + this.offset;
    return this.#store.beat(beat);
  }

  /** Redis loses all that it has. */
  lose(): void {
    this.#store = new ModelStore();
  }

  /** Lets the members beat one after the other, every 1.5 s, for a time. */
  async pass(ms: number, ...members: readonly ModelMember[]): Promise<void> {
    for (const end = this.time + ms; this.time < end;) {
      this.time += Math.min(1500, end - this.time);
      for (const { fleet } of members) await fleet.beat();
      // `drained` is told in the next turn.
      await new Promise((resolve) => void setImmediate(resolve));
    }
  }
}

const KNOWN = { ready: true, workers: 1, without: [] };

/** What a proxy has for the fleet, without one. */
export class ModelMember {
  readonly fleet: Fleet;
  readonly hosts: Hosts;
  /** The sessions that were ended here of late. */
  ended: () => readonly EndedShown[] = () => [];
  /** Whether sessions may go on at a host that only members knew that are gone. */
  waits: (host: string) => boolean = () => false;
  readonly #counts: SessionCounts;

  constructor(world: ModelFleet, id: string, names: readonly string[], keyPrefix = 'p#', discover?: ShownOptions['discover']) {
    const hosts = names.map((name) => hostOf('host', name, 1));
    this.hosts = new Hosts(hosts, {
      unhealthyAfter: 1, healthyAfter: 1, balance: 'least-connections', slowStart: 0, maxSessions: undefined,
    });
    this.#counts = new SessionCounts(this.hosts);
    this.#counts.keepSample();
    for (const host of hosts) this.hosts.report(host, undefined);
    const self = new FleetSelf({ discover, path: '/socket.io/', keyPrefix, keyExpiry: 60 }, this.hosts);
    const show = (): ReturnType<FleetSelf['show']> =>
      self.show({ ...KNOWN, ended: this.ended() }, this.#counts.sample, (host) => this.waits(host));
    this.fleet = new Fleet({ id, timeout: 1000, life: 60_000, clock: () => world.time }, world, show);
    followCounts(this.fleet, this.hosts);
  }

  host(at = 0): Host {
    const host = this.hosts.all[at];
    if (!host) throw new Error(`no host ${at}`);
    return host;
  }

  /** Knows a session from now on. */
  know(sid: string, at = 0, ttl = 60): Binding {
    const binding = createBinding(sid, this.host(at), ttl, Copy.Made);
    this.#counts.add(binding);
    return binding;
  }

  forget(binding: Binding): void {
    this.#counts.delete(binding);
  }
}
