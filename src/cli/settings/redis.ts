import { readText, SettingsError } from './sources';
import type { Value } from './values';

/** The files of TLS, read. */
export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: false;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where the bindings are, and how to get there. Plain data, since workers are sent it. */
export interface RedisSettings {
  /** What `addresses` lead to: one server, nodes of a Redis Cluster, or Sentinels. */
  readonly kind: 'server' | 'cluster' | 'sentinel';
  /** Not empty, unless there is a `socket`. */
  readonly addresses: readonly Address[];
  /** The path of a Unix socket. */
  readonly socket: string | undefined;
  /** What Sentinels call the primary. */
  readonly primary: string | undefined;
  /** `undefined` without TLS. */
  readonly tls: RedisTls | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  readonly database: number;
  /** All of that without anything secret, for the log. */
  readonly place: string;
}

/** Flags that mean nothing without `--redis`. */
const FLAGS_OF_REDIS = [
  'redis-cluster', 'redis-sentinel', 'redis-password-file', 'redis-ca', 'redis-cert', 'redis-key', 'redis-insecure',
];
const FLAGS_OF_TLS = ['redis-ca', 'redis-cert', 'redis-key', 'redis-insecure'];

const PORTS = { server: 6379, cluster: 6379, sentinel: 26_379 };

/** Redis takes no larger number. */
const MAX_DATABASE = 2 ** 31 - 1;
const NO_DATABASE = `must have a database from 0 to ${MAX_DATABASE}`;

const NO_QUERY = "must have no '?' and no '#': a database is written as in redis://localhost:6379/3, " +
  "and in a password '?' as %3F and '#' as %23";

type Values = ReadonlyMap<string, Value>;

/** One entry of `--redis`. */
interface Entry {
  readonly address: Address | undefined;
  readonly socket: string | undefined;
  readonly tls: boolean;
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

/**
 * Where `--redis` and the flags beside it lead; `undefined` without `--redis`. The certificates were checked before.
 *
 * @throws SettingsError without any part of `--redis`, which may hold a password.
 */
export function redisOf(values: Values): RedisSettings | undefined {
  const [redis, store] = [values.get('redis'), values.get('store')];
  if (!redis) {
    if (store?.value === 'redis') throw new SettingsError(`${store.label}: redis needs --redis too`);
    for (const { label } of given(values, FLAGS_OF_REDIS)) throw new SettingsError(`${label} needs --redis too`);
    return undefined;
  }
  if (store && store.value !== 'redis') {
    throw new SettingsError(`${store.label}: ${String(store.value)} excludes ${redis.label}`);
  }
  const kind = kindOf(values);
  const [first, ...others] = entriesOf(redis, kind);
  checkAlike(first, others, redis.label);
  checkKind(first, kind, values, redis.label);
  const addresses = [first, ...others].flatMap(({ address }) => (address ? [address] : []));
  const primary = textOf(values, 'redis-sentinel');
  const { socket, database } = first;
  return {
    kind, addresses, socket, primary, database,
    tls: first.tls ? tlsOf(values) : undefined,
    username: first.username || undefined,
    password: first.password || undefined,
    passwordFile: passwordFileOf(values, first, redis.label),
    place: placeOf(kind, first, addresses, primary),
  };
}

function given(values: Values, names: readonly string[]): Value[] {
  return names.flatMap((name) => {
    const value = values.get(name);
    return value && value.value !== false ? [value] : [];
  });
}

function kindOf(values: Values): RedisSettings['kind'] {
  const [cluster] = given(values, ['redis-cluster']);
  const sentinel = values.get('redis-sentinel');
  if (cluster && sentinel) throw new SettingsError(`${cluster.label} excludes ${sentinel.label}`);
  return cluster ? 'cluster' : sentinel ? 'sentinel' : 'server';
}

function entriesOf({ value, label }: Value, kind: RedisSettings['kind']): [Entry, ...Entry[]] {
  const text = String(value);
  const texts = kind === 'server' ? [text] : text.split(',').map((each) => each.trim()).filter(Boolean);
  const scheme = /^(\w+:\/\/)/.exec(texts[0] ?? '')?.[1] ?? 'redis://';
  const entries = texts.map((each, i) => {
    // One Redis has to be a whole URL, as it always had.
    const isBare = kind !== 'server' && !each.includes('://') && !each.startsWith('/');
    const entry = entryOf(isBare ? scheme + each : each, PORTS[kind]);
    if (typeof entry === 'object') return entry;
    const place = kind === 'server' ? '' : ` (number ${i + 1})`;
    if (entry !== undefined) throw new SettingsError(`${label}${place} ${entry}`);
    throw new SettingsError(`${label} ${expectedOf(text, kind, i)}`);
  });
  const [first, ...others] = entries;
  if (first) return [first, ...others];
  throw new SettingsError(`${label} ${expectedOf(text, kind, 0)}`);
}

/** Does not show the text, which may hold a password. */
function expectedOf(text: string, kind: RedisSettings['kind'], index: number): string {
  if (kind !== 'server') {
    const what = kind === 'cluster' ? 'a node' : 'a Sentinel';
    const example = `redis://a.example:${PORTS[kind]},b.example:${PORTS[kind]}`;
    return `(number ${index + 1}) must be the address of ${what}, as in ${example}`;
  }
  const expected = 'must be the URL of one Redis, as in redis://localhost:6379';
  return text.includes(',') ? `${expected}; several need --redis-cluster or --redis-sentinel` : expected;
}

/** `undefined` for anything that is no address of a Redis. A text says what else is wrong, and shows nothing of it. */
function entryOf(text: string, defaultPort: number): Entry | string | undefined {
  try {
    if (/^(?:unix:\/\/|\/)/i.test(text)) return checkedSocket(text);
    if (!/^rediss?:\/\//i.test(text)) return undefined;
    // Before it is parsed: in a password, these would end the name of the host.
    if (/[?#]/.test(text)) return NO_QUERY;
    const { protocol, hostname, port, pathname, username, password } = new URL(text);
    if (hostname === '' || !/^(?:\/\d*)?$/.test(pathname)) return undefined;
    if (port === '0') return 'must have a port from 1 to 65535';
    if (Number(pathname.slice(1)) > MAX_DATABASE) return NO_DATABASE;
    return {
      address: { host: hostname.replace(/^\[(.+)\]$/, '$1'), port: port === '' ? defaultPort : Number(port) },
      socket: undefined,
      tls: protocol === 'rediss:',
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: Number(pathname.slice(1)),
    };
  } catch {
    return undefined;
  }
}

function checkedSocket(text: string): Entry | string | undefined {
  const entry = socketOf(text);
  return entry && entry.database > MAX_DATABASE ? NO_DATABASE : entry;
}

/** A Unix socket: its path alone, or `unix://[user[:password]@]/path[?db=n]`. */
function socketOf(text: string): Entry | undefined {
  if (/^\/./.test(text)) {
    return { address: undefined, socket: text, tls: false, username: '', password: '', database: 0 };
  }
  const found = /^unix:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(\/[^?#]+)(?:\?db=(\d+))?$/i.exec(text);
  if (!found) return undefined;
  const [, username = '', password = '', path = '', database = '0'] = found;
  return {
    address: undefined,
    socket: decodeURIComponent(path),
    tls: false,
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: Number(database),
  };
}

/** What the first entry says counts for all. */
function checkAlike(first: Entry, others: readonly Entry[], label: string): void {
  others.forEach((entry, i) => {
    const names = ['username', 'password', 'database'] as const;
    const differs = names.some((name) => entry[name] && entry[name] !== first[name]);
    if (!differs && entry.tls === first.tls && entry.socket === undefined) return;
    throw new SettingsError(`${label} (number ${i + 2}) must have the scheme, user, password and database of number 1`);
  });
}

function checkKind({ socket, tls, database }: Entry, kind: RedisSettings['kind'], values: Values, label: string): void {
  if (socket !== undefined && kind !== 'server') {
    throw new SettingsError(`${label} must not be a Unix socket with ${kindLabel(kind, values)}`);
  }
  if (kind === 'cluster' && database !== 0) {
    throw new SettingsError(`${label} must not name a database: a Redis Cluster has none but 0`);
  }
  const [ofTls] = given(values, FLAGS_OF_TLS);
  if (!tls && ofTls) throw new SettingsError(`${ofTls.label} needs a rediss:// URL in ${label}`);
}

function kindLabel(kind: 'cluster' | 'sentinel', values: Values): string {
  return values.get(`redis-${kind}`)?.label ?? `--redis-${kind}`;
}

function textOf(values: Values, name: string): string | undefined {
  const value = values.get(name)?.value;
  return typeof value === 'string' ? value : undefined;
}

function tlsOf(values: Values): RedisTls {
  const [ca, cert, key] = ['redis-ca', 'redis-cert', 'redis-key'].map((name) => textOf(values, name));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(values.get('redis-insecure')?.value === true ? { rejectUnauthorized: false } : {}),
  };
}

function passwordFileOf(values: Values, { password }: Entry, label: string): string | undefined {
  const file = values.get('redis-password-file');
  if (!file) return undefined;
  if (password !== '') throw new SettingsError(`${file.label} excludes a password in ${label}`);
  const path = String(file.value);
  passwordIn(readText(path, file.label), file.label);
  return path;
}

/**
 * The password in a file's text: its first and only line.
 *
 * @throws SettingsError that does not show it.
 */
export function passwordIn(text: string, label: string): string {
  const password = text.replace(/\r?\n$/, '');
  if (password !== '' && !/[\r\n]/.test(password)) return password;
  throw new SettingsError(`${label} must hold the password in one line`);
}

function placeOf(
  kind: RedisSettings['kind'], { socket, tls, database }: Entry, addresses: readonly Address[], primary = '',
): string {
  if (socket !== undefined) return `unix://${socket}${database === 0 ? '' : `?db=${database}`}`;
  const hosts = addresses.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  const before = kind === 'server' ? '' : kind === 'cluster' ? 'the cluster of ' : `'${primary}' of the Sentinels `;
  return `${before}redis${tls ? 's' : ''}://${hosts}${database === 0 ? '' : `/${database}`}`;
}
