import type { IncomingMessage } from 'node:http';
import { refusals, type Refusal } from '../../src/base/refusals';
import { Admission, type AdmissionOptions } from '../../src/routing/admission';
import { stopClock, type Clock } from '../support/clock';
import { requestsOf } from '../support/handshakes';

let clock: Clock;
let start: number;

beforeEach(() => {
  clock = stopClock();
  start = jest.now();
});
afterEach(() => jest.restoreAllMocks());

interface Turns {
  admission: Admission;
  requests: IncomingMessage[];
  /** When each was let through, in ms, which do not count where the process stands still; or what it was refused with. */
  outcomes: (number | Refusal)[];
}

/** So many handshakes come at once. */
function come(count: number, options: Partial<AdmissionOptions>): Turns {
  const admission = new Admission({ maxHandshakesPerSecond: 2, maxQueuedHandshakes: 100, handshakeQueueTimeout: 60_000, ...options });
  const turns: Turns = { admission, requests: [], outcomes: [] };
  more(count, turns);
  return turns;
}

function more(count: number, { admission, requests, outcomes }: Turns): void {
  for (const req of requestsOf(count)) {
    requests.push(req);
    const settle = (refusal: Refusal | undefined): void => void outcomes.push(refusal ?? jest.now() - start);
    const turn = admission.admit(req);
    if (turn instanceof Promise) void turn.then(settle);
    else settle(turn);
  }
}

const { code } = refusals.tooManyHandshakes;

/** How often each is told after how many seconds to come again, at the most. */
function toldBy(turns: Turns, count: number): (number | undefined)[] {
  jest.spyOn(Math, 'random').mockReturnValue(1 - Number.EPSILON);
  const before = turns.outcomes.length;
  more(count, turns);
  return turns.outcomes.slice(before).map((outcome) => typeof outcome === 'number' ? undefined : outcome.retryAfter);
}

it('lets all through at once where there is no limit', () => {
  const turns = come(1000, { maxHandshakesPerSecond: undefined, maxQueuedHandshakes: 0 });
  // Others refuse them while the proxy closes.
  turns.admission.stop();
  more(1, turns);
  expect([new Set(turns.outcomes), turns.outcomes.length, turns.admission.queued]).toEqual([new Set([0]), 1001, 0]);
});

it.each([[2, [0, 510, 1020, 1530]], [2.5, [0, 408, 816, 1224]], [0.5, [0, 2040, 4080, 6120]]])(
  'lets the others through in even turns, at a rate of %d', async (maxHandshakesPerSecond, times) => {
    const turns = come(4, { maxHandshakesPerSecond });
    expect([turns.outcomes, turns.admission.queued]).toEqual([[0], 3]);
    await clock.advance(10_000);
    expect([turns.outcomes, turns.admission.queued, jest.getTimerCount()]).toEqual([times, 0, 0]);
  },
);

it('lets one through at once again when its turn has passed, and makes up for no turns that nobody took', async () => {
  const turns = come(1, {});
  await clock.advance(509);
  more(1, turns);
  expect(turns.admission.queued).toBe(1);
  await clock.advance(10_000);
  more(2, turns);
  await clock.advance(1000);
  expect(turns.outcomes).toEqual([0, 510, 10_509, 11_019]);
});

it('lets one through in the very moment of its turn, but lets nobody overtake those who wait', async () => {
  const turns = come(1, {});
  await clock.advance(510);
  more(2, turns);
  expect([turns.outcomes, turns.admission.queued]).toEqual([[0, 510], 1]);
  await clock.advance(509);
  // Their turn has come, which the timer does not know yet.
  clock.stall(10);
  more(1, turns);
  expect(turns.admission.queued).toBe(2);
  await clock.advance(1000);
  expect(turns.outcomes).toEqual([0, 510, 1020, 1520]);
});

it('makes up for 100 ms in which the process stood still, and no more', async () => {
  const turns = come(5, { maxHandshakesPerSecond: 10 });
  await clock.advance(101);
  clock.stall(1000);
  await clock.advance(500);
  // The second takes the third's turn along, but for 2 ms.
  expect(turns.outcomes).toEqual([0, 102, 104, 206, 308]);
});

it('lets no more through in a second than the rate, though one was late', async () => {
  const turns = come(5, { maxHandshakesPerSecond: 3 });
  await clock.advance(339);
  clock.stall(90);
  await clock.advance(2000);
  // The last would have its turn at 1270, which is 930 after the second.
  expect(turns.outcomes).toEqual([0, 340, 590, 930, 1360]);
});

describe('a handshake is refused', () => {
  it('where as many wait as may', async () => {
    const turns = come(4, { maxQueuedHandshakes: 2 });
    expect(turns.outcomes).toEqual([0, expect.objectContaining({ code })]);
    await clock.advance(510);
    more(2, turns);
    expect(turns.outcomes.slice(2)).toEqual([510, expect.objectContaining({ code })]);
    expect(turns.admission.queued).toBe(2);
  });

  it.each([[1020, 2], [1019, 1]])('where it would wait for more than handshakeQueueTimeout: %d ms', (handshakeQueueTimeout, waiting) => {
    const turns = come(4, { handshakeQueueTimeout });
    expect([turns.admission.queued, turns.outcomes.length]).toEqual([waiting, 4 - waiting]);
  });

  it('only where its turn is more than 100 ms too late', async () => {
    const turns = come(4, { maxHandshakesPerSecond: 10, handshakeQueueTimeout: 306 });
    await clock.advance(101);
    clock.stall(250);
    await clock.advance(500);
    // At 352, 354 and 456: the last 150 ms too late.
    expect(turns.outcomes).toEqual([0, 102, 104, expect.objectContaining({ code })]);
  });

  it('where it has waited in vain for much more than that, for the process stood still', async () => {
    const turns = come(4, { maxHandshakesPerSecond: 10, handshakeQueueTimeout: 306 });
    await clock.advance(101);
    clock.stall(304);
    await clock.advance(1);
    // At 406. The next turn is at 408: 2 ms too late.
    expect(turns.outcomes).toEqual([0, 102, expect.objectContaining({ code }), expect.objectContaining({ code })]);
  });

  it('where the proxy closes, as all that wait, and leaves no timer', async () => {
    const turns = come(3, {});
    turns.admission.stop();
    await clock.advance(0);
    more(1, turns);
    expect([turns.outcomes[0], new Set(turns.outcomes.slice(1)), turns.outcomes.length]).toEqual([0, new Set([refusals.closing]), 4]);
    expect([turns.admission.queued, jest.getTimerCount()]).toEqual([0, 0]);
  });
});

it('takes no turn for a client that has gone', async () => {
  const turns = come(1, {});
  // Each with a socket of its own.
  for (let i = 0; i < 3; i += 1) more(1, turns);
  const [, second, third, fourth] = turns.requests as [IncomingMessage, IncomingMessage, IncomingMessage, IncomingMessage];
  second.socket.emit('close');
  expect([turns.admission.queued, jest.getTimerCount()]).toEqual([2, 1]);
  await clock.advance(510);
  expect([turns.outcomes, turns.admission.queued]).toEqual([[0, 510], 1]);
  fourth.socket.emit('close');
  expect([turns.admission.queued, jest.getTimerCount()]).toEqual([0, 0]);
  await clock.advance(10_000);
  expect([turns.outcomes, third.socket.listenerCount('close')]).toEqual([[0, 510], 0]);
});

it('waits with a new timer after the last that waited has gone', async () => {
  const turns = come(2, {});
  turns.requests[1]?.socket.emit('close');
  await clock.advance(100);
  more(1, turns);
  await clock.advance(1000);
  expect(turns.outcomes).toEqual([0, 510]);
});

describe('who is refused is told to come again', () => {
  it('when all before it could have had their turn', async () => {
    const turns = come(1, { maxQueuedHandshakes: 0 });
    // Until 1020, 1530, 2040 and so on.
    expect(toldBy(turns, 6)).toEqual([2, 2, 3, 3, 4, 4]);
    await clock.advance(2000);
    expect(toldBy(turns, 3)).toEqual([undefined, 3, 3]);
    await clock.advance(60_000);
    expect(toldBy(turns, 2)).toEqual([undefined, 2]);
  });

  it('after those who wait', () => {
    expect(toldBy(come(3, { maxQueuedHandshakes: 2 }), 2)).toEqual([3, 3]);
  });

  it('within half a minute', () => {
    expect(toldBy(come(1, { maxHandshakesPerSecond: 0.01, maxQueuedHandshakes: 0 }), 3)).toEqual([30, 30, 30]);
    const turns = come(1, { maxHandshakesPerSecond: 0.01, maxQueuedHandshakes: 0 });
    jest.spyOn(Math, 'random').mockReturnValue(0);
    more(1, turns);
    expect(turns.outcomes[1]).toMatchObject({ retryAfter: 1 });
  });
});
