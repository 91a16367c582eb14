import type { Admission } from '../routing/admission';
import type { Bindings } from '../sessions/bindings';
import type { Forwarder } from '../forwarding/forwarder';
import type { Hosts } from '../hosts/hosts';
import type { Operated } from './operations';
import type { ProcessMetrics } from './operator';
import { ownProcessMetrics } from './process-metrics';
import { Sessions } from './sessions';
import type { SessionAtHostOptions } from '../sessions/session-at-host';
import type { SidSample } from '../sessions/sid-sample';
import { sumOf, type Totals } from '../base/totals';

/** The parts of a proxy that its operator sees into. */
export interface OwnParts {
  readonly hosts: Hosts;
  readonly bindings: Bindings;
  readonly forwarder: Forwarder;
  readonly admission: Admission;
  readonly totals: Totals;
}

export interface OwnOptions extends SessionAtHostOptions {
  /** `undefined`: there is no fleet. */
  readonly fleet: object | undefined;
}

/** Operates a single process: this one. */
export class OwnProcess implements Operated {
  readonly sessions: Sessions;
  readonly workers = 1;
  readonly readiness = { ready: true } as const;
  readonly #parts: OwnParts;

  constructor(options: OwnOptions, parts: OwnParts) {
    this.#parts = parts;
    if (options.fleet) this.keepSample();
    this.sessions = new Sessions(options, parts.hosts, parts.bindings, parts.forwarder);
  }

  get storeFails(): boolean {
    return this.#parts.bindings.degraded;
  }

  /** Makes `sample` possible. To be called before the first session. */
  keepSample(): void {
    this.#parts.bindings.counts.keepSample();
  }

  get sample(): SidSample {
    return this.#parts.bindings.counts.sample;
  }

  goneOn(): readonly string[] {
    return [];
  }

  forgetEnded(sid: string, ago: number): void {
    const { bindings } = this.#parts;
    // One that has expired, since its host did not know the sid any more, counts until it is forgotten.
    const binding = bindings.cached(sid);
    if (binding && binding.since < performance.now() - ago) bindings.forget(sid, 'ended', binding);
  }

  totals(): Promise<Totals> {
    const { admission, forwarder, hosts: { all }, totals } = this.#parts;
    forwarder.countBytes();
    const hosts = Object.fromEntries(all.map((host) => [host.name, host.totals]));
    // A copy, since the originals go on counting.
    return Promise.resolve(sumOf([{ ...totals, queued: admission.queued, hosts }]));
  }

  async processMetrics(): Promise<readonly ProcessMetrics[]> {
    return [{ worker: '1', metrics: await ownProcessMetrics() }];
  }
}
