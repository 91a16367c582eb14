import { refusals, type Refusal } from '../../src/base/refusals';
import { Admission, type AdmissionOptions } from '../../src/routing/admission';
import { stopClock, type Clock } from '../support/clock';
import { requestsOf } from '../support/handshakes';
import { mostWithin } from '../support/most-within';
import { Random } from '../support/random';

/** A second as the rate counts it, in ms. */
const SECOND = 1020;

let clock: Clock;
let start: number;
let admission: Admission;
/** When each handshake was let through, in ms; or what it was refused with. */
let outcomes: (number | string)[];

// eslint-disable-next-line no-restricted-properties -- It is held; `jest.now()` does not count what stands still.
const passed = (): number => performance.now() - start;

beforeEach(() => {
  clock = stopClock();
  start = 0;
  start = passed();
  outcomes = [];
});

function limit(maxHandshakesPerSecond: number | undefined, options: Partial<AdmissionOptions> = {}): void {
  admission = new Admission({ maxHandshakesPerSecond, maxQueuedHandshakes: 100_000, handshakeQueueTimeout: 3_600_000, ...options });
}

function come(count: number): void {
  const settle = (refusal: Refusal | undefined): void => void outcomes.push(refusal?.code ?? passed());
  for (const req of requestsOf(count)) {
    const turn = admission.admit(req);
    if (turn instanceof Promise) void turn.then(settle);
    else settle(turn);
  }
}

const { code } = refusals.tooManyHandshakes;

describe('a rate that changes', () => {
  it('keeps the part of a turn that is over', async () => {
    limit(4);
    admission.setRate(2);
    come(5);
    // Half a turn.
    await clock.advance(SECOND / 4);
    admission.setRate(4);
    await clock.advance(500);
    admission.setRate(1);
    await clock.advance(5000);
    // Half a turn of 255 ms, a whole one, and 117 ms of the next, whose other 138 ms take four times as long.
    expect(outcomes).toEqual([0, 383, 638, 1307, 1307 + SECOND]);
  });

  it('goes on evenly at once where it falls, and where it rises', async () => {
    limit(100);
    come(1000);
    await clock.advance(2000);
    admission.setRate(10);
    const before = outcomes.length;
    await clock.advance(2000);
    admission.setRate(100);
    const between = outcomes.length;
    await clock.advance(2000);
    const gaps = (outcomes as number[]).map((time, i, times) => time - (times[i - 1] ?? time));
    expect([before, between - before, outcomes.length - between]).toEqual([197, 19, 196]);
    expect(Math.max(...gaps.slice(0, before))).toBeLessThanOrEqual(11);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(SECOND / 10 + 11);
    expect(Math.max(...gaps.slice(between + 1))).toBeLessThanOrEqual(11);
  });

  it('is never more than the option', async () => {
    limit(5);
    admission.setRate(1000);
    come(20);
    await clock.advance(999);
    expect(outcomes).toHaveLength(5);
  });

  it('that is 0 lets those wait who come, until they have waited for as long as they may', async () => {
    limit(10, { handshakeQueueTimeout: 2000, maxQueuedHandshakes: 3 });
    come(1);
    admission.setRate(0);
    await clock.advance(500);
    come(4);
    expect([outcomes, admission.queued]).toEqual([[0, code], 3]);
    await clock.advance(1900);
    expect(admission.queued).toBe(3);
    await clock.advance(300);
    expect(outcomes).toEqual([0, code, code, code, code]);
    come(2);
    await clock.advance(1000);
    admission.setRate(10);
    await clock.advance(SECOND);
    expect(outcomes.slice(5)).toEqual([3700 + SECOND / 10, 3700 + SECOND / 5]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not hold up those who wait for a turn of a low one', async () => {
    limit(100);
    admission.setRate(0.01);
    come(3);
    await clock.advance(1000);
    admission.setRate(100);
    await clock.advance(30);
    expect(outcomes).toEqual([0, 1011, 1021]);
  });

  it('changes nothing where there is no limit', () => {
    limit(undefined);
    admission.setRate(0);
    come(10);
    expect(outcomes).toEqual(Array(10).fill(0));
  });
});

it('counts the handshakes that could have gone on: those that came, and those that still waited', async () => {
  limit(10, { maxQueuedHandshakes: 5 });
  expect(admission.takeDemand()).toBe(0);
  come(8);
  expect(outcomes).toEqual([0, code, code]);
  expect(admission.takeDemand()).toBe(8);
  await clock.advance(2 * SECOND / 10);
  expect(admission.takeDemand()).toBe(5);
  come(1);
  expect(admission.takeDemand()).toBe(4);
});

it.each([100, 200])('a rate that falls leaves no room in the second before for more than it was (of %d)', async (whole) => {
  limit(whole);
  admission.setRate(100);
  come(2000);
  await clock.advance(3000);
  // What was missed is made up for: the second that begins now is full before it is over.
  clock.stall(100);
  const from = passed();
  await clock.advance(915);
  admission.setRate(50);
  await clock.advance(2000);
  const times = outcomes.filter((time) => typeof time === 'number');
  expect(mostWithin(1000, times.filter((time) => time > from - 1000))).toBe(100);
  expect(mostWithin(1000, times.filter((time) => time >= from + 915))).toBe(50);
});

/** The most handshakes that came in some second beyond the highest rate in it, and how many of all came. */
function excessOf(changes: { at: number; rate: number }[]): number {
  const times = outcomes.filter((time) => typeof time === 'number').sort((a, b) => a - b);
  let [from, most] = [0, 0];
  times.forEach((time, i) => {
    while (time - (times[from] ?? time) >= 1000) from += 1;
    // In the second that ends with this one.
    const rates = changes.filter(({ at }, c) => at <= time && (changes[c + 1]?.at ?? Infinity) > time - 1000);
    most = Math.max(most, i - from + 1 - Math.max(...rates.map(({ rate }) => Math.ceil(rate))));
  });
  return most;
}

it.each([1, 2, 3, 4, 5, 6])('no second sees more than its highest rate, and all turns are used (seed %d)', async (seed) => {
  const random = new Random(seed);
  const whole = random.pick([10, 100, 1000]);
  limit(whole);
  const changes = [{ at: 0, rate: whole }];
  come(40 * whole);
  let due = 0;
  for (let i = 0; i < 25; i += 1) {
    const { rate: before } = changes.at(-1) ?? { rate: NaN };
    const stall = random.chance(30) ? random.below(200) : 0;
    const ms = 1200 + random.below(500);
    await clock.advance(ms - stall);
    // A tenth of a second of it is made up for.
    clock.stall(stall);
    due += before * (ms - Math.max(0, stall - 90)) / SECOND;
    const rate = random.pick([0, 0.5, whole / 10, whole / 3, Math.ceil(whole / 2), whole]);
    admission.setRate(rate);
    changes.push({ at: passed(), rate });
    // Who is let through hears of it now.
    await Promise.resolve();
  }
  await clock.advance(0);
  expect(excessOf(changes)).toBeLessThanOrEqual(0);
  const count = outcomes.length;
  // Each change may cost a part of a turn, and the second after a stall what would be too many in it.
  expect([count <= due + 2, count >= 0.97 * due - 5]).toEqual([true, true]);
  admission.setRate(whole);
  await clock.advance(41 * SECOND);
  expect([outcomes.length, admission.queued, jest.getTimerCount()]).toEqual([40 * whole, 0, 0]);
});
