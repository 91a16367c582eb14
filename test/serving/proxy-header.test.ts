import { proxyHeaderOf } from '../../src/serving/proxy-header';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const REST = 'GET / HTTP/1.1\r\n\r\n';

/** A header of version 2, with its length. */
function binary(command: number, family: number, rest: string | Buffer, length?: number): Buffer {
  const body = typeof rest === 'string' ? Buffer.from(rest, 'hex') : rest;
  const fixed = Buffer.from([command, family, 0, 0]);
  fixed.writeUInt16BE(length ?? body.length, 2);
  return Buffer.concat([Buffer.from(SIGNATURE, 'hex'), fixed, body]);
}

const client = (remoteAddress: string, remotePort: number): object =>
  ({ remoteAddress, remotePort, remoteFamily: remoteAddress.includes(':') ? 'IPv6' : 'IPv4' });

const LONG = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
const V4 = 'cb007107c00002011f9001bb';
const V6 = `20010db8${'0'.repeat(23)}1${'0'.repeat(31)}11f9001bb`;
const TLVS = '0300045a5a5a5a0400022020';

const HEADERS: [header: string | Buffer, client: object | undefined][] = [
  ['PROXY TCP4 203.0.113.7 192.0.2.1 8080 443\r\n', client('203.0.113.7', 8080)],
  ['PROXY TCP6 2001:DB8::1 ::1 8080 443\r\n', client('2001:db8::1', 8080)],
  ['PROXY TCP6 ::ffff:203.0.113.7 ::1 0 65535\r\n', client('::ffff:203.0.113.7', 0)],
  [`PROXY TCP6 ${LONG} ${LONG} 65535 65535\r\n`, client(LONG, 65_535)],
  ['PROXY UNKNOWN\r\n', undefined], ['PROXY UNKNOWN 1.1.1.1 whatever\r\n', undefined], [`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`, undefined],
  [binary(0x21, 0x11, V4), client('203.0.113.7', 8080)], [binary(0x21, 0x21, V6), client('2001:db8::1', 8080)],
  [binary(0x21, 0x11, V4 + TLVS), client('203.0.113.7', 8080)], [binary(0x21, 0x21, V6 + TLVS), client('2001:db8::1', 8080)],
  [binary(0x21, 0x21, `${'0'.repeat(20)}ffffcb007107${V6.slice(32)}`), client('::ffff:203.0.113.7', 8080)],
  [binary(0x20, 0x00, ''), undefined], [binary(0x20, 0x11, V4), undefined], [binary(0x20, 0x99, 'ff'), undefined],
  [binary(0x21, 0x00, ''), undefined], [binary(0x21, 0x31, Buffer.alloc(216)), undefined], [binary(0x21, 0x12, V4), undefined],
  [binary(0x21, 0x00, Buffer.alloc(4096)), undefined],
];

describe('a header of the PROXY protocol', () => {
  it.each(HEADERS)('is read, and what follows is not: %j', (header, expected) => {
    const bytes = Buffer.from(header);
    expect(proxyHeaderOf(bytes)).toEqual({ size: bytes.length, client: expected });
    expect(proxyHeaderOf(Buffer.concat([bytes, Buffer.from(REST)]))).toEqual({ size: bytes.length, client: expected });
    expect(proxyHeaderOf(Buffer.concat([bytes, bytes]))).toEqual({ size: bytes.length, client: expected });
    for (let length = 1; length < bytes.length; length += 1) expect(proxyHeaderOf(bytes.subarray(0, length))).toBe('more');
  });

  it.each<[string | Buffer]>([
    ['G'], [REST], ['PROXX'], ['proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n'], ['PROXY\r\n'], ['PROXY \r\n'], ['PROXY TCP4\r\n'],
    ['PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n'], ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n'], ['PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n'],
    ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n'], ['PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n'], ['PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n'],
    ['PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n'], ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n'], ['PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n'],
    ['PROXY TCP4 ::1 ::1 1 2\r\n'], ['PROXY TCP6 1.1.1.1 ::1 1 2\r\n'], ['PROXY TCP6 ::1 1.1.1.1 1 2\r\n'],
    ['PROXY TCP6 fe80::1%lo ::1 1 2\r\n'],
    ['PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n'],
    ['PROXY TCP4 a,b 2.2.2.2 1 2\r\n'], [`PROXY UNKNOWN ${'x'.repeat(93)}`],
    [`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
    [binary(0x11, 0x11, V4)], [binary(0x31, 0x11, V4)], [binary(0x22, 0x11, V4)], [binary(0x2f, 0x11, V4)],
    [binary(0x21, 0x11, V4.slice(2))],
    [binary(0x21, 0x21, V6.slice(2))], [binary(0x21, 0x41, V4)], [binary(0x21, 0x13, V4)], [binary(0x21, 0x11, V4, 4097)],
    [binary(0x20, 0x00, '', 65_535)], [Buffer.from('0d0a0d0a000d0a515549540b', 'hex')], [Buffer.from('0d0a0d0a01', 'hex')],
  ])('is refused where it is none: %j', (bytes) => {
    expect(proxyHeaderOf(Buffer.from(bytes))).toBeUndefined();
  });
});
