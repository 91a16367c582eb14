import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import createDebug from 'debug';
import { isFieldValue } from '../base/fields';
import type { Refusal } from '../base/refusals';
import type { RequestHead } from '../base/request-head';
import { shownSid } from '../base/shown';
import type { ClientResponse } from './client';
import { fieldLines } from './headers';

const debug = createDebug('socket.io-proxy:refused');

/** The default `Retry-After` of a 503 (RFC 9110 §10.2.3) and a 429 (RFC 6585 §4), in seconds. */
const RETRY_AFTER = 1;

/** Answers a request with a refusal. Does nothing when the client is gone or the response has begun. */
export function refuse(req: RequestHead, res: ClientResponse, reason: Refusal, close = reason.close): void {
  if (res.headersSent || res.destroyed) return;
  tell(req, reason);
  const body = bodyOf(reason);
  const headers = [...headersOf(req, reason, body), ...(close ? ['Connection', 'close'] : [])];
  res.writeHead(reason.status, STATUS_CODES[reason.status] ?? '', headers);
  // In UTF-8, Node would encode the head too.
  res.end(body, 'latin1');
}

/** Answers an upgrade with a plain HTTP response and closes the socket. */
export function refuseUpgrade(req: IncomingMessage, socket: Duplex, reason: Refusal): void {
  if (socket.destroyed) return;
  tell(req, reason);
  const body = bodyOf(reason);
  const headers = [...headersOf(req, reason, body), 'Connection', 'close'];
  const head = `HTTP/1.1 ${reason.status} ${STATUS_CODES[reason.status] ?? ''}\r\n${fieldLines(headers)}`;
  socket.end(`${head}\r\n${body}`, 'latin1', () => socket.destroy());
}

function tell(req: RequestHead, { status, cause }: Refusal): void {
  if (!debug.enabled) return;
  const { method, url = '' } = req;
  // Shows only the start of the sid: the rest of the query may be secret.
  const sid = /[?&]sid=([^&#]*)/.exec(url)?.[1];
  const query = sid === undefined ? '' : `?sid=${shownSid(sid)}`;
  debug('%s %s: %d, %s', method, url.replace(/[?#].*$/s, () => query), status, cause);
}

function bodyOf({ code, message }: Refusal): string {
  return JSON.stringify({ code, message });
}

function headersOf(req: RequestHead, { status, retryAfter = RETRY_AFTER }: Refusal, body: string): string[] {
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
  if (status === 503 || status === 429) headers.push('Retry-After', String(retryAfter));
  // Without CORS headers a browser hides the response, and the client cannot tell why it failed.
  const { origin } = req.headers;
  // A lenient parser accepts values that are not valid in a response.
  if (origin !== undefined && isFieldValue(origin)) {
    headers.push('Access-Control-Allow-Origin', origin, 'Access-Control-Allow-Credentials', 'true', 'Vary', 'Origin');
  }
  return headers;
}
