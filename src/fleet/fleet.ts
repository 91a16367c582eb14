import { EventEmitter } from 'node:events';
import { toError } from '../base/checks';
import { startDeadline, within } from '../base/deadline';
import { pause } from '../base/pause';
import type { FleetStore, LeaseAsked, Reading } from './fleet-store';
import { INTERVAL, intervalAfter, JITTER } from './interval';
import { Lease, type Demand } from './lease';
import { textOfRecord, type MemberRecord } from './member';
import { Members, type Lost, type Member } from './members';
import { isRefusal } from './refusal';
import { CLEARED, Registers, type Register } from './registers';

/** How many intervals a lease lives. */
const LEASE_INTERVALS = 3;

/** How long an answer of Redis is awaited, in ms. No further beat begins meanwhile, or they would pile up. */
const ANSWER_TIMEOUT = 30_000;

export interface FleetEvents {
  /** A member has come. */
  joined: [id: string];
  /** A member has ended, or was silent for three beats. */
  left: [id: string];
  /** The member's hosts, `path` or `keyPrefix` are others than here. */
  disagree: [id: string, what: readonly string[]];
  /** Others have changed these registers. */
  changed: [names: readonly string[]];
  /** A beat has ended well. */
  beat: [];
  /** This member's slice of the rate may be another now. */
  slice: [];
  /** Redis can be asked, but refuses the fleet. Emitted for the first of several such answers. */
  refused: [error: Error];
}

/** What a member knows of itself at a beat. */
export type Self = Omit<MemberRecord, 'age' | 'interval' | 'revision' | 'sharing' | 'left'>;

export interface FleetOptions {
  /** The member's id: unlike any other's, without spaces. */
  readonly id: string;
  /** How long `start`, `beat` and `stop` wait for Redis, in ms. */
  readonly timeout: number;
  /** How long a session lives on that only a vanished member knew, in ms, unless that member says a longer time. */
  readonly life: number;
  /** The clock, in ms: by default `performance.now`. */
  readonly clock?: () => number;
}

/**
 * A member of the fleet: shows itself to the others in beats, and shares registers with them. All converge to the same
 * registers, whatever fails in between. Nothing waits for it: without Redis it keeps what it knew.
 */
export class Fleet extends EventEmitter<FleetEvents> {
  readonly id: string;
  readonly #store: FleetStore;
  readonly #self: () => Self;
  readonly #timeout: number;
  readonly #clock: () => number;
  readonly #since: number;
  #started = false;
  readonly #registers = new Registers();
  readonly #members: Members;
  readonly #closing = new AbortController();
  /** How often this member is to show itself. The others hear of a longer interval before it is kept. */
  #interval = INTERVAL;
  #toldInterval = INTERVAL;
  #revision = '';
  /** Redis's clock minus ours; `undefined` before the first beat. */
  #offset: number | undefined;
  /** Redis's clock at the last reading. */
  #readAt = 0;
  /** This member's slice of the rate, if it shares one. */
  #lease: Lease | undefined;
  #isRefused = false;
  #isReached = false;
  /** Settles with the answer of Redis to the last beat. */
  #asking: Promise<void> | undefined;
  /** Ends the pause before the next beat. */
  #wake: () => void = () => {};
  /** Ends the wait for an answer of Redis. */
  #giveUp: () => void = () => {};

  constructor(options: FleetOptions, store: FleetStore, self: () => Self) {
    super();
    const { id, timeout, life, clock = () => performance.now() } = options;
    this.id = id;
    this.#store = store;
    this.#self = self;
    this.#timeout = timeout;
    this.#clock = clock;
    this.#since = clock();
    this.#members = new Members(id, life);
  }

  /** Begins to beat. Resolves after the first beat, whether it went well or not. Never rejects. */
  async start(): Promise<void> {
    this.#started = true;
    const first = this.beat();
    void first.then(() => this.#run());
    await first;
  }

  /** All members that live, this one first. */
  get members(): readonly Member[] {
    return this.#members.at(this.now ?? 0);
  }

  /** All but this one. */
  get others(): readonly Member[] {
    return this.members.filter(({ self }) => !self);
  }

  /** Members that are gone, while sessions may go on that they knew. */
  get lost(): readonly Lost[] {
    return this.#members.lost;
  }

  /** Redis works, and refuses the fleet. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** The last beat went well, and the one that is under way is not late. */
  get isReached(): boolean {
    return this.#isReached;
  }

  /** The revision of the registers that this member knows; '' for none. */
  get revision(): string {
    return this.#revision;
  }

  /** Redis's clock, in ms since the epoch; `undefined` before the first beat that went well. */
  get now(): number | undefined {
    return this.#offset === undefined ? undefined : this.#offset + this.#clock();
  }

  get(name: string): Register | undefined {
    return this.#registers.get(name);
  }

  /** The value of a register; `undefined` if it has none, or if that is no JSON. */
  read(name: string): unknown {
    const text = this.get(name)?.value;
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  /** The registers that have a value. */
  get registers(): ReadonlyMap<string, Register> {
    return this.#registers.all;
  }

  /** Shares a rate with the other members. To be called before `start`. */
  share(demand: Demand): void {
    this.#lease = new Lease(demand, () => this.#members.sharers);
  }

  /** This member's slice of the rate, in handshakes per second, and when it next changes by itself, in ms from now. */
  get slice(): { readonly rate: number; readonly changesIn: number | undefined } | undefined {
    const now = this.#clock();
    const changesAt = this.#lease?.changesAt(now);
    return this.#lease && {
      rate: this.#lease.at(now), changesIn: changesAt === undefined ? undefined : changesAt - now,
    };
  }

  /** Sets a register for all members: here at once, elsewhere with the next beats. `null` clears it. */
  write(name: string, value: unknown): void {
    this.#registers.write(name, value === null ? CLEARED : JSON.stringify(value), this.id);
    this.#wake();
  }

  /** Clears a register that nobody needs, unless another member has written it meanwhile. */
  clear(name: string): void {
    this.#registers.clear(name, this.#readAt, this.id);
  }

  /** Shows itself once, writes and reads. Never rejects. */
  beat(): Promise<void> {
    return this.#beat(false);
  }

  /** @returns whether a beat that began after this call has gone well, within twice the timeout. Never rejects. */
  async refresh(): Promise<boolean> {
    // One that is under way may have asked before.
    const earlier = this.#asking;
    if (earlier) await within(this.#timeout, earlier);
    if (earlier && this.#asking === earlier) return false;
    await this.beat();
    return this.#isReached;
  }

  /** Tells the others that this member has ended. Resolves once that is done, or has failed. Never rejects. */
  async stop(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    // Who has never shown itself need not leave, and must not use a client that nobody has opened.
    if (!this.#started) return;
    if (this.#asking) await within(this.#timeout, this.#asking);
    // While Redis is silent, the others find out by themselves.
    if (!this.#asking) await this.#beat(true);
    this.#giveUp();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      const waking = new AbortController();
      this.#wake = () => waking.abort();
      // What was written during the last beat need not wait.
      const isNews = this.#isReached && this.#registers.writes.some(({ isNew }) => isNew);
      const ms = Math.min(this.#interval, this.#toldInterval) + JITTER * (Math.random() - 0.5);
      if (!isNews) await pause(ms, AbortSignal.any([signal, waking.signal]));
      if (signal.aborted) return;
      await this.beat();
    }
  }

  #beat(isLast: boolean): Promise<void> {
    this.#asking ??= this.#ask(isLast).finally(() => this.#asking = undefined);
    const cancel = startDeadline(this.#timeout, () => this.#isReached = false);
    return within(this.#timeout, this.#asking.finally(cancel));
  }

  /** Never rejects. */
  async #ask(isLast: boolean): Promise<void> {
    const [age, interval, revision] = [this.#clock() - this.#since, this.#interval, this.#revision];
    const sharing = this.#lease !== undefined;
    const record = textOfRecord({ ...this.#self(), age, interval, revision, sharing, left: isLast });
    const { writes } = this.#registers;
    const now = this.#clock();
    const lease = this.#lease?.ask(now, LEASE_INTERVALS * interval, isLast);
    try {
      const reading = await this.#inTime(this.#store.beat({ id: this.id, record, revision, writes, lease }));
      this.#isReached = true;
      this.#isRefused = false;
      this.#toldInterval = interval;
      if (lease) this.#takeLease(lease, reading, now);
      this.#take(reading, writes);
    } catch (error) {
      this.#isReached = false;
      this.#onFailure(toError(error));
    }
  }

  #takeLease({ life }: LeaseAsked, { lease }: Reading, askedAt: number): void {
    // Another member's lease may have been renewed one beat after this one, and no beat since.
    const later = life / LEASE_INTERVALS + JITTER;
    if (lease) this.#lease?.take(lease, this.#clock(), askedAt + life, later);
    this.emit('slice');
  }

  #take(reading: Reading, writes: Registers['writes']): void {
    this.#offset = reading.now - this.#clock();
    this.#readAt = reading.now;
    this.#revision = reading.revision;
    const changed = reading.registers ? this.#registers.take(reading.registers, writes, reading.now) : [];
    const { came, went, other } = this.#members.take(reading, this.#clock());
    this.#interval = intervalAfter(reading);
    if (this.#closing.signal.aborted) return;
    for (const id of came) this.emit('joined', id);
    for (const id of went) this.emit('left', id);
    for (const id of other) this.emit('disagree', id, this.#members.differencesOf(id));
    if (changed.length > 0) this.emit('changed', changed);
    this.emit('beat');
  }

  /** What Redis answers tells that it works, and so concerns the fleet alone. */
  #onFailure(error: Error): void {
    if (!isRefusal(error) || this.#isRefused || this.#closing.signal.aborted) return;
    this.#isRefused = true;
    this.#lease?.refuse(this.#clock());
    this.emit('slice');
    this.emit('refused', error);
  }

  /** @throws Error when the answer does not come in time, or is given up. */
  async #inTime(answer: Promise<Reading>): Promise<Reading> {
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      this.#giveUp = () => reject(new Error('Redis did not answer'));
      cancel = startDeadline(ANSWER_TIMEOUT, this.#giveUp);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
    }
  }
}
