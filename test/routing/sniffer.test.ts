import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import WebSocket from 'ws';
import {
  MAX_HANDSHAKE_SIZE, MAX_SID_LENGTH, openPacketOf, openPacketOfFrame, openPacketOfStart, readableEncodings,
} from '../../src/routing/sniffer';
import { FRAMINGS, jsonp, openPacket, v4, type Packet } from '../support/framings';

function textOf({ data }: Packet): string {
  return `0${data.toString()}`;
}

const open = openPacket('abc');
const plain = Buffer.from(textOf(open));

describe.each(FRAMINGS)('an OPEN packet of %s', (_, encode) => {
  it.each([
    'abc', 'é日本😀', 'a"b\'c', '}{', '0{"sid":"b"}', '12:0{', '%41', 'a+b c', 'a/b\\c\\\\"', '\u2028\u2029', '\x00\x1e\n',
  ])('is read with the sid %j', (sid) => {
    expect(openPacketOf(encode(openPacket(sid)), undefined)).toEqual({ sid, lifetime: 45 });
  });

  it('counts where it is the first packet', () => {
    const others = [{ type: 'message', data: '0{"sid":"b"}' }, openPacket('c')];
    expect(openPacketOf(encode(open, ...others), undefined)?.sid).toBe('abc');
    expect(openPacketOf(encode(...others), undefined)).toBeUndefined();
    expect(openPacketOf(encode({ type: 'noop', data: '' }, open), undefined)).toBeUndefined();
  });

  it('is read up to a sid of 512 characters', () => {
    const sid = 'é'.repeat(MAX_SID_LENGTH);
    expect(openPacketOf(encode(openPacket(sid)), undefined)?.sid).toBe(sid);
    expect(openPacketOf(encode(openPacket(`${sid}é`)), undefined)).toBeUndefined();
  });

  it.each([[5], [12_345_678], [-1], [0.5]])('is read with the sid %j as text, as clients write it into their URLs', (sid) => {
    expect(openPacketOf(encode(openPacket(sid)), undefined)?.sid).toBe(String(sid));
  });

  it.each([[''], [null], [true], [['abc']], [{ sid: 'abc' }]])('is not read with the sid %j', (sid) => {
    expect(openPacketOf(encode(openPacket(sid)), undefined)).toBeUndefined();
  });
});

describe('openPacketOf', () => {
  it.each([
    ['slashes escaped in the packet', '___eio[0]("0{\\"sid\\":\\"a\\\\/b\\"}");'],
    ['slashes escaped in the string', '___eio[0]("0{\\"sid\\":\\"a\\/b\\"}");'],
    ['unicode escapes', '___eio[0]("0{\\"sid\\":\\"\\u0061\\\\u002fb\\"}");'],
    ['single quotes, as netty-socketio writes it', "___eio[0]('15:0{\"sid\":\"a\\\\/b\"}');"],
    ['an apostrophe in single quotes', "___eio[0]('0{\"sid\":\"a/b\",\"of\":\"it\\'s\"}');"],
    ['no index, and a comment and white space around it', '/**/___eio[]("0{\\"sid\\":\\"a/b\\"}")\r\n'],
  ])('reads JSONP with %s', (_, body) => {
    expect(openPacketOf(Buffer.from(body), undefined)).toEqual({ sid: 'a/b', lifetime: 0 });
  });

  it('reads JSONP with a sid that holds an apostrophe, as netty-socketio escapes it', () => {
    expect(openPacketOf(Buffer.from("___eio[0]('0{\"sid\":\"it\\'s\"}');"), undefined)?.sid).toBe("it's");
  });

  it.each([
    ['nothing', ''],
    ['a type alone', '0'],
    ['no sid', '0{}'],
    ['an array', '0["sid"]'],
    ['a string', '0"sid"'],
    ['null', '0null'],
    ['another type', '4{"sid":"a"}'],
    ['no type', '{"sid":"a"}'],
    ['two types', '00{"sid":"a"}'],
    ['half of it', '0{"sid":"a"'],
    ['more than JSON', '0{"sid":"a"}x'],
    ['a page', '<html>0{"sid":"a"}</html>'],
    ['a length that is too short', '11:0{"sid":"a"}'],
    ['a length that is no number', 'b:0{"sid":"a"}'],
    ['a binary packet', Buffer.from('\x01\x01\x02\xff0{"sid":"a"}', 'latin1')],
    ['a binary length without end', Buffer.from('\x00\x01\x020{"sid":"a"}', 'latin1')],
    ['a binary length without digits', Buffer.from('\x00\xff0{"sid":"a"}', 'latin1')],
    ['a binary length with other than digits', Buffer.from('\x00\x0a\x00\xff0{"sid":"a"}', 'latin1')],
    ['a binary length with too many digits', Buffer.from('\x00\0\0\0\0\0\x01\x02\xff0{"sid":"a"}', 'latin1')],
    ['a binary length that is too short', Buffer.from('\x00\x01\x01\xff0{"sid":"a"}', 'latin1')],
    ['JSONP of another name', 'other[0]("0{\\"sid\\":\\"a\\"}");'],
    ['JSONP behind anything else', ';___eio[0]("0{\\"sid\\":\\"a\\"}");'],
    ['JSONP before anything else', '___eio[0]("0{\\"sid\\":\\"a\\"}");;'],
    ['JSONP without end', '___eio[0]("0{\\"sid\\":\\"a\\"}"'],
    ['JSONP with a broken string', '___eio[0]("0{"sid":"a"}");'],
    ['JSONP with two kinds of quotes', "___eio[0]('0{\"sid\":\"a\"}\");"],
    ['JSONP with an object', '___eio[0]({"sid":"a"});'],
  ])('finds none in %s', (_, body) => {
    expect(openPacketOf(Buffer.from(body as string), undefined)).toBeUndefined();
  });

  it.each([
    ['both', { pingInterval: 25_000, pingTimeout: 20_000 }, 45],
    ['fractions', { pingInterval: 1.5, pingTimeout: 0.5 }, 0.002],
    ['pingInterval only', { pingInterval: 3000, pingTimeout: undefined }, 3],
    ['pingTimeout only', { pingInterval: undefined, pingTimeout: 2000 }, 2],
    ['none', { pingInterval: undefined, pingTimeout: undefined }, 0],
    ['negative values', { pingInterval: -9000, pingTimeout: 2000 }, 2],
    ['values that are no numbers', { pingInterval: '9000', pingTimeout: [2000] }, 0],
    ['null', { pingInterval: null, pingTimeout: 2000 }, 2],
    ['a day', { pingInterval: 86_400_000, pingTimeout: 0 }, 86_400],
    ['more than a day', { pingInterval: 86_400_000, pingTimeout: 1 }, 86_400],
    ['absurd values', { pingInterval: Number.MAX_VALUE, pingTimeout: Number.MAX_VALUE }, 86_400],
  ])('reads the lifetime from %s', (_, rest, lifetime) => {
    expect(openPacketOf(Buffer.from(textOf(openPacket('a', rest))), undefined)).toEqual({ sid: 'a', lifetime });
  });

  it('reads a lifetime beyond what a number holds as a day', () => {
    expect(openPacketOf(Buffer.from('0{"sid":"a","pingInterval":1e999}'), undefined)?.lifetime).toBe(86_400);
  });

  it.each(['', 'identity', ' Identity'])('reads a plain body of the encoding %j', (encoding) => {
    expect(openPacketOf(plain, encoding)?.sid).toBe('abc');
  });

  it.each(['zstd', 'compress', 'gzip, br', 'constructor'])('reads nothing of the encoding %j', (encoding) => {
    expect(openPacketOf(plain, encoding)).toBeUndefined();
  });
});

describe.each([
  ['gzip', 'gzip', gzipSync],
  ['gzip, by its old name', 'x-gzip', gzipSync],
  ['gzip, in other letters', ' GZip ', gzipSync],
  ['deflate', 'deflate', deflateSync],
  ['deflate without its wrapper', 'deflate', deflateRawSync],
  ['brotli', 'br', brotliCompressSync],
])('a body compressed with %s', (_, encoding, compress) => {
  it.each(FRAMINGS)('is read: %s', (_, encode) => {
    expect(openPacketOf(compress(encode(open)), encoding)).toEqual({ sid: 'abc', lifetime: 45 });
  });

  it('is not read where it is cut, corrupt or not compressed', () => {
    const body = compress(plain);
    const cuts = Array.from(body.keys(), (end) => openPacketOf(body.subarray(0, end), encoding));
    expect(cuts.filter((found) => found !== undefined)).toEqual([]);
    expect(openPacketOf(body.map((byte) => byte ^ 0xff) as Buffer, encoding)).toBeUndefined();
    expect(openPacketOf(plain, encoding)).toBeUndefined();
  });

  it('is read up to what it may inflate to', () => {
    // White space after JSON is part of it, so that only the size can make the difference.
    const padded = (size: number): Buffer => compress(Buffer.from(plain.toString().padEnd(size)));
    expect(openPacketOf(padded(MAX_HANDSHAKE_SIZE), encoding)?.sid).toBe('abc');
    expect(openPacketOf(padded(MAX_HANDSHAKE_SIZE + 1), encoding)).toBeUndefined();
    expect(openPacketOf(padded(20_000_000), encoding)).toBeUndefined();
  });
});

describe('openPacketOfFrame', () => {
  const { Sender } = WebSocket as unknown as { Sender: { frame: (data: Buffer, options: object) => Buffer[] } };
  const finalText = { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false };
  const frame = (text: string, options: object = {}): Buffer =>
    Buffer.concat(Sender.frame(Buffer.from(text), { ...finalText, ...options }));

  it.each([
    ['8 bits', textOf(openPacket('é', { upgrades: [] }))],
    ['16 bits', textOf(openPacket('é'.repeat(300)))],
  ])('reads the first frame once it is whole: a length of %s', (_, text) => {
    const bytes = frame(text);
    const partly = Array.from(bytes.keys(), (end) => openPacketOfFrame(bytes.subarray(0, end)));
    expect(new Set(partly)).toEqual(new Set(['incomplete']));
    const expected = { sid: (JSON.parse(text.slice(1)) as { sid: string }).sid, lifetime: 45 };
    expect(openPacketOfFrame(bytes)).toEqual(expected);
    expect(openPacketOfFrame(Buffer.concat([bytes, frame('0{"sid":"later"}')]))).toEqual(expected);
  });

  it.each([
    ['binary', frame(textOf(open), { opcode: 2 })],
    ['a ping', frame('', { opcode: 9 })],
    ['a close', frame('', { opcode: 8 })],
    ['a continuation', frame(textOf(open), { opcode: 0 })],
    ['the first of a message in pieces', frame(textOf(open), { fin: false })],
    ['masked, as a client\'s', frame(textOf(open), { mask: true })],
    ['of a length of 64 bits', frame(textOf(open).padEnd(70_000))],
  ])('finds none as soon as the first frame is %s', (_, bytes) => {
    expect(openPacketOfFrame(bytes.subarray(0, 2))).toBeUndefined();
    expect(openPacketOfFrame(Buffer.concat([bytes, frame(textOf(open))]))).toBeUndefined();
  });

  it('reads a first frame that is compressed (permessage-deflate), and finds none where what is in it is not', () => {
    const packet = textOf(open);
    const compressed = (bytes: Buffer): Buffer => Buffer.concat(Sender.frame(bytes, { ...finalText, rsv1: true }));
    const bytes = compressed(deflateRawSync(Buffer.from(packet), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4));
    const partly = Array.from(bytes.keys(), (end) => openPacketOfFrame(bytes.subarray(0, end)));
    expect(new Set(partly)).toEqual(new Set(['incomplete']));
    expect(openPacketOfFrame(bytes)).toEqual({ sid: 'abc', lifetime: 45 });
    expect(openPacketOfFrame(compressed(Buffer.from(packet)))).toBeUndefined();
    expect(openPacketOfFrame(compressed(Buffer.alloc(0)))).toBeUndefined();
    expect(openPacketOfFrame(compressed(deflateRawSync(Buffer.from(packet.padEnd(70_000)))))).toBeUndefined();
  });

  it.each([
    ['another packet', frame('40{"sid":"a"}')],
    ['nothing', frame('')],
    ['no sid to bind', frame(textOf(openPacket('')))],
  ])('finds none where the first frame holds %s', (_, bytes) => {
    expect(openPacketOfFrame(Buffer.concat([bytes, frame(textOf(open))]))).toBeUndefined();
  });
});

describe('openPacketOfStart', () => {
  /** Packets that are sent with the first, of data that compresses well, or hardly. */
  const states: [name: string, data: string][] = [
    ['a state of few letters', 'x'.repeat(300_000)],
    ['a state of many', Array.from({ length: 30_000 }, (_, i) => (i * 7919) % 999_983).join()],
    // In JSONP each of them becomes several characters, so that the beginning ends within one.
    ['a state of lines', `${'x'.repeat(20)}\\n`.repeat(10_000)],
    ['a state of escapes', '\\"\\\\\u2028'.repeat(20_000)],
    ['a state of escapes that lie otherwise', `x${'\\"\\\\\u2028'.repeat(20_000)}`],
  ];
  const large = FRAMINGS.flatMap(([framing, encode]) => states.map(([name, data]): [string, Buffer] =>
    [`${framing}, with ${name}`, encode(open, { type: 'message', data: `2["state","${data}"]` })]));

  it.each(large)('reads the first packet of a response in %s', (_, body) => {
    expect(body.length).toBeGreaterThan(MAX_HANDSHAKE_SIZE);
    const encodings: [string | undefined, (bytes: Buffer) => Buffer][] = [
      [undefined, (bytes) => bytes], ['identity', (bytes) => bytes], ['gzip', gzipSync], ['deflate', deflateSync],
      ['deflate', deflateRawSync], ['br', brotliCompressSync],
    ];
    for (const [encoding, compress] of encodings) {
      const start = compress(body).subarray(0, MAX_HANDSHAKE_SIZE + 1000);
      expect([encoding, openPacketOfStart(start, encoding)?.sid]).toEqual([encoding, 'abc']);
    }
  });

  it.each([undefined, '', ' ', 'identity', ' Identity '])('reads a first packet of 60 kB of the encoding %j', (encoding) => {
    const start = v4('socket.io')(openPacket('abc', { data: 'x'.repeat(60_000) }), { type: 'message', data: 'x'.repeat(10_000) });
    expect(openPacketOfStart(start, encoding)?.sid).toBe('abc');
  });

  it('finds none in JSONP behind anything else', () => {
    const body = jsonp(v4('socket.io'))(open, { type: 'message', data: 'x'.repeat(70_000) });
    expect(openPacketOfStart(body, undefined)?.sid).toBe('abc');
    expect(openPacketOfStart(Buffer.concat([Buffer.from(';'), body]), undefined)).toBeUndefined();
  });

  it('finds none in what begins with another packet, or is in an encoding that is not read', () => {
    const [[, body]] = large as [[string, Buffer]];
    expect(openPacketOfStart(Buffer.concat([Buffer.from('4'), body]), undefined)).toBeUndefined();
    expect(openPacketOfStart(body, 'zstd')).toBeUndefined();
    expect(openPacketOfStart(body, 'gzip')).toBeUndefined();
  });
});

it.each([
  ['gzip, deflate, br, zstd', 'gzip, deflate, br'],
  ['zstd;q=1.0, GZIP;q=0.5 , x-gzip', 'GZIP;q=0.5 , x-gzip'],
  ['zstd', 'identity'],
  ['*', 'identity'],
  ['gzip, deflate', 'gzip, deflate'],
  ['identity;q=0.5', 'identity;q=0.5'],
])('asks for no encoding that cannot be read: %s', (accepted, asked) => {
  expect(readableEncodings(accepted)).toBe(asked);
});
