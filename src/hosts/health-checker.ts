import createDebug from 'debug';
import { startDeadline } from '../base/deadline';
import type { DownReason, Host } from './host';
import { requestTo } from './host-request';
import type { HostTls } from './host-tls';
import { reasonOf, type Hosts } from './hosts';
import { manyAddresses, movedName } from './suspicions';
import { pause } from '../base/pause';

const debug = createDebug('socket.io-proxy:health');

/** Errors that are this process's own fault, not the host's: it lacks descriptors, ports or memory. */
const LOCAL_ERRORS = new Set<unknown>(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/** The result of a check: `undefined` when the host is up, `'not asked'` after a local error. */
type Finding = DownReason | 'not asked' | undefined;

/** Times in ms. */
export interface HealthOptions {
  readonly path: string;
  readonly checkInterval: number;
  readonly checkTimeout: number;
  readonly hostTls: HostTls;
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
 * Probes every host and reports the results to `hosts`. A probe is a plain GET of `path`. An Engine.IO server answers
 * it with 400 and opens no session. Any status below 500 means that the host is up.
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
    void this.#repeat(host, checks.signal);
  }

  #stopChecks(host: Host): void {
    this.#checks.get(host)?.abort();
    this.#checks.delete(host);
  }

  // Sleeping between checks, rather than an interval, keeps slow ones from overlapping.
  async #repeat(host: Host, signal: AbortSignal): Promise<void> {
    while (await pause(this.#options.checkInterval, signal)) await this.#check(host, signal);
  }

  async #check(host: Host, signal: AbortSignal): Promise<void> {
    const found = await probe(host, this.#options, signal);
    if (signal.aborted) return;
    if (found !== undefined) debug('%s: %s', host.name, found);
    if (found !== 'not asked') this.#hosts.report(host, found);
    this.#lookUp(host);
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

/**
 * Probes a host once. A host that misses the timeout but answers other requests is only busy, and counts as up.
 * Never rejects. The result means nothing after an abort.
 */
function probe(
  host: Host,
  { path, checkTimeout, hostTls }: HealthOptions,
  signal: AbortSignal,
): Promise<Finding> {
  return new Promise((resolve) => {
    let connected = false;
    // A new connection each time, to find out whether the host accepts any.
    const req = requestTo(host, hostTls, { path });
    const done = (found: Finding): void => {
      cancel();
      signal.removeEventListener('abort', abort);
      req.destroy();
      resolve(found);
    };
    const abort = (): void => done(undefined);
    signal.addEventListener('abort', abort);
    const cancel = startDeadline(checkTimeout, () => {
      if (host.hasAnsweredWithin(checkTimeout)) done(undefined);
      else done(connected ? 'silent' : 'unreachable');
    });
    req.on('socket', (socket) => socket.once('connect', () => {
      connected = true;
    }));
    req.on('response', ({ statusCode = 0 }) => done(statusCode < 500 ? undefined : 'failing'));
    // Without a reason, the host cut the connection before it answered: the host runs, but does not serve.
    req.on('error', (error) => done(isLocal(error) ? 'not asked' : reasonOf(error) ?? 'failing'));
    req.end();
  });
}

function isLocal(error: Error): boolean {
  return 'code' in error && LOCAL_ERRORS.has(error.code);
}
