import type { Absence } from '../../base/refusals';
import type { EndOutcome, ProcessMetrics, SessionReport } from '../../operating/operator';
import type { Totals } from '../../base/totals';

/** The questions of the primary to a worker, with their answers. A worker that cannot answer sends `undefined`. */
export interface Questions {
  readonly totals: { readonly question: object; readonly answer: Totals };
  readonly metrics: { readonly question: object; readonly answer: ProcessMetrics['metrics'] };
  readonly find: { readonly question: { readonly sid: string }; readonly answer: SessionReport | Absence };
  readonly end: { readonly question: { readonly sid: string }; readonly answer: EndOutcome };
  /** Forget a session that another worker has ended. */
  readonly forget: { readonly question: { readonly sid: string }; readonly answer: boolean };
  readonly forgetEnded: { readonly question: { readonly sid: string; readonly ago: number }; readonly answer: boolean };
  readonly endSome: {
    readonly question: { readonly host: string; readonly count: number };
    readonly answer: readonly string[];
  };
}

export type Topic = keyof Questions;

export type Answer<T extends Topic> = Questions[T]['answer'];

/** A question, as sent to a worker. */
export type Question = { readonly [T in Topic]: { readonly about: T } & Questions[T]['question'] }[Topic];

/** How long a worker may take to answer, in ms: longer than a host may take to close a session. */
export const ANSWER_TIMEOUT = 5000;
/** The same for questions that need no host and no store, in ms. */
export const QUICK_ANSWER_TIMEOUT = 2000;
