import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { isObject, isPlainObject, toError, wrong } from '../base/checks';

/** TLS options towards `https://` hosts: these of Node's `tls.createSecureContext()`, and one more. */
export interface HostTls
  extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'ciphers' | 'minVersion'> {
  /** Refuses a host whose certificate is not trusted. @default true */
  rejectUnauthorized?: boolean | undefined;
}

const NAMES = [
  'ca', 'cert', 'key', 'passphrase', 'ciphers', 'minVersion', 'rejectUnauthorized',
] satisfies (keyof HostTls)[];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/**
 * What is of no use would only be found when the first `https://` host is connected to, and end the process. So a
 * context is made of each part by itself, which tells which one it is, and then of those that have to fit together.
 *
 * @throws TypeError that names the option. What was received may be a secret, and is not shown.
 */
export function hostTlsOf(value: unknown = {}): HostTls {
  if (!isObject(value)) throw wrong('hostTls', 'be an object', value);
  if (!isPlainObject(value)) throw new TypeError("'hostTls' must be a plain object, as in { ca: '…' }");
  for (const key of Object.keys(value)) {
    if (!NAMES.some((name) => name === key)) {
      throw new TypeError(`'hostTls.${key}' is not an option; expected ${NAMES.join(', ')}`);
    }
  }
  // Only what is given: also one that is `undefined` would stand in the place of Node's default.
  const given: HostTls = Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
  checkTypes(given);
  const { ca, cert, key, passphrase, ciphers, minVersion } = given;
  if (ca !== undefined) checkAuthorities(ca);
  if (cert !== undefined) check('cert', 'hold a certificate and those above it, in PEM', { cert });
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
  check('key', "fit to 'hostTls.cert'", given);
  return given;
}

/** Node takes what is empty, as well as some of what is of another type, for what is not given. */
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
  const { rejectUnauthorized } = given;
  if (rejectUnauthorized !== undefined && typeof rejectUnauthorized !== 'boolean') {
    throw wrong('hostTls.rejectUnauthorized', 'be a boolean', rejectUnauthorized);
  }
}

/** A context takes any text as that of authorities, finds none in it, and then trusts nobody. */
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
    // Node's message on a type shows what was received.
    const isOfType = Reflect.get(Object(error), 'code') === 'ERR_INVALID_ARG_TYPE';
    const reason = isOfType ? 'it is of another type' : toError(error).message;
    throw new TypeError(`'hostTls.${name}' must ${expected}: ${reason}`);
  }
}
