import type { IncomingMessage, ServerResponse } from 'node:http';
import { startDeadline } from '../base/deadline';
import type { Problem } from './problems';

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Headers of every answer: other pages must not frame the dashboard, inject content into it or read it. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** How long to keep reading the rest of an unwanted request body, in ms. */
const LINGER = 1000;

/** How long a client may take to read an answer, in ms. */
const SEND_TIMEOUT = 10_000;

export function jsonReply(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export function problemReply({ status, code, message, headers }: Problem): Reply {
  return jsonReply(status, { code, message }, headers);
}

/** Answers a request. Does nothing if the client has gone or the answer has begun. */
export function send(req: IncomingMessage, res: ServerResponse, { status, headers, body = '' }: Reply): void {
  if (res.headersSent || res.destroyed) return;
  const length = status === 204 || status === 304 ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const isWhole = req.complete || !hasBody(req);
  const close = isWhole ? {} : { Connection: 'close' };
  res.writeHead(status, { ...SECURITY_HEADERS, ...length, ...headers, ...close });
  res.on('close', startDeadline(SEND_TIMEOUT, () => res.destroy()));
  if (isWhole) {
    res.end(body);
    return;
  }
  // Closing while the client still sends would reset the connection and lose the answer.
  res.write(body);
  // Node throws if a response ends while Node cleans up its closed connection.
  const end = (): void => {
    if (res.socket?.destroyed === false) res.end();
  };
  const cancel = startDeadline(LINGER, end);
  req.on('end', end).on('close', end).on('close', cancel);
  req.resume();
}

/** The raw answer to a request that Node could not parse. @param code of Node's error. */
export function malformedReply(code: string | undefined): string {
  const status = code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' :
    code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
  const body = JSON.stringify({ code: 'MALFORMED', message: status.slice(4) });
  const headers = {
    ...SECURITY_HEADERS, 'Content-Type': 'application/json', 'Content-Length': body.length, Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
