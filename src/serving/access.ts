import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WholeRequest, type ClientResponse } from '../forwarding/client';
import { clientOf } from '../base/client-address';
import type { TrustProxy } from '../base/trusted-networks';
import type { RequestHead } from '../base/request-head';
import { shownSid, startOf } from '../base/shown';
import { queryOf, sidOf } from '../routing/sniffer';

/** A finished request, for an access log. */
export interface AccessEntry {
  /** When the request's head had arrived. */
  readonly time: Date;
  /** The client's address; with `trustProxy`, the one that the first trusted load balancer has seen. */
  readonly client: string;
  /** For example `GET`. */
  readonly method: string;
  /** The path, and the query as far as Engine.IO uses it, with only the first letters of the sid: nothing secret. */
  readonly url: string;
  /** For example `1.1`. */
  readonly httpVersion: string;
  /** The status of the response; 499 if the client went away before it. */
  readonly status: number;
  /** Bytes sent to the client, heads included. */
  readonly bytes: number;
  /** From the request's head to the end of its response, or of its WebSocket, in ms. */
  readonly duration: number;
  /** Why the proxy refused the request, as in the metrics; `undefined` if it did not. */
  readonly cause: string | undefined;
  /** The host's name; `undefined` if the request was refused before it had one. */
  readonly host: string | undefined;
  /** The first letters of the sid; for a handshake, of the session that it opened. */
  readonly sid: string | undefined;
  /** What the request is called, with the option `requestId`; `undefined` if it was refused before it had a host. */
  readonly requestId: string | undefined;
  /** The trace that the request is a part of, by its `traceparent` (W3C Trace Context); `undefined` for none. */
  readonly traceId: string | undefined;
}

/** The outcome of a request. */
export interface AccessOutcome {
  host: string | undefined;
  sid: string | undefined;
  /** `undefined` if the request was not answered. */
  status: number | undefined;
  cause: string | undefined;
  requestId: string | undefined;
}

/** A `traceparent` of any version: version, trace, parent and flags. */
const TRACE = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-|$)/;

/** The query parameters of Engine.IO's clients, except the sid. */
const SHOWN = ['EIO', 'transport', 't', 'j', 'b64'];

/**
 * What nearly every request has: parameters of Engine.IO in the order of its clients, which need no encoding, and then
 * the sid. For these, `harmless` finds the same without reading the query.
 */
const PLAIN = /^[^?#]*\?EIO=\d&transport=[a-z]{1,32}(?:&t=[\w.-]{1,32})?(?:&sid=([\w.-]+))?$/;

/** nginx's status for a client that went away before it was answered. */
const CLIENT_GONE = 499;

/** Calls `done` when a request has ended. `end` is its response, or the socket of an upgrade. */
export function watch(
  req: RequestHead, end: ClientResponse | Duplex, trustProxy: TrustProxy, outcome: () => AccessOutcome,
  done: (entry: AccessEntry) => void,
): void {
  const time = new Date();
  const since = performance.now();
  const { socket, method = '', url = '', httpVersion } = req;
  const written = writtenTo(socket);
  // Read now: a closed socket has no address.
  const client = clientOf(req, trustProxy);
  const traceId = TRACE.exec(traceparentOf(req))?.[1];
  end.once('close', () => {
    const { host, sid = sidOf(url), status = CLIENT_GONE, cause, requestId } = outcome();
    done({
      time,
      client,
      method,
      url: harmless(url),
      httpVersion,
      status,
      bytes: writtenTo(socket) - written,
      duration: Math.round((performance.now() - since) * 1000) / 1000,
      cause,
      host,
      sid: shortened(sid),
      requestId,
      traceId,
    });
  });
}

/** Of a whole request from its text: reading its `headers` or `rawHeaders` builds them. */
function traceparentOf(req: RequestHead): string {
  if (req instanceof WholeRequest) return /^traceparent: (.*)\r$/im.exec(req.fields.text)?.[1] ?? '';
  const { traceparent } = req.headers;
  return typeof traceparent === 'string' ? traceparent : '';
}

/** The first letters of a sid; `undefined` for an empty one, which no session has. */
function shortened(sid: string | undefined): string | undefined {
  return sid === undefined || sid === '' ? undefined : shownSid(sid);
}

/** Bytes written to a socket; 0 if a caller's server accepted another kind of stream. */
function writtenTo(socket: Duplex): number {
  return socket instanceof Socket ? socket.bytesWritten : 0;
}

/** A URL without anything secret. */
function harmless(url: string): string {
  const plain = PLAIN.exec(url);
  if (plain) return plain[1] === undefined ? url : url.slice(0, -plain[1].length) + shownSid(plain[1]);
  const path = url.replace(/[?#].*$/s, '');
  const query = queryOf(url);
  const shown = SHOWN.flatMap((name) => {
    const value = query.get(name);
    return value === null ? [] : [`${name}=${encodeURIComponent(startOf(value, 32))}`];
  });
  const sid = shortened(sidOf(url));
  if (sid !== undefined) shown.push(`sid=${encodeURIComponent(sid)}`);
  return shown.length > 0 ? `${path}?${shown.join('&')}` : path;
}
