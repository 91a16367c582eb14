import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { Problem } from './problem';

/** Lets a request pass only where whoever sent it may do so. */
export class Guard {
  readonly #token: Buffer | undefined;
  readonly #allowedHosts: ReadonlySet<string>;

  constructor(token: string | undefined, allowedHosts: readonly string[]) {
    this.#token = token === undefined ? undefined : digestOf(token);
    this.#allowedHosts = new Set(allowedHosts);
  }

  /**
   * Refuses what a page of another origin has sent, or one whose name was made to lead here (DNS rebinding).
   *
   * @throws Problem 403.
   */
  checkOrigin(req: IncomingMessage, isPage: boolean): void {
    const { host = '', origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = req.headers;
    if (!this.#isAllowed(host)) {
      throw new Problem(403, 'HOST_NOT_ALLOWED', "'Host' must be an address, localhost, or one of the allowed names");
    }
    if (origin !== undefined && !isOriginOf(origin, host)) {
      throw new Problem(403, 'OTHER_ORIGIN', 'pages of other origins may not use this');
    }
    // A link to the page is no harm.
    const isFollowed = isPage && mode === 'navigate';
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isFollowed) {
      throw new Problem(403, 'OTHER_ORIGIN', 'pages of other origins may not use this');
    }
  }

  /** @throws Problem 401. */
  checkToken({ headers: { authorization = '' } }: IncomingMessage): void {
    if (!this.#token) return;
    const [, given = ''] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    if (timingSafeEqual(digestOf(given), this.#token)) return;
    const challenge = { 'WWW-Authenticate': 'Bearer realm="socket.io-proxy2"' };
    throw new Problem(401, 'TOKEN', `the token is ${given === '' ? 'missing' : 'wrong'}`, challenge);
  }

  #isAllowed(host: string): boolean {
    const name = host.replace(/:\d*$/, '').toLowerCase();
    const address = name.replace(/^\[(.*)\]$/, '$1');
    return isIP(address) !== 0 || name === 'localhost' || this.#allowedHosts.has(name);
  }
}

/** Of equal length whatever the text is, so that comparing them tells nothing of it. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isOriginOf(origin: string, host: string): boolean {
  return /^https?:\/\//i.test(origin) && origin.replace(/^https?:\/\//i, '').toLowerCase() === host.toLowerCase();
}
