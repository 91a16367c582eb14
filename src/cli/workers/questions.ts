import type { Absence } from '../../base/errors';
import type { EndOutcome, ProcessMetrics, SessionReport } from '../../operating/operator';
import type { Totals } from '../../base/totals';

/** What the primary can ask a worker, and what it is answered. A worker that can't tell answers nothing. */
export interface Questions {
  readonly totals: { readonly question: object; readonly answer: Totals };
  readonly metrics: { readonly question: object; readonly answer: ProcessMetrics['metrics'] };
  readonly find: { readonly question: { readonly sid: string }; readonly answer: SessionReport | Absence };
  readonly end: { readonly question: { readonly sid: string }; readonly answer: EndOutcome };
  /** Forgets a session that another worker has ended. */
  readonly forget: { readonly question: { readonly sid: string }; readonly answer: boolean };
  readonly endSome: {
    readonly question: { readonly host: string; readonly count: number };
    readonly answer: readonly string[];
  };
}

export type Topic = keyof Questions;

export type Answer<T extends Topic> = Questions[T]['answer'];

/** A question as it goes from one process to another. */
export type Question = { readonly [T in Topic]: { readonly about: T } & Questions[T]['question'] }[Topic];

/** How long a worker may take to answer, in ms: longer than a host to close a session. */
export const ANSWER_TIMEOUT = 5000;
/** The same where it has nothing to wait for itself. */
export const QUICK_ANSWER_TIMEOUT = 2000;
