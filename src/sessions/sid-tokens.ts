import { createCipheriv, createHmac, createSecretKey, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto';
import type { SidTokens } from './session-store';

/** The size of the authentication code, in bytes: a forged one is right once in 2^96 times. */
const CODE_SIZE = 12;

/** What makes it an initialization vector: CTR counts in the last four bytes. */
const COUNTER = Buffer.alloc(4);

/** What the sizes of encrypted names are multiples of, in bytes: hosts' names of like length are not told apart. */
const BLOCK = 16;

/** The keys that are derived from one secret. */
interface Keys {
  readonly code: KeyObject;
  readonly name: KeyObject;
}

/**
 * Tokens that name a host to those alone who have the secret: an authentication code of sid and host (HMAC-SHA-256, cut
 * short), and the host's name, encrypted (AES-256-CTR) with the code as the initialization vector, as SIV does (RFC
 * 5297). So a token fits one sid, and a client learns nothing of the name but in which block its length is.
 */
export class HostTokens implements SidTokens {
  readonly #keys: readonly Keys[];

  /** @param secrets the first makes tokens, and each of them reads tokens. */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => ({ code: keyOf(secret, 'code'), name: keyOf(secret, 'name') }));
  }

  add(sid: string, host: string): string {
    const [keys] = this.#keys;
    if (!keys) throw new Error('there is no secret');
    const code = codeOf(keys, sid, host);
    const name = Buffer.from(host);
    const padded = Buffer.concat([name, Buffer.alloc(-name.length & (BLOCK - 1))]);
    return `${sid}.${Buffer.concat([code, crypt(keys, code, padded)]).toString('base64url')}`;
  }

  cut(sid: string): string {
    return sid.slice(0, sid.lastIndexOf('.'));
  }

  /**
   * The host that the token of a sid names; `undefined` if none of the secrets has made the token, or not for this sid.
   * Takes the same time for any token of a length.
   */
  hostOf(sid: string): string | undefined {
    const dot = sid.lastIndexOf('.');
    const text = sid.slice(dot + 1);
    const token = Buffer.from(text, 'base64url');
    // Decoding ignores what is no base64url: a token has one spelling only.
    if (dot === -1 || token.length <= CODE_SIZE || token.toString('base64url') !== text) return undefined;
    const bare = sid.slice(0, dot);
    const code = token.subarray(0, CODE_SIZE);
    let found: string | undefined;
    for (const keys of this.#keys) {
      const host = crypt(keys, code, token.subarray(CODE_SIZE)).toString().replace(/\0+$/, '');
      if (timingSafeEqual(codeOf(keys, bare, host), code)) found = host;
    }
    return found;
  }
}

/** @param use so that no key serves two uses. */
function keyOf(secret: string, use: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `socket.io-proxy2 sid ${use} 1`, 32)));
}

/** The length keeps sid and host apart, whatever they hold. */
function codeOf({ code }: Keys, sid: string, host: string): Buffer {
  return createHmac('sha256', code).update(`${host.length}:${host}${sid}`).digest().subarray(0, CODE_SIZE);
}

/** Encrypts, or decrypts. */
function crypt({ name }: Keys, code: Buffer, bytes: Buffer): Buffer {
  return createCipheriv('aes-256-ctr', name, Buffer.concat([code, COUNTER])).update(bytes);
}
