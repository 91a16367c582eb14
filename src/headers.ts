import type { IncomingMessage } from 'node:http';
import type { Host } from './hosts';

/** Fields that speak of one connection and not of the message (RFC 9110 §7.6.1), in lower case. */
const HOP_BY_HOP = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer',
  'transfer-encoding', 'upgrade',
]);

/** What http-proxy's `XHeaders` pass sets in `req.headers`. */
const FORWARDED = ['x-forwarded-for', 'x-forwarded-port', 'x-forwarded-proto', 'x-forwarded-host'] as const;

/** How a request's headers change on the way to a host. */
export interface HeaderRules {
  readonly changeOrigin: boolean;
  readonly xfwd: boolean;
}

/**
 * The headers for a host, as a flat list of names and values: in the client's order and spelling, less the hop-by-hop
 * ones, with `Host` and `X-Forwarded-*` as the rules say.
 */
export function requestHeaders(req: IncomingMessage, host: Host, { changeOrigin, xfwd }: HeaderRules): string[] {
  const raw = req.rawHeaders;
  const named = namedByConnection(req.headers.connection);
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    const key = name.toLowerCase();
    // The expectation was met when the server sent its `100 Continue`.
    if (HOP_BY_HOP.has(key) || key === 'expect' || named?.has(key)) continue;
    if (xfwd && key.startsWith('x-forwarded-') && isForwarded(key)) continue;
    headers.push(name, key === 'host' && changeOrigin ? host.url.host : value);
  }
  // A client of HTTP/1.0 need not name the host.
  if (req.headers.host === undefined) headers.push('Host', host.url.host);
  if (xfwd) {
    for (const key of FORWARDED) {
      // http-proxy leaves the last of them out for an upgrade.
      const value = req.headers[key] ?? (key === 'x-forwarded-host' ? req.headers.host : undefined);
      if (typeof value === 'string') headers.push(key, value);
    }
  }
  return headers;
}

/** The headers for a client, as a flat list: as the host sent them, less the hop-by-hop ones. */
export function responseHeaders(raw: readonly string[]): string[] {
  const headers: string[] = [];
  let connection: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length === 10 && name.toLowerCase() === 'connection') {
      const value = raw[i + 1] ?? '';
      connection = connection === undefined ? value : `${connection},${value}`;
    }
  }
  const named = namedByConnection(connection);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const key = name.toLowerCase();
    if (!HOP_BY_HOP.has(key) && !named?.has(key)) headers.push(name, raw[i + 1] ?? '');
  }
  return headers;
}

/** The value of a header in a flat list; `name` in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

function isForwarded(key: string): boolean {
  return (FORWARDED as readonly string[]).includes(key);
}

/** The fields that `Connection` names; `undefined` in the common case that it names none beside its own options. */
function namedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  return new Set(connection.toLowerCase().split(',').map((token) => token.trim()));
}
