import createDebug from 'debug';
import { startDeadline } from '../base/deadline';
import type { DownReason, Host } from './host';
import { requestTo } from './host-request';
import type { HostTls } from './host-tls';
import { reasonOf, type Hosts } from './hosts';
import { pause } from '../base/pause';

const debug = createDebug('socket.io-proxy:health');

/** What keeps this process from asking anyone: it lacks descriptors, ports or memory, which is no fault of a host. */
const OURS = new Set<unknown>(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/** What a check finds: `undefined` when the host is well. */
type Finding = DownReason | 'not asked' | undefined;

/** Times in ms. */
export interface HealthOptions {
  readonly path: string;
  readonly checkInterval: number;
  readonly checkTimeout: number;
  readonly hostTls: HostTls;
}

/** What tells `hosts` who is up. */
export interface HealthSource {
  /** It is known which hosts are up, as far as can be: until then no request is routed. */
  readonly ready: boolean;
  /** Begins, unless it has begun, and resolves once `ready`. Never rejects. */
  start(): Promise<void>;
  /** Ends, and leaves nothing behind. */
  stop(): void;
}

/**
 * Probes every host, and tells `hosts` what it finds. A probe is a plain GET of `path`, which an Engine.IO server
 * answers with 400 and opens no session for: any answer with a status below 500 is a sign of life.
 */
export class HealthChecker implements HealthSource {
  readonly #hosts: Hosts;
  readonly #options: HealthOptions;
  /** What ends the checks of each host. */
  readonly #following = new Map<Host, AbortController>();
  readonly #onAdded = (host: Host): void => void this.#follow(host);
  readonly #onRemoved = (host: Host): void => this.#leave(host);
  #firstRound: Promise<void> | undefined;
  #hadFirstRound = false;
  #stopped = false;

  constructor(hosts: Hosts, options: HealthOptions) {
    this.#hosts = hosts;
    this.#options = options;
  }

  /** The first round is over. */
  get ready(): boolean {
    return this.#hadFirstRound;
  }

  /** Begins to check, unless it has begun, and resolves after the first round: within `checkTimeout`. */
  start(): Promise<void> {
    return this.#firstRound ??= this.#start();
  }

  stop(): void {
    this.#stopped = true;
    this.#hosts.off('added', this.#onAdded).off('removed', this.#onRemoved);
    for (const host of this.#following.keys()) this.#leave(host);
  }

  async #start(): Promise<void> {
    if (!this.#stopped) {
      this.#hosts.on('added', this.#onAdded).on('removed', this.#onRemoved);
      await Promise.all(this.#hosts.all.map((host) => this.#follow(host)));
    }
    this.#hadFirstRound = true;
  }

  /** Resolves after the first check. */
  async #follow(host: Host): Promise<void> {
    const following = new AbortController();
    this.#following.set(host, following);
    await this.#check(host, following.signal);
    void this.#repeat(host, following.signal);
  }

  #leave(host: Host): void {
    this.#following.get(host)?.abort();
    this.#following.delete(host);
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
  }
}

/**
 * What one probe finds: well is also a host that answers other requests meanwhile, and so is only busy.
 * Never rejects; what it has found when it is aborted means nothing.
 */
function probe(
  host: Host,
  { path, checkTimeout, hostTls }: HealthOptions,
  signal: AbortSignal,
): Promise<Finding> {
  return new Promise((resolve) => {
    let connected = false;
    // A connection of its own each time: the question is whether the host takes new ones.
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
    // Connected, and then cut before an answer: it lives, but does not serve.
    req.on('error', (error) => done(isOurs(error) ? 'not asked' : reasonOf(error) ?? 'failing'));
    req.end();
  });
}

function isOurs(error: Error): boolean {
  return 'code' in error && OURS.has(error.code);
}
