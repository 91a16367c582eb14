import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { adminOptionsOf, type ResolvedAdminOptions } from '../admin/options';
import { integerOf, isObject, isPlainObject, MAX_DELAY, wrong } from '../base/checks';
import type { ForwarderOptions } from '../forwarding/forwarder';
import { trustProxyOf } from '../base/trusted-networks';
import { checkPathOf, checkStatusOf } from '../hosts/check-options';
import type { DiscoveryOptions } from '../hosts/discovery';
import type { HealthOptions } from '../hosts/health-checker';
import type { Host } from '../hosts/host';
import { balanceOf, discoverOf, hostsOf } from '../hosts/host-options';
import { hostTlsOf } from '../hosts/host-tls';
import type { HostsOptions } from '../hosts/hosts';
import type { OperationsOptions } from '../operating/operations';
import { movesPerMinuteOf } from '../operating/pace';
import type { AdmissionOptions } from '../routing/admission';
import type { RouterOptions } from '../routing/router';
import type { HealthPathOptions } from '../serving/health-path';
import type { PipelineOptions } from '../serving/pipelines';
import type { ServerLimits } from '../serving/server';
import type { BindingsOptions } from '../sessions/bindings';
import type { FleetStore } from '../fleet/fleet-store';
import { RedisFleet } from '../fleet/redis-fleet';
import { RedisStore } from '../sessions/redis-store';
import type { SessionStore } from '../sessions/session-store';
import type { PartialProxyOptions } from './proxy-options';

/** All options with their defaults applied: those of the parts, and those of the proxy as a whole. */
export interface ResolvedOptions extends
  HealthOptions, HostsOptions, DiscoveryOptions, BindingsOptions, RouterOptions, AdmissionOptions, ForwarderOptions,
  ServerLimits, HealthPathOptions, PipelineOptions, OperationsOptions {
  readonly store: SessionStore;
  /** Where the members of the fleet meet; `undefined` for no fleet. */
  readonly fleet: FleetStore | undefined;
  readonly keyPrefix: string;
  readonly hosts: readonly Host[];
  /** In ms. */
  readonly shutdownDelay: number;
  /** In ms. */
  readonly drainTimeout: number;
  readonly server: HttpServer | HttpsServer | undefined;
  readonly admin: ResolvedAdminOptions | undefined;
}

/** Options that apply only to the server that the proxy creates itself. */
export const SERVER_OPTIONS = ['maxHeaderSize', 'headersTimeout', 'requestTimeout', 'keepAliveTimeout'] as const;

const NAMES = new Set<string>([
  'redisClient', 'store', 'hosts', 'discover', 'path', 'checkInterval', 'checkTimeout', 'checkPath', 'checkStatus',
  'unhealthyAfter', 'healthyAfter', 'balance', 'hashBy', 'slowStart', 'maxSessions',
  'keyPrefix', 'keyExpiry', 'cacheSize', 'storeTimeout',
  'onStoreFailure', 'connectTimeout', 'hostTimeout', 'hostKeepAlive', 'healthPath', 'shutdownDelay', 'drainTimeout',
  'fastPath', 'xfwd', 'trustProxy', 'proxyProtocol', 'requestId', 'changeOrigin', 'hostTls', 'server',
  'maxHandshakesPerSecond', 'maxHandshakesPerAddress', 'maxConnectionsPerAddress', 'maxQueuedHandshakes',
  'handshakeQueueTimeout', 'rebalance', 'fleet', 'admin', ...SERVER_OPTIONS,
] satisfies (keyof PartialProxyOptions)[]);

/**
 * @param ownsServer the `server` is as one that the proxy has made.
 * @throws TypeError that names the option, what was expected and what was received.
 */
export function resolveOptions(options: PartialProxyOptions, ownsServer = false): ResolvedOptions {
  checkNames(options);
  const keyPrefix = keyPrefixOf(options.keyPrefix);
  const store = storeOf(options, keyPrefix);
  const discover = discoverOf(options.discover, options.hosts);
  const hosts = discover ? [] : hostsOf(options.hosts);
  const path = pathOf(options.path);
  const headersTimeout = integer(options, 'headersTimeout', 20_000, 1, MAX_DELAY);
  return {
    store, tokens: store.tokens, keyPrefix, hosts, discover, path,
    fleet: fleetOf(options, store, keyPrefix),
    healthPath: healthPathOf(options.healthPath, path),
    checkInterval: integer(options, 'checkInterval', 2000, 1, MAX_DELAY),
    checkTimeout: integer(options, 'checkTimeout', 1000, 1, MAX_DELAY),
    checkPath: checkPathOf(options.checkPath),
    checkStatus: checkStatusOf(options.checkStatus),
    unhealthyAfter: integer(options, 'unhealthyAfter', 1, 1, 1000),
    healthyAfter: integer(options, 'healthyAfter', 1, 1, 1000),
    balance: balanceOf(options.balance, options.hashBy),
    slowStart: integer(options, 'slowStart', 0, 0, MAX_DELAY),
    maxSessions: optional(options, 'maxSessions', 1, 10_000_000),
    keyExpiry: integer(options, 'keyExpiry', 60, 1, MAX_DELAY),
    cacheSize: integer(options, 'cacheSize', 100_000, 1, 10_000_000),
    storeTimeout: integer(options, 'storeTimeout', 1000, 1, MAX_DELAY),
    onStoreFailure: onStoreFailureOf(options.onStoreFailure),
    connectTimeout: integer(options, 'connectTimeout', 2000, 1, MAX_DELAY),
    hostTimeout: integer(options, 'hostTimeout', 120_000, 1, MAX_DELAY),
    hostKeepAlive: optional(options, 'hostKeepAlive', 0, MAX_DELAY),
    shutdownDelay: integer(options, 'shutdownDelay', 0, 0, MAX_DELAY),
    drainTimeout: integer(options, 'drainTimeout', 10_000, 0, MAX_DELAY),
    xfwd: boolean(options, 'xfwd', true),
    trustProxy: trustProxyOf(options.trustProxy),
    proxyProtocol: proxyProtocolOf(options, ownsServer),
    requestId: boolean(options, 'requestId', false),
    changeOrigin: boolean(options, 'changeOrigin', true),
    hostTls: hostTlsOf(options.hostTls),
    server: serverOf(options),
    maxHeaderSize: integer(options, 'maxHeaderSize', 16_384, 1024, MAX_DELAY),
    headersTimeout,
    requestTimeout: integer(options, 'requestTimeout', Math.max(120_000, headersTimeout), headersTimeout, MAX_DELAY),
    keepAliveTimeout: integer(options, 'keepAliveTimeout', 75_000, 1, MAX_DELAY),
    fastPath: boolean(options, 'fastPath', true),
    ...handshakeLimitsOf(options),
    maxConnectionsPerAddress: maxConnectionsOf(options, ownsServer),
    rebalance: rebalanceOf(options.rebalance),
    admin: adminOptionsOf(options.admin),
  };
}

function checkNames(options: unknown): void {
  if (!isObject(options)) throw wrong('options', 'be an object', options);
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw new TypeError(`'${name}' is not an option; expected ${[...NAMES].join(', ')}`);
  }
}

function handshakeLimitsOf(
  options: PartialProxyOptions,
): AdmissionOptions & Pick<ResolvedOptions, 'maxHandshakesPerAddress'> {
  return {
    maxHandshakesPerSecond: rateOf('maxHandshakesPerSecond', options.maxHandshakesPerSecond),
    maxHandshakesPerAddress: rateOf('maxHandshakesPerAddress', options.maxHandshakesPerAddress),
    maxQueuedHandshakes: integer(options, 'maxQueuedHandshakes', 1000, 0, 1_000_000),
    handshakeQueueTimeout: integer(options, 'handshakeQueueTimeout', 5000, 1, MAX_DELAY),
  };
}

function rateOf(name: 'maxHandshakesPerSecond' | 'maxHandshakesPerAddress', rate: unknown): number | undefined {
  if (rate === undefined || (typeof rate === 'number' && rate > 0 && rate <= 100_000)) return rate;
  throw wrong(name, 'be a number above 0 and up to 100000', rate);
}

function rebalanceOf(rebalance: unknown): ResolvedOptions['rebalance'] {
  if (rebalance === undefined) return undefined;
  if (!isPlainObject(rebalance)) throw wrong('rebalance', 'be an object', rebalance);
  for (const key of Object.keys(rebalance)) {
    if (key !== 'perMinute') throw new TypeError(`'rebalance.${key}' is not an option; expected perMinute`);
  }
  return { perMinute: movesPerMinuteOf('rebalance.perMinute', Reflect.get(rebalance, 'perMinute')) };
}

function fleetOf(options: PartialProxyOptions, store: SessionStore, keyPrefix: string): FleetStore | undefined {
  if (!boolean(options, 'fleet', false)) return undefined;
  if (!(store instanceof RedisStore)) throw wrong('fleet', "be left out where there is no 'redisClient'", true);
  return new RedisFleet((script, keys, args) => store.evaluate(script, keys, args), keyPrefix);
}

function keyPrefixOf(keyPrefix: unknown = 'socket.io#'): string {
  if (typeof keyPrefix !== 'string') throw wrong('keyPrefix', 'be a string', keyPrefix);
  return keyPrefix;
}

function storeOf({ redisClient, store }: PartialProxyOptions, keyPrefix: string): SessionStore {
  if (store === undefined) {
    // The original's message: users may match on it.
    if (!redisClient) throw new TypeError("'redisClient' is mandatory!");
    return new RedisStore(redisClient, keyPrefix);
  }
  if (redisClient !== undefined) throw wrong('store', "be left out where 'redisClient' is given", store);
  const isStore = isObject(store) &&
    ['bind', 'find', 'unbind'].every((method) => typeof Reflect.get(store, method) === 'function');
  if (!isStore) throw wrong('store', 'have the methods bind, find and unbind', store);
  const { tokens } = store;
  const hasTokens = isObject(tokens) && ['add', 'cut'].every((name) => typeof Reflect.get(tokens, name) === 'function');
  if (tokens !== undefined && !hasTokens) throw wrong('store.tokens', 'have the methods add and cut', tokens);
  return store;
}

/** Rejects a path that no request could have, since URL parsing would change it. */
function pathOf(path: unknown = '/socket.io/'): string {
  if (typeof path === 'string' && path.startsWith('/') && !path.includes('%') && isUrlPath(path)) {
    return path.endsWith('/') ? path : `${path}/`;
  }
  const expected = "be a string that begins with '/', in visible ASCII without '?', '#' and '%'";
  throw wrong('path', `${expected}, and without '.' and '..' as segments`, path);
}

function healthPathOf(healthPath: unknown, path: string): string | undefined {
  if (healthPath === undefined) return undefined;
  const expected = "be a string that begins with '/', in visible ASCII without '?', '#' and '%'";
  const isPath = typeof healthPath === 'string' && /^\/[^%?#]*$/.test(healthPath) && isUrlPath(healthPath);
  if (!isPath) throw wrong('healthPath', expected, healthPath);
  if (`${healthPath}/`.startsWith(path)) throw wrong('healthPath', `not lie under 'path', ${path}`, healthPath);
  return healthPath;
}

function isUrlPath(path: string): boolean {
  return new URL(`http://localhost${path}`).pathname === path;
}

function proxyProtocolOf(options: PartialProxyOptions, ownsServer: boolean): boolean {
  const isOn = boolean(options, 'proxyProtocol', false);
  if (!isOn) return false;
  checkOwn(options, ownsServer, 'proxyProtocol');
  if (trustProxyOf(options.trustProxy) !== false) return true;
  throw wrong('proxyProtocol', "be left out where 'trustProxy' is false", true);
}

function maxConnectionsOf(options: PartialProxyOptions, ownsServer: boolean): number | undefined {
  const most = optional(options, 'maxConnectionsPerAddress', 1, 1_000_000);
  if (most !== undefined) checkOwn(options, ownsServer, 'maxConnectionsPerAddress');
  return most;
}

/** @throws TypeError if the server is a caller's: others may listen for connections there. */
function checkOwn({ server, ...options }: PartialProxyOptions, ownsServer: boolean, name: keyof typeof options): void {
  if (server && !ownsServer) throw wrong(name, "be left out where 'server' is given", options[name]);
}

function onStoreFailureOf(policy: unknown = 'local'): ResolvedOptions['onStoreFailure'] {
  if (policy !== 'local' && policy !== 'refuse') throw wrong('onStoreFailure', "be 'local' or 'refuse'", policy);
  return policy;
}

function serverOf(options: PartialProxyOptions): ResolvedOptions['server'] {
  const server: unknown = options.server;
  if (server === undefined) return undefined;
  if (!(server instanceof HttpServer || server instanceof HttpsServer)) {
    throw wrong('server', 'be an http.Server or https.Server', server);
  }
  for (const name of SERVER_OPTIONS) {
    if (options[name] !== undefined) throw wrong(name, "be left out where 'server' is given", options[name]);
  }
  return server;
}

/** Only `undefined` means unset: `null` is passed on, and rejected as a mistake. */
function given(options: PartialProxyOptions, name: keyof PartialProxyOptions, fallback: unknown): unknown {
  const { [name]: value = fallback } = options as Partial<Record<keyof PartialProxyOptions, unknown>>;
  return value;
}

function integer(
  options: PartialProxyOptions, name: keyof PartialProxyOptions, fallback: number, min: number, max: number,
): number {
  return integerOf(name, given(options, name, fallback), min, max);
}

function boolean(options: PartialProxyOptions, name: keyof PartialProxyOptions, fallback: boolean): boolean {
  const value: unknown = given(options, name, fallback);
  if (typeof value !== 'boolean') throw wrong(name, 'be a boolean', value);
  return value;
}

/** An integer that has no default. */
function optional(
  options: PartialProxyOptions, name: keyof PartialProxyOptions, min: number, max: number,
): number | undefined {
  return options[name] === undefined ? undefined : integer(options, name, min, min, max);
}
