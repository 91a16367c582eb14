import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import createDebug from 'debug';
import { isFieldValue } from './fields';
import { shownSid } from './shown';

const debug = createDebug('socket.io-proxy:refused');

/**
 * The `code` of an answer that the proxy gives itself. Numbers are Engine.IO's own
 * (https://github.com/socketio/engine.io-protocol), so its clients read them as they read a server's;
 * what Engine.IO has no number for has a name, which no later number of its can clash with.
 */
export const ErrorCode = {
  /** 400: the sid is unknown, expired or ended, or its host is gone. A client makes a new handshake. */
  SESSION_UNKNOWN: 1,
  /** 400, 431 or 505: the path is outside `path`, or the request cannot be one of Engine.IO's. */
  BAD_REQUEST: 3,
  /** 502: the host failed before it had answered. */
  HOST_FAILED: 'HOST_FAILED',
  /** 503: no host is up that takes new sessions, or DNS has not named the session's host yet. */
  NO_HOST: 'NO_HOST',
  /** 503: the proxy is closing and takes no new sessions. */
  CLOSING: 'CLOSING',
  /**
   * 503: this proxy does not know the sid, and the session store cannot be asked; or `onStoreFailure` is `'refuse'`,
   * and a handshake could not be stored.
   */
  STORE_FAILED: 'STORE_FAILED',
  /** 503: more handshakes have come than `maxHandshakesPerSecond` lets through, and than may wait. */
  TOO_MANY_HANDSHAKES: 'TOO_MANY_HANDSHAKES',
  /** 504: the host did not answer within `hostTimeout`. */
  HOST_TIMEOUT: 'HOST_TIMEOUT',
} as const;

/** One of {@link ErrorCode}'s values. */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** An answer of the proxy itself. */
export interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** Why, for those who operate the proxy: what the client is told does not say. */
  readonly cause: string;
  /** Ends the client's connection: what follows on it is not to be trusted, or not to be served. */
  readonly close: boolean;
  /** How soon the client may come again, in seconds, where a second is too soon. */
  readonly retryAfter?: number;
}

const refusal = (status: number, code: ErrorCode, cause: string, message: string, close = false): Refusal =>
  ({ status, code, cause, message, close });

const sessionUnknown = (cause: Absence | 'malformed'): Refusal =>
  refusal(400, ErrorCode.SESSION_UNKNOWN, cause, 'Session ID unknown');
const badRequest = (cause: string): Refusal => refusal(400, ErrorCode.BAD_REQUEST, cause, 'Bad request');
/** Where a request begins and ends may be in doubt. */
const doubtful = (status: number, cause: string, message: string): Refusal =>
  refusal(status, ErrorCode.BAD_REQUEST, cause, message, true);
const hostFailed = (cause: string): Refusal =>
  refusal(502, ErrorCode.HOST_FAILED, cause, 'The host failed before it answered');

/** Why a sid has no session, as far as is known. */
export type Absence =
  /** This proxy has never seen it, and the store does not know it. */
  | 'never_seen'
  | 'expired'
  /** Its WebSocket has ended, or it was moved. */
  | 'ended'
  /** Its host is down, or no longer one of the hosts. */
  | 'host_gone';

export const refusals = {
  never_seen: sessionUnknown('never_seen'),
  expired: sessionUnknown('expired'),
  ended: sessionUnknown('ended'),
  host_gone: sessionUnknown('host_gone'),
  malformedSid: sessionUnknown('malformed'),
  badPath: badRequest('path'),
  badTarget: badRequest('target'),
  twoHosts: badRequest('host_header'),
  badUpgrade: badRequest('upgrade'),
  badBody: doubtful(400, 'body', 'Bad request: this method or encoding may not carry a body'),
  badField: doubtful(400, 'field', 'Bad request: a header field is malformed'),
  namedFraming: doubtful(400, 'connection', 'Bad request: Connection names a field that is not for it to name'),
  tooManyFields: doubtful(431, 'fields', 'Too many header fields'),
  badVersion: doubtful(505, 'version', 'This version of HTTP is not served'),
  hostUnreached: hostFailed('unreached'),
  hostFailed: hostFailed('failed'),
  noHost: refusal(503, ErrorCode.NO_HOST, 'no_host', 'No host is up'),
  closing: refusal(503, ErrorCode.CLOSING, 'closing', 'The proxy is closing', true),
  storeFailed: refusal(503, ErrorCode.STORE_FAILED, 'store', 'The session store cannot be asked'),
  tooManyHandshakes: refusal(503, ErrorCode.TOO_MANY_HANDSHAKES, 'rate', 'Too many handshakes'),
  hostTimeout: refusal(504, ErrorCode.HOST_TIMEOUT, 'timeout', 'The host did not answer in time'),
} as const satisfies Record<Absence, Refusal> & Record<string, Refusal>;

/** How soon a client that was refused with 503 may come again (`Retry-After`, RFC 9110 §10.2.3), in seconds. */
const RETRY_AFTER = 1;

/** Answers a request. Does nothing where the client has gone, or the response has begun. */
export function refuse(req: IncomingMessage, res: ServerResponse, reason: Refusal, close = reason.close): void {
  if (res.headersSent || res.destroyed) return;
  tell(req, reason);
  const body = bodyOf(reason);
  res.writeHead(reason.status, [...headersOf(req, reason, body), ...(close ? ['Connection', 'close'] : [])]);
  // A string would take the head with it into UTF-8.
  res.end(Buffer.from(body));
}

/** Answers an upgrade with a plain HTTP response, and closes its socket. */
export function refuseUpgrade(req: IncomingMessage, socket: Duplex, reason: Refusal): void {
  if (socket.destroyed) return;
  tell(req, reason);
  const body = bodyOf(reason);
  const headers = [...headersOf(req, reason, body), 'Connection', 'close'];
  let head = `HTTP/1.1 ${reason.status} ${STATUS_CODES[reason.status] ?? ''}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
  socket.end(`${head}\r\n${body}`, 'latin1', () => socket.destroy());
}

function tell(req: IncomingMessage, { status, cause }: Refusal): void {
  if (!debug.enabled) return;
  const { method, url = '' } = req;
  // Of a query the sid's beginning alone: the rest may be secret.
  const sid = /[?&]sid=([^&#]*)/.exec(url)?.[1];
  const query = sid === undefined ? '' : `?sid=${shownSid(sid)}`;
  debug('%s %s: %d, %s', method, url.replace(/[?#].*$/s, () => query), status, cause);
}

function bodyOf({ code, message }: Refusal): string {
  return JSON.stringify({ code, message });
}

function headersOf(req: IncomingMessage, { status, retryAfter = RETRY_AFTER }: Refusal, body: string): string[] {
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
  if (status === 503) headers.push('Retry-After', String(retryAfter));
  // Without these a browser hides the answer from the client, which then cannot tell why it failed.
  const { origin } = req.headers;
  // A parser that is lenient lets through what would be no header of an answer either.
  if (origin !== undefined && isFieldValue(origin)) {
    headers.push('Access-Control-Allow-Origin', origin, 'Access-Control-Allow-Credentials', 'true', 'Vary', 'Origin');
  }
  return headers;
}
