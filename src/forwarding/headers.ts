import { plainAddress } from '../base/client-address';
import { Field, fieldOf } from '../base/fields';
import type { RequestHead } from '../base/request-head';
import type { Host } from '../hosts/host';
import type { SidTokens } from '../sessions/session-store';
import { readableEncodings } from '../routing/sniffer';
import { authorityOf } from '../base/target';
import { trusts, type TrustProxy } from '../base/trusted-networks';

/** What holds for the bytes of one body alone (RFC 9110 §8.4 and §8.8.3, RFC 9530, RFC 2616 §14.15). */
const OF_BODY = new Set(['content-encoding', 'etag', 'content-digest', 'repr-digest', 'digest', 'content-md5']);

/** How a request's headers change on the way to a host. */
export interface HeaderRules {
  readonly changeOrigin: boolean;
  readonly xfwd: boolean;
  readonly trustProxy: TrustProxy;
  /** Whether the proxy sets `X-Request-Id` itself. */
  readonly requestId: boolean;
  /** Whether the proxy changes handshakes' answers: `undefined` if not. */
  readonly tokens: SidTokens | undefined;
}

/**
 * The headers for a host, as a flat list of names and values. `Host` and `X-Forwarded-*` come first, so that a server
 * that limits the number of fields still reads them. The client's headers follow, in its order and spelling, without
 * untrusted forwarding headers, names that a server may confuse with these, hop-by-hop headers and body framing, which
 * the sender of the body writes.
 */
export function requestHeaders(req: RequestHead, host: Host, rules: HeaderRules): string[] {
  // An HTTP/1.0 client may omit `Host`.
  const name = rules.changeOrigin ? host.url.host : hostOf(req) ?? host.url.host;
  return ['Host', name, ...otherHeaders(req, rules)];
}

/** Those of {@link requestHeaders} that are the same for all hosts: all but `Host`. */
export function otherHeaders(req: RequestHead, { xfwd, trustProxy, requestId }: HeaderRules): string[] {
  const raw = req.rawHeaders;
  const isTrusted = trusts(trustProxy, req.socket);
  const named = namedByConnection(req.headers.connection);
  const headers: string[] = [];
  if (xfwd) pushForwarded(headers, req, isTrusted);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    const field = fieldOf(name);
    switch (field) {
      case Field.EndToEnd: case Field.RequestId:
        if (requestId && field === Field.RequestId) break;
        if (!named?.has(name.toLowerCase())) headers.push(name, value);
        break;
      // Kept even if `Connection` names them: a client must not remove what a proxy has set.
      case Field.Forwarded:
        if (isTrusted && !xfwd) headers.push(name, value);
        break;
      case Field.ForwardedElse:
        if (isTrusted) headers.push(name, value);
    }
  }
  return headers;
}

/**
 * The headers for a client, as a flat list: those of the host without hop-by-hop headers, and without `Content-Length`
 * if the status forbids it (RFC 9110 §8.6).
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

/**
 * The headers of a handshake: a host must not choose a coding in which the sid cannot be read, nor any where the sid is
 * to be changed.
 */
export function limitEncodings(headers: readonly string[], { tokens }: Pick<HeaderRules, 'tokens'>): string[] {
  return headers.map((text, i) => {
    if (i % 2 === 0 || headers[i - 1]?.toLowerCase() !== 'accept-encoding') return text;
    return tokens ? 'identity' : readableEncodings(text);
  });
}

/** The headers of a flat list as text, each with its line break. */
export function fieldLines(headers: readonly string[]): string {
  let lines = '';
  for (let i = 0; i < headers.length; i += 2) lines += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
  return lines;
}

/** The value of a header in a flat list; `name` in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

/** Tells of a body that was changed: it has another length, no coding, and nothing that came of the old one. */
export function setLength(headers: string[], length: number): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const name = headers[i]?.toLowerCase() ?? '';
    if (name === 'content-length') headers[i + 1] = String(length);
    else if (OF_BODY.has(name)) headers.splice(i, 2);
  }
}

/** Adds the `X-Forwarded-*` headers: what this proxy sees, or what a trusted proxy in front reports. */
function pushForwarded(headers: string[], req: RequestHead, isTrusted: boolean): void {
  const { headers: came, socket } = req;
  const peer = plainAddress(socket.remoteAddress);
  const chain = isTrusted && textOf(came['x-forwarded-for']);
  const addresses = chain && peer ? `${chain}, ${peer}` : chain || peer;
  // A unix socket has no address.
  if (addresses) headers.push('x-forwarded-for', addresses);
  const proto = (isTrusted && textOf(came['x-forwarded-proto'])) || ('encrypted' in socket ? 'https' : 'http');
  headers.push('x-forwarded-proto', proto);
  const host = (isTrusted && textOf(came['x-forwarded-host'])) || hostOf(req);
  if (host) headers.push('x-forwarded-host', host);
  // A TLS proxy in front often sends no port: then it follows from the host and the protocol.
  headers.push('x-forwarded-port', (isTrusted && textOf(came['x-forwarded-port'])) || portOf(host, proto));
}

/** The host name in the client's request. */
function hostOf({ url = '', headers }: RequestHead): string | undefined {
  return authorityOf(url) ?? headers.host;
}

/**
 * Whether the client has gone. A reset connection loses its address before Node reports its end, so that the request
 * could no longer name the client.
 */
export function hasLeft({ socket }: Pick<RequestHead, 'socket'>): boolean {
  // A unix socket has neither address.
  return socket.destroyed || (socket.remoteAddress === undefined && socket.localAddress !== undefined);
}

/** The port in `Host`, or the protocol's default. Of a list, the first entry, which the first proxy added. */
function portOf(hosts = '', protocols: string): string {
  const comma = hosts.indexOf(',');
  const host = comma === -1 ? hosts : hosts.slice(0, comma);
  const colon = host.lastIndexOf(':');
  // After the last colon of `[::1]` comes `1]`, which is not a number.
  const port = colon === -1 ? NaN : Number(host.slice(colon + 1));
  if (Number.isInteger(port) && port > 0 && port < 65_536) return String(port);
  return protocols.startsWith('https') || protocols.startsWith('wss') ? '443' : '80';
}

/** A header's value. Never an array for these names: Node joins repeated ones. */
function textOf(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** All `Connection` fields of a message, joined. */
function connectionOf(raw: readonly string[]): string | undefined {
  let connection: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (fieldOf(raw[i] ?? '') !== Field.Connection) continue;
    const value = raw[i + 1] ?? '';
    connection = connection === undefined ? value : `${connection},${value}`;
  }
  return connection;
}

/** The fields that `Connection` names; `undefined` in the common case that it has only one of its own options. */
function namedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  return new Set(connection.toLowerCase().split(',').map((token) => token.trim()));
}
