import type { IncomingMessage } from 'node:http';
import { Field, fieldOf } from '../base/fields';
import type { Host } from '../hosts/host';
import { authorityOf } from '../base/target';

/** How a request's headers change on the way to a host. */
export interface HeaderRules {
  readonly changeOrigin: boolean;
  readonly xfwd: boolean;
  readonly trustProxy: boolean;
}

/**
 * The headers for a host, as a flat list of names and values. `Host` and `X-Forwarded-*`, as the rules say, are first:
 * a server that reads only so many fields reads these. The client's follow, in its order and spelling, less those of
 * other proxies that are not trusted, those that may be taken for either, and all that speak of a connection or of
 * where the body ends, which is for those to write who send it.
 */
export function requestHeaders(req: IncomingMessage, host: Host, rules: HeaderRules): string[] {
  const { changeOrigin, xfwd, trustProxy } = rules;
  const raw = req.rawHeaders;
  const named = namedByConnection(req.headers.connection);
  // A client of HTTP/1.0 need not name the host.
  const headers = ['Host', changeOrigin ? host.url.host : hostOf(req) ?? host.url.host];
  if (xfwd) pushForwarded(headers, req, trustProxy);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    switch (fieldOf(name)) {
      case Field.EndToEnd:
        if (!named?.has(name.toLowerCase())) headers.push(name, value);
        break;
      // Even where `Connection` names them: a client is not to undo what a proxy has set.
      case Field.Forwarded:
        if (trustProxy && !xfwd) headers.push(name, value);
        break;
      case Field.ForwardedElse:
        if (trustProxy) headers.push(name, value);
    }
  }
  return headers;
}

/**
 * The headers for a client, as a flat list: as the host sent them, less the hop-by-hop ones, and less a length where
 * none may be (RFC 9110 §8.6).
 */
export function responseHeaders(raw: readonly string[], status: number): string[] {
  const named = namedByConnection(connectionOf(raw));
  const hasLength = status >= 200 && status !== 204;
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const field = fieldOf(name);
    if (field === Field.Connection || field === Field.TransferEncoding || field === Field.Hop) continue;
    if (field === Field.ContentLength && !hasLength) continue;
    if (!named?.has(name.toLowerCase())) headers.push(name, raw[i + 1] ?? '');
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

/** What this proxy sees of the client or, of a proxy that it trusts, of that proxy and what it says. */
function pushForwarded(headers: string[], req: IncomingMessage, trustProxy: boolean): void {
  const { headers: came, socket } = req;
  const peer = plainAddress(socket.remoteAddress);
  const chain = trustProxy && textOf(came['x-forwarded-for']);
  const addresses = chain && peer ? `${chain}, ${peer}` : chain || peer;
  // A unix socket has no address.
  if (addresses) headers.push('x-forwarded-for', addresses);
  const proto = (trustProxy && textOf(came['x-forwarded-proto'])) || ('encrypted' in socket ? 'https' : 'http');
  headers.push('x-forwarded-proto', proto);
  const host = (trustProxy && textOf(came['x-forwarded-host'])) || hostOf(req);
  if (host) headers.push('x-forwarded-host', host);
  // What is not told follows from what is: a proxy in front that speaks TLS often tells no port.
  headers.push('x-forwarded-port', (trustProxy && textOf(came['x-forwarded-port'])) || portOf(host, proto));
}

/** The name by which the client calls the host. */
function hostOf({ url = '', headers }: IncomingMessage): string | undefined {
  return authorityOf(url) ?? headers.host;
}

/**
 * The client has gone, and who it was can't be told any more: a connection that was reset has no address, before its
 * end is known here.
 */
export function hasLeft({ socket }: Pick<IncomingMessage, 'socket'>): boolean {
  // A unix socket has neither address.
  return socket.destroyed || (socket.remoteAddress === undefined && socket.localAddress !== undefined);
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

/** All that a message says of its connection. */
function connectionOf(raw: readonly string[]): string | undefined {
  let connection: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (fieldOf(raw[i] ?? '') !== Field.Connection) continue;
    const value = raw[i + 1] ?? '';
    connection = connection === undefined ? value : `${connection},${value}`;
  }
  return connection;
}

/** The fields that `Connection` names; `undefined` in the common case that it names none beside its own options. */
function namedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  return new Set(connection.toLowerCase().split(',').map((token) => token.trim()));
}
