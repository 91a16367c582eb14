import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { MemoryStore, Proxy } from '../../src';
import { resolveOptions } from '../../src/options/options';
import type { ProxyOptions } from '../../src/options/proxy-options';
import { CERT, KEY } from '../support/tls';

const common = { store: new MemoryStore(), hosts: ['https://127.0.0.1:1'] };

/** The message of the TypeError that a proxy with these throws. */
function messageOf(hostTls: unknown): string {
  try {
    new Proxy({ ...common, hostTls } as ProxyOptions);
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return 'no error';
}

const SECRET = 'hunter2';
const { privateKey: ENCRYPTED } = generateKeyPairSync('ec', {
  namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: SECRET },
});
const { privateKey: OTHER_KEY } = generateKeyPairSync('ec', {
  namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const GARBAGE = `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----\n`;

const CERT_EXPECTED = "'hostTls.cert' must hold a certificate chain in PEM: ";
const KEY_EXPECTED = "'hostTls.key' must hold a private key in PEM, which 'passphrase' decrypts where it is encrypted: ";

it.each<[value: object, message: string]>([
  [{ caFile: 'ca.pem' }, "'hostTls.caFile' is not an option; expected ca, cert, key, passphrase, ciphers, minVersion, rejectUnauthorized"],
  [{ serverName: 'a' }, "'hostTls.serverName' is not an option; expected ca, "],
  ...['', ' ', 'a b', 'a..b', '127.0.0.1', '::1', 5, true, null].map((servername): [object, string] => (
    [{ servername }, `'hostTls.servername' must be a host name, received ${inspect(servername)}`]
  )),
  [[CERT], "'hostTls' must be a plain object, as in { ca: '…' }"],
  [[], "'hostTls' must be a plain object"],
  [new Map([['ca', CERT]]), "'hostTls' must be a plain object"],
  [Object.create({ rejectUnauthorized: false }) as object, "'hostTls' must be a plain object"],
  [{ ca: SECRET }, "'hostTls.ca' must hold certificates in PEM: there is none"],
  [{ ca: [CERT, SECRET] }, "'hostTls.ca' must hold certificates in PEM: there is none"],
  [{ ca: KEY }, "'hostTls.ca' must hold certificates in PEM: there is none"],
  [{ ca: GARBAGE }, "'hostTls.ca' must hold certificates in PEM: "],
  [{ ca: CERT + GARBAGE }, "'hostTls.ca' must hold certificates in PEM: "],
  [{ ca: 5 }, "'hostTls.ca' must hold certificates in PEM: it is of another type"],
  [{ ca: {} }, "'hostTls.ca' must hold certificates in PEM: it is of another type"],
  [{ ca: [CERT, 5] }, "'hostTls.ca' must hold certificates in PEM: it is of another type"],
  ...[null, '', false, [], Buffer.alloc(0)].flatMap((empty) => (['ca', 'cert', 'key'] as const).map(
    (name): [object, string] => [{ [name]: empty }, `'hostTls.${name}' must not be empty`],
  )),
  [{ cert: SECRET, key: KEY }, CERT_EXPECTED],
  [{ cert: KEY, key: KEY }, CERT_EXPECTED],
  [{ cert: 5, key: KEY }, CERT_EXPECTED],
  [{ cert: CERT, key: SECRET }, KEY_EXPECTED],
  [{ cert: CERT, key: CERT }, KEY_EXPECTED],
  [{ cert: CERT, key: true }, KEY_EXPECTED],
  [{ cert: CERT, key: ENCRYPTED }, KEY_EXPECTED],
  [{ cert: CERT, key: ENCRYPTED, passphrase: 'wrong' }, KEY_EXPECTED],
  [{ cert: CERT, key: OTHER_KEY }, "'hostTls.key' must match 'hostTls.cert': "],
  [{ cert: CERT, key: ENCRYPTED, passphrase: SECRET }, "'hostTls.key' must match 'hostTls.cert': "],
  [{ cert: CERT }, "'hostTls.key' is mandatory where 'hostTls.cert' is given"],
  [{ key: KEY }, "'hostTls.cert' is mandatory where 'hostTls.key' is given"],
  [{ passphrase: 5 }, "'hostTls.passphrase' must be a string"],
  [{ passphrase: null }, "'hostTls.passphrase' must be a string"],
  [{ ciphers: 'none-of-these' }, "'hostTls.ciphers' must name ciphers that OpenSSL knows: "],
  [{ ciphers: '' }, "'hostTls.ciphers' must be a string"],
  [{ ciphers: ['ECDHE-RSA-AES128-GCM-SHA256'] }, "'hostTls.ciphers' must be a string"],
  [{ minVersion: 'TLSv9' }, "'hostTls.minVersion' must be a version of TLS, as in 'TLSv1.2': "],
  [{ minVersion: 1.2 }, "'hostTls.minVersion' must be a string"],
  [{ minVersion: null }, "'hostTls.minVersion' must be a string"],
  [{ rejectUnauthorized: 'false' }, "'hostTls.rejectUnauthorized' must be a boolean, received 'false'"],
  [{ rejectUnauthorized: 0 }, "'hostTls.rejectUnauthorized' must be a boolean, received 0"],
  [{ rejectUnauthorized: null }, "'hostTls.rejectUnauthorized' must be a boolean, received null"],
].map(([value, message]) => [value, message] as [object, string]))('refuses %j', (value, message) => {
  const actual = messageOf(value);
  expect(actual.slice(0, message.length)).toBe(message);
  expect(actual).not.toContain(SECRET);
});

it.each<[value: object]>([
  [{}],
  [{ ca: CERT }], [{ ca: [CERT, Buffer.from(CERT)] }], [{ ca: `# ours\n${CERT}\n${CERT}` }], [{ ca: new Uint8Array(Buffer.from(CERT)) }],
  [{ cert: CERT, key: KEY }], [{ cert: [CERT], key: [{ pem: KEY }] }], [{ key: Buffer.from(KEY), cert: Buffer.from(CERT), passphrase: '' }],
  [{ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:!aNULL', minVersion: 'TLSv1.2' }],
  [{ rejectUnauthorized: false }], [{ servername: 'chat.example' }],
])('takes %j', (hostTls) => {
  expect(resolveOptions({ ...common, hostTls }).hostTls).toEqual(hostTls);
});

it('takes undefined for what is not given, and keeps what it was given at first', () => {
  const hostTls = { ca: CERT, cert: undefined, key: undefined, ciphers: undefined, rejectUnauthorized: undefined as boolean | undefined };
  const resolved = resolveOptions({ ...common, hostTls }).hostTls;
  hostTls.rejectUnauthorized = false;
  expect(Object.keys(resolved)).toEqual(['ca']);
  expect(inspect(resolved)).not.toContain('undefined');
});
