import { describe } from '../base/describe';
import { meansElsewhere } from './redis-failover';
import { WritesRefusedError } from './session-store';
import { StoreError } from './store-calls';

/**
 * What a failure of the store says. `'timeout'`: there was no answer. `'lost'`: there is no connection. The others tell
 * an operator what to do. `'answer'` is any other answer of Redis, as `LOADING` or `OOM`.
 */
export type FailureKind = 'timeout' | 'lost' | 'credentials' | 'elsewhere' | 'certificate' | 'answer';

const CREDENTIALS = /\b(?:WRONGPASS|NOAUTH|NOPERM)\b|\binvalid password\b|\bERR (?:AUTH|Client sent AUTH)\b/;

const CERTIFICATE = /certificate|altnames|\bSSL routines\b/i;

/** An answer begins with a word in capitals. A client may put words of its own before it. */
const ANSWER = /(?:^|: )-?[A-Z]{2,} \S/;

/** The more a kind says of the cause, the higher. */
const RANKS: Record<FailureKind, number> = {
  timeout: 0, lost: 1, credentials: 2, elsewhere: 2, certificate: 2, answer: 2,
};

export function failureKind(error: Error): FailureKind {
  if (error instanceof StoreError) return 'timeout';
  const text = describe(error);
  if (error instanceof WritesRefusedError || meansElsewhere(error)) return 'elsewhere';
  if (CREDENTIALS.test(text)) return 'credentials';
  if (CERTIFICATE.test(text)) return 'certificate';
  return ANSWER.test(text) ? 'answer' : 'lost';
}

/** The one that tells more of the cause; if neither does, the later one. */
export function moreTelling(earlier: Error | undefined, later: Error): Error {
  if (!earlier || RANKS[failureKind(earlier)] <= RANKS[failureKind(later)]) return later;
  return earlier;
}

/** What has been told of an outage of the store. Its first failure often says only that a connection was lost. */
export class Outage {
  readonly #told = new Set<FailureKind>();

  /** Whether to tell of a failure: the first one, and then one of each kind that says more. */
  isNews(kind: FailureKind): boolean {
    if (this.#told.has(kind) || (this.#told.size > 0 && RANKS[kind] < 2)) return false;
    this.#told.add(kind);
    return true;
  }

  end(): void {
    this.#told.clear();
  }
}
