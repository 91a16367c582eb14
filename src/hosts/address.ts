// The whole module, so that a program that replaces `dns.lookup` changes the look-ups here too, as it does Node's own.
import dns, { type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import createDebug from 'debug';
import { toError } from '../base/checks';

const debug = createDebug('socket.io-proxy:hosts');

/** How old the answer of DNS may be before it is asked again, in ms. `getaddrinfo` tells no TTL. */
const MAX_AGE = 30_000;

/** The least pause between two look-ups of a name whose host is down, in ms. */
const LEAST_AGE = 1000;

/**
 * The address of a host, behind its name. All connections go to one address while it takes them, since the sessions are
 * there. Until one has taken a connection, a connection tries all that the name has. A failed look-up changes nothing.
 */
export class HostAddress {
  readonly #name: string;
  /** What the name stands for by the last good look-up, in the order in which they are tried. */
  #named: readonly LookupAddress[] = [];
  /** The address in use: it has taken a connection. */
  #used: LookupAddress | undefined;
  /** The address that was in use before. Those that follow it are tried first. */
  #left: string | undefined;
  #looking: Promise<void> | undefined;
  #askedAt = -Infinity;
  /** Gives Node's sockets the address to connect to. Only the very first of them waits for a look-up. */
  readonly lookup: LookupFunction = (_name, { all = false }, callback) => {
    const answer = (): void => {
      const addresses = this.#used ? [this.#used] : this.#named;
      const [first] = addresses;
      if (all) callback(null, [...addresses]);
      else callback(null, first?.address ?? '', first?.family);
    };
    if (this.#named.length > 0 || this.#used) process.nextTick(answer);
    else this.#lookUp().then(answer, (error: unknown) => callback(toError(error), []));
  };

  /** @param name a host name or an IP address, IPv6 without brackets. An IP address is never looked up. */
  constructor(name: string) {
    this.#name = name;
    const family = isIP(name);
    if (family !== 0) this.#named = [this.#used = { address: name, family }];
  }

  /** The address in use; `undefined` until one has taken a connection. */
  get used(): string | undefined {
    return this.#used?.address;
  }

  /** What the name stands for by the last good look-up. */
  get named(): readonly string[] {
    return this.#named.map(({ address }) => address);
  }

  /** Whether the name has several addresses of one family. A machine often has one of each. */
  get isAmbiguous(): boolean {
    return new Set(this.#named.map(({ family }) => family)).size < this.#named.length;
  }

  /** Whether the last good look-up no longer has the address in use. */
  get isOutdated(): boolean {
    return this.#used !== undefined && !this.named.includes(this.#used.address);
  }

  /** Learns from a socket that connects by `lookup` which address takes connections. */
  watch(socket: Socket): void {
    if (this.#used) return;
    socket.once('connect', () => {
      const { remoteAddress } = socket;
      this.#used ??= this.#named.find(({ address }) => address === remoteAddress);
      if (!this.#used || this.#used.address === remoteAddress) return;
      socket.destroy(new Error(`another connection was the first, and has reached ${this.#used.address}`));
    });
  }

  /**
   * Looks the name up again, unless the last look-up is recent enough.
   *
   * @param isUp the host is up: an older answer will do.
   * @returns Never rejects: without an answer all stays as it is.
   */
  async refresh(isUp: boolean): Promise<void> {
    if (isIP(this.#name) !== 0 || performance.now() - this.#askedAt < (isUp ? MAX_AGE : LEAST_AGE)) return;
    await this.#lookUp().catch((error: unknown) => debug('%s keeps its address: %o', this.#name, error));
  }

  /**
   * Gives the address in use up: the next connection tries the others of the name first.
   *
   * @returns whether there are others.
   */
  leave(): boolean {
    if (!this.#used || isIP(this.#name) !== 0) return false;
    this.#left = this.#used.address;
    this.#named = inTurn(this.#named, this.#left);
    this.#used = undefined;
    return this.#named.some(({ address }) => address !== this.#left);
  }

  /**
   * Takes the address that another process uses.
   *
   * @returns whether it is another than before.
   */
  adopt(address: string): boolean {
    const before = this.#used?.address ?? this.#left;
    this.#named = [this.#used = { address, family: isIP(address) }];
    this.#left = undefined;
    return before !== undefined && before !== address;
  }

  /** Joins a look-up that is under way. Rejects with the error of `getaddrinfo`. */
  #lookUp(): Promise<void> {
    return this.#looking ??= this.#ask().finally(() => {
      this.#askedAt = performance.now();
      this.#looking = undefined;
    });
  }

  #ask(): Promise<void> {
    return new Promise((resolve, reject) => {
      dns.lookup(this.#name, { all: true }, (error, addresses) => {
        if (error) {
          // So that a connection's failure shows its cause, also where a program has replaced `dns.lookup`.
          reject(Object.assign(error, { syscall: 'getaddrinfo' }));
          return;
        }
        this.#named = inTurn(sorted(addresses), this.#left);
        resolve();
      });
    });
  }
}

/**
 * Puts addresses into an order that all proxies share, so that they choose the same one: DNS servers change the order
 * with each answer. The system's choice between the families stays.
 */
function sorted(addresses: readonly LookupAddress[]): LookupAddress[] {
  const first = addresses[0]?.family;
  const order = [...addresses].sort((a, b) => {
    if (a.family !== b.family) return a.family === first ? -1 : 1;
    return a.address < b.address ? -1 : 1;
  });
  // A file of hosts may name one twice.
  return order.filter(({ address }, at) => address !== order[at - 1]?.address);
}

/** Lets those that follow `last` come first, and `last` at the end. */
function inTurn(addresses: readonly LookupAddress[], last: string | undefined): LookupAddress[] {
  const next = addresses.findIndex(({ address }) => address === last) + 1;
  return [...addresses.slice(next), ...addresses.slice(0, next)];
}
