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

/** Why a host is down. */
export interface Down {
  readonly reason: DownReason;
  /** What a person has to know besides, such as what is wrong with a certificate. */
  readonly text?: string;
}

/** The reason behind a failed connection; `undefined` when the error says nothing about the host. */
export function reasonOf(error: Error): Down | undefined {
  // Whatever the resolver says, and its codes are many: there is no address to connect to.
  if ('syscall' in error && error.syscall === 'getaddrinfo') return { reason: 'unreachable' };
  const code: unknown = 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return undefined;
  if (UNTRUSTED.test(code)) return { reason: 'untrusted', text: error.message };
  // When a name has several addresses, Node tries each and reports one error, with the first one's code.
  const reason = UNREACHED.get(code);
  return reason && { reason };
}
