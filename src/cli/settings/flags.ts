import type { PartialProxyOptions } from '../../options/proxy-options';

/** What a flag's text means. `list`: with commas. `file`: a path, whose content is the value. */
export type FlagType = 'hosts' | 'list' | 'text' | 'integer' | 'number' | 'boolean' | 'choice' | 'file';

/** A flag of the command. Its names in the environment and in the file follow from its own. */
export interface Flag {
  /** Without the dashes before it. */
  readonly name: string;
  readonly group: 'Hosts' | 'Listening' | 'Store' | 'Requests' | 'Operating' | 'Command';
  readonly type: FlagType;
  /** What stands for its value in the help: a unit, where it has one. */
  readonly unit: string;
  /** A sentence, without its full stop. */
  readonly text: string;
  /** What it is where it is not given, as it is written on the command line. */
  readonly fallback?: string;
  readonly min?: number;
  readonly max?: number;
  /** The word that stands for as many as there are processors. */
  readonly perProcessor?: string;
  readonly choices?: readonly string[];
  /** What it does in the form `--no-…`, where that is the one to be given. */
  readonly negated?: string;
  /** The library's option that it sets, as it is; `a.b` is `b` of the object `a`. */
  readonly option?: keyof PartialProxyOptions | `${'admin' | 'rebalance'}.${string}`;
  /** Its value may hold a password, and is never shown. */
  readonly secret?: true;
  /** Where it may stand; everywhere, unless it says otherwise. */
  readonly only?: 'flag' | 'flag and environment';
  /** One letter that stands for it. */
  readonly short?: string;
}

/** The longest that a timer of Node can wait, in ms; the largest number that the library takes. */
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

/** Every flag. Adding one is adding a row: help, environment, file and checks follow from it. */
export const FLAGS: readonly Flag[] = [
  ...group('Hosts', [
    ['hosts', 'The Socket.IO servers, with commas between them; host=n gives one a weight',
      { type: 'hosts', unit: 'list', option: 'hosts' }],
    ['discover', 'Hosts that follow DNS: dns:NAME:PORT or dns+srv:NAME', { ...text('name'), option: 'discover' }],
    ['path', 'The path to capture', { ...text('path', '/socket.io/'), option: 'path' }],
    ['balance', 'Which host gets a new session',
      { ...choice(['random', 'round-robin', 'least-connections'], 'random'), option: 'balance' }],
    ['slow-start', 'How long the weight of a host that has come up grows', { ...ms(0, 0), option: 'slowStart' }],
    ['check-interval', 'Pause between two health checks of a host', { ...ms(1, 2000), option: 'checkInterval' }],
    ['check-timeout', 'How long a health check may take', { ...ms(1, 1000), option: 'checkTimeout' }],
    ['unhealthy-after', 'Failed health checks in a row until a host is down',
      { ...count(1, 1000, 1), option: 'unhealthyAfter' }],
    ['healthy-after', 'Good health checks in a row until a host is up again',
      { ...count(1, 1000, 1), option: 'healthyAfter' }],
    ['connect-timeout', 'How long a connection to a host may take to be made',
      { ...ms(1, 2000), option: 'connectTimeout' }],
    ['host-timeout', 'How long a host may be silent on a request', { ...ms(1, 120_000), option: 'hostTimeout' }],
    ['host-keep-alive', 'How long hosts are known to keep an idle connection; found out without it',
      { type: 'integer', unit: 'ms', min: 0, max: MAX, option: 'hostKeepAlive' }],
    ['host-ca', 'Certificates (PEM) that https:// hosts are trusted by', file],
    ['host-cert', 'Certificate (PEM) that is shown to https:// hosts', file],
    ['host-key', 'Its key (PEM)', file],
    ['host-insecure', 'Takes https:// hosts whose certificate is not trusted', no],
  ]),
  ...group('Listening', [
    ['bind', 'The address to listen on; all interfaces without it', text('address')],
    ['port', 'The port to listen on; the variable PORT names it too', count(0, 65_535, 4000)],
    ['tls-cert', 'Certificate (PEM), read again on SIGHUP and when it changes', file],
    ['tls-key', 'Its key (PEM), read again with it', file],
    ['max-header-size', 'The largest request head',
      { ...count(1024, MAX, 16_384, 'bytes'), option: 'maxHeaderSize' }],
    ['headers-timeout', "How long a client may take to send a request's head",
      { ...ms(1, 20_000), option: 'headersTimeout' }],
    ['request-timeout', 'How long a client may take to send a whole request',
      { ...ms(1, 120_000), option: 'requestTimeout' }],
    ['keep-alive-timeout', 'How long an idle connection of a client is kept',
      { ...ms(1, 75_000), option: 'keepAliveTimeout' }],
    ['drain-timeout', 'How long requests and WebSockets may go on after SIGTERM or SIGINT',
      { ...ms(0, 10_000), option: 'drainTimeout' }],
  ]),
  ...group('Store', [
    ['redis', 'The Redis that holds the bindings: redis://… or rediss://…', { ...text('URL'), secret: true }],
    ['store', 'Where bindings are kept; where it is left out, --redis decides', choice(['memory', 'redis'])],
    ['key-prefix', 'What stands before the sid in a key of Redis',
      { ...text('text', 'socket.io#'), option: 'keyPrefix' }],
    ['key-expiry', 'How long a binding lives after its last use',
      { ...count(1, MAX, 60, 's'), option: 'keyExpiry' }],
    ['cache-size', 'The most bindings that are remembered here',
      { ...count(1, 10_000_000, 100_000), option: 'cacheSize' }],
    ['store-timeout', 'How long the store may take to answer', { ...ms(1, 1000), option: 'storeTimeout' }],
    ['on-store-failure', 'New sessions while the store fails: bound here alone, or refused',
      { ...choice(['local', 'refuse'], 'local'), option: 'onStoreFailure' }],
  ]),
  ...group('Requests', [
    ['xfwd', 'Adds X-Forwarded-For, -Proto, -Host and -Port',
      { ...yes('Adds no X-Forwarded-For, -Proto, -Host and -Port'), option: 'xfwd' }],
    ['trust-proxy', 'Believes X-Forwarded-*, Forwarded and X-Real-IP that come in',
      { ...no, option: 'trustProxy' }],
    ['change-origin', 'Sends a host its own name in Host',
      { ...yes("Sends a host the client's Host"), option: 'changeOrigin' }],
    ['max-handshakes-per-second', 'Handshakes that hosts get a second, at most; others wait in turn',
      { type: 'number', unit: 'n', min: 0.001, max: 100_000, option: 'maxHandshakesPerSecond' }],
    ['max-queued-handshakes', 'How many handshakes may wait for their turn',
      { ...count(0, 1_000_000, 1000), option: 'maxQueuedHandshakes' }],
    ['handshake-queue-timeout', 'How long a handshake may wait for its turn',
      { ...ms(1, 5000), option: 'handshakeQueueTimeout' }],
  ]),
  ...group('Operating', [
    ['admin-port', 'The port of the admin server: metrics, an API and a dashboard; there is none without it',
      { type: 'integer', unit: 'n', min: 0, max: 65_535, option: 'admin.port' }],
    ['admin-bind', 'The address that it listens on; another than this machine\'s own needs a token',
      { ...text('address', '127.0.0.1'), option: 'admin.bind' }],
    ['admin-token', 'What its users have to bring along: at least 16 characters',
      { ...text('text'), secret: true, option: 'admin.token' }],
    ['admin-hosts', 'Names that it is reached by, with commas between them, beside addresses and localhost',
      { type: 'list', unit: 'list', option: 'admin.allowedHosts' }],
    ['rebalance-per-minute', 'Moves sessions to hosts that have come, so many a minute',
      { type: 'number', unit: 'n', min: 0.01, max: 600_000, option: 'rebalance.perMinute' }],
  ]),
  ...group('Command', [
    ['workers', 'How many processes serve; more than one need Redis',
      { ...count(1, 1024, 1, 'n or max'), perProcessor: 'max' }],
    ['config', 'A JSON file with any of these, named as in checkInterval',
      { type: 'text', unit: 'file', only: 'flag and environment' }],
    ['log', 'How the log is written', choice(['text', 'json'], 'text')],
    ['access-log', 'Writes a line for each request that is over', choice(['json', 'common'])],
    ['access-log-file', 'The file that these lines are added to; the standard output without it', text('file')],
    ['quiet', 'No status line on a terminal', no],
    ['help', 'Prints this', { ...no, only: 'flag', short: 'h' }],
    ['version', 'Prints the version', { ...no, only: 'flag', short: 'v' }],
  ]),
];

/** What a variable of the environment begins with. */
export const PREFIX = 'SOCKETIO_PROXY_';

/** `SOCKETIO_PROXY_CHECK_INTERVAL` */
export function variableOf({ name }: Flag): string {
  return PREFIX + name.toUpperCase().replaceAll('-', '_');
}

/** `checkInterval` */
export function keyOf({ name }: Flag): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Flags by the name that they have in one place. */
export const byName: ReadonlyMap<string, Flag> = new Map(FLAGS.map((flag) => [flag.name, flag]));
export const byVariable: ReadonlyMap<string, Flag> =
  new Map(FLAGS.filter(({ only }) => only !== 'flag').map((flag) => [variableOf(flag), flag]));
export const byKey: ReadonlyMap<string, Flag> =
  new Map(FLAGS.filter(({ only }) => only === undefined).map((flag) => [keyOf(flag), flag]));

/** Whether a variable of the environment is meant for the command. */
export function isOurs(variable: string, value: string): boolean {
  return variable.startsWith(PREFIX) && !isServiceLink(variable, value);
}

/**
 * What Kubernetes sets in every container for a service, in the old form of Docker's links: one that is named
 * `socketio-proxy` takes names of ours.
 */
function isServiceLink(variable: string, value: string): boolean {
  return /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_|$)/.test(variable) ||
    (variable.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value));
}
