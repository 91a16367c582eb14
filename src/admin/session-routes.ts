import type { Absence } from '../base/refusals';
import { movesPerMinuteOf } from '../operating/pace';
import type { Operator, RebalanceStatus } from '../operating/operator';
import { readObject } from './body';
import { Problem, valid, type ProblemCode } from './problems';
import { scopeOf } from './query';
import { jsonReply, type Reply } from './reply';
import type { Asked } from './router';

const ABSENCES = {
  never_seen: ['NEVER_SEEN', 'this proxy has never seen the sid, and the session store does not know it'],
  expired: ['EXPIRED', 'the session has expired'],
  ended: ['ENDED', 'the session has ended or was moved'],
  host_gone: ['HOST_GONE', "the session's host is down or no longer one of the hosts"],
} as const satisfies Record<Absence, readonly [code: ProblemCode, message: string]>;

/** The API for sessions and rebalancing. */
export class SessionRoutes {
  readonly #operator: Operator;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  async get({ params: [given = ''] }: Asked): Promise<Reply> {
    const found = await available(this.#operator.findSession(given));
    if (typeof found === 'string') throw absent(found);
    const { sid, host, from, transport = null, age = null, expiresIn = null, open = null } = found;
    return jsonReply(200, { sid, host, from, transport, age, expiresIn, open });
  }

  async end({ params: [sid = ''] }: Asked): Promise<Reply> {
    const outcome = await available(this.#operator.endSession(sid));
    if (outcome === 'elsewhere') {
      throw new Problem('ELSEWHERE', "the session's WebSocket goes through another proxy, which has not ended it");
    }
    if (outcome !== 'ended') throw absent(outcome);
    return { status: 204 };
  }

  getRebalance(): Reply {
    return jsonReply(200, this.#rebalance);
  }

  async startRebalance({ req, query }: Asked): Promise<Reply> {
    const scope = scopeOf(query);
    const { perMinute } = await readObject(req, ['perMinute']);
    const options = perMinute === undefined ? {} :
      valid(() => ({ perMinute: movesPerMinuteOf('perMinute', perMinute) }));
    if (this.#rebalance.running) throw new Problem('REBALANCE_RUNNING', 'a rebalance is under way');
    this.#operator.rebalance({ ...options, scope });
    return jsonReply(202, this.#rebalance);
  }

  stopRebalance({ query }: Asked): Reply {
    this.#operator.stopRebalance({ scope: scopeOf(query) });
    return { status: 204 };
  }

  get #rebalance(): RebalanceStatus {
    return this.#operator.summary.rebalance;
  }
}

function absent(absence: Absence): Problem {
  const [code, message] = ABSENCES[absence];
  return new Problem(code, message);
}

/** @throws Problem if the store or the host cannot be asked. */
async function available<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new Problem('UNAVAILABLE', error instanceof Error ? error.message : String(error), { 'Retry-After': '1' });
  }
}
