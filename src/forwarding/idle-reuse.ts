/** How many idle connections must stay open under watch before connections are reused. */
export const WATCHED = 20;

/** How long to watch each of them, in ms, unless the host announces a shorter idle time. */
const WATCH_TIME = 4000;

/** The longest idle time of a connection to reuse, in ms, if the host's idle time is not known. */
const REUSE_TIME = 1000;

/** The least time between giving up an idle connection here and its closing by the host, in ms. */
const MARGIN = 1000;

/** The idle time of a connection. `since` and `due` are by `performance.now()`. */
export interface IdleTime {
  readonly since: number;
  /** How long the connection may be reused, in ms. */
  readonly reuse: number;
  /** How long the connection must stay open to count as a survivor, in ms. */
  readonly watch: number;
  /** The host was awake after this time if it answers a request that was sent later. */
  due: number;
  /** The host has answered such a request. */
  isDue: boolean;
}

/**
 * Decides whether and how long a host's idle connections may be reused. A host may close a connection just as a request
 * is sent on it, and then nobody can tell whether it handled that request.
 *
 * At first no connection is reused. `WATCHED` connections stay idle under watch, for longer than any would be reused.
 * If the host closes none of them, connections are reused from then on. If the host ever closes one too soon, none is
 * reused any more: a busy host closes late, and in time again later.
 */
export class IdleReuse {
  /** How long the host is known to keep idle connections, in ms. */
  readonly #known: number | undefined;
  #state: 'watching' | 'allowed' | 'forbidden';
  #survivors = 0;
  /** When the latest answered request was sent. */
  #awakeAt = -Infinity;

  /** @param known how long the host keeps idle connections, in ms; `undefined` to find out by watching. */
  constructor(known: number | undefined) {
    this.#known = known;
    this.#state = known === undefined ? 'watching' : reuseTime(known) > 0 ? 'allowed' : 'forbidden';
  }

  get isAllowed(): boolean {
    return this.#state === 'allowed';
  }

  /**
   * Whether to keep another idle connection.
   *
   * @param idle the number of idle connections.
   */
  keeps(idle: number): boolean {
    return this.isAllowed || (this.#state === 'watching' && idle < WATCHED);
  }

  /**
   * Called when a connection becomes idle.
   *
   * @param told how long the host announces to keep the connection, in ms.
   */
  begin(since: number, told: number | undefined): IdleTime {
    const kept = told === undefined || this.#known === undefined ? told ?? this.#known : Math.min(told, this.#known);
    const reuse = kept === undefined ? REUSE_TIME : reuseTime(kept);
    const watch = kept === undefined ? WATCH_TIME : Math.min(kept * 0.75, WATCH_TIME);
    // The announced time is too short for any reuse.
    if (reuse <= 0) this.forbid();
    return { since, reuse, watch, due: since + watch, isDue: false };
  }

  /** Records that the host has answered a request sent at `sentAt`. */
  answered(sentAt: number): void {
    if (sentAt > this.#awakeAt) this.#awakeAt = sentAt;
  }

  /**
   * Examines an idle connection that is still open. Everything that the host sent until `now` must have been read.
   *
   * @returns whether the connection is not needed any more.
   */
  look(idle: IdleTime, now: number): boolean {
    if (this.#state === 'forbidden') return true;
    if (this.#state === 'allowed') return now - idle.since >= idle.reuse;
    if (this.#awakeAt < idle.due) return false;
    if (!idle.isDue) {
      // A host that wakes up may read requests before it runs its timers, so a second answer is needed.
      idle.isDue = true;
      idle.due = now;
      return false;
    }
    this.#survivors += 1;
    if (this.#survivors === WATCHED) this.#state = 'allowed';
    return true;
  }

  /** Records that the host has closed an idle connection. */
  closed({ since, reuse, watch }: IdleTime, now: number): void {
    if (now - since < Math.max(reuse, watch)) this.forbid();
  }

  /** Records that the host has closed a reused connection, possibly before it saw the request. */
  forbid(): void {
    this.#state = 'forbidden';
  }
}

function reuseTime(kept: number): number {
  return Math.min(kept / 2, kept - MARGIN);
}
