import { isPlainObject } from '../base/checks';
import type { Fleet } from '../fleet/fleet';
import type { Moves } from './moves';
import { movesPerMinuteOf } from './pace';

/** The register of a rebalance: `{ "perMinute": n }` while one is wanted. */
const NAME = 'rebalance';

/** How long after its start a rebalance is joined, in ms. */
const LIFE = 3_600_000;

/** Lets all members of the fleet take part in a rebalance. Each moves its own part. */
export class FleetRebalance {
  readonly #fleet: Fleet;
  readonly #moves: Moves;
  readonly #isStranger: (id: string) => boolean;

  /** @param isStranger whether a member serves another application. */
  constructor(fleet: Fleet, moves: Moves, isStranger: (id: string) => boolean) {
    this.#fleet = fleet;
    this.#moves = moves;
    this.#isStranger = isStranger;
    fleet.on('changed', (names) => {
      if (names.includes(NAME)) this.#apply();
    });
    moves.on('rebalanced', () => {
      // Whoever starts later has nothing to do. While hosts are uneven, other members may still go on.
      if (!moves.isUneven && fleet.get(NAME)) fleet.write(NAME, null);
    });
  }

  started(perMinute: number): void {
    this.#fleet.write(NAME, { perMinute });
  }

  stopped(): void {
    this.#fleet.write(NAME, { perMinute: null });
  }

  #apply(): void {
    const wanted = this.#perMinute;
    if (wanted === undefined) return;
    const { isRunning, perMinute, isUneven } = this.#moves;
    if (wanted === null) this.#moves.stopRebalance();
    else if (!isRunning && isUneven) this.#moves.rebalance(wanted);
    else if (isRunning && perMinute !== wanted) this.#moves.once('rebalanced', () => this.#apply()).stopRebalance();
  }

  /** `null`: it was stopped; `undefined`: there is none, or what is there is malformed. */
  get #perMinute(): number | null | undefined {
    try {
      const register = this.#fleet.get(NAME);
      // One that could not make the hosts even has ended long ago.
      if (!register || (this.#fleet.now ?? 0) - register.at > LIFE || this.#isStranger(register.by)) return undefined;
      const value = this.#fleet.read(NAME);
      if (!isPlainObject(value)) return undefined;
      const perMinute: unknown = Reflect.get(value, 'perMinute');
      return perMinute === null ? null : movesPerMinuteOf('perMinute', perMinute);
    } catch {
      return undefined;
    }
  }
}
