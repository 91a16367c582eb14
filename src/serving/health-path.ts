import type { IncomingMessage, ServerResponse } from 'node:http';
import { originFormOf } from '../base/target';

/** How load balancers ask. HAProxy uses `OPTIONS` unless it is told otherwise. */
const METHODS = ['GET', 'HEAD', 'OPTIONS'];

/** When a load balancer may ask again after a 503, in seconds. */
const RETRY_AFTER = '1';

export interface HealthPathOptions {
  /** `undefined`: there is no such path. */
  readonly healthPath: string | undefined;
}

/** Tells a load balancer on the port of the traffic whether the proxy is ready. No host is asked. */
export class HealthPath {
  readonly #path: string | undefined;
  readonly #isReady: () => boolean;

  /** @param isReady whether the proxy takes new sessions. */
  constructor({ healthPath }: HealthPathOptions, isReady: () => boolean) {
    this.#path = healthPath;
    this.#isReady = isReady;
  }

  /** Whether the target is this path, with a query or without. */
  owns(target: string): boolean {
    const path = this.#path;
    if (path === undefined) return false;
    const url = originFormOf(target);
    return url.startsWith(path) && (url.length === path.length || url[path.length] === '?');
  }

  /** @param closes the connection is to end with the answer, as the proxy is closing. */
  answer({ method = '' }: IncomingMessage, res: ServerResponse, closes: boolean): void {
    const isKnown = METHODS.includes(method);
    const ready = this.#isReady();
    const status = !isKnown ? 405 : ready ? 200 : 503;
    const body = JSON.stringify(isKnown ? { ready } : { message: `Only ${METHODS.join(', ')} are answered here` });
    const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length)];
    headers.push('Cache-Control', 'no-store');
    if (status === 503) headers.push('Retry-After', RETRY_AFTER);
    if (!isKnown) headers.push('Allow', METHODS.join(', '));
    // What follows a method with a body may be anything.
    if (closes || !isKnown) headers.push('Connection', 'close');
    res.writeHead(status, headers).end(body);
  }
}
