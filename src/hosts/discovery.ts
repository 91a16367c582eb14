import createDebug from 'debug';
import { lookUp, type DnsAnswer, type DnsName } from './dns';
import { Host } from './host';
import type { Hosts } from './hosts';
import { Leaving } from './leaving';
import { toError } from '../base/checks';
import { pause } from '../base/pause';

const debug = createDebug('socket.io-proxy:discovery');

/** The shortest and longest pause between two look-ups, whatever the TTL, and the longest after failures, in ms. */
const PAUSES = { least: 1000, most: 60_000, mostAfterFailures: 30_000 };

/** The largest random extension of a pause, as a fraction of it, so that many proxies do not ask at once. */
const JITTER = 0.1;

export interface DiscoveryOptions {
  /** `undefined`: the hosts are configured, and not discovered. */
  readonly discover: DnsName | undefined;
  /** How long a vanished host stays at least, unless it is gone, in seconds. */
  readonly keyExpiry: number;
}

/** A host that DNS has named. */
interface Discovered {
  /** The weight in DNS. Only its changes are applied to the host, so that a weight set by hand stays. */
  weight: number;
  /** DNS no longer names the host. */
  vanished: boolean;
}

/**
 * Adds and drops hosts as DNS names them. A vanished host leaves, unless DNS names it again before it has left: some
 * servers answer with a few of many hosts each time. While DNS fails, the last answer stands.
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
   * @param keyExpiry how long a vanished host stays at least, unless it is gone, in seconds.
   * @param onError called at the first of consecutive failures of DNS.
   */
  constructor(name: DnsName, keyExpiry: number, hosts: Hosts, onError: (error: Error) => void) {
    this.#name = name;
    this.#hosts = hosts;
    this.#onError = onError;
    hosts.awaitsDiscovery = true;
    this.#leaving = new Leaving(hosts, keyExpiry);
    hosts.seekWith(() => this.#seek());
  }

  /** Starts to ask DNS; later calls join. Resolves once DNS has answered or failed for the first time: within 5 s. */
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

  /** Another proxy may have discovered a host first and opened sessions on it: these cannot wait for the TTL. */
  async #seek(): Promise<void> {
    const mayAsk = this.#failures === 0 && performance.now() - this.#askedAt >= PAUSES.least;
    if (this.#asking ?? mayAsk) await this.#ask();
  }

  /** @returns the pause until the next look-up, in ms. */
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
      this.#fail(toError(error));
      return Math.min(mostAfterFailures, least * 2 ** (this.#failures - 1));
    }
    if (signal.aborted) return 0;
    if (this.#failures > 0) debug('DNS answers again');
    this.#failures = 0;
    this.#join(answer.hosts);
    this.#drop(answer.hosts);
    this.#hosts.awaitsDiscovery = false;
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
      // The host had left, and `Leaving` has taken it back for another proxy's sessions.
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
