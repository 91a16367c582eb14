import { randomBytes } from 'node:crypto';
import { integerOf, isPlainObject, MAX_DELAY, numberOf, wrong } from '../base/checks';
import type { Fleet } from '../fleet/fleet';
import { isNewer } from '../fleet/registers';
import { hostOf } from '../hosts/host-options';
import type { RolloutOptions } from './operator';
import { movesPerSecondOf } from './pace';

/** The register of the rollout: a plan, or that it was stopped. Only operators write it. */
const PLAN = 'rollout';

/** The register of the id of the rollout whose old hosts drain. */
const DRAINING = 'rollout draining';

const STOPPED = 'stopped';

/** The registers of hosts that were added to the fleet, or removed. */
const LISTED = 'listed ';

/** A rollout, as the members of a fleet share it. It does not change. */
export interface Plan {
  /** Unlike any other's. */
  readonly id: string;
  /** The hosts that are replaced. */
  readonly old: readonly string[];
  /** Those of them that had been drained before, and are not opened again where the rollout is stopped. */
  readonly drained: readonly string[];
  /** The hosts that replace them; `null`: all others, as they come. */
  readonly new: readonly string[] | null;
  /** How many of the new hosts have to be up before the old ones drain. */
  readonly atLeast: number;
  /** The options of their drain. */
  readonly deadline: number | undefined;
  readonly movesPerSecond: number;
}

/**
 * The rollout that all members of a fleet share; without a fleet, this proxy's. How far it is stands apart from the
 * plan: a member that has not heard of another plan yet does not override it.
 */
export class SharedPlan {
  readonly #fleet: Fleet | undefined;
  readonly #isStranger: (id: string) => boolean;
  /** Without a fleet. */
  readonly #own = new Map<string, string>();

  /** @param isStranger whether a member serves another application, whose rollouts are not ours. */
  constructor(fleet: Fleet | undefined, isStranger: (id: string) => boolean) {
    this.#fleet = fleet;
    this.#isStranger = isStranger;
  }

  /** `undefined`: there is no rollout. */
  get plan(): Plan | undefined {
    const plan = planIn(this.#get(PLAN));
    return plan && { ...plan, old: [...plan.old, ...this.#unheardOf(plan)] };
  }

  /** The last rollout was stopped before it was over. */
  get isStopped(): boolean {
    return this.#get(PLAN) === JSON.stringify(STOPPED);
  }

  /** Whether the old hosts of a plan drain. */
  isDraining({ id }: Plan): boolean {
    return this.#get(DRAINING) === JSON.stringify(id);
  }

  begin(plan: Plan): void {
    this.#write(PLAN, plan);
  }

  drain({ id }: Plan): void {
    this.#write(DRAINING, id);
  }

  stop(): void {
    const begun = this.#fleet?.get(PLAN);
    if (begun && this.#isStranger(begun.by)) return;
    this.#write(PLAN, STOPPED);
  }

  /** Ends the rollout that is over, unless another one was begun meanwhile. */
  finish(): void {
    for (const name of [PLAN, DRAINING]) {
      this.#fleet?.clear(name);
      this.#own.delete(name);
    }
  }

  /** The hosts that were added to the fleet before a rollout began, of which its beginner had not heard. */
  #unheardOf({ old, new: names }: Plan): string[] {
    const begun = this.#fleet?.get(PLAN);
    if (!this.#fleet || !begun || !names) return [];
    const origins = names.map(originOf);
    const listed = Array.from(this.#fleet.registers).filter(([name, register]) => (
      name.startsWith(LISTED) && register.value !== 'false' && isNewer(begun, register)
    ));
    const hosts = listed.map(([name]) => name.slice(LISTED.length));
    return hosts.filter((host) => !old.includes(host) && !origins.includes(originOf(host)));
  }

  #get(name: string): string | undefined {
    if (!this.#fleet) return this.#own.get(name);
    const register = this.#fleet.get(name);
    return register && !this.#isStranger(register.by) ? register.value : undefined;
  }

  #write(name: string, value: unknown): void {
    if (this.#fleet) this.#fleet.write(name, value);
    else this.#own.set(name, JSON.stringify(value));
  }
}

/** @throws TypeError if an option is invalid. */
export function planOf(
  options: RolloutOptions, old: readonly string[], names: readonly string[] | undefined, drained: readonly string[],
  id = randomBytes(4).toString('hex'),
): Plan {
  const { deadline, movesPerSecond = 5, atLeast } = options;
  if (deadline !== undefined) numberOf('deadline', deadline, 0, MAX_DELAY);
  movesPerSecondOf('movesPerSecond', movesPerSecond);
  const most = names?.length ?? 1000;
  const wanted = atLeast === undefined ? names?.length ?? 1 : integerOf('atLeast', atLeast, 1, most);
  return { id, old, drained, new: names ?? null, atLeast: wanted, deadline, movesPerSecond };
}

/** What a register holds; `undefined` if it is none, or malformed. */
function planIn(text: string | undefined): Plan | undefined {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    if (!isPlainObject(value)) return undefined;
    const field = (name: string): unknown => Reflect.get(value, name);
    const [old, names] = [namesIn(field('old')), field('new') === null ? undefined : namesIn(field('new'))];
    const drained = namesIn(field('drained') ?? []);
    const [deadline, movesPerSecond, atLeast] = [field('deadline'), field('movesPerSecond'), field('atLeast')];
    const id = field('id');
    if (typeof id !== 'string') return undefined;
    const options = {
      movesPerSecond: Number(movesPerSecond),
      atLeast: Number(atLeast),
      deadline: typeof deadline === 'number' ? deadline : undefined,
    };
    return planOf(options, old, names, drained, id);
  } catch {
    return undefined;
  }
}

/** `undefined`: it is no name of a host. */
export function originOf(name: string): string | undefined {
  try {
    return hostOf('host', name, 1).url.origin;
  } catch {
    return undefined;
  }
}

function namesIn(value: unknown): string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw wrong('hosts', 'be names', value);
}
