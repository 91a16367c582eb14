import { LRUCache } from 'lru-cache';
import { clientOf, networkOf, NO_ADDRESS } from '../base/client-address';
import { refusals, type Refusal } from '../base/refusals';
import type { RequestHead } from '../base/request-head';
import type { TrustProxy } from '../base/trusted-networks';

/** The most addresses to remember. Whoever has not come for the longest time may come anew. */
const MAX_ADDRESSES = 100_000;

export interface AddressLimitOptions {
  /** Handshakes per second; `undefined`: unlimited. */
  readonly maxHandshakesPerAddress: number | undefined;
  readonly trustProxy: TrustProxy;
}

/** How many handshakes an address may make at once, as of a time. It grows with the rate. */
interface Bucket {
  left: number;
  at: number;
}

/** Limits the handshakes of each client's address: a second's worth at once, and then the rate. */
export class AddressLimit {
  readonly #rate: number;
  readonly #most: number;
  readonly #trustProxy: TrustProxy;
  readonly #buckets: LRUCache<string, Bucket> | undefined;

  constructor({ maxHandshakesPerAddress: rate, trustProxy }: AddressLimitOptions) {
    this.#rate = rate ?? Infinity;
    this.#most = Math.max(1, this.#rate);
    this.#trustProxy = trustProxy;
    if (rate !== undefined) this.#buckets = new LRUCache({ max: MAX_ADDRESSES });
  }

  /** The refusal of a handshake that is one too many. */
  admit(req: RequestHead): Refusal | undefined {
    if (!this.#buckets) return undefined;
    const client = clientOf(req, this.#trustProxy);
    // All clients behind a unix socket have this one.
    if (client === NO_ADDRESS) return undefined;
    const address = networkOf(client);
    const now = performance.now();
    const bucket = this.#buckets.get(address) ?? { left: this.#most, at: now };
    const left = Math.min(this.#most, bucket.left + (now - bucket.at) / 1000 * this.#rate);
    const isAdmitted = left >= 1;
    this.#buckets.set(address, Object.assign(bucket, { left: isAdmitted ? left - 1 : left, at: now }));
    if (isAdmitted) return undefined;
    return { ...refusals.tooManyOfAddress, retryAfter: Math.ceil((1 - left) / this.#rate) };
  }
}
