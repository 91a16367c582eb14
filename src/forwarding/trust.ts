/** How many connections must have been watched before any is reused. */
export const WATCHED = 20;

/** For how long each of them is watched, in ms, where the host does not say that it closes them sooner. */
const WATCH_TIME = 4000;

/** For how long a connection may be idle and be reused where nobody says how long the host keeps it, in ms. */
const REUSE_TIME = 1000;

/** How much sooner than the host may close it a connection is given up here, in ms, where half of that is less. */
const MARGIN = 1000;

/** A connection that carries nothing, and for how long. Times are by `performance.now()`. */
export interface IdleTime {
  readonly since: number;
  /** It may be reused for so long, in ms. */
  readonly reuse: number;
  /** It must stay open for so long, in ms, to speak for its host. */
  readonly watch: number;
  /** A request that is sent from then on, and answered, shows that the host was awake after that time. */
  due: number;
  /** There was such an answer. */
  isDue: boolean;
}

/**
 * Whether a host's idle connections may be reused, and for how long: a host may close one in the moment in which a
 * request is sent on it, and there is no telling whether it has taken that request.
 *
 * It begins with nothing. So many connections are left idle and watched, for longer than any would be reused. If the
 * host closes none of them, others are reused from then on. If it closes one too soon, then or ever after, none is
 * reused any more: hosts close late when they are busy, and in time later on.
 */
export class Trust {
  /** For how long the host is known to keep idle connections, in ms. */
  readonly #known: number | undefined;
  #state: 'learning' | 'given' | 'lost';
  #survivors = 0;
  /** When the last of the requests was sent that the host has answered. */
  #awakeAt = -Infinity;

  /** @param known for how long the host keeps idle connections, in ms, where that need not be found out. */
  constructor(known: number | undefined) {
    this.#known = known;
    this.#state = known === undefined ? 'learning' : reuseTime(known) > 0 ? 'given' : 'lost';
  }

  get isGiven(): boolean {
    return this.#state === 'given';
  }

  get isLost(): boolean {
    return this.#state === 'lost';
  }

  /**
   * Whether one more connection is to be kept when it is idle.
   *
   * @param idle how many are.
   */
  keeps(idle: number): boolean {
    return this.isGiven || (!this.isLost && idle < WATCHED);
  }

  /**
   * A connection becomes idle.
   *
   * @param told for how long the host says that it keeps it, in ms.
   */
  begin(since: number, told: number | undefined): IdleTime {
    const kept = told === undefined || this.#known === undefined ? told ?? this.#known : Math.min(told, this.#known);
    const reuse = kept === undefined ? REUSE_TIME : reuseTime(kept);
    const watch = kept === undefined ? WATCH_TIME : Math.min(kept * 0.75, WATCH_TIME);
    // It says itself that none may be reused.
    if (reuse <= 0) this.lose();
    return { since, reuse, watch, due: since + watch, isDue: false };
  }

  /** The host has answered a request that was sent then. */
  answered(sentAt: number): void {
    if (sentAt > this.#awakeAt) this.#awakeAt = sentAt;
  }

  /**
   * Looks at a connection that is idle and still open: all that came from the host until `now` has been read.
   *
   * @returns whether it is not needed any more.
   */
  look(idle: IdleTime, now: number): boolean {
    if (this.#state !== 'learning') return this.isLost || now - idle.since >= idle.reuse;
    if (this.#awakeAt < idle.due) return false;
    if (!idle.isDue) {
      // A host may read what has come before it looks at its clock, so it has to answer once more.
      idle.isDue = true;
      idle.due = now;
      return false;
    }
    this.#survivors += 1;
    if (this.#survivors === WATCHED) this.#state = 'given';
    return true;
  }

  /** The host has closed an idle connection. */
  closed({ since, reuse, watch }: IdleTime, now: number): void {
    if (now - since < Math.max(reuse, watch)) this.lose();
  }

  /** The host has closed a connection that was reused, and may have done so before it saw the request. */
  lose(): void {
    this.#state = 'lost';
  }
}

function reuseTime(kept: number): number {
  return Math.min(kept / 2, kept - MARGIN);
}
