import { X509Certificate } from 'node:crypto';
import { accessSync, closeSync, constants, existsSync, openSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import { resolveOptions, type ResolvedOptions } from '../../options/options';
import type { PartialProxyOptions } from '../../options/proxy-options';
import type { Certificate } from '../../serving/server';
import { ownStore } from '../own-store';
import { byName, FLAGS } from './flags';
import { redisOf, type RedisSettings } from './redis';
import { sidSecretsOf } from './sid-secrets';
import { fromCommandLine, fromEnvironment, fromFile, SettingsError } from './sources';
import { parse, parsed, wrong, type Value } from './values';

/** The library's options, except those that hold objects. */
export type Options = Omit<PartialProxyOptions, 'redisClient' | 'store' | 'server'>;

export interface TlsPair extends Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** The format and the target of the access log. */
export interface AccessLogOptions {
  readonly format: 'json' | 'common';
  /** A file to append to, or a file descriptor, such as 1 for the standard output. */
  readonly target: string | number;
}

/** The flags for members of `hostTls`. */
const HOST_TLS = { ca: 'host-ca', cert: 'host-cert', key: 'host-key', servername: 'host-servername' };

/** The validated settings of the command. */
export interface Settings {
  readonly options: Options;
  /** `options` with defaults applied. Without the store, which is made when the proxy is. */
  readonly resolved: Omit<ResolvedOptions, 'store'>;
  readonly bind: string | undefined;
  readonly port: number;
  /** The number of processes that serve. */
  readonly workers: number;
  readonly redis: RedisSettings | undefined;
  /** The secrets of the sids' tokens, for `--store sid`. */
  readonly sidSecrets: readonly string[] | undefined;
  /** Whether the command is a member of the fleet. */
  readonly fleet: boolean;
  readonly tls: TlsPair | undefined;
  readonly log: 'text' | 'json';
  readonly accessLog: AccessLogOptions | undefined;
  readonly quiet: boolean;
  /** The value of every flag; for files, the content, unless they are read again by themselves. */
  readonly flagValues: ReadonlyMap<string, unknown>;
  /** The paths of the files, by flag. */
  readonly files: ReadonlyMap<string, string>;
}

/** A request for text instead of a proxy. */
export type Request = 'help' | 'version';

/**
 * Flags override the environment, which overrides the file, which overrides defaults. Reads files and opens nothing
 * else.
 *
 * @throws SettingsError for any invalid setting, even if another place overrides it.
 */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv): Settings | Request {
  const flags = parsed(fromCommandLine(args));
  for (const request of ['help', 'version'] as const) if (flags.get(request)?.value === true) return request;
  const environment = parsed(fromEnvironment(env));
  const config = flags.get('config') ?? environment.get('config');
  const file = config && parsed(fromFile(String(config.value), config.label));
  return settingsOf(new Map([...file ?? [], ...environment, ...flags]));
}

function settingsOf(values: ReadonlyMap<string, Value>): Settings {
  const valueOf = (name: string): unknown => values.get(name)?.value ?? fallbackOf(name);
  checkCertificates(values, 'redis');
  const redis = redisOf(values);
  const sidSecrets = sidSecretsOf(values);
  const options = optionsOf(values);
  const resolved = resolve(options, sidSecrets, values);
  const bind = bindOf(values);
  const port = Number(valueOf('port'));
  checkPorts(port, bind, resolved, values);
  return {
    options,
    resolved,
    bind,
    port,
    workers: workersOf(values, redis !== undefined || sidSecrets !== undefined),
    redis,
    sidSecrets,
    fleet: fleetOf(values, redis),
    tls: pairOf(values, 'tls-cert', 'tls-key'),
    log: valueOf('log') === 'json' ? 'json' : 'text',
    accessLog: accessLogOf(values),
    quiet: valueOf('quiet') === true,
    flagValues: new Map(FLAGS.map(({ name }) => [name, valueOf(name)])),
    files: new Map([...values].flatMap(([name, { path }]) => (path === undefined ? [] : [[name, path]]))),
  };
}

/** Checks only the form of a name: it is looked up when the proxy listens. */
function bindOf(values: ReadonlyMap<string, Value>): string | undefined {
  const bind = values.get('bind');
  if (!bind) return undefined;
  const address = String(bind.value);
  if (isIP(address) === 0 && !/^[\w-]+(?:\.[\w-]+)*\.?$/.test(address)) {
    throw wrong(bind.label, 'be an address or a name, as in 127.0.0.1, ::1 or localhost', address);
  }
  return address;
}

/** @throws SettingsError if the admin server and the proxy would listen on the same port. */
function checkPorts(
  port: number, bind: string | undefined, { admin }: Settings['resolved'], values: ReadonlyMap<string, Value>,
): void {
  const everywhere = [undefined, '::', '0.0.0.0'];
  if (!admin || port === 0 || admin.port !== port) return;
  if (bind !== admin.bind && !everywhere.includes(bind) && !everywhere.includes(admin.bind)) return;
  const [label, other] = [labelOf('admin-port', values), labelOf('port', values)];
  throw new SettingsError(`${label} must differ from ${other}: both are ${port}`);
}

function accessLogOf(values: ReadonlyMap<string, Value>): AccessLogOptions | undefined {
  const [format, file] = [values.get('access-log'), values.get('access-log-file')];
  if (!format) {
    if (file) throw new SettingsError(`${file.label} needs --access-log too`);
    return undefined;
  }
  if (file) checkAppendable(String(file.value), file.label);
  return { format: format.value === 'json' ? 'json' : 'common', target: file ? String(file.value) : 1 };
}

/** Creates no file: whether it may be made is asked of its folder. */
function checkAppendable(path: string, label: string): void {
  try {
    if (existsSync(path)) closeSync(openSync(path, 'a'));
    else accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new SettingsError(`${label} cannot be written: ${messageOf(error)}`);
  }
}

/** @param isShared whether every process finds every session. */
function workersOf(values: ReadonlyMap<string, Value>, isShared: boolean): number {
  const given = values.get('workers');
  const workers = Number(given?.value ?? 1);
  if (workers === 1 || isShared) return workers;
  const reason = 'with bindings in memory, each would know only its own sessions';
  throw new SettingsError(`${given?.label}: ${workers} workers need --redis or --store sid; ${reason}`);
}

function fleetOf(values: ReadonlyMap<string, Value>, redis: RedisSettings | undefined): boolean {
  const given = values.get('fleet');
  if (given?.value === true && !redis) throw new SettingsError(`${given.label} needs --redis too`);
  return redis !== undefined && given?.value !== false;
}

function fallbackOf(name: string): unknown {
  const flag = byName.get(name);
  return flag?.fallback === undefined ? undefined : parse(flag, { value: flag.fallback, label: '' }).value;
}

function optionsOf(values: ReadonlyMap<string, Value>): Options {
  const given: Record<string, unknown> = {};
  for (const { name, option = '' } of FLAGS) {
    const value = values.get(name)?.value;
    const [outer = '', inner] = option.split('.');
    if (outer === '' || value === undefined) continue;
    given[outer] = inner === undefined ? value : { ...Object(given[outer]), [inner]: value };
  }
  const hostTls = Object.fromEntries(Object.entries(HOST_TLS).flatMap(
    ([option, name]) => (values.has(name) ? [[option, values.get(name)?.value]] : []),
  ));
  if (values.get('host-insecure')?.value === true) hostTls.rejectUnauthorized = false;
  // `resolve` lets the library validate the values.
  return { hosts: [], ...given, hostTls };
}

/** Lets the library validate its options: hosts, paths and combinations. The store is given only for that. */
function resolve(
  options: Options, sidSecrets: Settings['sidSecrets'], values: ReadonlyMap<string, Value>,
): Settings['resolved'] {
  if (!values.has('hosts') && !values.has('discover')) {
    throw new SettingsError('--hosts is mandatory, as in --hosts localhost:3000,localhost:3001');
  }
  checkCertificates(values, 'host');
  checkAdmin(values);
  try {
    return resolveOptions({ ...options, store: ownStore({ sidSecrets }) });
  } catch (error) {
    throw new SettingsError(withFlagNames(messageOf(error), values));
  }
}

function checkAdmin(values: ReadonlyMap<string, Value>): void {
  if (values.has('admin-port')) return;
  const lost = ['admin-bind', 'admin-token', 'admin-hosts'].find((name) => values.has(name));
  if (lost !== undefined) throw new SettingsError(`${values.get(lost)?.label} needs --admin-port too`);
}

/** Turns the library's `'hosts[1].weight' must…` into `--hosts (number 2: weight) must…`. */
function withFlagNames(message: string, values: ReadonlyMap<string, Value>): string {
  const [named, option, index, member] = /^'([\w.]+)(?:\[(\d+)\](?:\.(\w+))?)?'/.exec(message) ?? [];
  const label = labelOfOption(option, values);
  if (named === undefined || label === undefined) return message;
  const place = index === undefined ? '' : ` (number ${Number(index) + 1}${member === undefined ? '' : `: ${member}`})`;
  // Replaces the name of a second option in the message too.
  const rest = message.slice(named.length)
    .replace(/'[\w.]+'(?= is |, )/, (quoted) => labelOfOption(quoted.slice(1, -1), values) ?? quoted);
  return label + place + rest;
}

/** The name under which a flag was given, or else its own. */
function labelOf(name: string, values: ReadonlyMap<string, Value>): string {
  return values.get(name)?.label ?? `--${name}`;
}

/** The same for an option of the library; `undefined` if there is no flag for it. */
function labelOfOption(option: string | undefined, values: ReadonlyMap<string, Value>): string | undefined {
  const ofHostTls = Object.entries(HOST_TLS).find(([name]) => option === `hostTls.${name}`)?.[1];
  const name = ofHostTls ?? FLAGS.find((candidate) => candidate.option === option)?.name;
  return name === undefined ? undefined : labelOf(name, values);
}

/** A certificate and its key; `undefined` if neither is given. */
function pairOf(values: ReadonlyMap<string, Value>, certName: string, keyName: string): TlsPair | undefined {
  const [cert, key] = [values.get(certName), values.get(keyName)];
  if (cert && !key) throw new SettingsError(`${cert.label} needs --${keyName} too`);
  if (key && !cert) throw new SettingsError(`${key.label} needs --${certName} too`);
  if (cert?.path === undefined || key?.path === undefined) return undefined;
  const pair = { certFile: cert.path, keyFile: key.path, cert: String(cert.value), key: String(key.value) };
  return checkedPair(pair, cert.label, key.label);
}

/** Checks the certificates for connections of the proxy's own. */
function checkCertificates(values: ReadonlyMap<string, Value>, of: 'host' | 'redis'): void {
  pairOf(values, `${of}-cert`, `${of}-key`);
  const ca = values.get(`${of}-ca`);
  if (ca) checkCertificate(String(ca.value), ca.label);
}

/** @throws SettingsError if the pair is not a certificate and its key. */
export function checkedPair(pair: TlsPair, certLabel: string, keyLabel: string): TlsPair {
  checkCertificate(pair.cert, certLabel);
  try {
    createSecureContext({ cert: pair.cert, key: pair.key });
    return pair;
  } catch (error) {
    if (pair.key.includes('ENCRYPTED')) {
      throw new SettingsError(`${keyLabel} is encrypted; a key with a passphrase cannot be used`);
    }
    throw new SettingsError(`${keyLabel} does not hold the key of ${certLabel}: ${messageOf(error)}`);
  }
}

/** Checks that the text holds a certificate: a secure context silently ignores any other text as a CA. */
function checkCertificate(text: string, label: string): void {
  try {
    new X509Certificate(text);
  } catch (error) {
    throw new SettingsError(`${label} holds no certificate (PEM): ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
