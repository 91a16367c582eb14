import createDebug from 'debug';
import { toError } from '../base/checks';
import type { Fleet } from '../fleet/fleet';
import type { HostShown, MemberRecord } from '../fleet/member';
import { hostsOf } from '../hosts/host-options';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { Operator, RolloutOptions, RolloutStatus } from './operator';
import { planOf, SharedPlan, type Plan } from './rollout-plan';

const debug = createDebug('socket.io-proxy:rollout');

/** After how many of its intervals a member drains what another one has begun to drain. */
const LAG = 2;

/** What changes hosts, for all members of the fleet. */
type Changes = Pick<Operator, 'addHost' | 'removeHost' | 'drainHost' | 'undrainHost'>;

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
  readonly #shared: SharedPlan;
  /** The rollout at the last step, and whether its old hosts drained here by then. */
  #last: { readonly plan: Plan; readonly isDraining: boolean } | undefined;
  #isStepping = false;

  constructor(hosts: Hosts, changes: Changes, fleet: Fleet | undefined) {
    this.#hosts = hosts;
    this.#changes = changes;
    this.#fleet = fleet;
    this.#shared = new SharedPlan(fleet);
    fleet?.on('beat', () => this.#step());
    for (const event of ['up', 'drained', 'removed'] as const) hosts.on(event, () => this.#stepSoon());
  }

  /**
   * Begins a rollout, instead of one that is under way.
   *
   * @throws TypeError if an option is invalid, or if there would be no new host.
   */
  start(options: RolloutOptions): void {
    const given = options.hosts === undefined ? undefined : hostsOf(options.hosts);
    const wanted = given?.map((host) => this.#twinOf(host) ?? host);
    const names = wanted?.map(({ name }) => name);
    const old = this.#hosts.all.map(({ name }) => name).filter((name) => names?.includes(name) !== true);
    // Checked before anything changes.
    const plan = planOf(options, old, names);
    for (const { name, weight } of wanted ?? []) {
      if (!this.#hosts.get(name)) this.#changes.addHost(name, { weight });
      // Told even if it does not drain here: another member may just have begun to drain it.
      else this.#changes.undrainHost(name);
    }
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
    const waiting = [...fresh.filter((host) => !up.includes(host)).map(({ name }) => name), ...missing];
    return { old: old ?? [], new: names ?? [], atLeast: plan.atLeast, waiting: draining ? [] : waiting, draining };
  }

  /** After all other listeners. */
  #stepSoon(): void {
    setImmediate(() => this.#step());
  }

  #step(): void {
    // A step emits events that lead here.
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      const { plan } = this.#shared;
      if (this.#last && this.#last.plan.id !== plan?.id) this.#undo(this.#last, plan);
      if (plan) this.#take(plan);
      else this.#last = undefined;
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
      // The member that has begun may not have all old hosts.
      if (last?.isDraining === false) this.#drain(plan, this.#oldOf(plan).filter((host) => !host.draining));
      this.#clean(plan);
    } else if (this.#upOf(this.#newOf(plan)).length >= plan.atLeast) {
      this.#last = { plan, isDraining: true };
      this.#shared.drain(plan);
      this.#drain(plan, this.#oldOf(plan));
      // There may be nothing to drain, which no event tells.
      this.#stepSoon();
    }
  }

  #drain({ deadline, movesPerSecond }: Plan, hosts: readonly Host[]): void {
    // A client that is moved may come back through another member, which has to drain the old hosts by then.
    const later = deadline === undefined ? undefined : Math.max(deadline, this.#lag);
    for (const { name } of hosts) this.#changes.drainHost(name, { deadline: later, movesPerSecond });
  }

  /** Takes back what this member has drained before it heard that the rollout was stopped or replaced. */
  #undo({ plan, isDraining }: { plan: Plan; isDraining: boolean }, next: Plan | undefined): void {
    if (!isDraining) return;
    const kept = next ? next.new ?? [] : this.#shared.isStopped ? plan.old : [];
    const drained = this.#oldOf(plan).filter(({ name, draining }) => draining && kept.includes(name));
    for (const { name } of drained) this.#changes.undrainHost(name);
  }

  /** Removes old hosts that are drained, but for those of DNS, which follow DNS. */
  #clean(plan: Plan): void {
    // Else there would be no host left for new sessions.
    if (!this.#newOf(plan).some(({ open }) => open)) return;
    // What somebody has undrained since stays.
    const left = this.#oldOf(plan).filter(({ draining }) => draining);
    const over = left.filter((host) => this.#hosts.isSettled(host));
    if (plan.new) for (const { name } of over) this.#changes.removeHost(name);
    if (over.length === left.length && !this.#isLeftElsewhere(plan)) this.#shared.finish();
  }

  /** Whether other members have old hosts that this one does not have. */
  #isLeftElsewhere({ old }: Plan): boolean {
    const isLeft = ({ host }: HostShown): boolean => old.includes(host) && !this.#hosts.get(host);
    return this.#others.some(({ hosts }) => hosts.some(isLeft));
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
    const isUp = ({ state }: HostShown): boolean => state === 'up';
    const elsewhere = this.#others.map((record) => new Set(record.hosts.filter(isUp).map(({ host }) => host)));
    return hosts.filter(({ name, open }) => open && elsewhere.every((names) => names.has(name)));
  }

  /** What the other members show that share this state. */
  get #others(): readonly MemberRecord[] {
    const members = this.#fleet?.members ?? [];
    const own = members.find(({ self }) => self)?.record.spelling.keyPrefix;
    return members.flatMap(({ self, record }) => (!self && record.spelling.keyPrefix === own ? [record] : []));
  }

  /** How much later the other members drain a host, in ms. */
  get #lag(): number {
    const others = this.#others;
    return LAG * Math.max(0, ...others.map(({ interval }) => interval));
  }

  /** The host that is there already, however its name is spelled. */
  #twinOf({ url }: Host): Host | undefined {
    return this.#hosts.all.find((host) => host.url.origin === url.origin);
  }
}
