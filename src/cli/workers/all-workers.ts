import type { Absence } from '../../base/refusals';
import type { Operated } from '../../operating/operations';
import type { EndOutcome, ProcessMetrics, Readiness, SessionReport, SessionSource } from '../../operating/operator';
import { createTotals, sumOf, type Totals } from '../../base/totals';
import { mergedSample } from '../../sessions/session-union';
import type { SidSample } from '../../sessions/sid-sample';
import { ENDED_WORKER, type EndedWorkers } from './ended-workers';
import type { Answer, Questions, Topic } from './questions';

/** A worker that answers questions. */
export interface AskedWorker {
  /** The worker's number, from 1. Its successor takes the same number. */
  readonly number: number;
  readonly serves: boolean;
  /** Resolves with `undefined` if the worker does not or cannot answer. */
  ask<T extends Topic>(about: T, question: Questions[T]['question']): Promise<Answer<T> | undefined>;
  /** The number of a host's sessions that the worker knows. */
  sessionsOn(host: string): number;
  /** Some of the sids that the worker knows. */
  readonly sample: SidSample;
}

/** Operates all workers: merges what they know, and passes operations on to them. */
export class AllWorkers implements Operated, SessionSource {
  readonly sessions: SessionSource = this;
  readonly #workers: () => readonly AskedWorker[];
  readonly #ended: EndedWorkers;
  readonly #storeFails: () => boolean;
  readonly #ownMetrics: () => Promise<readonly ProcessMetrics[]>;
  readonly #isHost: (name: string) => boolean;
  /** The latest known totals of each worker. */
  readonly #latest = new Map<AskedWorker, Totals>();
  /** The summed totals of workers that are gone. */
  #gone = createTotals();

  constructor(
    workers: () => readonly AskedWorker[], ended: EndedWorkers, storeFails: () => boolean,
    ownMetrics: () => Promise<readonly ProcessMetrics[]>, isHost: (name: string) => boolean,
  ) {
    this.#workers = workers;
    this.#ended = ended;
    this.#storeFails = storeFails;
    this.#ownMetrics = ownMetrics;
    this.#isHost = isHost;
  }

  get workers(): number {
    return Math.max(1, this.#serving.length);
  }

  get storeFails(): boolean {
    return this.#storeFails();
  }

  get readiness(): Readiness {
    return this.#serving.length > 0 ? { ready: true } : { ready: false, reason: 'no worker serves' };
  }

  get sample(): SidSample {
    return mergedSample(this.#workers().map(({ sample }) => sample));
  }

  goneOn(host: string): readonly string[] {
    return this.#ended.had(host) ? [ENDED_WORKER] : [];
  }

  /** Records the totals of a worker. */
  counted(worker: AskedWorker, totals: Totals): void {
    this.#latest.set(worker, totals);
  }

  /** Records that a worker is gone. Its totals stay counted. */
  gone(worker: AskedWorker): void {
    const totals = this.#latest.get(worker);
    this.#latest.delete(worker);
    // Its queued handshakes are gone.
    if (totals) this.#gone = this.#sumOf([this.#gone, { ...totals, queued: 0 }]);
  }

  /**
   * Records that a host was removed, and drops its totals. If it comes back, each worker counts it from 0 again. Old
   * totals would then make the sum fall without starting from 0, which Prometheus does not expect of a counter.
   */
  removed(host: string): void {
    this.#ended.removed(host);
    for (const { hosts } of [this.#gone, ...this.#latest.values()]) Reflect.deleteProperty(hosts, host);
  }

  async totals(): Promise<Totals> {
    await Promise.all(this.#workers().map(async (worker) => {
      const totals = await worker.ask('totals', {});
      if (totals && this.#workers().includes(worker)) this.#latest.set(worker, totals);
    }));
    return this.#sumOf([this.#gone, ...this.#latest.values()]);
  }

  async processMetrics(): Promise<readonly ProcessMetrics[]> {
    const [own, ...others] = await Promise.all([
      this.#ownMetrics(),
      ...this.#workers().map(async (worker) => {
        const metrics = await worker.ask('metrics', {});
        return metrics ? [{ worker: String(worker.number), metrics }] : [];
      }),
    ]);
    return [...own.map(({ metrics }) => ({ worker: 'primary', metrics })), ...others.flat()];
  }

  async find(sid: string): Promise<SessionReport | Absence> {
    return (await this.#findIn(sid)).report;
  }

  async end(sid: string): Promise<EndOutcome> {
    const { report, worker } = await this.#findIn(sid);
    if (typeof report === 'string') return report;
    // An operator may name it by the sid of its host.
    const { sid: bound } = report;
    const outcome = await worker.ask('end', { sid: bound });
    if (outcome === undefined) throw new Error('the session could not be ended: its host or the store does not answer');
    if (outcome === 'ended') this.#forget([bound], worker);
    return outcome;
  }

  async endSome(host: string, count: number): Promise<readonly string[]> {
    const counts = new Map<AskedWorker, number>();
    for (let i = 0; i < count; i += 1) {
      const worker = this.#randomWorkerOn(host);
      if (worker) counts.set(worker, (counts.get(worker) ?? 0) + 1);
    }
    const ended = await Promise.all(Array.from(counts, async ([worker, some]) => {
      const sids = await worker.ask('endSome', { host, count: some }) ?? [];
      this.#forget(sids, worker);
      return sids;
    }));
    return ended.flat();
  }

  forgetEnded(sid: string, ago: number): void {
    for (const worker of this.#workers()) void worker.ask('forgetEnded', { sid, ago });
  }

  /** Sums totals, without hosts that were removed meanwhile. */
  #sumOf(totals: readonly Totals[]): Totals {
    const sum = sumOf(totals);
    const hosts = Object.entries(sum.hosts).filter(([name]) => this.#isHost(name));
    return { ...sum, hosts: Object.fromEntries(hosts) };
  }

  get #serving(): readonly AskedWorker[] {
    return this.#workers().filter(({ serves }) => serves);
  }

  /** Asks all workers for a session. The best answer comes from the worker that carries it. */
  async #findIn(sid: string): Promise<{ report: SessionReport | Absence; worker: AskedWorker }> {
    const found = await Promise.all(this.#workers().map(async (worker) => ({
      worker, report: await worker.ask('find', { sid }),
    })));
    const best = found.flatMap(({ worker, report }) => (report === undefined ? [] : [{ worker, report }]))
      .reduce<{ report: SessionReport | Absence; worker: AskedWorker } | undefined>(
        (known, each) => (known && rankOf(known.report) >= rankOf(each.report) ? known : each), undefined,
      );
    if (!best) throw new Error('the session store does not answer');
    return best;
  }

  /** A random worker, with a probability in proportion to the host's sessions that it knows. */
  #randomWorkerOn(host: string): AskedWorker | undefined {
    const workers = this.#workers();
    let at = Math.random() * workers.reduce((sum, worker) => sum + worker.sessionsOn(host), 0);
    return workers.find((worker) => (at -= worker.sessionsOn(host)) < 0);
  }

  /** Tells the other workers to forget ended sessions. */
  #forget(sids: readonly string[], by: AskedWorker): void {
    for (const worker of this.#workers()) {
      if (worker !== by) for (const sid of sids) void worker.ask('forget', { sid });
    }
  }
}

function rankOf(report: SessionReport | Absence): number {
  if (report === 'never_seen') return 0;
  if (typeof report === 'string') return 1;
  if (report.from === 'store') return 2;
  return report.transport === undefined ? 3 : report.transport === 'polling' ? 4 : 5;
}
