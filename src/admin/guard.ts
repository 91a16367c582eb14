import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import type { ResolvedAdminOptions } from './options';
import { Problem } from './problems';

/** Refuses requests from pages of other origins, under foreign host names, and without the token. */
export class Guard {
  readonly #names: ReadonlySet<string>;
  readonly #digest: Buffer | undefined;

  constructor({ token, allowedHosts }: Pick<ResolvedAdminOptions, 'token' | 'allowedHosts'>) {
    this.#names = new Set(['localhost', ...allowedHosts]);
    this.#digest = token === undefined ? undefined : digestOf(token);
  }

  /** @throws Problem if the request comes from another origin, or its `Host` is not allowed. */
  checkOrigin(req: IncomingMessage, path: string): void {
    const { host: hosts = [], origin: origins = [], 'sec-fetch-site': sites = [] } = req.headersDistinct;
    const [host = ''] = hosts;
    // Against DNS rebinding: the owner of a foreign name can point it here, and pages under it would share our origin.
    if (hosts.length !== 1 || !this.#isOurs(host)) {
      throw new Problem('HOST_REFUSED', "'Host' must be an IP address, 'localhost' or one of the allowed names");
    }
    if (!origins.every((origin) => isOriginOf(origin, host))) {
      throw new Problem('ORIGIN_REFUSED', 'the request comes from another origin');
    }
    const isNavigation = path === '/' && req.method === 'GET' && req.headers['sec-fetch-mode'] === 'navigate';
    if (!isNavigation && !sites.every((site) => site === 'same-origin' || site === 'none')) {
      throw new Problem('ORIGIN_REFUSED', 'the request comes from another site');
    }
  }

  /** @throws Problem if there is a token, and the request has a wrong one or none. */
  checkToken(req: IncomingMessage): void {
    if (!this.#digest) return;
    const [, given] = /^bearer +([!-~]+)$/i.exec(req.headers.authorization ?? '') ?? [];
    // Digests have equal lengths, so the comparison takes constant time.
    if (given !== undefined && timingSafeEqual(digestOf(given), this.#digest)) return;
    const message = given === undefined ? "a token is needed: 'Authorization: Bearer <token>'" : 'the token is wrong';
    throw new Problem('UNAUTHORIZED', message, { 'WWW-Authenticate': 'Bearer' });
  }

  #isOurs(host: string): boolean {
    const [, address, name = ''] = /^(?:\[([^\]]*)\]|([^:]+))(?::\d{1,5})?$/.exec(host) ?? [];
    return address === undefined ? isIP(name) !== 0 || this.#names.has(name.toLowerCase()) : isIPv6(address);
  }
}

function isOriginOf(origin: string, host: string): boolean {
  const ours = host.toLowerCase();
  return origin === `http://${ours}` || origin === `https://${ours}`;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
