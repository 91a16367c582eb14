import { integerOf, isPlainObject, MAX_DELAY, numberOf, wrong } from '../base/checks';
import type { RolloutOptions } from './operator';
import { movesPerSecondOf } from './pace';

/** A rollout, as the members of a fleet share it. */
export interface Plan {
  /** The hosts that are replaced. */
  readonly old: readonly string[];
  /** The hosts that replace them; `null`: all others, as they come. */
  readonly new: readonly string[] | null;
  /** How many of the new hosts have to be up before the old ones drain. */
  readonly atLeast: number;
  /** The options of their drain. */
  readonly deadline: number | undefined;
  readonly movesPerSecond: number;
  /** The old hosts drain. */
  readonly isDraining: boolean;
}

/** @throws TypeError if an option is invalid. */
export function planOf(options: RolloutOptions, old: readonly string[], names: readonly string[] | undefined): Plan {
  const { deadline, movesPerSecond = 5, atLeast } = options;
  if (deadline !== undefined) numberOf('deadline', deadline, 0, MAX_DELAY);
  movesPerSecondOf('movesPerSecond', movesPerSecond);
  const most = names?.length ?? 1000;
  const wanted = atLeast === undefined ? names?.length ?? 1 : integerOf('atLeast', atLeast, 1, most);
  return { old, new: names ?? null, atLeast: wanted, deadline, movesPerSecond, isDraining: false };
}

/** What a register holds; `undefined` if it is none, or malformed. */
export function planIn(text: string | undefined): Plan | undefined {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    if (!isPlainObject(value)) return undefined;
    const field = (name: string): unknown => Reflect.get(value, name);
    const [old, names] = [namesIn(field('old')), field('new') === null ? undefined : namesIn(field('new'))];
    const [deadline, movesPerSecond, atLeast] = [field('deadline'), field('movesPerSecond'), field('atLeast')];
    const options = {
      movesPerSecond: Number(movesPerSecond),
      atLeast: Number(atLeast),
      deadline: typeof deadline === 'number' ? deadline : undefined,
    };
    return { ...planOf(options, old, names), isDraining: field('isDraining') === true };
  } catch {
    return undefined;
  }
}

function namesIn(value: unknown): string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw wrong('hosts', 'be names', value);
}
