import createDebug from 'debug';
import { toError } from '../base/checks';
import type { Fleet } from '../fleet/fleet';
import type { HostShown } from '../fleet/member';
import { hostsOf } from '../hosts/host-options';
import type { Host } from '../hosts/host';
import type { Hosts } from '../hosts/hosts';
import type { Operator, RolloutOptions, RolloutStatus } from './operator';
import { planIn, planOf, type Plan } from './rollout-plan';

const debug = createDebug('socket.io-proxy:rollout');

/** The register of a rollout. */
const NAME = 'rollout';

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
  /** Without a fleet. */
  #own: Plan | undefined;
  #isStepping = false;

  constructor(hosts: Hosts, changes: Changes, fleet: Fleet | undefined) {
    this.#hosts = hosts;
    this.#changes = changes;
    this.#fleet = fleet;
    const step = (): void => this.#step();
    fleet?.on('beat', step);
    // After all other listeners.
    for (const event of ['up', 'drained', 'removed'] as const) hosts.on(event, () => setImmediate(step));
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
    for (const host of wanted ?? []) {
      const { name, weight } = host;
      if (!this.#hosts.get(name)) this.#changes.addHost(name, { weight });
      else if (host.draining) this.#changes.undrainHost(name);
    }
    this.#set(plan);
    this.#step();
  }

  /** Ends the rollout. Old hosts that are left get new sessions again. */
  stop(): void {
    const plan = this.#plan;
    this.#set(undefined);
    const drained = plan?.isDraining ? this.#oldOf(plan).filter(({ draining }) => draining) : [];
    for (const { name } of drained) this.#changes.undrainHost(name);
  }

  /** `undefined`: there is no rollout. */
  get status(): RolloutStatus | undefined {
    const plan = this.#plan;
    if (!plan) return undefined;
    const { isDraining, atLeast } = plan;
    const fresh = this.#newOf(plan);
    const waiting = isDraining ? [] : fresh.filter((host) => !this.#isUp(host));
    const [old, names, waits] = [this.#oldOf(plan), fresh, waiting].map((hosts) => hosts.map(({ name }) => name));
    return { old: old ?? [], new: names ?? [], atLeast, waiting: waits ?? [], draining: isDraining };
  }

  get #plan(): Plan | undefined {
    return this.#fleet ? planIn(this.#fleet.get(NAME)?.value) : this.#own;
  }

  #set(plan: Plan | undefined): void {
    if (this.#fleet) this.#fleet.write(NAME, plan ?? null);
    else this.#own = plan;
  }

  #step(): void {
    const plan = this.#plan;
    // A step emits events that lead here.
    if (!plan || this.#isStepping) return;
    this.#isStepping = true;
    try {
      if (plan.isDraining) this.#clean(plan);
      else if (this.#newOf(plan).filter((host) => this.#isUp(host)).length >= plan.atLeast) this.#drain(plan);
    } catch (error) {
      // A listener of the user may have changed the hosts.
      debug('%s', toError(error).message);
    } finally {
      this.#isStepping = false;
    }
  }

  #drain(plan: Plan): void {
    const { deadline, movesPerSecond } = plan;
    this.#set({ ...plan, isDraining: true });
    for (const { name } of this.#oldOf(plan)) this.#changes.drainHost(name, { deadline, movesPerSecond });
  }

  /** Removes old hosts that are drained, but for those of DNS, which follow DNS. */
  #clean(plan: Plan): void {
    const left = this.#oldOf(plan);
    const over = left.filter((host) => host.draining && this.#hosts.isSettled(host));
    if (plan.new) for (const { name } of over) this.#changes.removeHost(name);
    if (over.length === left.length) this.#set(undefined);
  }

  /** The old hosts that are left. */
  #oldOf({ old }: Plan): Host[] {
    return old.flatMap((name) => this.#hosts.get(name) ?? []);
  }

  /** The new hosts that are there. */
  #newOf({ old, new: names }: Plan): Host[] {
    return this.#hosts.all.filter(({ name }) => (names ? names.includes(name) : !old.includes(name)));
  }

  /** Whether the host takes new sessions at all members that share this state. */
  #isUp({ name, open }: Host): boolean {
    if (!this.#fleet) return open;
    const { members } = this.#fleet;
    const own = members.find(({ self }) => self)?.record.spelling.keyPrefix;
    const others = members.filter(({ self, record }) => !self && record.spelling.keyPrefix === own);
    const isUp = ({ host, state }: HostShown): boolean => host === name && state === 'up';
    return open && others.every(({ record }) => record.hosts.some(isUp));
  }

  /** The host that is there already, however its name is spelled. */
  #twinOf({ url }: Host): Host | undefined {
    return this.#hosts.all.find((host) => host.url.origin === url.origin);
  }
}
