import createDebug from 'debug';
import { toError, wrong } from '../base/checks';
import type { Fleet } from '../fleet/fleet';
import type { HostShown } from '../fleet/member';
import type { Member } from '../fleet/members';
import { hostsOf, type HostOptions } from '../hosts/host-options';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { FleetHosts } from './fleet-hosts';
import type { Operator, RolloutOptions, RolloutStatus, RolloutWait } from './operator';
import { RolloutNews, type TellRollout } from './rollout-news';
import { originOf, planOf, SharedPlan, type Plan } from './rollout-plan';

const debug = createDebug('socket.io-proxy:rollout');

/** What changes hosts, for all members of the fleet. */
type Changes = Pick<Operator, 'addHost' | 'removeHost' | 'drainHost' | 'undrainHost' | 'setWeight'>;

/** A change that all members have to make cannot be told to them. */
export class RefusedError extends Error {}

/** A rollout at the last step, and whether its old hosts drained here by then. */
interface Step {
  readonly plan: Plan;
  readonly isDraining: boolean;
}

/**
 * Replaces hosts. The old ones get no new session from the time on when the new ones are up at all members of the
 * fleet. So a client that is moved lands on a new host, and is moved once.
 *
 * Any member may take the next step, and several may take the same one: nobody leads. Without a fleet there is one.
 */
export class Rollout {
  readonly #hosts: Hosts;
  readonly #changes: Changes;
  readonly #fleet: Fleet | undefined;
  readonly #fleetHosts: FleetHosts | undefined;
  readonly #shared: SharedPlan;
  readonly #news: RolloutNews;
  readonly #discovers: boolean;
  #last: Step | undefined;
  #isStepping = false;

  /**
   * @param tell is called once with each state of a rollout, whichever member has taken the step.
   * @param discovers the hosts follow DNS.
   */
  constructor(
    hosts: Hosts, changes: Changes, fleet: Fleet | undefined, fleetHosts: FleetHosts | undefined, tell: TellRollout,
    discovers: boolean,
  ) {
    this.#discovers = discovers;
    this.#hosts = hosts;
    this.#changes = changes;
    this.#fleet = fleet;
    this.#fleetHosts = fleetHosts;
    this.#shared = new SharedPlan(fleet, (id) => fleetHosts?.strangers.isOne(id) === true);
    this.#news = new RolloutNews(this.#shared, (host) => hosts.get(host) !== undefined, tell);
    fleet?.on('beat', () => this.#step());
    for (const event of ['up', 'drained', 'undrained', 'removed', 'weighed'] as const) {
      hosts.on(event, () => this.#stepSoon());
    }
  }

  /**
   * Begins a rollout, instead of one that is under way.
   *
   * @throws TypeError if an option is invalid, or if there would be no new host.
   * @throws StrangersError if proxies of another application would get the new hosts, too.
   * @throws RefusedError if Redis refuses this proxy the fleet: it cannot know what the others have.
   */
  start(options: RolloutOptions): void {
    if (this.#fleet?.isRefused) throw new RefusedError('Redis refuses this proxy the fleet: no other one would follow');
    // DNS would bring the old ones back, with all their sessions.
    const isDoubtful = this.#discovers && options.hosts !== undefined;
    if (isDoubtful) throw wrong('hosts', "be left out where 'discover' is set", options.hosts);
    const given = options.hosts === undefined ? undefined : hostsOf(options.hosts);
    const wanted = given?.map((host) => this.#hosts.twinOf(host) ?? host);
    const names = wanted?.map(({ name }) => name);
    const old = this.#hosts.all.filter(({ name }) => names?.includes(name) !== true);
    // Checked before anything changes.
    // Without new hosts, what others alone have may be a new one, which DNS has told them sooner.
    const oldNames = [...old.map(({ name }) => name), ...given ? this.#onlyElsewhere(given) : []];
    const plan = planOf(options, oldNames, names, this.#drainedOf(old));
    this.#fleetHosts?.strangers.check(names ?? []);
    for (const [at, host] of (wanted ?? []).entries()) this.#renew(host, options.hosts?.[at]);
    this.#shared.begin(plan);
    this.#step();
  }

  /** Ends the rollout. Old hosts that are left get new sessions again. */
  stop(): void {
    const { plan } = this.#shared;
    this.#last = plan && { plan, isDraining: this.#shared.isDraining(plan) };
    this.#shared.stop();
    this.#step();
  }

  /** `undefined`: there is no rollout. */
  get status(): RolloutStatus | undefined {
    const { plan } = this.#shared;
    if (!plan) return undefined;
    const draining = this.#shared.isDraining(plan);
    const fresh = this.#newOf(plan);
    const [old, names] = [this.#oldOf(plan), fresh].map((hosts) => hosts.map(({ name }) => name));
    // Somebody may have removed one.
    const missing = (plan.new ?? []).filter((name) => !this.#hosts.get(name));
    const up = this.#upOf(fresh);
    const late = [...fresh.filter((host) => !up.includes(host)).map(({ name }) => name), ...missing];
    const waiting = draining ? [] : late;
    const waitingFor = this.#waitsFor(waiting);
    return { old: old ?? [], new: names ?? [], atLeast: plan.atLeast, waiting, waitingFor, draining };
  }

  /** The hosts that other members have and this one has not, but for those that are given. */
  #onlyElsewhere(given: readonly Host[]): string[] {
    const names = new Set(this.#others.flatMap(({ record }) => record.hosts.map(({ host }) => host)));
    const isNew = (name: string): boolean => given.some(({ url }) => url.origin === originOf(name));
    return [...names].filter((name) => !this.#hosts.get(name) && !isNew(name));
  }

  /** Those of some hosts that drain already, but not for the rollout that is under way. */
  #drainedOf(hosts: readonly Host[]): string[] {
    const { plan } = this.#shared;
    const isOfPlan = ({ name }: Host): boolean => plan?.old.includes(name) === true && !plan.drained.includes(name);
    return hosts.filter((host) => host.draining && !isOfPlan(host)).map(({ name }) => name);
  }

  /** Lets a host that is new, or is there already, take new sessions as an entry of `hosts` says. */
  #renew({ name, weight }: Host, entry: HostOptions | string | undefined): void {
    if (!this.#hosts.get(name)) {
      this.#changes.addHost(name, { weight });
      return;
    }
    // Told even if it does not drain here: another member may just have begun to drain it.
    this.#changes.undrainHost(name);
    const here = this.#hosts.get(name);
    if (here) this.#fleetHosts?.spread(here);
    if (typeof entry === 'object' && entry.weight !== undefined) this.#changes.setWeight(name, entry.weight);
  }

  /** After all other listeners. */
  #stepSoon(): void {
    setImmediate(() => this.#step());
  }

  #step(): void {
    // A step emits events that lead here, and whose listeners may begin or stop a rollout.
    if (this.#isStepping) {
      this.#stepSoon();
      return;
    }
    this.#isStepping = true;
    try {
      const { plan } = this.#shared;
      this.#news.look();
      if (this.#last && this.#last.plan.id !== plan?.id) this.#undo(this.#last, plan);
      if (plan) this.#take(plan);
      else this.#last = undefined;
      this.#news.look();
    } catch (error) {
      // A listener of the user may have changed the hosts.
      debug('%s', toError(error).message);
    } finally {
      this.#isStepping = false;
    }
  }

  #take(plan: Plan): void {
    const last = this.#last?.plan.id === plan.id ? this.#last : undefined;
    const isDraining = this.#shared.isDraining(plan);
    this.#last = { plan, isDraining };
    if (isDraining) {
      // The member that has begun may not have all old hosts, nor have heard of all.
      if (last) this.#drain(plan, this.#oldOf(plan).filter((host) => !host.draining && !wasOld(host, last)));
      this.#clean(plan);
    } else if (this.#upOf(this.#newOf(plan)).length >= plan.atLeast) {
      this.#last = { plan, isDraining: true };
      this.#shared.drain(plan);
      this.#news.look();
      this.#drain(plan, this.#oldOf(plan));
      // There may be nothing to drain, which no event tells.
      this.#stepSoon();
    }
  }

  #drain({ deadline, movesPerSecond }: Plan, hosts: readonly Host[]): void {
    for (const { name } of hosts) this.#changes.drainHost(name, { deadline, movesPerSecond });
  }

  /** Takes back what this member has drained before it heard that the rollout was stopped or replaced. */
  #undo({ plan, isDraining }: Step, next: Plan | undefined): void {
    // One that is stopped may have taken the place of another, whose old hosts drain.
    if (!isDraining && next) return;
    const opened = plan.old.filter((name) => !plan.drained.includes(name));
    const kept = next ? next.new ?? [] : this.#shared.isStopped ? opened : [];
    const drained = this.#oldOf(plan).filter(({ name, draining }) => draining && kept.includes(name));
    for (const { name } of drained) this.#changes.undrainHost(name);
  }

  /** Removes old hosts that are drained, but for those of DNS, which follow DNS. */
  #clean(plan: Plan): void {
    // Others may use them again, or the rollout may be stopped.
    if (this.#fleet && !this.#fleet.isReached) return;
    // Else there would be no host left for new sessions.
    if (!this.#newOf(plan).some(({ open }) => open)) return;
    // What somebody has undrained since stays, unless for one proxy alone.
    const left = this.#oldOf(plan).filter(({ name, draining }) => draining || this.#fleetHosts?.drains(name));
    const over = left.filter((host) => host.draining && this.#hosts.isSettled(host));
    if (plan.new) for (const { name } of over) this.#changes.removeHost(name);
    if (over.length === left.length && !this.#isLeftElsewhere(plan)) this.#shared.finish();
  }

  /** Whether other members have old hosts that this one does not have. */
  #isLeftElsewhere({ old }: Plan): boolean {
    const isLeft = ({ host }: HostShown): boolean => old.includes(host) && !this.#hosts.get(host);
    return this.#others.some(({ record }) => record.hosts.some(isLeft));
  }

  /** The old hosts that are left. */
  #oldOf({ old }: Plan): Host[] {
    return old.flatMap((name) => this.#hosts.get(name) ?? []);
  }

  /** The new hosts that are there. */
  #newOf({ old, new: names }: Plan): Host[] {
    return this.#hosts.all.filter(({ name }) => (names ? names.includes(name) : !old.includes(name)));
  }

  /** Those hosts that take new sessions at all members that share this state. */
  #upOf(hosts: readonly Host[]): Host[] {
    const elsewhere = this.#others.map(upAt);
    return hosts.filter(({ name, open }) => open && elsewhere.every((names) => names.has(name)));
  }

  /** Of each new host, the members at which it does not take new sessions, this one first. */
  #waitsFor(names: readonly string[]): RolloutWait[] {
    const others = this.#others.map((member) => ({ id: member.id, up: upAt(member) }));
    const own = this.#fleet ? [this.#fleet.id] : [];
    return names.map((host) => {
      const elsewhere = others.filter(({ up }) => !up.has(host)).map(({ id }) => id);
      return { host, members: this.#hosts.get(host)?.open ? elsewhere : [...own, ...elsewhere] };
    });
  }

  /** The other members that share this state. */
  get #others(): readonly Member[] {
    return this.#fleetHosts?.strangers.others ?? [];
  }
}

/** The hosts that a member sees up. */
function upAt({ record }: Member): ReadonlySet<string> {
  return new Set(record.hosts.filter(({ state }) => state === 'up').map(({ host }) => host));
}

/** Whether a host drained for a rollout at the last step. */
function wasOld({ name }: Host, { plan, isDraining }: Step): boolean {
  return isDraining && plan.old.includes(name);
}
