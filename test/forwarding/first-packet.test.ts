import { withSid } from '../../src/forwarding/first-packet';
import { MAX_HANDSHAKE_SIZE, openPacketOf } from '../../src/routing/sniffer';
import { FRAMINGS, jsonp, openPacket, v3Binary, v3Text, v4 } from '../support/framings';
import { Random } from '../support/random';

const SIDS = [
  'abc', 'é日本😀', 'a"b\'c', '}{', '0{"sid":"b"}', '12:0{', '%41', 'a+b c', 'a/b\\c\\\\"', '\u2028\u2029', '\x00\x1e\n',
];
const others = [{ type: 'message', data: '0{"sid":"abc"} é "\\ \u2028' }, openPacket('abc')];

describe.each(FRAMINGS)('an answer in %s', (_, encode) => {
  it.each(SIDS)('gets a token behind the sid %j', (sid) => {
    const shown = `${sid}.Ab-_9`;
    expect(withSid(encode(openPacket(sid)), shown)).toEqual(encode(openPacket(shown)));
  });

  it('is the same behind its first packet', () => {
    expect(withSid(encode(openPacket('abc'), ...others), 'abc.d')).toEqual(encode(openPacket('abc.d'), ...others));
  });

  it('keeps all else that the packet holds', () => {
    const rest = { upgrades: [], x: { sid: 'abc', y: [1.5, null, 'é'] }, '__proto__': 'p', 'sid ': 1 };
    expect(withSid(encode(openPacket('abc', rest)), 'abc.d')).toEqual(encode(openPacket('abc.d', rest)));
  });

  it('gets a sid of text where it was a number', () => {
    expect(withSid(encode(openPacket(12)), '12.d')).toEqual(encode(openPacket('12.d')));
  });

  it('is the same behind its first packet where only its beginning has come, cut anywhere', () => {
    const state = { type: 'message', data: `4${'é😀"\\'.repeat(MAX_HANDSHAKE_SIZE / 8)}` };
    const [before, after] = [encode(openPacket('abc'), state), encode(openPacket('abc.d'), state)];
    for (let cut = 0; cut < 12; cut += 1) {
      const start = before.subarray(0, MAX_HANDSHAKE_SIZE + cut);
      const shown = withSid(start, 'abc.d');
      expect(shown?.equals(after.subarray(0, start.length + after.length - before.length))).toBe(true);
    }
  });
});

it.each([
  ['14:0{"sid":"abc"}1:6', '16:0{"sid":"abc.d"}1:6'],
  ['0{ "pingInterval" : 25000.0, "sid" : "abc" }', '0{"pingInterval":25000,"sid":"abc.d"}'],
  ['0{"sid":"x","sid":"abc"}', '0{"sid":"abc.d"}'],
  ["___eio[0]('15:0{\"sid\":\"it\\'s\"}');", "___eio[0]('16:0{\"sid\":\"abc.d\"}');"],
  ["___eio[3]('0{\"sid\":\"abc\",\"of\":\"it\\'s\"}');", "___eio[3]('0{\"sid\":\"abc.d\",\"of\":\"it\\'s\"}');"],
  ['/**/___eio[]("0{\\"sid\\":\\"a\\/b\\"}\\u001E4x")\r\n', '/**/___eio[]("0{\\"sid\\":\\"abc.d\\"}\\u001E4x")\r\n'],
])('changes %j as another server writes it', (before, after) => {
  expect(withSid(Buffer.from(before), 'abc.d')?.toString()).toBe(after);
});

it.each([
  ['bytes that are no UTF-8 before its end', Buffer.from('0{"sid":"abc","x":"\xff"}', 'latin1')],
  ['no packet', Buffer.alloc(0)],
  ['another packet', Buffer.from('4{"sid":"abc"}')],
  ['half a packet', Buffer.from('0{"sid":"abc"')],
  ['a length beyond its end', Buffer.from('99:0{"sid":"abc"}1')],
  ['a binary packet that is none', Buffer.from([0, 1, 0xff, 0x30])],
  ['a binary packet without an end', Buffer.from([0, 1])],
])('leaves an answer with %s to the caller', (_, body) => {
  expect(withSid(body, 'abc.d')).toBeUndefined();
});

it('keeps bytes behind the packet that are no UTF-8', () => {
  const rest = Buffer.from([0x1e, 0x34, 0xff, 0xfe, 0x80]);
  const body = Buffer.concat([v4('socket.io')(openPacket('abc')), rest]);
  expect(withSid(body, 'abc.d')).toEqual(Buffer.concat([v4('socket.io')(openPacket('abc.d')), rest]));
});

// Whatever is read as an OPEN packet, with whatever sid, is either read with the new sid then, or left to the caller.
it('never makes an answer in which another sid is read', () => {
  const random = new Random(20);
  const encoders = [v3Text, v3Binary, v4('socket.io'), jsonp(v3Text), jsonp(v4('socket.io'))];
  let changed = 0;
  for (let i = 0; i < 5000; i += 1) {
    const body = Buffer.from(random.pick(encoders)(openPacket(random.pick(SIDS)), ...others.slice(random.below(3))));
    for (let left = random.below(4); left > 0; left -= 1) {
      const telling = Buffer.from('"\\\'{}0:,\x1e');
      body[random.below(Math.min(body.length, 140))] = random.chance(50) ? random.below(256) : random.pick([...telling]);
    }
    const isWhole = openPacketOf(body, undefined);
    const shown = withSid(body, 'new sid."\'\\');
    if (!shown || !isWhole) continue;
    changed += 1;
    expect(openPacketOf(shown, undefined)?.sid).toBe('new sid."\'\\');
  }
  expect(changed).toBeGreaterThan(1000);
});
