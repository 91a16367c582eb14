import { IdleReuse, WATCHED } from '../../src/forwarding/idle-reuse';

/** Reuse that is allowed: so many connections were idle from 0 on, and open at 4000 and after. */
function allowed(): IdleReuse {
  const reuse = new IdleReuse(undefined);
  const idle = Array.from({ length: WATCHED }, () => reuse.begin(0, undefined));
  for (const at of [4000, 4200]) {
    reuse.answered(at);
    for (const each of idle) reuse.look(each, at);
  }
  return reuse;
}

it('is allowed when 20 connections were open after 4 s, with the last of them and not before', () => {
  const reuse = new IdleReuse(undefined);
  const idle = Array.from({ length: 20 }, () => reuse.begin(0, undefined));
  reuse.answered(4000);
  expect(idle.map((each) => reuse.look(each, 4001))).not.toContain(true);
  reuse.answered(4001);
  idle.forEach((each, i) => {
    expect(reuse.isAllowed).toBe(false);
    expect([i, reuse.look(each, 4002)]).toEqual([i, true]);
  });
  expect(reuse.isAllowed).toBe(true);
});

it.each([
  ['no request was answered', []],
  ['none that was sent when they had been idle for so long', [3999, 3999]],
  ['none that was sent after the first such answer was seen', [4000, 4009]],
])('takes no connection for safe where %s', (_, answers) => {
  const reuse = new IdleReuse(undefined);
  const idle = reuse.begin(0, undefined);
  for (const sentAt of answers) {
    reuse.answered(sentAt);
    expect(reuse.look(idle, 4010)).toBe(false);
  }
  expect(reuse.look(idle, 100_000)).toBe(false);
});

it('is forbidden for good when the host closes a connection that is watched, however many have stayed open', () => {
  const reuse = new IdleReuse(undefined);
  const idle = Array.from({ length: 100 }, () => reuse.begin(0, undefined));
  reuse.closed(reuse.begin(0, undefined), 3999);
  for (const at of [4000, 5000, 6000]) {
    reuse.answered(at);
    for (const each of idle) reuse.look(each, at);
  }
  expect([reuse.isAllowed, reuse.keeps(0)]).toEqual([false, false]);
});

it('is forbidden for good when the host closes a connection too soon after it was allowed', () => {
  const reuse = allowed();
  expect([reuse.isAllowed, reuse.keeps(1e6)]).toEqual([true, true]);
  reuse.closed(reuse.begin(5000, undefined), 8999);
  expect([reuse.isAllowed, reuse.keeps(0)]).toEqual([false, false]);
});

it('is not forbidden when a host closes a connection after all of the time that it is watched for', () => {
  const reuse = allowed();
  reuse.closed(reuse.begin(5000, undefined), 9000);
  expect(reuse.isAllowed).toBe(true);
});

it('keeps no more connections than are watched until reuse is allowed', () => {
  const reuse = new IdleReuse(undefined);
  expect([reuse.keeps(WATCHED - 1), reuse.keeps(WATCHED)]).toEqual([true, false]);
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
  expect(new IdleReuse(known).begin(7, told)).toEqual({ since: 7, reuse, watch, due: 7 + watch, isDue: false });
});

it.each([0, 1000])('is forbidden where a host says that it closes after %p ms', (told) => {
  const reuse = new IdleReuse(undefined);
  reuse.begin(0, told);
  expect(reuse.keeps(0)).toBe(false);
});

it.each([[0, false], [1000, false], [1001, true]])('known %p ms, is allowed from the start: %p', (known, isAllowed) => {
  expect([new IdleReuse(known).isAllowed, new IdleReuse(known).keeps(0)]).toEqual([isAllowed, isAllowed]);
});

it('is forbidden where the host closes sooner than it is known to', () => {
  const reuse = new IdleReuse(60_000);
  reuse.closed(reuse.begin(0, undefined), 29_999);
  expect(reuse.keeps(0)).toBe(false);
});

it('gives connections up that are idle for too long to be reused, and all when reuse is forbidden', () => {
  const reuse = allowed();
  const idle = reuse.begin(5000, undefined);
  expect([reuse.look(idle, 5999), reuse.look(idle, 6000)]).toEqual([false, true]);
  reuse.forbid();
  expect(reuse.look(idle, 5000)).toBe(true);
});
