import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { startDeadline } from '../deadline';
import type { HostLoad, ToPrimary, ToWorker } from './messages';

/** How long a worker may take until it listens, in ms. */
const START_TIMEOUT = 30_000;
/** How long a worker may take to end beyond its drain, in ms. */
const END_TIMEOUT = 5000;

/** How a worker has ended. */
export interface Ending {
  readonly pid: number | undefined;
  readonly lived: number;
  readonly reason: string;
}

/** One worker process, as the primary sees it. */
export class Member {
  /** Resolves when it listens, and with `undefined` when it ends before. */
  readonly listening: Promise<AddressInfo | undefined>;
  readonly ended: Promise<Ending>;
  /** Of the last that it has told. */
  load: readonly HostLoad[] = [];
  /** With what its store fails. */
  storeError: string | undefined;
  /** Why it cannot listen. */
  failure: string | undefined;
  closing = false;
  readonly #worker: Worker;
  readonly #start: () => ToWorker;

  /**
   * @param start what it is to be told first.
   * @param take is given whatever it tells.
   */
  constructor(start: () => ToWorker, take: (message: ToPrimary) => void) {
    const since = performance.now();
    const worker = this.#worker = cluster.fork();
    this.#start = start;
    // What is sent to one that has just died fails.
    worker.on('error', () => {});
    const closeLastConnection = followConnections(worker);
    this.ended = once(worker, 'exit').then(([code, signal]: (number | string | null)[]) => ({
      pid: worker.process.pid,
      lived: performance.now() - since,
      reason: this.failure ?? (signal === null ? `exit code ${code}` : String(signal)),
    }));
    this.listening = new Promise((resolve) => {
      const callOff = startDeadline(START_TIMEOUT, () => this.kill());
      const settle = (address: AddressInfo | undefined): void => {
        callOff();
        resolve(address);
      };
      void this.ended.then(() => {
        if (!this.closing) closeLastConnection();
        settle(undefined);
      });
      worker.on('message', (message: ToPrimary) => {
        this.#take(message, settle);
        take(message);
      });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  tell(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message, undefined, () => {});
  }

  /** Drains it, and resolves when it has ended: at the latest some seconds after `drainTimeout`. */
  async close(replaced: boolean, drainTimeout: number): Promise<void> {
    this.closing = true;
    this.tell({ type: 'close', replaced });
    const callOff = startDeadline(drainTimeout + END_TIMEOUT, () => this.kill());
    await this.ended;
    callOff();
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #take(message: ToPrimary, settle: (address: AddressInfo) => void): void {
    // One that is closed before it is told anything has been told to close, or is told now.
    if (message.type === 'here') this.tell(this.closing ? { type: 'close', replaced: false } : this.#start());
    else if (message.type === 'listening') settle(message.address);
    else if (message.type === 'failed') this.failure = message.reason;
    else if (message.type === 'store') this.storeError = message.error;
    else if (message.type === 'load') this.load = message.hosts;
  }
}

/**
 * Node hands a worker one connection at a time, and waits with closing its own end until the worker has taken it. If
 * that dies before, the client would wait for ever.
 *
 * @returns a function that closes the last one's own end, which does nothing where it is closed.
 */
function followConnections({ process: child }: Worker): () => void {
  let last: unknown;
  const send: unknown = Reflect.get(child, 'send');
  if (typeof send !== 'function') return () => {};
  Object.defineProperty(child, 'send', {
    value: (...args: unknown[]): unknown => {
      last = args[1] ?? last;
      return Reflect.apply(send, child, args);
    },
  });
  return () => {
    const close: unknown = Reflect.get(Object(last), 'close');
    if (typeof close === 'function') Reflect.apply(close, last, []);
  };
}
