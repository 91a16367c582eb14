import { isIPv6, SocketAddress } from 'node:net';
import type { RequestHead } from './request-head';
import { trusts, type TrustProxy } from './trusted-networks';

/** What a client of a unix socket has, whom no load balancer in front names. */
export const NO_ADDRESS = 'unix:';

/** The client's address: the peer's or, behind trusted load balancers, the one that the first of them has seen. */
export function clientOf(req: RequestHead, trustProxy: TrustProxy): string {
  const peer = plainAddress(req.socket.remoteAddress);
  // Reading `headers` builds it.
  const chain = trusts(trustProxy, req.socket) ? chainOf(req) : '';
  const address = chain === '' ? peer : lastUntrusted(chain, trustProxy) || peer;
  return address === '' ? NO_ADDRESS : address;
}

/**
 * The last address of a chain that is no trusted load balancer's, or else the first one: each load balancer has
 * appended the address that it has seen, and a client can forge all before its own. `''` if there is none.
 */
function lastUntrusted(chain: string, trustProxy: TrustProxy): string {
  let address = '';
  for (const entry of chain.split(',').reverse()) {
    const seen = bareAddress(entry.trim());
    if (seen === '') break;
    address = seen;
    if (typeof trustProxy === 'boolean' || !trustProxy.has(seen)) break;
  }
  return address;
}

/** An address as load balancers write it: some append the port, as in `10.0.0.1:5000` and `[::1]:5000`, or quote it. */
function bareAddress(text: string): string {
  const bare = text.replace(/^"(.*)"$/, '$1');
  return plainAddress(/^(?:([\d.]+)|\[([\da-f:.]+)\])(?::\d+)?$/i.exec(bare)?.slice(1).join('') ?? bare);
}

/** Shortens an IPv4-mapped IPv6 address to the IPv4 address. */
export function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** Node joins repeated fields. */
function chainOf({ headers: { 'x-forwarded-for': chain } }: RequestHead): string {
  return typeof chain === 'string' ? chain : '';
}

/** What an address counts with others: itself or, of IPv6, the network of 64 bits that its user has. */
export function networkOf(address: string): string {
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return address;
  // However it is spelled.
  const plain = plainAddress(new SocketAddress({ address: bare, family: 'ipv6' }).address);
  const [left = [], right] = plain.split('::').map((part) => (part === '' ? [] : part.split(':')));
  if (right === undefined) return left.slice(0, 4).join(':');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
