import { LateCalls } from '../../src/sessions/late-calls';
import { MemoryStore } from '../../src/sessions/memory-store';
import { stopClock, type Clock } from '../support/clock';

const REFUSAL = 'the session store has 4 calls left to answer';

let clock: Clock;
let calls: LateCalls;
/** End the calls that were given up, in their order. */
let answers: { resolve: () => void; reject: (error: Error) => void }[];

beforeEach(() => {
  clock = stopClock();
  // A part for each first character.
  calls = new LateCalls(Object.assign(new MemoryStore(), { partOf: (sid: string) => sid.charCodeAt(0) }));
  answers = [];
});

function giveUp(sid: string, times: number): void {
  for (let i = 0; i < times; i += 1) {
    calls.add(sid, new Promise<void>((resolve, reject) => answers.push({ resolve, reject })));
  }
}

const refused = (...sids: string[]): (string | undefined)[] => sids.map((sid) => calls.refusal(sid));

it('are four in a part of the store until no more is asked of it, and of no other', () => {
  giveUp('a1', 3);
  expect(refused('a1', 'a2', 'b1')).toEqual([undefined, undefined, undefined]);
  giveUp('a2', 1);
  expect(refused('a1', 'a2', 'b1')).toEqual([REFUSAL, REFUSAL, undefined]);
});

it.each(['resolve', 'reject'] as const)('that end after all (%s) are late no more', async (way) => {
  giveUp('a', 4);
  answers[0]?.[way](new Error('late'));
  await clock.advance(0);
  expect(refused('a')).toEqual([undefined]);
  giveUp('a', 1);
  expect(refused('a')).toEqual([REFUSAL]);
});

it('are forgiven at once by a store that has recovered, and else once a minute', async () => {
  giveUp('a', 4);
  calls.forgive(false);
  expect(refused('a')).toEqual([undefined]);
  giveUp('a', 4);
  await clock.advance(59_999);
  calls.forgive(false);
  expect(refused('a')).toEqual([REFUSAL]);
  await clock.advance(1);
  calls.forgive(false);
  expect(refused('a')).toEqual([undefined]);
  giveUp('a', 4);
  calls.forgive(true);
  expect(refused('a')).toEqual([undefined]);
});

it('that were forgiven do not make up for others when they end', async () => {
  giveUp('a', 4);
  calls.forgive(true);
  const forgiven = answers.splice(0);
  giveUp('a', 4);
  for (const { resolve } of forgiven) resolve();
  await clock.advance(0);
  expect(refused('a')).toEqual([REFUSAL]);
});
