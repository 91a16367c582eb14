import { Trust, WATCHED } from '../../src/forwarding/idle-reuse';

/** A trust that has been given: so many connections were idle from 0 on, and open at 4000 and after. */
function earned(): Trust {
  const trust = new Trust(undefined);
  const idle = Array.from({ length: WATCHED }, () => trust.begin(0, undefined));
  for (const at of [4000, 4200]) {
    trust.answered(at);
    for (const each of idle) trust.look(each, at);
  }
  return trust;
}

it('is given when 20 connections were open after 4 s, with the last of them and not before', () => {
  const trust = new Trust(undefined);
  const idle = Array.from({ length: 20 }, () => trust.begin(0, undefined));
  trust.answered(4000);
  expect(idle.map((each) => trust.look(each, 4001))).not.toContain(true);
  trust.answered(4001);
  idle.forEach((each, i) => {
    expect(trust.isGiven).toBe(false);
    expect([i, trust.look(each, 4002)]).toEqual([i, true]);
  });
  expect(trust.isGiven).toBe(true);
});

it.each([
  ['no request was answered', []],
  ['none that was sent when they had been idle for so long', [3999, 3999]],
  ['none that was sent after the first such answer was seen', [4000, 4009]],
])('takes no connection for safe where %s', (_, answers) => {
  const trust = new Trust(undefined);
  const idle = trust.begin(0, undefined);
  for (const sentAt of answers) {
    trust.answered(sentAt);
    expect(trust.look(idle, 4010)).toBe(false);
  }
  expect(trust.look(idle, 100_000)).toBe(false);
});

it('is lost for good when the host closes a connection that is watched, however many have stayed open', () => {
  const trust = new Trust(undefined);
  const idle = Array.from({ length: 100 }, () => trust.begin(0, undefined));
  trust.closed(trust.begin(0, undefined), 3999);
  for (const at of [4000, 5000, 6000]) {
    trust.answered(at);
    for (const each of idle) trust.look(each, at);
  }
  expect([trust.isGiven, trust.isLost, trust.keeps(0)]).toEqual([false, true, false]);
});

it('is lost for good when the host closes a connection too soon after it was given', () => {
  const trust = earned();
  expect([trust.isGiven, trust.keeps(1e6)]).toEqual([true, true]);
  trust.closed(trust.begin(5000, undefined), 8999);
  expect([trust.isGiven, trust.keeps(0)]).toEqual([false, false]);
});

it('is not lost when a host closes a connection after all of the time that it is watched for', () => {
  const trust = earned();
  trust.closed(trust.begin(5000, undefined), 9000);
  expect(trust.isGiven).toBe(true);
});

it('keeps no more connections than are watched until it is given', () => {
  const trust = new Trust(undefined);
  expect([trust.keeps(WATCHED - 1), trust.keeps(WATCHED)]).toEqual([true, false]);
});

it.each([
  [undefined, undefined, 1000, 4000],
  [2000, undefined, 1000, 1500],
  [3000, undefined, 1500, 2250],
  [5000, undefined, 2500, 3750],
  [600_000, undefined, 300_000, 4000],
  [undefined, 75_000, 37_500, 4000],
  [5000, 75_000, 2500, 3750],
  [75_000, 5000, 2500, 3750],
])('told %p and known %p, reuses what is idle for less than %p ms, and watches for %p', (told, known, reuse, watch) => {
  expect(new Trust(known).begin(7, told)).toEqual({ since: 7, reuse, watch, due: 7 + watch, isDue: false });
});

it.each([0, 1000])('is lost where a host says that it closes after %p ms', (told) => {
  const trust = new Trust(undefined);
  trust.begin(0, told);
  expect(trust.isLost).toBe(true);
});

it.each([[0, false], [1000, false], [1001, true]])('known %p ms, is given from the start: %p', (known, given) => {
  expect([new Trust(known).isGiven, new Trust(known).isLost]).toEqual([given, !given]);
});

it('is lost where the host closes sooner than it is known to', () => {
  const trust = new Trust(60_000);
  trust.closed(trust.begin(0, undefined), 29_999);
  expect(trust.isLost).toBe(true);
});

it('gives connections up that are idle for too long to be reused, and all when it is lost', () => {
  const trust = earned();
  const idle = trust.begin(5000, undefined);
  expect([trust.look(idle, 5999), trust.look(idle, 6000)]).toEqual([false, true]);
  trust.lose();
  expect(trust.look(idle, 5000)).toBe(true);
});
