import type { Absence } from '../base/refusals';
import type { Fleet } from '../fleet/fleet';
import { MOST_ENDED, type EndedShown } from '../fleet/member';
import type { EndOutcome, SessionReport, SessionSource } from './operator';

/** In how many beats a member shows that a session has ended, so that each other one reads it. */
const BEATS = 3;

/** How much later a session may seem to have ended than it has, in ms: what Redis and its answer took. */
const TOLERANCE = 250;

/** The longest sid that is shown. */
const MAX_LENGTH = 100;

/** Forgets a session that ended some ms ago, unless it was opened since. */
export type ForgetEnded = (sid: string, ago: number) => void;

/** Tells the other members which sessions were ended here, and forgets those that were ended there. */
export class FleetEnded implements SessionSource {
  readonly #sessions: SessionSource;
  /** When each was ended, by `performance.now()`, and in how many beats it is still to be shown. */
  #ended: { readonly sid: string; readonly at: number; readonly beats: number }[] = [];

  constructor(fleet: Fleet, sessions: SessionSource, forget: ForgetEnded) {
    this.#sessions = sessions;
    fleet.on('beat', () => {
      for (const { record, seenAgo } of fleet.others) {
        for (const { sid, ago } of record.ended) forget(sid, ago + seenAgo + TOLERANCE);
      }
    });
  }

  /** What to show in the next beat. */
  take(): EndedShown[] {
    const now = performance.now();
    const shown = this.#ended.map(({ sid, at }) => ({ sid, ago: now - at }));
    this.#ended = this.#ended.flatMap(({ beats, ...each }) => (beats > 1 ? [{ ...each, beats: beats - 1 }] : []));
    return shown;
  }

  find(sid: string): Promise<SessionReport | Absence> {
    return this.#sessions.find(sid);
  }

  async end(sid: string): Promise<EndOutcome> {
    const outcome = await this.#sessions.end(sid);
    if (outcome === 'ended') this.#add([sid]);
    return outcome;
  }

  async endSome(host: string, count: number): Promise<readonly string[]> {
    const sids = await this.#sessions.endSome(host, count);
    this.#add(sids);
    return sids;
  }

  #add(sids: readonly string[]): void {
    const at = performance.now();
    const added = sids.filter(({ length }) => length <= MAX_LENGTH).map((sid) => ({ sid, at, beats: BEATS }));
    this.#ended = [...this.#ended, ...added].slice(-MOST_ENDED);
  }
}
