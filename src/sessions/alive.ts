import { LRUCache } from 'lru-cache';
import type { Host } from '../hosts/host';
import { hasSession, type SessionAtHostOptions } from './session-at-host';

/** For how many questions that a host has not answered this is remembered, and how long, in ms. */
const MAX_UNANSWERED = 1000;
const UNANSWERED_LIFE = 1000;

/** Asks hosts whether sessions are alive. Several who ask the same at once wait for one answer. */
export class Alive {
  readonly #options: SessionAtHostOptions;
  /** What is being asked, and what was not answered a moment ago. */
  readonly #asked = new LRUCache<string, Promise<boolean | undefined>>({
    max: MAX_UNANSWERED, ttl: UNANSWERED_LIFE, perf: { now: () => performance.now() },
  });

  constructor(options: SessionAtHostOptions) {
    this.#options = options;
  }

  /** Never rejects. @returns `undefined` if that cannot be told. */
  ask(host: Host, sid: string): Promise<boolean | undefined> {
    const key = `${host.name} ${sid}`;
    const asked = this.#asked.get(key);
    if (asked) return asked;
    const answer = this.askAgain(host, sid);
    this.#asked.set(key, answer);
    void answer.then((isAlive) => {
      // An answer is out of date at once: the next one asks again. Silence counts from its end.
      if (isAlive === undefined) this.#asked.set(key, answer);
      else this.#asked.delete(key);
    });
    return answer;
  }

  /** Asks although somebody else may have asked just now. Never rejects. */
  askAgain(host: Host, sid: string): Promise<boolean | undefined> {
    return host.up ? hasSession(host, sid, this.#options) : Promise.resolve(host.unknown ? undefined : false);
  }
}
