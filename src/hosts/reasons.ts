import { describe } from '../base/describe';
import type { DownReason } from './host';

/** Node's error codes for a host that cannot be reached, and the reasons that they mean. */
const UNREACHED = new Map<string, DownReason>([
  ['ECONNREFUSED', 'refused'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['ETIMEDOUT', 'unreachable'],
]);

/** Node's error codes for a certificate that it does not trust. Alerts of the host, `ERR_SSL_…`, are not among them. */
const UNTRUSTED = new RegExp([
  '^(?:CERT|CRL|UNABLE_TO|ERROR_IN|DEPTH_ZERO|SELF_SIGNED)_', '^INVALID_(?:CA|PURPOSE)$', '^PATH_LENGTH_EXCEEDED$',
  '^HOSTNAME_MISMATCH$', '^ERR_TLS_CERT_ALTNAME_',
].join('|'));

/** Node's error codes for a connection that the other side has ended. */
const CUT = new Set(['ECONNRESET', 'EPIPE']);

/** OpenSSL's reasons for bytes that are no TLS. */
const NO_TLS = /^(?:wrong version number|packet length too long|http request|unexpected message)$/;

/** The first byte of an alert of TLS. */
const TLS_ALERT = 0x15;

const CERT_WANTED = 'asks for a client certificate: hostTls.cert / --host-cert';

/** Why a host is down. */
export interface Down {
  readonly reason: DownReason;
  /** What a person has to know besides, such as what is wrong with a certificate. */
  readonly text?: string;
}

/** The reason behind a failed connection; `undefined` when the error says nothing about the host. */
export function reasonOf(error: Error): Down | undefined {
  // Whatever the resolver says, and its codes are many: there is no address to connect to.
  if ('syscall' in error && error.syscall === 'getaddrinfo') return { reason: 'unreachable', text: noAddress(error) };
  const code: unknown = 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return undefined;
  if (UNTRUSTED.test(code)) return { reason: 'untrusted', text: error.message };
  // When a name has several addresses, Node tries each and reports one error, with the first one's code.
  const reason = UNREACHED.get(code);
  return reason && { reason };
}

function noAddress(error: Error): string {
  const code = 'code' in error ? String(error.code) : describe(error);
  return code === 'EAI_AGAIN' ? `DNS does not answer: ${code}` : `the name has no address: ${code}`;
}

/**
 * What a person has to know of a host that cut a health check's connection, or answered no HTTP.
 *
 * @param isTls the proxy speaks TLS to the host.
 * @param showsCert and shows a certificate of its own.
 */
export function cutText(error: Error, isTls: boolean, showsCert: boolean): string {
  const code = 'code' in error ? String(error.code) : '';
  if (code.startsWith('HPE_')) {
    const isAlert = 'rawPacket' in error && Buffer.isBuffer(error.rawPacket) && error.rawPacket[0] === TLS_ALERT;
    return isAlert && !isTls ? 'this port speaks TLS; write https://' : 'answers no HTTP';
  }
  if (!CUT.has(code)) return isTls ? tlsText(error, showsCert) : describe(error);
  if (!isTls) return 'cut before an answer; if it speaks TLS, write https://';
  return showsCert ? 'cut before an answer' : `cut before an answer; if it ${CERT_WANTED}`;
}

function tlsText(error: Error, showsCert: boolean): string {
  // OpenSSL's own message also has places in its source.
  const [, reason] = /\bSSL routines:[^:]*:([^:]+)/.exec(error.message) ?? [];
  if (reason === undefined) return describe(error);
  if (NO_TLS.test(reason)) return 'this port speaks no TLS; write http://';
  if (/alert (?:certificate required|handshake failure)/.test(reason) && !showsCert) return CERT_WANTED;
  return `TLS fails: ${reason}`;
}
