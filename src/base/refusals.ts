/**
 * The `code` in an error response of the proxy. Numbers are Engine.IO's error codes
 * (https://github.com/socketio/engine.io-protocol), so Engine.IO clients understand them. Errors without such a number
 * have a name, which cannot clash with a later number.
 */
export const ErrorCode = {
  /** 400: the sid is unknown, expired or ended, or its host is gone. The client makes a new handshake. */
  SESSION_UNKNOWN: 1,
  /** 400, 431 or 505: the path is outside `path`, or the request is not valid for Engine.IO. */
  BAD_REQUEST: 3,
  /** 502: the host failed before it answered. */
  HOST_FAILED: 'HOST_FAILED',
  /** 503: no host that takes new sessions is up, or DNS has not named the session's host yet. */
  NO_HOST: 'NO_HOST',
  /** 503: every host that takes new sessions has `maxSessions` of them. */
  HOSTS_FULL: 'HOSTS_FULL',
  /** 503: the proxy is closing and takes no new sessions. */
  CLOSING: 'CLOSING',
  /**
   * 503: this proxy does not know the sid and cannot ask the session store; or it could not store a handshake's
   * session, and `onStoreFailure` is `'refuse'`.
   */
  STORE_FAILED: 'STORE_FAILED',
  /**
   * 503: the handshake exceeds `maxHandshakesPerSecond`, and no further one may wait. 429: its client's address has
   * made more than `maxHandshakesPerAddress`.
   */
  TOO_MANY_HANDSHAKES: 'TOO_MANY_HANDSHAKES',
  /** 503: the host has assigned the sid of a session that is alive on another host. */
  DUPLICATE_SID: 'DUPLICATE_SID',
  /** 504: the host did not answer within `hostTimeout`. */
  HOST_TIMEOUT: 'HOST_TIMEOUT',
} as const;

/** One of {@link ErrorCode}'s values. */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** An error response of the proxy. */
export interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** The reason, for operators. The response does not contain it. */
  readonly cause: string;
  /** Closes the client's connection, because further requests on it cannot be trusted or must not be served. */
  readonly close: boolean;
  /** When the client may try again, in seconds. @default 1 */
  readonly retryAfter?: number;
}

const refusal = (status: number, code: ErrorCode, cause: string, message: string, close = false): Refusal =>
  ({ status, code, cause, message, close });

const sessionUnknown = (cause: Absence | 'malformed'): Refusal =>
  refusal(400, ErrorCode.SESSION_UNKNOWN, cause, 'Session ID unknown');
const badRequest = (cause: string): Refusal => refusal(400, ErrorCode.BAD_REQUEST, cause, 'Bad request');
/** Closes the connection too: the request's boundaries may be ambiguous. */
const doubtful = (status: number, cause: string, message: string): Refusal =>
  refusal(status, ErrorCode.BAD_REQUEST, cause, message, true);
const hostFailed = (cause: string): Refusal =>
  refusal(502, ErrorCode.HOST_FAILED, cause, 'The host failed before it answered');

/** Why a sid has no session, as far as this proxy knows. */
export type Absence =
  /** This proxy has never seen the sid, and the store does not know it. */
  | 'never_seen'
  | 'expired'
  /** The session's WebSocket has ended, or the session was moved. */
  | 'ended'
  /** The session's host is down, or was removed from the hosts. */
  | 'host_gone';

/** All refusals. The keys in snake_case are the values of {@link Absence}, by which those refusals are found. */
export const refusals = {
  never_seen: sessionUnknown('never_seen'),
  expired: sessionUnknown('expired'),
  ended: sessionUnknown('ended'),
  host_gone: sessionUnknown('host_gone'),
  malformedSid: sessionUnknown('malformed'),
  badPath: badRequest('path'),
  badTarget: badRequest('target'),
  badHost: badRequest('host_header'),
  badUpgrade: badRequest('upgrade'),
  badBody: doubtful(400, 'body', 'Bad request: this method or encoding may not carry a body'),
  badField: doubtful(400, 'field', 'Bad request: a header field is malformed'),
  namedFraming: doubtful(400, 'connection', 'Bad request: Connection names a field that is not for it to name'),
  tooManyFields: doubtful(431, 'fields', 'Too many header fields'),
  badProxyHeader: doubtful(400, 'proxy_header', 'Bad request'),
  tooManyConnections: doubtful(400, 'connections', 'Bad request'),
  badVersion: doubtful(505, 'version', 'This version of HTTP is not served'),
  hostUnreached: hostFailed('unreached'),
  hostFailed: hostFailed('failed'),
  /** The host's handshake is such that its sid cannot be given a token. */
  noToken: hostFailed('token'),
  noHost: refusal(503, ErrorCode.NO_HOST, 'no_host', 'No host is up'),
  hostsFull: refusal(503, ErrorCode.HOSTS_FULL, 'full', 'No host has room for another session'),
  closing: refusal(503, ErrorCode.CLOSING, 'closing', 'The proxy is closing', true),
  storeFailed: refusal(503, ErrorCode.STORE_FAILED, 'store', 'The session store cannot be asked'),
  duplicateSid: refusal(503, ErrorCode.DUPLICATE_SID, 'duplicate', 'Another session has this sid'),
  tooManyHandshakes: refusal(503, ErrorCode.TOO_MANY_HANDSHAKES, 'rate', 'Too many handshakes'),
  tooManyOfAddress: refusal(429, ErrorCode.TOO_MANY_HANDSHAKES, 'address', 'Too many handshakes of this address'),
  hostTimeout: refusal(504, ErrorCode.HOST_TIMEOUT, 'timeout', 'The host did not answer in time'),
} as const satisfies Record<Absence, Refusal> & Record<string, Refusal>;
