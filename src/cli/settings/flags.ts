import { BALANCE_NAMES } from '../../hosts/balance';
import type { PartialProxyOptions } from '../../options/proxy-options';

/**
 * How to parse a flag's text. `list`: comma-separated. `networks`: a switch, or such a list. `file`: a path, whose
 * content is the value.
 */
export type FlagType =
  'hosts' | 'list' | 'networks' | 'text' | 'integer' | 'number' | 'boolean' | 'choice' | 'file';

/** A flag of the command. Its names in the environment and in the file are derived from `name`. */
export interface Flag {
  /** Without the leading dashes. */
  readonly name: string;
  readonly group: 'Hosts' | 'Listening' | 'Store' | 'Requests' | 'Operating' | 'Command';
  readonly type: FlagType;
  /** The placeholder of the value in the help: its unit, if it has one. */
  readonly unit: string;
  /** A sentence without its full stop. */
  readonly text: string;
  /** The default, as written on the command line. */
  readonly fallback?: string;
  readonly min?: number;
  readonly max?: number;
  /** The word for the number of processors. */
  readonly perProcessor?: string;
  readonly choices?: readonly string[];
  /** The text for the form `--no-…`, if the help lists that form. */
  readonly negated?: string;
  /** The library's option that takes the value unchanged; `a.b` is `b` of the object `a`. */
  readonly option?: keyof PartialProxyOptions | `${'admin' | 'rebalance'}.${string}`;
  /** The value may contain a password and is never shown. */
  readonly secret?: true;
  /** The file is read again whenever it is needed: its path is the value. */
  readonly reread?: true;
  /** The places where the flag is allowed. By default all. */
  readonly only?: 'flag' | 'flag and environment';
  /** The one-letter form. */
  readonly short?: string;
}

/** The longest delay of a Node timer, in ms, and the largest number that the library accepts. */
const MAX = 2 ** 31 - 1;

type Shape = Omit<Flag, 'name' | 'group' | 'text'>;

const count = (min: number, max: number, fallback: number, unit = 'n'): Shape =>
  ({ type: 'integer', unit, min, max, fallback: String(fallback) });
const ms = (min: number, fallback: number): Shape => count(min, MAX, fallback, 'ms');
const yes = (negated: string): Shape => ({ type: 'boolean', unit: '', fallback: 'true', negated });
const no: Shape = { type: 'boolean', unit: '', fallback: 'false' };
const text = (unit: string, fallback?: string): Shape =>
  ({ type: 'text', unit, ...(fallback === undefined ? {} : { fallback }) });
const choice = (choices: readonly string[], fallback?: string): Shape =>
  ({ type: 'choice', unit: choices.join('|'), choices, ...(fallback === undefined ? {} : { fallback }) });
const file: Shape = { type: 'file', unit: 'file' };

function group(name: Flag['group'], rows: readonly (readonly [name: string, text: string, shape: Shape])[]): Flag[] {
  return rows.map(([flag, sentence, shape]) => ({ name: flag, group: name, text: sentence, ...shape }));
}

/** All flags. A new flag needs only a row here: help, environment, file and checks are derived from it. */
export const FLAGS: readonly Flag[] = [
  ...group('Hosts', [
    ['hosts', 'The Socket.IO servers, comma-separated; host=n gives a host a weight',
      { type: 'hosts', unit: 'list', option: 'hosts' }],
    ['discover', 'Takes the hosts from DNS: dns:NAME:PORT or dns+srv:NAME', { ...text('name'), option: 'discover' }],
    ['path', 'The path of the Socket.IO servers', { ...text('path', '/socket.io/'), option: 'path' }],
    ['balance', 'How to choose the host of a new session',
      { ...choice(BALANCE_NAMES, 'random'), option: 'balance' }],
    ['hash-by', 'What the balance hash goes by: query:NAME, header:NAME or cookie:NAME',
      { ...text('key'), option: 'hashBy' }],
    ['max-sessions', 'A host with this many sessions gets no new one; unlimited if not set',
      { type: 'integer', unit: 'n', min: 1, max: 10_000_000, option: 'maxSessions' }],
    ['slow-start', 'After a host comes up, its weight grows to its full value over this time',
      { ...ms(0, 0), option: 'slowStart' }],
    ['check-interval', 'The pause between two health checks of a host', { ...ms(1, 2000), option: 'checkInterval' }],
    ['check-timeout', 'A health check fails after this time', { ...ms(1, 1000), option: 'checkTimeout' }],
    ['check-path', "Where a health check asks a host; the Socket.IO servers' path if not set",
      { ...text('path'), option: 'checkPath' }],
    ['check-status', 'The statuses of a host that is up, as in 200-299 or 200,204; all below 500 if not set',
      { ...text('list'), option: 'checkStatus' }],
    ['unhealthy-after', 'A host is down after this many failed health checks in a row',
      { ...count(1, 1000, 1), option: 'unhealthyAfter' }],
    ['healthy-after', 'A host is up again after this many good health checks in a row',
      { ...count(1, 1000, 1), option: 'healthyAfter' }],
    ['connect-timeout', 'An attempt to connect to a host fails after this time',
      { ...ms(1, 2000), option: 'connectTimeout' }],
    ['host-timeout', 'The proxy answers with 504 if a host sends nothing for this time',
      { ...ms(1, 120_000), option: 'hostTimeout' }],
    ['host-keep-alive', 'How long hosts keep idle connections open; detected if not set',
      { type: 'integer', unit: 'ms', min: 0, max: MAX, option: 'hostKeepAlive' }],
    ['host-ca', 'CA certificates (PEM) to verify https:// hosts with', file],
    ['host-cert', 'The client certificate (PEM) for https:// hosts', file],
    ['host-key', 'The key (PEM) of --host-cert', file],
    ['host-servername', "The name in the certificates of https:// hosts; each host's own if not set", text('name')],
    ['host-insecure', 'Accepts https:// hosts with an untrusted certificate', no],
  ]),
  ...group('Listening', [
    ['bind', 'The address to listen on; all interfaces if not set', text('address')],
    ['port', 'The port to listen on; the variable PORT sets it too', count(0, 65_535, 4000)],
    ['health-path', 'Where a load balancer asks on this port if the proxy is ready, as in /healthz; off if not set',
      { ...text('path'), option: 'healthPath' }],
    ['tls-cert', 'The certificate (PEM) for TLS; reloaded on SIGHUP and when the file changes', file],
    ['tls-key', 'The key (PEM) of --tls-cert; reloaded with it', file],
    ['max-header-size', 'A client gets 431 if its request head is larger',
      { ...count(1024, MAX, 16_384, 'bytes'), option: 'maxHeaderSize' }],
    ['headers-timeout', "A client gets 408 if it takes longer to send a request's head",
      { ...ms(1, 20_000), option: 'headersTimeout' }],
    ['request-timeout', 'A client gets 408 if it takes longer to send a whole request',
      { ...ms(1, 120_000), option: 'requestTimeout' }],
    ['keep-alive-timeout', "Closes a client's connection that was idle for this time",
      { ...ms(1, 75_000), option: 'keepAliveTimeout' }],
    ['fast-path', "Reads plain requests without Node's http, which makes them a third cheaper",
      { ...yes("Reads all requests with Node's http"), option: 'fastPath' }],
    ['shutdown-delay', 'After SIGTERM or SIGINT, still takes new sessions for this time, then drains',
      { ...ms(0, 0), option: 'shutdownDelay' }],
    ['drain-timeout', 'After SIGTERM or SIGINT, requests and WebSockets may go on for this time',
      { ...ms(0, 10_000), option: 'drainTimeout' }],
  ]),
  ...group('Store', [
    ['redis', 'The Redis that stores the bindings: redis://…, rediss://… or unix://…',
      { ...text('URL'), secret: true }],
    ['redis-cluster', '--redis lists nodes of a Redis Cluster, comma-separated', no],
    ['redis-sentinel', '--redis lists Sentinels, comma-separated, that call the Redis by this name', text('name')],
    ['redis-password-file', 'The file of the password of Redis; read again for each new connection',
      { ...file, reread: true }],
    ['redis-ca', 'CA certificates (PEM) to verify a Redis with TLS', file],
    ['redis-cert', 'The client certificate (PEM) for a Redis with TLS', file],
    ['redis-key', 'The key (PEM) of --redis-cert', file],
    ['redis-insecure', 'Accepts a Redis with an untrusted certificate', no],
    ['store', 'Where to store bindings, or sid: in the sids themselves; --redis decides if not set',
      choice(['memory', 'redis', 'sid'])],
    ['sid-secret-file', 'The file of the secrets for --store sid, one a line: the first makes tokens, each reads them',
      file],
    ['fleet', 'Shares drains, weights and hosts with all commands on this Redis, as one fleet',
      yes('Leaves the fleet of the commands on this Redis: this one is operated alone')],
    ['key-prefix', 'The prefix of the keys in Redis; the sid follows it',
      { ...text('text', 'socket.io#'), option: 'keyPrefix' }],
    ['key-expiry', 'The store expires a binding this long after its last use',
      { ...count(1, MAX, 60, 's'), option: 'keyExpiry' }],
    ['cache-size', 'The most bindings cached in memory',
      { ...count(1, 10_000_000, 100_000), option: 'cacheSize' }],
    ['store-timeout', 'A call of the store fails after this time', { ...ms(1, 1000), option: 'storeTimeout' }],
    ['on-store-failure', 'While the store fails, binds new sessions in this process alone or refuses them',
      { ...choice(['local', 'refuse'], 'local'), option: 'onStoreFailure' }],
  ]),
  ...group('Requests', [
    ['xfwd', 'Adds X-Forwarded-For, -Proto, -Host and -Port',
      { ...yes('Does not add X-Forwarded-For, -Proto, -Host and -Port'), option: 'xfwd' }],
    ['trust-proxy', 'Trusts incoming X-Forwarded-*, Forwarded and X-Real-IP; with a list, as in 10.0.0.0/8,::1, only ' +
      'from these networks', { type: 'networks', unit: 'switch or list', fallback: 'false', option: 'trustProxy' }],
    ['proxy-protocol', 'Reads the PROXY protocol, version 1 or 2, on connections that --trust-proxy trusts',
      { ...no, option: 'proxyProtocol' }],
    ['request-id', 'Gives each request an id: X-Request-Id for hosts, and in the access log',
      { ...no, option: 'requestId' }],
    ['change-origin', "Sets Host to the host's own name",
      { ...yes("Keeps the client's Host"), option: 'changeOrigin' }],
    ['max-handshakes-per-second', 'The most handshakes sent to the hosts per second; further ones wait',
      { type: 'number', unit: 'n', min: 0.001, max: 100_000, option: 'maxHandshakesPerSecond' }],
    ['max-handshakes-per-address', "The most handshakes of a client's address per second; further ones get 429",
      { type: 'number', unit: 'n', min: 0.001, max: 100_000, option: 'maxHandshakesPerAddress' }],
    ['max-connections-per-address', 'The most open connections of an address, but for those in --trust-proxy',
      { type: 'integer', unit: 'n', min: 1, max: 1_000_000, option: 'maxConnectionsPerAddress' }],
    ['max-queued-handshakes', 'The most handshakes that wait; further ones get 503',
      { ...count(0, 1_000_000, 1000), option: 'maxQueuedHandshakes' }],
    ['handshake-queue-timeout', 'A handshake that would wait longer gets 503 at once',
      { ...ms(1, 5000), option: 'handshakeQueueTimeout' }],
  ]),
  ...group('Operating', [
    ['admin-port', 'The port of the admin server (metrics, API, dashboard); no such server if not set',
      { type: 'integer', unit: 'n', min: 0, max: 65_535, option: 'admin.port' }],
    ['admin-bind', 'The address of the admin server; one that other machines can reach needs --admin-token',
      { ...text('address', '127.0.0.1'), option: 'admin.bind' }],
    ['admin-token', 'The token that admin requests must send; at least 16 characters',
      { ...text('text'), secret: true, option: 'admin.token' }],
    ['admin-hosts', 'Host names of the admin server, comma-separated; addresses and localhost always work',
      { type: 'list', unit: 'list', option: 'admin.allowedHosts' }],
    ['rebalance-per-minute', 'Evens out the hosts when one comes up, moving this many sessions a minute',
      { type: 'number', unit: 'n', min: 0.01, max: 600_000, option: 'rebalance.perMinute' }],
  ]),
  ...group('Command', [
    ['workers', 'How many processes serve; more than one needs --redis or --store sid',
      { ...count(1, 1024, 1, 'n or max'), perProcessor: 'max' }],
    ['config', 'A JSON file with any of these flags, in camel case as in checkInterval',
      { type: 'text', unit: 'file', only: 'flag and environment' }],
    ['log', 'The format of the log', choice(['text', 'json'], 'text')],
    ['access-log', 'Logs each finished request in this format', choice(['json', 'common'])],
    ['access-log-file', 'The file to append the access log to; the standard output if not set', text('file')],
    ['quiet', 'Shows no status line on a terminal', no],
    ['check-config', 'Checks the settings, prints what they would run, and exits with 0, or 2 for a mistake',
      { ...no, only: 'flag' }],
    ['print-config', 'Prints the settings as a --config file, without secrets, and exits', { ...no, only: 'flag' }],
    ['help', 'Prints this help', { ...no, only: 'flag', short: 'h' }],
    ['version', 'Prints the version', { ...no, only: 'flag', short: 'v' }],
  ]),
];

/** The prefix of environment variables. */
export const PREFIX = 'SOCKETIO_PROXY_';

/** `SOCKETIO_PROXY_CHECK_INTERVAL` */
export function variableOf({ name }: Flag): string {
  return PREFIX + name.toUpperCase().replaceAll('-', '_');
}

/** `checkInterval` */
export function keyOf({ name }: Flag): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Flags by their name in each place. */
export const byName: ReadonlyMap<string, Flag> = new Map(FLAGS.map((flag) => [flag.name, flag]));
export const byVariable: ReadonlyMap<string, Flag> =
  new Map(FLAGS.filter(({ only }) => only !== 'flag').map((flag) => [variableOf(flag), flag]));
export const byKey: ReadonlyMap<string, Flag> =
  new Map(FLAGS.filter(({ only }) => only === undefined).map((flag) => [keyOf(flag), flag]));

/** Whether an environment variable is meant for the command. */
export function isOurs(variable: string, value: string): boolean {
  return variable.startsWith(PREFIX) && !isServiceLink(variable, value);
}

/**
 * Whether Kubernetes has set the variable. It sets variables in the form of Docker links in every container, and those
 * for a service named `socketio-proxy` have our prefix.
 */
function isServiceLink(variable: string, value: string): boolean {
  return /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_|$)/.test(variable) ||
    (variable.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value));
}
