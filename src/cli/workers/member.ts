import cluster, { type Worker } from 'node:cluster';
import type { AddressInfo } from 'node:net';
import { startDeadline } from '../../base/deadline';
import { CLOSING_TIME } from '../../proxy-internals';
import type { AskedWorker } from './all-workers';
import type { LimitedWorker } from './workers-rate';
import type { HostLoad, SessionsElsewhere, StoreFailure, ToPrimary, ToWorker } from './messages';
import type { SidSample } from '../../sessions/sid-sample';
import { write } from '../log/output';
import {
  ANSWER_TIMEOUT, QUICK_ANSWER_TIMEOUT, type Answer, type Question, type Questions, type Topic,
} from './questions';

/** How long a worker may take to listen, in ms. */
const START_TIMEOUT = 30_000;
/** How long a worker may take to end after its drain, in ms: half a second more than its proxy. */
const END_TIMEOUT = CLOSING_TIME + 500;

/** The first message to a worker. */
export type Start = Extract<ToWorker, { type: 'start' }>;

/** The end of a worker. */
export interface Ending {
  readonly pid: number | undefined;
  readonly lived: number;
  readonly reason: string;
}

/** One worker process, as the primary sees it. */
export class Member implements AskedWorker, LimitedWorker {
  readonly number: number;
  /** Resolves when the worker listens; with `undefined` if it ends before. */
  readonly listening: Promise<AddressInfo | undefined>;
  readonly ended: Promise<Ending>;
  /** The last load that the worker reported. */
  load: readonly HostLoad[] = [];
  /** How many handshakes waited then. */
  queued = 0;
  /** Some of the sids that the worker knew then. */
  sample: SidSample = { level: 0, hosts: new Map() };
  /** The version of the host list that the worker has applied; `Infinity` before its start, which uses the latest. */
  version = Infinity;
  /** The worker's address; `undefined` while it does not listen. */
  address: AddressInfo | undefined;
  /** Why the worker's store fails; `undefined` while it works. */
  storeFailure: StoreFailure | undefined;
  /** Why the worker cannot listen. */
  failure: string | undefined;
  closing = false;
  /** The worker is closing, and so are all others. */
  #ending = false;
  readonly #worker: Worker;
  readonly #start: () => Start;
  readonly #asked = new Map<number, (answer: unknown) => void>();
  #questions = 0;
  #elsewhere = '';

  /**
   * @param start returns the first message to the worker.
   * @param take receives the worker's messages.
   */
  constructor(number: number, start: () => Start, take: (message: ToPrimary, member: Member) => void) {
    this.number = number;
    const since = performance.now();
    const worker = this.#worker = cluster.fork();
    this.#start = start;
    // Sending fails if the worker has just died, or if a connection was closed meanwhile.
    worker.on('error', () => {});
    const closeLastConnection = followConnections(worker, () => this.#ending);
    worker.process.stderr?.on('data', (chunk: Buffer) => write(process.stderr, chunk));
    // `close` comes after all output of the worker. Not `events.once()`, whose promise an `error` event would reject.
    this.ended = new Promise((resolve) => worker.process.once('close', (code, signal) => resolve({
      pid: worker.process.pid,
      lived: performance.now() - since,
      reason: this.failure ?? signal ?? `exit code ${code}`,
    })));
    this.listening = new Promise((resolve) => {
      const cancel = startDeadline(START_TIMEOUT, () => this.kill());
      const settle = (address: AddressInfo | undefined): void => {
        cancel();
        resolve(address);
      };
      void this.ended.then(() => {
        for (const answer of this.#asked.values()) answer(undefined);
        closeLastConnection();
        settle(undefined);
      });
      worker.on('message', (message: ToPrimary) => {
        this.#take(message, settle);
        take(message, this);
      });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  tell(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message, undefined, () => {});
  }

  setRate(rate: number): void {
    this.tell({ type: 'rate', rate });
  }

  /** Tells the worker what others know, if that has changed. */
  tellElsewhere(sessions: SessionsElsewhere): void {
    const text = JSON.stringify(sessions);
    if (text === this.#elsewhere) return;
    this.#elsewhere = text;
    this.tell({ type: 'elsewhere', sessions });
  }

  get serves(): boolean {
    return this.address !== undefined;
  }

  sessionsOn(name: string): number {
    return this.load.find(({ host }) => host === name)?.sessions ?? 0;
  }

  ask<T extends Topic>(about: T, question: Questions[T]['question']): Promise<Answer<T> | undefined> {
    const id = this.#questions += 1;
    return new Promise((resolve) => {
      const settle = (answer: unknown): void => {
        cancel();
        this.#asked.delete(id);
        // Workers answer with the type of the question.
        resolve(answer as Answer<T> | undefined);
      };
      const isQuick = about === 'totals' || about === 'metrics';
      const cancel = startDeadline(isQuick ? QUICK_ANSWER_TIMEOUT : ANSWER_TIMEOUT, () => settle(undefined));
      this.#asked.set(id, settle);
      this.tell({ type: 'ask', id, question: { about, ...question } as Question });
    });
  }

  /**
   * Drains the worker. Resolves when it has ended, a moment after `timeout` ms at the latest.
   *
   * @param timeout how long the worker may take to drain, with the delay before that.
   * @returns whether the worker had to be killed.
   */
  async close(replaced: boolean, timeout: number): Promise<boolean> {
    this.closing = true;
    this.#ending = !replaced;
    this.address = undefined;
    this.tell({ type: 'close', replaced });
    let isLate = false;
    const cancel = startDeadline(timeout + END_TIMEOUT, () => {
      isLate = true;
      this.kill();
    });
    await this.ended;
    cancel();
    return isLate;
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #take(message: ToPrimary, settle: (address: AddressInfo) => void): void {
    if (message.type === 'here') this.#begin();
    else if (message.type === 'listening') settle(this.address = message.address);
    // By now Node sends no more connections to the worker.
    else if (message.type === 'retiring') this.tell({ type: 'retired' });
    else if (message.type === 'failed') this.failure = message.reason;
    else if (message.type === 'store') this.storeFailure = message.failure;
    else if (message.type === 'answer') this.#asked.get(message.id)?.(message.answer);
    else if (message.type === 'load') {
      [this.load, this.version, this.sample] = [message.hosts, message.version, message.sample];
      this.queued = message.handshakes.queued;
    }
  }

  #begin(): void {
    if (this.closing) {
      // The first `close` may have arrived before the worker listened for messages.
      this.tell({ type: 'close', replaced: false });
      return;
    }
    const start = this.#start();
    this.version = start.hosts.version;
    this.tell(start);
    this.#elsewhere = '';
  }
}

/**
 * Node passes a worker one connection at a time. It closes its own handle once the worker has accepted the connection
 * or left it to another worker. If the worker dies before, or no other worker is left, the client would wait for ever.
 *
 * @param isLast whether no other worker can take a connection that this worker leaves.
 * @returns a function that closes the handle of a connection on its way to the worker.
 */
function followConnections({ process: child }: Worker, isLast: () => boolean): () => void {
  let underway: unknown;
  const send: unknown = Reflect.get(child, 'send');
  if (typeof send !== 'function') return () => {};
  Object.defineProperty(child, 'send', {
    value: (...args: unknown[]): unknown => {
      underway = args[1] ?? underway;
      return Reflect.apply(send, child, args);
    },
  });
  // Before Node's own listener, which sends the next connection at once.
  child.prependListener('internalMessage', (message: unknown) => {
    if (Reflect.get(Object(message), 'ack') === undefined) return;
    const left = Reflect.get(Object(message), 'accepted') === false && isLast() ? underway : undefined;
    underway = undefined;
    // Deferred: by then Node has sent the connection to another worker, or keeps it if there is none.
    if (left !== undefined) setImmediate(() => closeHandle(left));
  });
  return () => closeHandle(underway);
}

function closeHandle(handle: unknown): void {
  const close: unknown = Reflect.get(Object(handle), 'close');
  if (typeof close === 'function') Reflect.apply(close, handle, []);
}
