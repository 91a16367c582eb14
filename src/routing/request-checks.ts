import type { IncomingMessage, Server } from 'node:http';
import { refusals, type Refusal } from '../base/refusals';
import { Field, fieldOf, isFieldValue } from '../base/fields';
import { mayHaveBody } from '../base/methods';

/** How many fields a request may have by default: as many as Node shows. */
const MAX_FIELDS = 1000;

/** Node's parser delivers fields in batches of this size. */
const BATCH = 31;

/** Fields that `Connection` must not name: without them a request would lose its end or its host. */
const FRAMING = new Set(['host', 'content-length', 'transfer-encoding']);

/** `uri-host [ ":" port ]`, which may be empty (RFC 9110 §7.2, RFC 3986 §3.2.2). */
const HOST = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i;

/** The fields that delimit a request's body. */
interface Framing {
  length: string | undefined;
  encoding: string | undefined;
}

/**
 * Why a request is refused whatever its target; `undefined` if it is not. The parser of a caller's server may be
 * lenient. This check refuses requests that servers read in different ways. Each request that passes has at most one
 * `Host`, and one framing: by either `Content-Length` in digits or `Transfer-Encoding: chunked`.
 *
 * @param maxFields how many fields the request may have.
 */
export function faultOf(req: IncomingMessage, maxFields: number): Refusal | undefined {
  const { rawHeaders, httpVersionMajor, httpVersionMinor } = req;
  if (httpVersionMajor !== 1 || httpVersionMinor > 1) return refusals.badVersion;
  if (rawHeaders.length > 2 * maxFields) return refusals.tooManyFields;
  const framing: Framing = { length: undefined, encoding: undefined };
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1] ?? '';
    if (!isFieldValue(value)) return refusals.badField;
    switch (fieldOf(rawHeaders[i] ?? '')) {
      case Field.Malformed: return refusals.badField;
      case Field.Host:
        if (!isHost(value)) return refusals.badHost;
        hosts += 1;
        break;
      case Field.Connection:
        if (namesFraming(value)) return refusals.namedFraming;
        break;
      case Field.ContentLength:
        if (framing.length !== undefined) return refusals.badBody;
        framing.length = value;
        break;
      case Field.TransferEncoding:
        if (framing.encoding !== undefined) return refusals.badBody;
        framing.encoding = value;
    }
  }
  // Servers may disagree on which one counts (RFC 9112 §3.2).
  if (hosts > 1) return refusals.badHost;
  return hasBadBody(req, framing) ? refusals.badBody : undefined;
}

/**
 * How many fields a request on this server may have without Node hiding any: Node silently drops those beyond
 * `maxHeadersCount`.
 *
 * @param server the caller's; `undefined` for the proxy's own.
 */
export function maxFieldsOf(server: Pick<Server, 'maxHeadersCount'> | undefined): number {
  const max = server?.maxHeadersCount;
  if (typeof max !== 'number') return MAX_FIELDS;
  if (max <= 0) return Infinity;
  // When a batch ends exactly at the limit, nobody can tell whether Node dropped another one.
  return max % BATCH === 0 ? max - 1 : max;
}

/** Whether it is the value of a `Host` field. */
export function isHost(value: string): boolean {
  return HOST.test(value);
}

/** Whether the request asks for the only upgrade that is served. */
export function isWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}

function namesFraming(connection: string): boolean {
  switch (connection) {
    case 'keep-alive': case 'close': case 'Upgrade': case 'upgrade': return false;
    default: return connection.toLowerCase().split(',').some((token) => FRAMING.has(token.trim()));
  }
}

/**
 * An unexpected body, or an encoding other than chunked, can smuggle a second request past a proxy (RFC 9112 §11.2).
 */
function hasBadBody(req: IncomingMessage, { length, encoding }: Framing): boolean {
  if (encoding === undefined) {
    if (length === undefined) return false;
    if (!/^\d{1,15}$/.test(length)) return true;
    if (Number(length) === 0) return false;
  } else {
    if (length !== undefined || encoding.toLowerCase() !== 'chunked') return true;
    // HTTP/1.0 has no encodings: an earlier proxy may have seen no body (RFC 9112 §6.1).
    if (req.httpVersionMinor === 0) return true;
  }
  // A chunked body may be empty, which shows when it comes. One of a WebSocket would pass for frames.
  return (encoding === undefined && !mayHaveBody(req.method ?? '')) || isWebSocket(req);
}
