import type { Plan, SharedPlan } from './rollout-plan';

/**
 * How far a rollout is. `begun`: it waits for its new hosts. `draining`: the old hosts drain. `over`: none of them is
 * left. `stopped`: somebody has ended it before that, or has begun another one.
 */
export type RolloutState = 'begun' | 'draining' | 'over' | 'stopped';

/**
 * Receives how far a rollout is, the hosts that it replaces, and those that replace them; `undefined` for all others,
 * as they come.
 */
export type TellRollout = (state: RolloutState, old: readonly string[], hosts: readonly string[] | undefined) => void;

/** Tells each state of the rollouts once, whichever member has taken the step. */
export class RolloutNews {
  readonly #shared: SharedPlan;
  readonly #isThere: (host: string) => boolean;
  readonly #tell: TellRollout;
  #told: { readonly plan: Plan; readonly isDraining: boolean } | undefined;

  /** @param isThere whether this proxy has a host. */
  constructor(shared: SharedPlan, isThere: (host: string) => boolean, tell: TellRollout) {
    this.#shared = shared;
    this.#isThere = isThere;
    this.#tell = tell;
  }

  /** Looks how far the rollout is, and tells what is new. */
  look(): void {
    const { plan } = this.#shared;
    const told = this.#told;
    const isNew = plan?.id !== told?.plan.id;
    const isDraining = plan !== undefined && this.#shared.isDraining(plan);
    // Kept first: a listener may lead here again.
    this.#told = plan && { plan, isDraining };
    if (told && isNew) this.#say(this.#isOver(told.plan, plan) ? 'over' : 'stopped', told.plan);
    if (plan && isNew) this.#say('begun', plan);
    if (plan && isDraining && (isNew || told?.isDraining === false)) this.#say('draining', plan);
  }

  /** Another one may have been begun since it was over, of which this member hears at the same time. */
  #isOver({ old }: Plan, next: Plan | undefined): boolean {
    return next ? !old.some(this.#isThere) : !this.#shared.isStopped;
  }

  #say(state: RolloutState, { old, new: hosts }: Plan): void {
    this.#tell(state, old, hosts ?? undefined);
  }
}
