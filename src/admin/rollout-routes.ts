import type { Operator, RolloutOptions } from '../operating/operator';
import { readObject } from './body';
import { Problem, valid } from './problems';
import { jsonReply, type Reply } from './reply';
import type { Asked } from './router';

/** The API for rollouts. They always concern all members of the fleet. */
export class RolloutRoutes {
  readonly #operator: Operator;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  /** `null`: there is none. */
  get(): Reply {
    return jsonReply(200, this.#operator.rollout ?? null);
  }

  async start({ req, query }: Asked): Promise<Reply> {
    checkNone(query);
    const options = await readObject(req, ['hosts', 'atLeast', 'deadline', 'movesPerSecond']);
    // The operator checks all of it before it changes anything.
    valid(() => this.#operator.startRollout(options as RolloutOptions));
    return jsonReply(202, this.#operator.rollout ?? null);
  }

  stop({ query }: Asked): Reply {
    checkNone(query);
    this.#operator.stopRollout();
    return { status: 204 };
  }
}

/** @throws Problem if there is a parameter: a misspelled one must not be ignored. */
function checkNone(query: URLSearchParams): void {
  for (const key of query.keys()) throw new Problem('INVALID', `unknown parameter '${key}'; a rollout is for all`);
}
