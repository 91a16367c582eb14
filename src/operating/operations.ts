import type { EventEmitter } from 'node:events';
import { wrong } from '../base/checks';
import type { Absence } from '../base/refusals';
import type { Fleet } from '../fleet/fleet';
import type { EndedShown } from '../fleet/member';
import type { DiscoveryOptions } from '../hosts/discovery';
import { weightOf, type HostOptions } from '../hosts/host-options';
import type { Hosts } from '../hosts/hosts';
import { Moves } from './moves';
import { movesPerMinuteOf } from './pace';
import type { FleetReport, Remains } from './fleet-shown';
import type {
  Change, DrainOptions, EndOutcome, HostReport, Operator, ProcessMetrics, Readiness, RebalanceOptions,
  RolloutOptions, RolloutStatus, Scope, ScopeOptions, SessionReport, SessionSource, Summary,
} from './operator';
import { watchChanges } from './changes';
import { FleetEnded, type ForgetEnded } from './fleet-ended';
import { FleetEnds } from './fleet-ends';
import { FleetHosts } from './fleet-hosts';
import { FleetRebalance } from './fleet-rebalance';
import { NO_REMAINS } from './fleet-remains';
import { fleetCountsOf, reportOf } from './fleet-report';
import { checkNames, drainingOf, HostControl } from './host-control';
import type { ProxyEvents } from './proxy-events';
import { Rollout } from './rollout';
import type { TellRollout } from './rollout-news';
import { announce } from '../base/announce';
import type { Totals } from '../base/totals';
import type { SidSample } from '../sessions/sid-sample';

/** The processes that an operator controls: this one, or all workers. */
export interface Operated {
  readonly sessions: SessionSource;
  /** The number of processes that serve. */
  readonly workers: number;
  readonly storeFails: boolean;
  /** Some of the sids that they know. */
  readonly sample: SidSample;
  /** Whether the processes can serve, regardless of the hosts. */
  readonly readiness: Readiness;
  totals(): Promise<Totals>;
  processMetrics(): Promise<readonly ProcessMetrics[]>;
  /** Who of them had sessions on a host, and has ended. These sessions may go on through others. */
  goneOn(host: string): readonly string[];
  /** Forgets a session that ended elsewhere some ms ago, unless it was opened since. */
  forgetEnded(sid: string, ago: number): void;
}

export interface OperationsOptions extends Pick<DiscoveryOptions, 'discover'> {
  /** Starts a rebalance at this rate whenever a host comes up or is undrained. */
  readonly rebalance: { readonly perMinute: number } | undefined;
}

/** The operations on a running proxy. */
export class Operations implements Operator {
  readonly #hosts: Hosts;
  readonly #operated: Operated;
  readonly #sessions: SessionSource;
  readonly #fleetEnded: FleetEnded | undefined;
  readonly #moves: Moves;
  readonly #control: HostControl;
  readonly #fleet: Fleet | undefined;
  readonly #fleetHosts: FleetHosts | undefined;
  readonly #fleetRebalance: FleetRebalance | undefined;
  readonly #fleetEnds: FleetEnds | undefined;
  readonly #rollout: Rollout;
  readonly #events: EventEmitter<ProxyEvents>;
  readonly #isChecked: () => boolean;
  readonly #since = Date.now();
  readonly #listeners = new Set<(change: Change) => void>();
  #isClosing = false;

  /**
   * @param events the proxy's events, which are reported as changes.
   * @param isChecked tells whether the first health checks have finished.
   * @param fleet the fleet that the proxy is a member of, if any.
   */
  constructor(
    hosts: Hosts, operated: Operated, { rebalance, discover }: OperationsOptions, events: EventEmitter<ProxyEvents>,
    isChecked: () => boolean, fleet?: Fleet,
  ) {
    this.#hosts = hosts;
    this.#operated = operated;
    this.#events = events;
    this.#isChecked = isChecked;
    const forget: ForgetEnded = (...ended) => operated.forgetEnded(...ended);
    this.#fleetEnded = fleet && new FleetEnded(fleet, operated.sessions, forget);
    this.#sessions = this.#fleetEnded ?? operated.sessions;
    this.#moves = new Moves(hosts, this.#sessions);
    this.#control = new HostControl(hosts, this.#moves);
    this.#fleet = fleet;
    const warn = (text: string): void => announce(events, 'suspicious', undefined, text);
    this.#fleetHosts = fleet && new FleetHosts(fleet, hosts, this.#control, warn);
    const isStranger = (id: string): boolean => this.#fleetHosts?.strangers.isOne(id) === true;
    this.#fleetRebalance = fleet && new FleetRebalance(fleet, this.#moves, isStranger);
    this.#fleetEnds = fleet && new FleetEnds(fleet, this.#sessions);
    const tell: TellRollout = (...news) => announce(events, 'rollout', ...news);
    this.#rollout = new Rollout(hosts, this, fleet, this.#fleetHosts, tell, discover !== undefined);
    this.#moves.on('rebalancing', () => announce(events, 'rebalancing'));
    this.#moves.on('rebalanced', (moved) => announce(events, 'rebalanced', moved));
    if (rebalance) this.#rebalanceWhenHostsCome(rebalance.perMinute);
    watchChanges(events, (type, message, { host, member }) => {
      this.#tell({ time: new Date(), type, host, member, message });
    });
  }

  get hosts(): readonly HostReport[] {
    return this.#hosts.all.map((host) => {
      const drained = host.draining && this.#hosts.isSettled(host);
      return {
        ...host.status,
        drain: this.#moves.drainOf(host),
        drained,
        fleet: this.#fleet && fleetCountsOf(host, this.#fleet, this.#fleetHosts?.drains(host.name) === true),
        remains: host.draining && !drained && this.#fleet ? this.remainsOf(host.name) : undefined,
      };
    });
  }

  async refresh(): Promise<boolean> {
    return await this.#fleet?.refresh() ?? true;
  }

  remainsOf(host: string): Remains {
    const remains = this.#fleetHosts?.remainsOf(host) ?? NO_REMAINS;
    const gone = this.#operated.goneOn(host);
    return gone.length === 0 ? remains : { ...remains, gone: [...remains.gone, ...gone] };
  }

  get summary(): Summary {
    const { workers, storeFails } = this.#operated;
    const { status: rebalance } = this.#moves;
    return { since: this.#since, workers, storeFails, readiness: this.readiness, rebalance };
  }

  /** Whether the proxy takes new sessions: the one answer for the admin server, metrics and `healthPath`. */
  get readiness(): Readiness {
    if (this.#isClosing) return { ready: false, reason: 'the proxy is closing' };
    if (!this.#operated.readiness.ready) return this.#operated.readiness;
    if (!this.#isChecked()) return { ready: false, reason: 'the first health checks have not finished' };
    if (this.#hosts.open) return { ready: true };
    const isUp = this.#hosts.all.some(({ up }) => up);
    return { ready: false, reason: isUp ? 'all hosts that are up are draining or have weight 0' : 'no host is up' };
  }

  totals(): Promise<Totals> {
    return this.#operated.totals();
  }

  processMetrics(): Promise<readonly ProcessMetrics[]> {
    return this.#operated.processMetrics();
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get fleet(): FleetReport {
    return reportOf(this.#fleet);
  }

  /** The configured hosts that the fleet has removed. */
  get without(): readonly string[] {
    return this.#fleetHosts?.without ?? [];
  }

  /** The sessions that were ended here of late, for the other members. */
  get ended(): readonly EndedShown[] {
    return this.#fleetEnded?.shown ?? [];
  }

  addHost(host: string, options: Omit<HostOptions, 'host'> & ScopeOptions = {}): void {
    checkNames(options, 'weight', 'scope');
    const { weight = 1, scope } = options;
    const share = weightOf('weight', weight);
    const fleet = this.#shared(scope);
    if (fleet) {
      fleet.add(host, share);
      return;
    }
    this.#control.add(host, share);
    // The fleet may have another weight for that name.
    this.#control.setWeight(host, share);
  }

  removeHost(host: string, options: ScopeOptions = {}): void {
    this.#hosts.named(host);
    const fleet = this.#scoped(options);
    this.#control.remove(host);
    fleet?.removed(host);
  }

  drainHost(host: string, options: DrainOptions = {}): void {
    // Said first, whatever the options.
    this.#hosts.named(host);
    const asked = drainingOf(options);
    const fleet = this.#shared(options.scope);
    const draining = fleet?.delayed(asked) ?? asked;
    this.#control.drain(host, draining);
    fleet?.drained(host, draining);
  }

  undrainHost(host: string, options: ScopeOptions = {}): void {
    this.#hosts.named(host);
    const fleet = this.#scoped(options);
    this.#control.undrain(host);
    fleet?.undrained(host);
  }

  setWeight(host: string, weight: number, options: ScopeOptions = {}): void {
    const fleet = this.#scoped(options);
    this.#control.setWeight(host, weight);
    fleet?.weighed(host, weight);
  }

  async findSession(sid: string): Promise<SessionReport | Absence> {
    return this.#sessions.find(checkedSid(sid));
  }

  async endSession(sid: string): Promise<EndOutcome> {
    const outcome = await this.#sessions.end(checkedSid(sid));
    return outcome === 'elsewhere' && this.#fleetEnds ? this.#fleetEnds.end(sid) : outcome;
  }

  rebalance(options: RebalanceOptions = {}): void {
    checkNames(options, 'perMinute', 'scope');
    const { perMinute = 60, scope } = options;
    movesPerMinuteOf('perMinute', perMinute);
    this.#rebalance(perMinute, this.#isForAll(scope));
  }

  stopRebalance(options: ScopeOptions = {}): void {
    checkNames(options, 'scope');
    const isForAll = this.#isForAll(options.scope);
    this.#moves.stopRebalance();
    if (isForAll) this.#fleetRebalance?.stopped();
  }

  get rollout(): RolloutStatus | undefined {
    return this.#rollout.status;
  }

  startRollout(options: RolloutOptions): void {
    this.#rollout.start(options);
  }

  stopRollout(): void {
    this.#rollout.stop();
  }

  /** Called when the proxy begins to close. Stops all moves. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#moves.stop();
    announce(this.#events, 'closing');
  }

  #rebalanceWhenHostsCome(perMinute: number): void {
    const start = (): void => {
      const { isRunning, isUneven } = this.#moves;
      if (!this.#isClosing && !isRunning && isUneven) this.#rebalance(perMinute, true);
    };
    this.#events.on('up', start).on('undrained', start);
  }

  #rebalance(perMinute: number, isForAll: boolean): void {
    this.#moves.rebalance(perMinute, !isForAll);
    if (isForAll) this.#fleetRebalance?.started(perMinute);
  }

  /** @throws TypeError if the scope is unknown. */
  #isForAll(scope: Scope = 'fleet'): boolean {
    const given: string = scope;
    if (given !== 'fleet' && given !== 'proxy') throw wrong('scope', "be 'fleet' or 'proxy'", scope);
    return scope === 'fleet';
  }

  /** What is shared, unless a change is for this proxy alone. @throws TypeError if the scope is unknown. */
  #shared(scope: Scope | undefined): FleetHosts | undefined {
    return this.#isForAll(scope) ? this.#fleetHosts : undefined;
  }

  /** The same for a change that has no option but its scope. @throws TypeError if there is another one. */
  #scoped(options: ScopeOptions): FleetHosts | undefined {
    checkNames(options, 'scope');
    return this.#shared(options.scope);
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function checkedSid(sid: unknown): string {
  if (typeof sid !== 'string') throw wrong('sid', 'be a string', sid);
  return sid;
}
