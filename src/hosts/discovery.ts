import { types } from 'node:util';
import createDebug from 'debug';
import { lookUp, type DnsAnswer, type DnsName } from './dns';
import type { HealthSource } from './health-checker';
import { Host } from './host';
import type { Hosts } from './hosts';
import { Leaving } from './leaving';
import { pause } from '../base/pause';

const debug = createDebug('socket.io-proxy:discovery');

/** How soon DNS is asked again at least and at most, whatever the TTL, and at most after failures, in ms. */
const PAUSES = { least: 1000, most: 60_000, mostAfterFailures: 30_000 };

/** By what part a pause may be longer at random, so that many proxies do not ask at once. */
const JITTER = 0.1;

export interface DiscoveryOptions {
  /** `undefined`: hosts are named, and there is nothing to discover. */
  readonly discover: DnsName | undefined;
  /** How long a host that has vanished stays at least, unless it is dead, in seconds. */
  readonly keyExpiry: number;
}

/** A host that has come from DNS. */
interface Discovered {
  /** As DNS has it; the host's own changes only with it, and so may be set to another. */
  weight: number;
  /** DNS names it no longer. */
  vanished: boolean;
}

/**
 * Lets hosts follow DNS. One that vanishes is to leave, unless it comes back before it has: some servers answer with a
 * few of many hosts each time. While DNS fails the last answer stands.
 */
export class Discovery {
  readonly #name: DnsName;
  readonly #hosts: Hosts;
  readonly #leaving: Leaving;
  readonly #onError: (error: Error) => void;
  readonly #discovered = new Map<string, Discovered>();
  readonly #stopping = new AbortController();
  #failures = 0;
  #askedAt = -Infinity;
  #asking: Promise<number> | undefined;
  #first: Promise<void> | undefined;

  /**
   * @param keyExpiry how long a host that has vanished stays at least, unless it is dead, in seconds.
   * @param onError called when DNS fails, and again only after it has answered in between.
   */
  constructor(name: DnsName, keyExpiry: number, hosts: Hosts, onError: (error: Error) => void) {
    this.#name = name;
    this.#hosts = hosts;
    this.#onError = onError;
    hosts.undiscovered = true;
    this.#leaving = new Leaving(hosts, keyExpiry);
    hosts.seekWith(() => this.#seek());
  }

  /** Begins to ask, unless it has begun, and resolves once DNS has answered or failed: within 5 s. */
  start(): Promise<void> {
    this.#first ??= this.#ask().then((delay) => void this.#repeat(delay));
    return this.#first;
  }

  stop(): void {
    this.#stopping.abort();
    this.#leaving.stop();
  }

  async #repeat(first: number): Promise<void> {
    const { signal } = this.#stopping;
    const spread = (ms: number): number => ms * (1 + JITTER * Math.random());
    for (let delay = first; await pause(spread(delay), signal);) delay = await this.#ask();
  }

  /** Another proxy may have learned of a host already, and opened sessions there: these can't wait for the TTL. */
  async #seek(): Promise<void> {
    const mayAsk = this.#failures === 0 && performance.now() - this.#askedAt >= PAUSES.least;
    if (this.#asking ?? mayAsk) await this.#ask();
  }

  /** @returns how long to pause then, in ms. */
  #ask(): Promise<number> {
    return this.#asking ??= this.#round().finally(() => {
      this.#askedAt = performance.now();
      this.#asking = undefined;
    });
  }

  async #round(): Promise<number> {
    const { signal } = this.#stopping;
    const { least, most, mostAfterFailures } = PAUSES;
    let answer: DnsAnswer;
    try {
      answer = await lookUp(this.#name, signal);
    } catch (error) {
      if (signal.aborted) return 0;
      this.#fail(types.isNativeError(error) ? error : new Error(String(error)));
      return Math.min(mostAfterFailures, least * 2 ** (this.#failures - 1));
    }
    if (signal.aborted) return 0;
    if (this.#failures > 0) debug('DNS answers again');
    this.#failures = 0;
    this.#join(answer.hosts);
    this.#drop(answer.hosts);
    this.#hosts.undiscovered = false;
    return Math.min(most, Math.max(least, answer.ttl * 1000));
  }

  #fail(error: Error): void {
    this.#failures += 1;
    debug('the hosts stay as they are: %s', error.message);
    if (this.#failures === 1) this.#onError(error);
  }

  #join(named: DnsAnswer['hosts']): void {
    for (const [name, weight] of named) {
      const known = this.#discovered.get(name);
      if (!this.#hosts.get(name)) this.#add(name, weight);
      else if (known) this.#update(name, known, weight);
      // It had left, and was taken back for another proxy's sessions.
      else if (this.#leaving.restore(name)) this.#discovered.set(name, { weight, vanished: false });
    }
  }

  #add(name: string, weight: number): void {
    const host = new Host(name, weight);
    const twin = this.#hosts.all.find(({ url }) => url.origin === host.url.origin);
    if (twin) {
      debug('%s is a host already, as %s', name, twin.name);
      return;
    }
    debug('%s joins', name);
    this.#discovered.set(name, { weight, vanished: false });
    this.#hosts.add(host);
  }

  #update(name: string, known: Discovered, weight: number): void {
    if (known.weight !== weight) this.#hosts.setWeight(name, weight);
    known.weight = weight;
    if (!known.vanished) return;
    debug('%s is back', name);
    known.vanished = false;
    this.#leaving.restore(name);
  }

  #drop(named: DnsAnswer['hosts']): void {
    for (const [name, known] of this.#discovered) {
      if (!this.#hosts.get(name)) {
        this.#discovered.delete(name);
      } else if (!named.has(name) && !known.vanished) {
        debug('%s has vanished', name);
        known.vanished = true;
        this.#leaving.drop(name);
      }
    }
  }
}

/**
 * Health that begins with the first answer of DNS, so that it is known of the hosts that this names; as it was where
 * there is nothing to discover.
 */
export function discovering(
  health: HealthSource, hosts: Hosts, { discover, keyExpiry }: DiscoveryOptions, onError: (error: Error) => void,
): HealthSource {
  if (!discover) return health;
  const discovery = new Discovery(discover, keyExpiry, hosts, onError);
  return {
    get ready() {
      return health.ready;
    },
    start: () => discovery.start().then(() => health.start()),
    stop: () => {
      discovery.stop();
      health.stop();
    },
  };
}
