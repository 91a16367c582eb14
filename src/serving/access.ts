import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { clientOf } from '../forwarding/headers';
import { shownSid, startOf } from '../base/shown';
import { queryOf, sidOf } from '../routing/sniffer';

/** A request that is over, as an access log tells of it. */
export interface AccessEntry {
  /** When its head had come. */
  readonly time: Date;
  /** The client's address; with `trustProxy` the one that the load balancer in front has seen. */
  readonly client: string;
  /** As in `GET`. */
  readonly method: string;
  /** The path, and of the query what Engine.IO needs, with the first letters of the sid: nothing that is secret. */
  readonly url: string;
  /** As in `1.1`. */
  readonly httpVersion: string;
  /** What the client was answered; 499 where it went away before. */
  readonly status: number;
  /** Bytes sent to the client, heads included. */
  readonly bytes: number;
  /** From the request's head to the end of its response, or of its WebSocket, in ms. */
  readonly duration: number;
  /** Why the proxy itself has refused it, as its metrics tell; `undefined` where it has not. */
  readonly cause: string | undefined;
  /** `undefined` where it was refused before it had a host. */
  readonly host: string | undefined;
  /** The first letters of its session's sid; of a handshake, of the one that it has opened. */
  readonly sid: string | undefined;
}

/** What becomes known of a request while it is under way. */
export interface AccessOutcome {
  host: string | undefined;
  sid: string | undefined;
  /** `undefined` where it was not answered. */
  status: number | undefined;
  cause: string | undefined;
}

/** What Engine.IO's clients put into the query, beside the sid. */
const SHOWN = ['EIO', 'transport', 't', 'j', 'b64'];

/** A client that went away before it was answered: nginx's number for it. */
const CLIENT_GONE = 499;

/** Calls `done` when a request is over: `end` is its response, or the socket of an upgrade. */
export function watch(
  req: IncomingMessage, end: ServerResponse | Duplex, trustProxy: boolean, outcome: () => AccessOutcome,
  done: (entry: AccessEntry) => void,
): void {
  const time = new Date();
  const since = performance.now();
  const { socket, method = '', url = '', httpVersion } = req;
  const written = writtenTo(socket);
  // A socket that has closed knows it no longer.
  const client = clientOf(req, trustProxy);
  end.once('close', () => {
    const { host, sid, status = CLIENT_GONE, cause } = outcome();
    done({
      time,
      client,
      method,
      url: harmless(url),
      httpVersion,
      status,
      bytes: writtenTo(socket) - written,
      duration: performance.now() - since,
      cause,
      host,
      sid: shortened(sid ?? sidOf(url)),
    });
  });
}

/** A sid that no session has may be empty. */
function shortened(sid: string | undefined): string | undefined {
  return sid === undefined || sid === '' ? undefined : shownSid(sid);
}

/** A server may have been given a connection of another kind. */
function writtenTo(socket: Duplex): number {
  return socket instanceof Socket ? socket.bytesWritten : 0;
}

/** What of a URL may be written down. */
function harmless(url: string): string {
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
