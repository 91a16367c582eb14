import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** Whose connection the header says that it is. */
export interface Client {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly remoteFamily: 'IPv4' | 'IPv6';
}

/** A whole header. */
export interface ProxyHeader {
  /** In bytes. */
  readonly size: number;
  /** `undefined` if the connection is the sender's own, or its client has no address. */
  readonly client: Client | undefined;
}

/** What opens a header of version 1, and the longest one that there is, in bytes. */
const TEXT = Buffer.from('PROXY ');
const MAX_TEXT = 107;

/** What opens a header of version 2, followed by version and command, family, and the length of the rest. */
const BINARY = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const FIXED = 16;

/** The most that may follow there, in bytes. Addresses take up to 216, and the rest is for others to read. */
const MAX_BINARY = 4096;

/** A port, as text. */
const PORT = /^(?:0|[1-9]\d{0,4})$/;

/**
 * The header of the PROXY protocol, version 1 or 2, with which the bytes of a connection begin.
 *
 * @returns `'more'` while its end is still to come; `undefined` if the bytes begin with none.
 */
export function proxyHeaderOf(bytes: Buffer): ProxyHeader | 'more' | undefined {
  if (beginsAs(bytes, TEXT)) return bytes.length < TEXT.length ? 'more' : textHeaderOf(bytes);
  if (beginsAs(bytes, BINARY)) return bytes.length < FIXED ? 'more' : binaryHeaderOf(bytes);
  return undefined;
}

/** Whether the bytes begin with those, as far as they have come. */
function beginsAs(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length);
  return bytes.compare(expected, 0, length, 0, length) === 0;
}

function textHeaderOf(bytes: Buffer): ProxyHeader | 'more' | undefined {
  const text = bytes.toString('latin1', 0, MAX_TEXT);
  const end = text.indexOf('\r\n');
  if (end === -1) return text.length < MAX_TEXT ? 'more' : undefined;
  const size = end + 2;
  const [, protocol, ...parts] = text.slice(0, end).split(' ');
  // Whatever follows it has no meaning.
  if (protocol === 'UNKNOWN') return { size, client: undefined };
  const [source = '', target = '', ...ports] = parts;
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : undefined;
  if (!isAddress?.(source) || !isAddress(target) || source.includes('%') || ports.length !== 2) return undefined;
  if (!ports.every((port) => PORT.test(port) && Number(port) < 65_536)) return undefined;
  return { size, client: clientOf(source, Number(ports[0])) };
}

function binaryHeaderOf(bytes: Buffer): ProxyHeader | 'more' | undefined {
  const [command = 0, family = 0] = bytes.subarray(BINARY.length);
  const length = bytes.readUInt16BE(BINARY.length + 2);
  if (command >> 4 !== 2 || length > MAX_BINARY) return undefined;
  if (bytes.length < FIXED + length) return 'more';
  const size = FIXED + length;
  // A health check of the sender, for example: what follows has no meaning.
  if (command === 0x20) return { size, client: undefined };
  if (command !== 0x21) return undefined;
  const rest = bytes.subarray(FIXED, size);
  switch (family) {
    case 0x11:
      return length < 12 ? undefined : { size, client: clientOf(rest.subarray(0, 4).join('.'), rest.readUInt16BE(8)) };
    case 0x21:
      return length < 36 ? undefined : { size, client: clientOf(groupsOf(rest), rest.readUInt16BE(32)) };
    // UDP, unix sockets, and what is not specified: there is no address of a TCP client.
    default: return family >> 4 <= 3 && (family & 15) <= 2 ? { size, client: undefined } : undefined;
  }
}

/** The first IPv6 address, in its groups. */
function groupsOf(rest: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => rest.readUInt16BE(2 * i).toString(16)).join(':');
}

/** In the spelling in which Node shows addresses. */
function clientOf(text: string, remotePort: number): Client {
  const isV4 = isIPv4(text);
  const { address } = new SocketAddress({ address: text, family: isV4 ? 'ipv4' : 'ipv6' });
  return { remoteAddress: address, remotePort, remoteFamily: isV4 ? 'IPv4' : 'IPv6' };
}
