import { setMaxListeners } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import createDebug from 'debug';
import { startDeadline } from './deadline';
import { reasonOf, type DownReason, type Host, type Hosts } from './hosts';
import type { ResolvedOptions } from './options';

const debug = createDebug('socket.io-proxy:health');

type CheckOptions = Pick<ResolvedOptions, 'path' | 'checkInterval' | 'checkTimeout' | 'hostTls'>;

/**
 * Probes every host, and tells `hosts` what it finds. A probe is a plain GET of `path`, which an Engine.IO server
 * answers with 400 and opens no session for: any answer with a status below 500 is a sign of life.
 */
export class HealthChecker {
  readonly #hosts: Hosts;
  readonly #options: CheckOptions;
  readonly #stopping = new AbortController();
  #firstRound: Promise<void> | undefined;
  #hadFirstRound = false;

  constructor(hosts: Hosts, options: CheckOptions) {
    this.#hosts = hosts;
    this.#options = options;
    // Each host's pause listens to it, and more than ten are no leak.
    setMaxListeners(0, this.#stopping.signal);
  }

  /** The first round is over, so that it is known which hosts are up. */
  get ready(): boolean {
    return this.#hadFirstRound;
  }

  /** Begins to check, unless it has begun, and resolves after the first round: within `checkTimeout`. */
  start(): Promise<void> {
    this.#firstRound ??= Promise.all(this.#hosts.all.map((host) => this.#follow(host))).then(() => {
      this.#hadFirstRound = true;
    });
    return this.#firstRound;
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves after the first check. */
  async #follow(host: Host): Promise<void> {
    await this.#check(host);
    void this.#repeat(host);
  }

  // Sleeping between checks, rather than an interval, keeps slow ones from overlapping.
  async #repeat(host: Host): Promise<void> {
    const { signal } = this.#stopping;
    const slept = (): Promise<boolean> =>
      sleep(this.#options.checkInterval, true, { signal, ref: false }).catch(() => false);
    while (await slept()) await this.#check(host);
  }

  async #check(host: Host): Promise<void> {
    const found = await probe(host, this.#options);
    if (this.#stopping.signal.aborted) return;
    if (found !== undefined) debug('%s: %s', host.name, found);
    this.#hosts.report(host, found);
  }
}

/**
 * What one probe finds: `undefined` when the host is well, or answers other requests meanwhile, and so is only busy.
 * Never rejects.
 */
function probe(host: Host, { path, checkTimeout, hostTls }: CheckOptions): Promise<DownReason | undefined> {
  return new Promise((resolve) => {
    let connected = false;
    // A connection of its own each time: the question is whether the host takes new ones.
    const { protocol, hostname } = host.url;
    const target = { hostname: hostname.replace(/^\[|\]$/g, ''), port: host.port, path, agent: false };
    const req = protocol === 'https:' ? https.request({ ...hostTls, ...target }) : http.request(target);
    const done = (found: DownReason | undefined): void => {
      callOff();
      req.destroy();
      resolve(found);
    };
    const callOff = startDeadline(checkTimeout, () => {
      if (host.hasAnsweredWithin(checkTimeout)) done(undefined);
      else done(connected ? 'silent' : 'unreachable');
    });
    req.on('socket', (socket) => socket.once('connect', () => {
      connected = true;
    }));
    req.on('response', ({ statusCode = 0 }) => done(statusCode < 500 ? undefined : 'failing'));
    // Connected, and then cut before an answer: it lives, but does not serve.
    req.on('error', (error) => done(reasonOf(error) ?? 'failing'));
    req.end();
  });
}
