import { randomUUID } from 'node:crypto';
import { toError } from '../base/checks';
import { startDeadline } from '../base/deadline';
import { moreTelling } from './outage';
import type { SessionStore } from './session-store';

/**
 * How many sids are asked for at once. If a third of a store works, all of them lie in the rest once in 600 times.
 */
const TRIALS = 16;

/** After how long an unanswered call counts as lost, and how often one lost trial is replaced, in ms. */
const LOST_AFTER = 10_000;

/** How many of the trials were answered in time. */
export interface ProbeResult {
  readonly writes: number;
  readonly reads: number;
  /** Whether all writes and reads were answered in time. */
  readonly whole: boolean;
  /** The most telling error of those that the store has answered with. */
  readonly error: Error | undefined;
}

/** A sid of the proxy's own. */
interface Trial {
  readonly sid: string;
  /** Since when the store owes an answer; `undefined` if it does not. */
  since: number | undefined;
}

interface Round {
  writes: number;
  reads: number;
  error: Error | undefined;
  /** How many trials have not ended. */
  left: number;
  served: () => void;
  ended: () => void;
}

/**
 * Probes a store with sids of the proxy's own. They are random, so that they lie in all parts of the store, and clients
 * cannot influence the result. No trial is repeated before it was answered: a Redis client keeps calls that it cannot
 * send.
 */
export class StoreProbe {
  readonly #store: SessionStore;
  #trials: Trial[] = [];
  #round: Round | undefined;
  #replacedAt = -Infinity;

  constructor(store: SessionStore) {
    this.#store = store;
    this.renew();
  }

  /**
   * Replaces the sids by new ones.
   *
   * @param all also those for which the store owes an answer.
   */
  renew(all = false): void {
    const owed = all ? [] : this.#trials.filter(({ since }) => since !== undefined);
    this.#trials = [...owed, ...Array.from({ length: TRIALS - owed.length }, newTrial)];
  }

  /**
   * Writes and reads each sid once.
   *
   * @param ms how long that may take.
   * @param served called as soon as a write and a read have succeeded, and possibly again.
   */
  async look(ms: number, served: () => void): Promise<ProbeResult> {
    this.#replaceLost();
    await new Promise<void>((resolve) => {
      const cancel = startDeadline(ms, resolve);
      const ended = (): void => {
        cancel();
        resolve();
      };
      this.#round = { writes: 0, reads: 0, error: undefined, left: TRIALS, served, ended };
      for (const trial of this.#trials) if (trial.since === undefined) void this.#ask(trial);
    });
    const { writes = 0, reads = 0, error } = this.#round ?? {};
    this.#round = undefined;
    return { writes, reads, whole: writes === TRIALS && reads === TRIALS, error };
  }

  async #ask(trial: Trial): Promise<void> {
    const round = this.#round;
    trial.since = performance.now();
    const count = (kind: 'writes' | 'reads') => (failure: Error | undefined): void => {
      if (!round || round !== this.#round) return;
      if (failure) {
        round.error = moreTelling(round.error, failure);
        return;
      }
      round[kind] += 1;
      if (round.writes > 0 && round.reads > 0) round.served();
    };
    await Promise.all([
      // This binding expires by itself, and leads to no host.
      failureOf(() => this.#store.bind(trial.sid, '', 1)).then(count('writes')),
      failureOf(() => this.#store.find(trial.sid, 1)).then(count('reads')),
    ]);
    trial.since = undefined;
    if (!this.#round || !this.#trials.includes(trial)) return;
    // Answers to an earlier round say nothing about how soon the store answers now.
    if (this.#round !== round) return this.#ask(trial);
    this.#round.left -= 1;
    if (this.#round.left === 0) this.#round.ended();
  }

  /** Replaces one lost trial at a time. Some clients lose the calls that they got before their connection broke. */
  #replaceLost(): void {
    const now = performance.now();
    if (now - this.#replacedAt < LOST_AFTER) return;
    const lost = this.#trials.findIndex(({ since }) => since !== undefined && now - since >= LOST_AFTER);
    if (lost === -1) return;
    this.#trials[lost] = newTrial();
    this.#replacedAt = now;
  }
}

function newTrial(): Trial {
  return { sid: `probe-${randomUUID()}`, since: undefined };
}

/** The error that a call rejects with; `undefined` if it resolves. Never rejects. */
async function failureOf(ask: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await ask();
    return undefined;
  } catch (error) {
    return toError(error);
  }
}
