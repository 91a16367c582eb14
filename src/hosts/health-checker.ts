import createDebug from 'debug';
import { pause } from '../base/pause';
import type { Host } from './host';
import type { Hosts } from './hosts';
import { probe, type Answer, type ProbeOptions } from './probe';
import { manyAddresses, movedName, oddAnswer } from './suspicions';

const debug = createDebug('socket.io-proxy:health');

/** Times in ms. */
export interface HealthOptions extends ProbeOptions {
  readonly checkInterval: number;
  /** Where to probe the hosts; `undefined`: at `path`. */
  readonly checkPath: string | undefined;
}

/** Tells `hosts` which of them are up. */
export interface HealthSource {
  /** Whether it is known, as far as possible, which hosts are up. Until then no request is routed. */
  readonly ready: boolean;
  /** Starts; later calls join. Resolves once `ready`. Never rejects. */
  start(): Promise<void>;
  /** Stops, and leaves nothing running. */
  stop(): void;
}

/**
 * Probes every host and reports the results to `hosts`. A probe is a plain GET of `checkPath`. An Engine.IO server
 * answers that of its own path with 400, and opens no session. A host that answers requests meanwhile needs no probe.
 */
export class HealthChecker implements HealthSource {
  readonly #hosts: Hosts;
  readonly #options: HealthOptions;
  /** Ends the checks of each host. */
  readonly #checks = new Map<Host, AbortController>();
  readonly #onAdded = (host: Host): void => void this.#startChecks(host);
  readonly #onRemoved = (host: Host): void => this.#stopChecks(host);
  readonly #onDown = (host: Host): void => this.#lookUp(host);
  /** The last of the look-ups that follow each other, and whose names wait for one. */
  #lookUps: Promise<void> = Promise.resolve();
  readonly #lookingUp = new Set<Host>();
  /** The statuses of each host's answers that have been looked at. */
  readonly #judged = new WeakMap<Host, Set<number>>();
  #firstRound: Promise<void> | undefined;
  #hadFirstRound = false;
  #stopped = false;

  constructor(hosts: Hosts, options: HealthOptions) {
    this.#hosts = hosts;
    this.#options = options;
  }

  /** Whether the first round is over. */
  get ready(): boolean {
    return this.#hadFirstRound;
  }

  /** Starts the checks; later calls join. Resolves after the first round: within `checkTimeout`. */
  start(): Promise<void> {
    return this.#firstRound ??= this.#start();
  }

  stop(): void {
    this.#stopped = true;
    this.#hosts.off('added', this.#onAdded).off('removed', this.#onRemoved).off('down', this.#onDown);
    for (const host of this.#checks.keys()) this.#stopChecks(host);
  }

  async #start(): Promise<void> {
    if (!this.#stopped) {
      this.#hosts.on('added', this.#onAdded).on('removed', this.#onRemoved).on('down', this.#onDown);
      await Promise.all(this.#hosts.all.map((host) => this.#startChecks(host)));
    }
    this.#hadFirstRound = true;
  }

  /** Resolves after the first check. */
  async #startChecks(host: Host): Promise<void> {
    const checks = new AbortController();
    this.#checks.set(host, checks);
    await this.#check(host, checks.signal);
    this.#lookUp(host);
    void this.#repeat(host, checks.signal);
  }

  #stopChecks(host: Host): void {
    this.#checks.get(host)?.abort();
    this.#checks.delete(host);
  }

  // Sleeping between checks, rather than an interval, keeps slow ones from overlapping.
  async #repeat(host: Host, signal: AbortSignal): Promise<void> {
    while (await pause(this.#options.checkInterval, signal)) {
      if (this.#isKnownWell(host)) this.#hosts.report(host, undefined);
      else await this.#check(host, signal);
      this.#lookUp(host);
    }
  }

  /**
   * Whether the answers to requests make a probe needless: each makes an Engine.IO server report an error. Where the
   * caller says what to ask, or what to expect, only that counts.
   */
  #isKnownWell(host: Host): boolean {
    const { checkInterval, checkPath, checkStatus } = this.#options;
    return checkPath === undefined && checkStatus === undefined && host.up && host.hasServedWithin(checkInterval);
  }

  async #check(host: Host, signal: AbortSignal): Promise<void> {
    const { path, checkPath = path, checkStatus } = this.#options;
    const judged = this.#judgedOf(host);
    const reads = (status: number): boolean => checkStatus === undefined && status === 400 && !judged.has(status);
    const found = await probe(host, { ...this.#options, path: checkPath }, signal, reads);
    if (signal.aborted) return;
    if (!found) {
      debug('%s: not asked', host.name);
      return;
    }
    const { down, answer } = found;
    if (down) debug('%s: %s %s', host.name, down.reason, down.text ?? '');
    this.#hosts.report(host, down?.reason, down?.text);
    if (answer && !down && checkStatus === undefined && !judged.has(answer.status)) this.#judge(host, answer);
  }

  /** Tells of the first answer of each status that no Socket.IO server would give, although the host counts as up. */
  #judge(host: Host, answer: Answer): void {
    this.#judgedOf(host).add(answer.status);
    const text = oddAnswer(host, this.#options.path, this.#options.checkPath, answer);
    if (text !== undefined) this.#hosts.suspect(host, `status ${answer.status}`, text);
  }

  #judgedOf(host: Host): Set<number> {
    let judged = this.#judged.get(host);
    if (!judged) this.#judged.set(host, judged = new Set());
    return judged;
  }

  /**
   * Looks the host's name up again where that is due. One name at a time: few threads run look-ups, and the store's
   * client needs them too.
   */
  #lookUp(host: Host): void {
    if (this.#lookingUp.has(host)) return;
    this.#lookingUp.add(host);
    this.#lookUps = this.#lookUps.then(async () => {
      if (!this.#stopped && !host.removed) await host.address.refresh(host.up);
      this.#lookingUp.delete(host);
      if (!this.#stopped && !host.removed) this.#examine(host);
    });
  }

  /** Follows the host's name to another address, unless the old one still answers and has sessions. */
  #examine(host: Host): void {
    const { address } = host;
    if (address.isOutdated && (host.empty || !host.up)) host.leaveAddress();
    if (address.isOutdated) this.#hosts.suspect(host, 'moved name', movedName(host));
    else if (host.up && address.isAmbiguous) this.#hosts.suspect(host, 'addresses', manyAddresses(host));
  }
}
