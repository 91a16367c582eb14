import type { Admission } from '../routing/admission';
import type { Bindings } from '../sessions/bindings';
import type { Forwarder } from '../forwarding/forwarder';
import type { Hosts } from '../hosts/hosts';
import type { Operated } from './operations';
import type { ProcessMetrics } from './operator';
import { ownProcessMetrics } from './process-metrics';
import { Sessions } from './sessions';
import type { SessionAtHostOptions } from '../sessions/session-at-host';
import { sumOf, type Totals } from '../base/totals';

/** Operates a single process: this one. */
export class OwnProcess implements Operated {
  readonly sessions: Sessions;
  readonly workers = 1;
  readonly readiness = { ready: true } as const;
  readonly #hosts: Hosts;
  readonly #bindings: Bindings;
  readonly #forwarder: Forwarder;
  readonly #totals: Totals;
  readonly #admission: Admission;

  constructor(
    options: SessionAtHostOptions, hosts: Hosts, bindings: Bindings, forwarder: Forwarder, admission: Admission,
    totals: Totals,
  ) {
    this.#admission = admission;
    this.#hosts = hosts;
    this.#bindings = bindings;
    this.#forwarder = forwarder;
    this.#totals = totals;
    this.sessions = new Sessions(options, hosts, bindings, forwarder);
  }

  get storeFails(): boolean {
    return this.#bindings.degraded;
  }

  totals(): Promise<Totals> {
    this.#forwarder.count();
    const hosts = Object.fromEntries(this.#hosts.all.map(({ name, totals }) => [name, totals]));
    // A copy, since the originals go on counting.
    return Promise.resolve(sumOf([{ ...this.#totals, queued: this.#admission.queued, hosts }]));
  }

  async processMetrics(): Promise<readonly ProcessMetrics[]> {
    return [{ worker: '1', metrics: await ownProcessMetrics() }];
  }
}
