import cluster from 'node:cluster';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Log } from '../log/log';
import { Member, type Ending, type Start } from './member';
import type { ToPrimary, ToWorker } from './messages';
import { RestartDelay } from './restart-delay';

/** The place of one worker, which its successor takes over. */
interface Slot {
  readonly restartDelay: RestartDelay;
  current: Member | undefined;
  /** The starting successor of `current`. */
  next: Member | undefined;
  timer: NodeJS.Timeout | undefined;
  /** A worker of this slot has listened. */
  serves: boolean;
}

export interface WorkersOptions {
  readonly count: number;
  /** 0 chooses a free one. */
  readonly port: number;
  /** In ms; not for a worker that is replaced, as others go on. */
  readonly shutdownDelay: number;
  /** In ms. */
  readonly drainTimeout: number;
  readonly log: Log;
  /** Returns the first message to a new worker, which listens on this port. */
  readonly start: (port: number) => Start;
  /** Receives the messages of all workers. */
  readonly take: (message: ToPrimary, member: Member) => void;
  /** Called when a worker is gone. */
  readonly gone: (member: Member) => void;
}

/** Keeps `count` workers running: restarts those that die, and can replace all of them one by one. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #slots: readonly Slot[];
  readonly #members = new Set<Member>();
  #starting: { resolve: (address: AddressInfo) => void; reject: (error: Error) => void } | undefined;
  /** The port that new workers get. Workers with the same port share a handle, which the last one closes. */
  #port: number;
  #address: AddressInfo | undefined;
  #started = false;
  #closing = false;
  #rolling = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#slots = Array.from({ length: options.count }, () =>
      ({ restartDelay: new RestartDelay(), current: undefined, next: undefined, timer: undefined, serves: false }));
    // A separate entry file without arguments, which may contain a password and would show in process lists.
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc', process.stdout.fd];
    cluster.setupPrimary({ exec: join(__dirname, 'worker.js'), args: [], serialization: 'advanced', stdio });
    process.once('exit', () => {
      for (const member of this.#members) member.kill();
    });
  }

  get members(): ReadonlySet<Member> {
    return this.#members;
  }

  /**
   * Resolves with the address once all workers listen; never if they are closed before.
   *
   * @throws Error with the reason if one cannot listen.
   */
  start(): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
      if (!this.#closing) for (const slot of this.#slots) this.#spawn(slot, 'current');
    });
  }

  tell(message: ToWorker): void {
    for (const member of this.#members) member.tell(message);
  }

  /** Replaces the workers one by one. Each new one listens before the old one drains. */
  async roll(): Promise<void> {
    const { log } = this.#options;
    if (this.#rolling || this.#closing || !this.#started) {
      const error = this.#rolling ? 'the workers are restarting already' : 'the workers have not started yet';
      log.warn('restart-failed', `no worker is restarted: ${error}`, { error });
      return;
    }
    this.#rolling = true;
    log.info('restarting', 'the workers are restarted, one by one', { workers: this.#slots.length });
    const failure = await this.#rollAll();
    this.#rolling = false;
    if (this.#isClosing()) return;
    if (failure === undefined) {
      log.info('restarted', 'all workers are restarted', { workers: this.#slots.length });
    } else {
      log.warn('restart-failed', `restarting stopped, as a new worker has ended: ${failure}`, { error: failure });
    }
  }

  /** Drains all workers. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { timer } of this.#slots) clearTimeout(timer);
    await Promise.all(Array.from(this.#members, (member) => this.#close(member, false)));
  }

  async #close(member: Member, replaced: boolean): Promise<void> {
    const { shutdownDelay, drainTimeout, log } = this.#options;
    const { pid } = member;
    if (!await member.close(replaced, drainTimeout + (replaced ? 0 : shutdownDelay))) return;
    log.warn('worker-killed', `worker ${pid} did not end after its drain and was killed`, { pid });
  }

  /** A method, since TypeScript would assume that `#closing` stays the same across an `await`. */
  #isClosing(): boolean {
    return this.#closing;
  }

  #spawn(slot: Slot, place: 'current' | 'next'): Member {
    const { start, take } = this.#options;
    const member = slot[place] = new Member(this.#slots.indexOf(slot) + 1, () => start(this.#port), take);
    this.#members.add(member);
    void member.listening.then((address) => this.#onListening(slot, member, address));
    void member.ended.then((ending) => this.#onEnded(slot, member, ending));
    return member;
  }

  #onEnded(slot: Slot, member: Member, ending: Ending): void {
    this.#members.delete(member);
    if (slot.current === member) slot.current = undefined;
    // Keep a port that was chosen for port 0: clients know it by now.
    if (this.#address && !Array.from(this.#members).some(({ address }) => address)) this.#port = this.#address.port;
    this.#options.gone(member);
    // A closing worker was meant to end, and `#rollAll` handles a failed successor.
    const isMissed = !member.closing && slot.next !== member && !this.#closing;
    if (!isMissed || (!this.#started && member.failure !== undefined)) return;
    const { pid, lived, reason } = ending;
    const delay = slot.restartDelay.after(lived);
    const when = delay === 0 ? 'now' : `in ${delay} ms`;
    this.#options.log.warn('worker-died', `worker ${pid} has ended (${reason}), another is started ${when}`,
      { pid, reason, delay });
    if (!slot.next) slot.timer = setTimeout(() => this.#replace(slot), delay);
  }

  #onListening(slot: Slot, member: Member, address: AddressInfo | undefined): void {
    if (this.#closing) return;
    if (address && this.#address && address.port !== this.#address.port) {
      // The workers that it should share the port with have died meanwhile, so it got another one.
      member.kill();
      return;
    }
    if (this.#started) {
      const { pid } = member;
      if (address && slot.current === member) {
        this.#options.log.info('worker-started', `worker ${pid} serves`, { pid });
      }
      return;
    }
    if (member.failure !== undefined) this.#starting?.reject(new Error(member.failure));
    if (!address) return;
    slot.serves = true;
    this.#address ??= address;
    if (!this.#slots.every(({ serves }) => serves)) return;
    this.#started = true;
    this.#starting?.resolve(address);
  }

  #replace(slot: Slot): void {
    if (!slot.current && !slot.next && !this.#closing) this.#spawn(slot, 'current');
  }

  /** @returns why a new worker has ended, if one has. */
  async #rollAll(): Promise<string | undefined> {
    for (const slot of this.#slots) {
      clearTimeout(slot.timer);
      const next = this.#spawn(slot, 'next');
      const address = await next.listening;
      slot.next = undefined;
      if (this.#isClosing()) return undefined;
      if (!address) {
        if (!slot.current) this.#replace(slot);
        return (await next.ended).reason;
      }
      const old = slot.current;
      slot.current = next;
      if (old) await this.#close(old, true);
    }
    return undefined;
  }
}
