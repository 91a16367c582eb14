import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { isObject, isPlainObject, toError, wrong } from '../base/checks';

/** TLS options for `https://` hosts: some of Node's `tls.createSecureContext()`, and two of `tls.connect()`. */
export interface HostTls
  extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'ciphers' | 'minVersion'> {
  /** Refuses hosts whose certificate is not trusted. @default true */
  rejectUnauthorized?: boolean | undefined;
  /** The name that the hosts' certificates are for, and that the proxy asks for (SNI). @default the host's own name */
  servername?: string | undefined;
}

const NAMES = [
  'ca', 'cert', 'key', 'passphrase', 'ciphers', 'minVersion', 'rejectUnauthorized', 'servername',
] satisfies (keyof HostTls)[];

const SERVER_NAME = /^(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*$/;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/**
 * Checks the options now: Node would find a bad one only while connecting to an `https://` host, and end the process.
 * A context of each part alone tells which part is bad. A last one of all parts tells whether they match.
 *
 * @throws TypeError that names the option. The message never shows the received value, which may be a secret.
 */
export function hostTlsOf(value: unknown = {}): HostTls {
  if (!isObject(value)) throw wrong('hostTls', 'be an object', value);
  if (!isPlainObject(value)) throw new TypeError("'hostTls' must be a plain object, as in { ca: '…' }");
  for (const key of Object.keys(value)) {
    if (!NAMES.some((name) => name === key)) {
      throw new TypeError(`'hostTls.${key}' is not an option; expected ${NAMES.join(', ')}`);
    }
  }
  // An option that is explicitly `undefined` would replace Node's default.
  const given: HostTls = Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
  checkTypes(given);
  const { ca, cert, key, passphrase, ciphers, minVersion } = given;
  if (ca !== undefined) checkAuthorities(ca);
  if (cert !== undefined) check('cert', 'hold a certificate chain in PEM', { cert });
  if (key !== undefined) {
    const secret = passphrase === undefined ? {} : { passphrase };
    check('key', "hold a private key in PEM, which 'passphrase' decrypts where it is encrypted", { key, ...secret });
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [lacking, other] = cert === undefined ? ['cert', 'key'] : ['key', 'cert'];
    throw new TypeError(`'hostTls.${lacking}' is mandatory where 'hostTls.${other}' is given`);
  }
  if (ciphers !== undefined) check('ciphers', 'name ciphers that OpenSSL knows', { ciphers });
  if (minVersion !== undefined) check('minVersion', "be a version of TLS, as in 'TLSv1.2'", { minVersion });
  check('key', "match 'hostTls.cert'", given);
  return given;
}

/** Node treats an empty value, and some values of a wrong type, as if they were not given. */
function checkTypes(given: HostTls): void {
  for (const name of ['passphrase', 'ciphers', 'minVersion'] as const) {
    const value: unknown = given[name];
    const isText = typeof value === 'string' && (value !== '' || name === 'passphrase');
    if (value !== undefined && !isText) throw new TypeError(`'hostTls.${name}' must be a string`);
  }
  for (const name of ['ca', 'cert', 'key'] as const) {
    const value: unknown = given[name];
    const isEmpty = !value || Reflect.get(Object(value), 'length') === 0;
    if (value !== undefined && isEmpty) throw new TypeError(`'hostTls.${name}' must not be empty`);
  }
  const { rejectUnauthorized, servername } = given;
  // SNI has no place for an address (RFC 6066 §3).
  const isName = typeof servername === 'string' && SERVER_NAME.test(servername) && isIP(servername) === 0;
  if (servername !== undefined && !isName) throw wrong('hostTls.servername', 'be a host name', servername);
  if (rejectUnauthorized !== undefined && typeof rejectUnauthorized !== 'boolean') {
    throw wrong('hostTls.rejectUnauthorized', 'be a boolean', rejectUnauthorized);
  }
}

/** Node accepts any text as `ca`. If the text holds no certificate, no host is trusted. */
function checkAuthorities(ca: NonNullable<HostTls['ca']>): void {
  const expected = 'hold certificates in PEM';
  check('ca', expected, { ca });
  for (const part of Array.isArray(ca) ? ca : [ca]) {
    const certificates = Buffer.from(part).toString('latin1').match(CERTIFICATE);
    if (!certificates) throw new TypeError(`'hostTls.ca' must ${expected}: there is none`);
    for (const certificate of certificates) attempt('ca', expected, () => new X509Certificate(certificate));
  }
}

function check(name: keyof HostTls, expected: string, part: HostTls): void {
  attempt(name, expected, () => createSecureContext(part));
}

function attempt(name: keyof HostTls, expected: string, make: () => unknown): void {
  try {
    make();
  } catch (error) {
    // Node's message about a wrong type shows the received value.
    const isOfType = Reflect.get(Object(error), 'code') === 'ERR_INVALID_ARG_TYPE';
    const reason = isOfType ? 'it is of another type' : toError(error).message;
    throw new TypeError(`'hostTls.${name}' must ${expected}: ${reason}`);
  }
}
