import { StrangersError } from '../operating/fleet-strangers';
import { RefusedError } from '../operating/rollout';

/** The stable error codes of the API, with their status. */
const STATUSES = {
  UNAUTHORIZED: 401,
  HOST_REFUSED: 403,
  ORIGIN_REFUSED: 403,
  NOT_FOUND: 404,
  HOST_UNKNOWN: 404,
  NEVER_SEEN: 404,
  EXPIRED: 404,
  ENDED: 404,
  HOST_GONE: 404,
  METHOD_NOT_ALLOWED: 405,
  HOST_EXISTS: 409,
  SESSIONS_LIVE: 409,
  REBALANCE_RUNNING: 409,
  ELSEWHERE: 409,
  STRANGERS: 409,
  BODY_TOO_LARGE: 413,
  INVALID: 422,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  NOT_DRAINED: 504,
  TOO_MANY_STREAMS: 503,
} as const;

export type ProblemCode = keyof typeof STATUSES;

/** Thrown by a handler to answer a request with an error. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return STATUSES[this.code];
  }
}

/** Calls `check` and turns its errors that a request may cause into Problems. @throws Problem */
export function valid<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError) throw new Problem('INVALID', error.message);
    if (error instanceof StrangersError) throw new Problem('STRANGERS', error.message);
    if (error instanceof RefusedError) throw new Problem('UNAVAILABLE', error.message);
    throw error;
  }
}
