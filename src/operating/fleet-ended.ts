import type { Absence } from '../base/refusals';
import type { Fleet } from '../fleet/fleet';
import { MOST_ENDED, type EndedShown } from '../fleet/member';
import type { EndOutcome, SessionReport, SessionSource } from './operator';

/**
 * In how many beats that end well a member shows that a session has ended, and for how many intervals at least: each
 * other one is to read it, and beats may follow each other closely.
 */
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
  readonly #fleet: Fleet;
  /** When each was ended, by `performance.now()`, and how many beats have shown it. */
  #ended: readonly { readonly sid: string; readonly at: number; readonly beats: number }[] = [];

  constructor(fleet: Fleet, sessions: SessionSource, forget: ForgetEnded) {
    this.#sessions = sessions;
    this.#fleet = fleet;
    fleet.on('beat', () => {
      this.#onShown();
      for (const { record, seenAgo } of fleet.others) {
        for (const { sid, ago } of record.ended) forget(sid, ago + seenAgo + TOLERANCE);
      }
    });
  }

  /** What to show in the next beat. */
  get shown(): EndedShown[] {
    const now = performance.now();
    return this.#ended.map(({ sid, at }) => ({ sid, ago: now - at }));
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

  #onShown(): void {
    const until = performance.now() - BEATS * Math.max(...this.#fleet.members.map(({ record }) => record.interval));
    this.#ended = this.#ended.map((each) => ({ ...each, beats: each.beats + 1 }))
      .filter(({ at, beats }) => beats < BEATS || at > until);
  }

  #add(sids: readonly string[]): void {
    const at = performance.now();
    const added = sids.filter(({ length }) => length <= MAX_LENGTH).map((sid) => ({ sid, at, beats: 0 }));
    this.#ended = [...this.#ended, ...added].slice(-MOST_ENDED);
  }
}
