import type { IncomingMessage } from 'node:http';
import type { Host } from './host';

/** Fields that speak of one connection and not of the message (RFC 9110 §7.6.1), in lower case. */
const HOP_BY_HOP = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer',
  'transfer-encoding', 'upgrade',
]);

/** How a request's headers change on the way to a host. */
export interface HeaderRules {
  readonly changeOrigin: boolean;
  readonly xfwd: boolean;
  readonly trustProxy: boolean;
}

/**
 * The headers for a host, as a flat list of names and values: in the client's order and spelling, less the hop-by-hop
 * ones and those of other proxies that are not trusted, with `Host` and `X-Forwarded-*` as the rules say.
 */
export function requestHeaders(req: IncomingMessage, host: Host, rules: HeaderRules): string[] {
  const { changeOrigin, xfwd, trustProxy } = rules;
  const raw = req.rawHeaders;
  const named = namedByConnection(req.headers.connection);
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    const key = name.toLowerCase();
    if (isOfProxies(key)) {
      // Even where `Connection` names it: a client is not to undo what a proxy has set.
      if (trustProxy && !(xfwd && isOurs(key))) headers.push(name, value);
      continue;
    }
    // The expectation was met when the server sent its `100 Continue`.
    if (HOP_BY_HOP.has(key) || key === 'expect' || named?.has(key)) continue;
    headers.push(name, key === 'host' && changeOrigin ? host.url.host : value);
  }
  // A client of HTTP/1.0 need not name the host.
  if (req.headers.host === undefined) headers.push('Host', host.url.host);
  if (xfwd) pushForwarded(headers, req, trustProxy);
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

/** Any proxy's word on where a request came from, which anyone can write. */
function isOfProxies(key: string): boolean {
  return key.startsWith('x-forwarded-') || key === 'forwarded' || key === 'x-real-ip';
}

/** One of those that are set here. */
function isOurs(key: string): boolean {
  return key === 'x-forwarded-for' || key === 'x-forwarded-proto' || key === 'x-forwarded-host' ||
    key === 'x-forwarded-port';
}

/** What this proxy sees of the client or, of a proxy that it trusts, of that proxy and what it says. */
function pushForwarded(headers: string[], { headers: came, socket }: IncomingMessage, trustProxy: boolean): void {
  const peer = plainAddress(socket.remoteAddress);
  const chain = trustProxy && textOf(came['x-forwarded-for']);
  const addresses = chain && peer ? `${chain}, ${peer}` : chain || peer;
  // A unix socket has no address.
  if (addresses) headers.push('x-forwarded-for', addresses);
  const proto = (trustProxy && textOf(came['x-forwarded-proto'])) || ('encrypted' in socket ? 'https' : 'http');
  headers.push('x-forwarded-proto', proto);
  const host = (trustProxy && textOf(came['x-forwarded-host'])) || came.host;
  if (host) headers.push('x-forwarded-host', host);
  // What is not told follows from what is: a proxy in front that speaks TLS often tells no port.
  headers.push('x-forwarded-port', (trustProxy && textOf(came['x-forwarded-port'])) || portOf(host, proto));
}

/** The client's address: what the proxy itself sees or, of a load balancer that it trusts, what that has seen. */
export function clientOf({ headers, socket }: IncomingMessage, trustProxy: boolean): string {
  // Of a chain the last one is what the load balancer itself has seen; the others are hearsay.
  const seen = trustProxy ? textOf(headers['x-forwarded-for']).split(',').at(-1)?.trim() : '';
  const address = seen === undefined || seen === '' ? plainAddress(socket.remoteAddress) : seen;
  return address === '' ? 'unix:' : address;
}

/** An IPv4 client of a server that listens on IPv6 too is known by its IPv4 address. */
function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** The port in a host's name, or the protocol's. Of several, the first proxy's. */
function portOf(hosts = '', protocols: string): string {
  const comma = hosts.indexOf(',');
  const host = comma === -1 ? hosts : hosts.slice(0, comma).trimEnd();
  const colon = host.lastIndexOf(':');
  // After the last colon of an IPv6 address without a port comes its bracket, which is no number's.
  const port = colon === -1 ? NaN : Number(host.slice(colon + 1));
  if (Number.isInteger(port) && port > 0 && port < 65_536) return String(port);
  return protocols.startsWith('https') || protocols.startsWith('wss') ? '443' : '80';
}

/** Node joins repeated headers of these names. */
function textOf(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** The fields that `Connection` names; `undefined` in the common case that it names none beside its own options. */
function namedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  return new Set(connection.toLowerCase().split(',').map((token) => token.trim()));
}
