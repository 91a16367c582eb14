import type { IncomingMessage } from 'node:http';
import { startDeadline } from '../base/deadline';
import { includes, type StatusRanges } from './check-options';
import type { Host } from './host';
import { requestTo } from './host-request';
import type { HostTls } from './host-tls';
import { cutText, reasonOf, type Down } from './reasons';

/** Errors that are this process's own fault, not the host's: it lacks descriptors, ports or memory. */
const LOCAL_ERRORS = new Set<unknown>(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/** How much of an answer to read, in characters: enough to recognize it. */
const MAX_BODY = 1024;

export interface ProbeOptions {
  readonly path: string;
  /** In ms. */
  readonly checkTimeout: number;
  /** The statuses of a host that is up; `undefined`: those below 500. */
  readonly checkStatus: StatusRanges | undefined;
  readonly hostTls: HostTls;
}

/** What a host answers. */
export interface Answer {
  readonly status: number;
  /** Where it redirects to. */
  readonly location: string | undefined;
  /** The media type. */
  readonly type: string | undefined;
  /** The first part of the body; empty unless it was asked for. */
  readonly body: string;
}

/** What a probe has found: nothing after a local error. `down` is `undefined` when the host is up. */
export type Finding = { readonly down: Down | undefined; readonly answer?: Answer } | undefined;

/**
 * Probes a host once. A host that misses the timeout but answers other requests is only busy, and counts as up.
 * Never rejects. The result means nothing after an abort.
 *
 * @param reads whether to read the body of an answer with this status.
 */
export function probe(
  host: Host, { path, checkTimeout, checkStatus, hostTls }: ProbeOptions, signal: AbortSignal,
  reads: (status: number) => boolean,
): Promise<Finding> {
  return new Promise((resolve) => {
    let connected = false;
    // Without another reason, the host runs, but does not serve.
    const cut = (error: Error): Down => {
      const text = cutText(error, host.url.protocol === 'https:', hostTls.cert !== undefined);
      return { reason: 'failing', text };
    };
    /** The finding of an answer whose body is not there yet. */
    let early: Finding;
    // A new connection each time, to find out whether the host accepts any.
    const req = requestTo(host, hostTls, { path });
    const done = (finding: Finding): void => {
      cancel();
      signal.removeEventListener('abort', abort);
      req.destroy();
      resolve(finding);
    };
    const abort = (): void => done(undefined);
    signal.addEventListener('abort', abort);
    const cancel = startDeadline(checkTimeout, () => {
      const isBusy = host.hasAnsweredWithin(checkTimeout);
      done(early ?? { down: isBusy ? undefined : { reason: connected ? 'silent' : 'unreachable' } });
    });
    req.on('socket', (socket) => socket.once('connect', () => {
      connected = true;
    }));
    req.on('response', (res) => {
      const { statusCode = 0 } = res;
      const down = verdict(statusCode, checkStatus);
      if (reads(statusCode)) {
        early = { down };
        readStart(res, (body) => done({ down, answer: answerOf(res, body) }));
      } else {
        done({ down, answer: answerOf(res, '') });
      }
    });
    req.on('error', (error) => done(isLocal(error) ? undefined : { down: reasonOf(error) ?? cut(error) }));
    req.end();
  });
}

function verdict(status: number, expected: StatusRanges | undefined): Down | undefined {
  const isGood = expected ? includes(expected, status) : status < 500;
  return isGood ? undefined : { reason: 'failing', text: `the health check has status ${status}` };
}

function readStart(res: IncomingMessage, then: (text: string) => void): void {
  let text = '';
  res.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    if (text.length >= MAX_BODY) then(text);
  });
  res.once('end', () => then(text)).once('error', () => then(text));
}

function answerOf({ statusCode: status = 0, headers }: IncomingMessage, body: string): Answer {
  return { status, location: headers.location, type: headers['content-type'], body };
}

function isLocal(error: Error): boolean {
  return 'code' in error && LOCAL_ERRORS.has(error.code);
}
