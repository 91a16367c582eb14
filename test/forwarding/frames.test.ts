import { Frames, GOING_AWAY } from '../../src/forwarding/frames';
import { Random } from '../support/random';

const frame = (opcode: number, length: number, masked = false): Buffer => {
  const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255]
    : [127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255];
  if (masked) size[0] = (size[0] ?? 0) | 0x80;
  return Buffer.concat([Buffer.from([opcode, ...size]), masked ? Buffer.alloc(4, 1) : Buffer.alloc(0), Buffer.alloc(length, 0x88)]);
};

const TEXT = 0x81;
const CLOSE = 0x88;

it.each([0, 1, 2, 5, 125, 126, 127, 65_535, 65_536, 100_000])('knows where a frame of %d bytes ends, masked or not', (length) => {
  for (const masked of [false, true]) {
    const frames = new Frames();
    expect(frames.mayAdd).toBe(true);
    const bytes = frame(TEXT, length, masked);
    for (let at = 0; at < bytes.length; at += 1) {
      frames.follow(bytes.subarray(at, at + 1));
      if (frames.mayAdd !== (at === bytes.length - 1)) throw new Error(`after ${at + 1} of ${bytes.length} bytes`);
    }
  }
});

it('knows it however the frames come', () => {
  const random = new Random(7);
  for (let run = 0; run < 300; run += 1) {
    const sent = Array.from({ length: 1 + random.below(8) }, () =>
      frame(TEXT, random.below(random.chance(50) ? 300 : 70_000), random.chance(25)));
    const ends = new Set([0]);
    let end = 0;
    for (const { length } of sent) ends.add(end += length);
    const all = Buffer.concat(sent);
    const frames = new Frames();
    for (let at = 0; at < all.length;) {
      const size = 1 + random.below(random.chance(30) ? 4 : 80_000);
      frames.follow(all.subarray(at, at + size));
      at = Math.min(at + size, all.length);
      expect(frames.mayAdd).toBe(ends.has(at));
    }
  }
});

it('allows one between the parts of a message, but none after a close frame', () => {
  const frames = new Frames();
  frames.follow(frame(0x01, 10));
  expect(frames.mayAdd).toBe(true);
  frames.follow(Buffer.concat([frame(0x80, 3), frame(CLOSE, 2)]));
  expect(frames.mayAdd).toBe(false);
});

it('has a close frame with 1001', () => {
  expect([...GOING_AWAY]).toEqual([CLOSE, 2, 0x03, 0xe9]);
});
