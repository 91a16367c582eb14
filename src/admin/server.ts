import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import createDebug from 'debug';
import { isObject } from '../checks';
import type { Operator } from '../operator';
import { readAssets, type Asset } from './assets';
import { Events } from './events';
import { Guard } from './guard';
import type { ResolvedAdminOptions } from './options';
import { Problem } from './problem';
import { ownProcessMetrics } from './process-metrics';
import { OPEN, ROUTES, type Handler, type Methods, type Reply } from './routes';

const debug = createDebug('socket.io-proxy:admin');

const LIMITS = { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 20_000, keepAliveTimeout: 5000 };
const MAX_CONNECTIONS = 100;

/** What holds for every answer: nothing of it is of use to another origin, or to be kept. */
const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** The admin server: what can be seen and done while the proxy runs, over HTTP. */
export class AdminServer {
  readonly #options: ResolvedAdminOptions;
  readonly #onListening: (address: AddressInfo) => void;
  #listening: Promise<void> | undefined;
  readonly #operator: Operator;
  readonly #server: Server;
  readonly #guard: Guard;
  readonly #events: Events;
  readonly #assets: ReadonlyMap<string, Asset> = readAssets();
  readonly #description = readDescription();

  constructor(operator: Operator, options: ResolvedAdminOptions, listening: (address: AddressInfo) => void) {
    this.#operator = operator;
    this.#onListening = listening;
    this.#options = options;
    this.#guard = new Guard(options.token, options.allowedHosts);
    this.#events = new Events(operator);
    this.#server = http.createServer(LIMITS, (req, res) => void this.#answer(req, res));
    this.#server.maxConnections = MAX_CONNECTIONS;
    // The lag of the event loop is measured from the first time that it is asked for.
    void ownProcessMetrics();
  }

  /** Rejects when it cannot listen. A second call joins the first. */
  listen(): Promise<void> {
    return this.#listening ??= this.#listen();
  }

  async #listen(): Promise<void> {
    const { port, bind } = this.#options;
    this.#server.listen(port, bind);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (!isObject(address)) throw new Error('the admin server has no address');
    debug('listening on %o', address);
    this.#onListening(address);
  }

  async close(): Promise<void> {
    this.#events.close();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Never rejects. */
  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    // Who goes away in the middle is seen by what is read and written.
    req.on('error', () => {});
    try {
      for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
      const reply = await this.#replyTo(req, res);
      if (reply) send(res, reply);
    } catch (error) {
      if (!(error instanceof Problem)) debug(error);
      const problem = error instanceof Problem ? error : new Problem(500, 'FAILED', 'the admin server has failed');
      const { status, code, message, headers } = problem;
      if (res.headersSent) res.destroy();
      else send(res, { status, body: { code, message }, headers });
    }
  }

  #replyTo(req: IncomingMessage, res: ServerResponse): Reply | Promise<Reply | undefined> {
    const { pathname, searchParams: query } = urlOf(req.url ?? '');
    this.#guard.checkOrigin(req, pathname === '/');
    const asset = this.#assets.get(pathname);
    if (!asset && !OPEN.has(pathname)) this.#guard.checkToken(req);
    const methods: Methods | undefined = asset
      ? { GET: () => assetReply(req, asset) }
      : ROUTES[pathname] ?? ROUTES[patternOf(pathname)];
    if (!methods) throw new Problem(404, 'NO_SUCH_PATH', 'there is nothing here');
    const handler = handlerOf(methods, req.method ?? '');
    return handler({
      req, res, query, name: nameOf(pathname), operator: this.#operator, events: this.#events,
      description: this.#description,
    });
  }
}

/** @throws Problem 405. */
function handlerOf(methods: Methods, method: string): Handler {
  const handler = methods[method === 'HEAD' ? 'GET' : method];
  if (handler) return handler;
  const allowed = Object.keys(methods).join(', ').replace('GET', 'GET, HEAD');
  throw new Problem(405, 'METHOD', `only ${allowed} are of use here`, { Allow: allowed });
}

function urlOf(url: string): URL {
  try {
    return new URL(url, 'http://localhost');
  } catch {
    throw new Problem(404, 'NO_SUCH_PATH', 'there is nothing here');
  }
}

/** With its last segment as `*`. */
function patternOf(pathname: string): string {
  return /[^/]$/.test(pathname) ? pathname.replace(/[^/]+$/, '*') : pathname;
}

/** The last segment. */
function nameOf(pathname: string): string {
  try {
    return decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1));
  } catch {
    throw new Problem(404, 'NO_SUCH_PATH', 'the path is not percent-encoded as it should be');
  }
}

function assetReply(req: IncomingMessage, { type, content, etag }: Asset): Reply {
  // Asked for each time, and seldom sent: a new version is in use at once.
  const headers = { 'Cache-Control': 'no-cache', ETag: etag };
  if (req.headers['if-none-match'] === etag) return { status: 304, headers };
  return { status: 200, body: content, type, headers };
}

function send(res: ServerResponse, { status, body, type, headers = {} }: Reply): void {
  const content = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const contentHeaders = body === undefined ? {} : {
    'Content-Type': type ?? 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(content),
  };
  res.writeHead(status, { 'Cache-Control': 'no-store', ...contentHeaders, ...headers });
  res.end(content);
}

function readDescription(): object {
  const description: unknown = JSON.parse(readFileSync(join(__dirname, 'openapi.json'), 'utf8'));
  return isObject(description) ? description : {};
}
