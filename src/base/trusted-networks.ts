import { BlockList, isIP, type Socket } from 'node:net';
import { wrong } from './checks';

/** Names for networks, as in Express. */
const NAMED: ReadonlyMap<string, readonly string[]> = new Map([
  ['loopback', ['127.0.0.0/8', '::1']],
  ['linklocal', ['169.254.0.0/16', 'fe80::/10']],
  ['uniquelocal', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
]);

/** Networks of what is in front of the proxy, and whose word about clients it takes. */
export class TrustedNetworks {
  readonly #list = new BlockList();
  /** Whether the other end is in a network. A connection's does not change. */
  readonly #known = new WeakMap<Socket, boolean>();

  /** @param networks of which each was checked by {@link trustProxyOf}. */
  constructor(networks: readonly string[]) {
    for (const network of networks.flatMap((each) => NAMED.get(each) ?? each)) {
      const [address = '', prefix] = network.split('/');
      const family = familyOf(address);
      this.#list.addSubnet(address, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family);
    }
  }

  /** Whether the connection's other end is in one of the networks. One of a unix socket is in none. */
  trusts(socket: Socket): boolean {
    let known = this.#known.get(socket);
    if (known === undefined) {
      const { remoteAddress } = socket;
      known = remoteAddress !== undefined && this.has(remoteAddress);
      // A closed connection has no address.
      if (!socket.destroyed) this.#known.set(socket, known);
    }
    return known;
  }

  /** Whether the address is in one of the networks. An IPv4 address in IPv6 counts as IPv4; other text is in none. */
  has(address: string): boolean {
    return isIP(address) !== 0 && this.#list.check(address, familyOf(address));
  }
}

/** Whose headers about clients to trust: everyone's, nobody's, or those from networks. */
export type TrustProxy = boolean | TrustedNetworks;

/** Whether to trust the headers about clients on this connection. */
export function trusts(trustProxy: TrustProxy, socket: Socket): boolean {
  return typeof trustProxy === 'boolean' ? trustProxy : trustProxy.trusts(socket);
}

/** Whether to trust what an address sends. A unix socket has none. */
export function trustsAddress(trustProxy: TrustProxy, address: string | undefined): boolean {
  return typeof trustProxy === 'boolean' ? trustProxy : address !== undefined && trustProxy.has(address);
}

/** @throws TypeError that names the entry, what was expected and what was received. */
export function trustProxyOf(value: unknown = false): TrustProxy {
  if (typeof value === 'boolean') return value;
  if (!Array.isArray(value) || value.length === 0) {
    throw wrong('trustProxy', 'be a boolean or a list of at least one network', value);
  }
  // Unlike `map`, this visits the gaps of a sparse array.
  return new TrustedNetworks(Array.from(value, (entry: unknown, index) => {
    if (typeof entry === 'string' && isNetwork(entry)) return entry;
    const expected = `be an address or a network, as in 10.0.0.0/8 or ::1, or ${[...NAMED.keys()].join(', ')}`;
    throw wrong(`trustProxy[${index}]`, expected, entry);
  }));
}

function isNetwork(text: string): boolean {
  if (NAMED.has(text)) return true;
  const [, address = '', prefix] = /^([\da-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/i.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(prefix ?? 0) <= (version === 4 ? 32 : 128);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
