import { describe } from '../../base/describe';
import type { RedisSettings } from '../settings/redis';

/** What the settings say of the Redis. */
type Settings = Pick<RedisSettings, 'kind' | 'tls'>;

/** What helps against a failure. */
interface Remedy {
  readonly pattern: RegExp;
  /** The kinds of Redis that it is about; all if not set. */
  readonly kinds?: readonly RedisSettings['kind'][];
  /** Whether the settings say TLS; no matter if not set. */
  readonly tls?: boolean;
  readonly text: string;
}

/** How Node's and OpenSSL's texts for a certificate that is not trusted begin, with what helps. */
const UNTRUSTED: readonly Remedy[] = [
  {
    pattern: /self-signed certificate|unable to (?:get|verify)|invalid CA/i,
    text: '--redis-ca names the CA that signed it',
  },
  {
    pattern: /Hostname\/IP does not match/i,
    kinds: ['cluster'],
    text: 'the nodes have to announce names that their certificates hold: ' +
      'cluster-announce-hostname, and cluster-preferred-endpoint-type hostname',
  },
  { pattern: /Hostname\/IP does not match/i, text: '--redis has to use a name that the certificate holds' },
  { pattern: /certificate (?:has expired|is not yet valid)/i, text: 'the Redis needs a new one' },
];

/** The first one that fits counts. */
const REMEDIES: readonly Remedy[] = [
  {
    pattern: /unknown command .SENTINEL/i,
    kinds: ['sentinel'],
    text: 'this is no Sentinel: without --redis-sentinel, --redis names one Redis',
  },
  {
    pattern: /No such master/i,
    kinds: ['sentinel'],
    text: 'the Sentinels know no Redis by the name in --redis-sentinel',
  },
  {
    pattern: /cluster support disabled/i,
    kinds: ['cluster'],
    text: 'this Redis is no node of a cluster: leave --redis-cluster out',
  },
  {
    pattern: /unknown command/i,
    kinds: ['server', 'cluster'],
    text: 'a Sentinel needs --redis-sentinel, and a Redis has to know its commands by their own names',
  },
  {
    pattern: /ECONNRESET/,
    tls: false,
    text: 'a port that speaks TLS needs rediss:// in --redis',
  },
  {
    pattern: /Connection timeout|did not answer|wrong version number|packet length too long/i,
    tls: true,
    text: 'a port that speaks no TLS needs redis:// in --redis',
  },
  {
    pattern: /Connection timeout|did not answer|ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND/,
    kinds: ['cluster'],
    text: 'the addresses that the nodes announce have to be reachable from here ' +
      '(cluster-announce-ip, -hostname, -port)',
  },
];

/** What happened to the store, and what helps where that is known. */
export function storeFailure(error: Error, settings: Settings = { kind: 'server', tls: undefined }): string {
  const text = plainText(error);
  const trusting = remedyOf(UNTRUSTED, text, settings);
  if (trusting !== undefined) return `the certificate of this Redis is not trusted: ${text}; ${trusting}`;
  if (text.includes('one node of a cluster')) {
    const [, moved = ''] = /(MOVED.*)$/.exec(text) ?? [];
    return `this Redis is one node of a cluster: --redis-cluster lets the command use all of them (${moved})`;
  }
  if (/alert certificate required/i.test(text)) {
    return `this Redis asks for a client certificate: --redis-cert and --redis-key name one (${text})`;
  }
  const remedy = remedyOf(REMEDIES, text, settings);
  return remedy === undefined ? text : `${text}; ${remedy}`;
}

/** Without what the library and the client of Sentinel put before it. */
function plainText(error: Error): string {
  return describe(error)
    // The client reports the error itself too late.
    .replace(/^obseve client error: (?:\w*Error: )?/, '')
    // The flags are told instead.
    .replace(/^this server does not know a command of the proxy\..*?: /, '');
}

function remedyOf(remedies: readonly Remedy[], text: string, { kind, tls }: Settings): string | undefined {
  return remedies.find((remedy) => remedy.pattern.test(text) && (remedy.kinds?.includes(kind) ?? true) &&
    (remedy.tls ?? tls !== undefined) === (tls !== undefined))?.text;
}
