import { startDeadline } from '../base/deadline';
import { ErrorCode } from '../base/refusals';
import type { Host } from '../hosts/host';
import { requestTo } from '../hosts/host-request';
import type { HostTls } from '../hosts/host-tls';
import type { SidTokens } from './session-store';

/** How long a host may take to close a session, in ms, and to tell whether it knows one. */
const CLOSE_TIMEOUT = 2000;
const ASK_TIMEOUT = 1000;

/** The most of an answer's body to read, in characters. */
const MAX_ANSWER = 1024;

/** The packet `close`, with its length for protocol version 3. Version 4 reads it as a packet with unused data. */
const CLOSE = '1:1';

/** What python-engineio and go-socket.io answer to an unknown sid, with 400. */
const UNKNOWN_SID = /^"?invalid (?:session|sid)/i;

/** How to reach the Engine.IO server of a host. */
export interface SessionAtHostOptions {
  readonly path: string;
  readonly hostTls: HostTls;
  /** `undefined` where clients have their hosts' sids. */
  readonly tokens: SidTokens | undefined;
}

interface Question {
  readonly method: string;
  /** Of the protocol. */
  readonly version: number;
  readonly body: string;
  /** In ms. */
  readonly timeout: number;
}

interface Answer {
  readonly status: number;
  /** Engine.IO's error code, if the answer has one. */
  readonly code: unknown;
  /** The host says that it does not know the sid. */
  readonly isUnknown: boolean;
}

/**
 * Closes a session at its host with the packet that its client would send (Engine.IO packet type `close`): the host
 * knows at once, and can keep the state for a client that comes back.
 *
 * @param byForm whether the client sends its packets as forms, for JSONP.
 * @returns whether the session is gone: false if a WebSocket carries it. Rejects if the host does not answer.
 */
export async function closeSession(
  host: Host, sid: string, byForm: boolean, options: SessionAtHostOptions,
): Promise<boolean> {
  const body = byForm ? `d=${CLOSE}` : CLOSE;
  // Tries both protocol versions, since hosts refuse the other one. Some hosts refuse the packet and yet end the
  // session, as the second answer shows.
  for (const version of [4, 3]) {
    const post = { method: 'POST', version, body, timeout: CLOSE_TIMEOUT };
    const { status, isUnknown } = await ask(host, sid, post, options);
    if (status === 200 || isUnknown) return true;
  }
  return false;
}

/**
 * Whether the host has a session of this sid. Asks by a method that Engine.IO does not know, but not before it has
 * looked for the sid, so that nothing happens to the session. Never rejects.
 *
 * @returns `undefined` if the answer does not tell, or there is none in time.
 */
export async function hasSession(host: Host, sid: string, options: SessionAtHostOptions): Promise<boolean | undefined> {
  try {
    const put = { method: 'PUT', version: 4, body: '', timeout: ASK_TIMEOUT };
    const { status, code, isUnknown } = await ask(host, sid, put, options);
    if (isUnknown) return false;
    // The session's polling transport answers 500. The code tells that it is not polling that carries the session.
    return status === 500 || code === ErrorCode.BAD_REQUEST ? true : undefined;
  } catch (error) {
    return Reflect.get(Object(error), 'code') === 'ECONNREFUSED' ? false : undefined;
  }
}

function ask(
  host: Host, sid: string, { method, version, body, timeout }: Question, options: SessionAtHostOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { path, hostTls, tokens } = options;
    const sidAtHost = tokens?.cut(sid) ?? sid;
    const target = `${path}?EIO=${version}&transport=polling&sid=${encodeURIComponent(sidAtHost)}`;
    const headers = { 'Content-Type': 'text/plain;charset=UTF-8', 'Content-Length': body.length };
    const req = requestTo(host, hostTls, { method, path: target, headers });
    const cancel = startDeadline(timeout, () => req.destroy(new Error('the host did not answer in time')));
    req.on('close', () => {
      cancel();
      // Node tells of nothing else where a host switches protocols that it was not asked to switch.
      reject(new Error('the host did not answer'));
    });
    req.on('error', reject);
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('latin1').on('data', (chunk: string) => {
        text = (text + chunk).slice(0, MAX_ANSWER);
      });
      res.on('error', reject).on('end', () => {
        const { statusCode: status = 0 } = res;
        const code = codeOf(text);
        const isUnknown = code === ErrorCode.SESSION_UNKNOWN || (status === 400 && UNKNOWN_SID.test(text));
        resolve({ status, code, isUnknown });
      });
    });
    req.end(body);
  });
}

function codeOf(body: string): unknown {
  try {
    return Reflect.get(Object(JSON.parse(body)), 'code');
  } catch {
    return undefined;
  }
}
