import { disperse, type Lasting } from '../../src/forwarding/disperse';
import { stopClock, type Clock } from '../support/clock';

const STEP = 50;

/** Works that note when they are told to end, in ms from the start and rounded down to steps. */
class Works {
  readonly ends: number[] = [];
  readonly clock: Clock = stopClock();
  readonly #open = new Set<Lasting>();
  #passed = 0;

  add(count: number): this {
    for (let i = 0; i < count; i += 1) {
      const work = {
        leave: (): void => {
          this.#open.delete(work);
          this.ends.push(this.#passed);
        },
      };
      this.#open.add(work);
    }
    return this;
  }

  readonly lasting = (): Lasting[] => [...this.#open];

  async pass(ms: number): Promise<void> {
    for (const end = this.#passed + ms; this.#passed < end; this.#passed += STEP) await this.clock.advance(STEP);
  }
}

const never = new AbortController().signal;

it.each([
  [1, 20_000, [18_000]], [2, 20_000, [9000, 18_000]], [4, 20_000, [4500, 9000, 13_500, 18_000]],
  [1, 600, [600]], [3, 600, [200, 400, 600]], [2, 6000, [2500, 5000]],
])('ends %d works evenly over %d ms', async (count, ms, ends) => {
  const works = new Works().add(count);
  const over = disperse(works.lasting, ms, never);
  await works.pass(ms);
  await over;
  expect(works.ends).toHaveLength(count);
  for (const [i, end] of ends.entries()) expect(Math.abs((works.ends[i] ?? 0) - end)).toBeLessThanOrEqual(2 * STEP);
});

it('ends many in small groups', async () => {
  const works = new Works().add(10_000);
  const over = disperse(works.lasting, 10_000, never);
  await works.pass(10_000);
  await over;
  expect(works.ends).toHaveLength(10_000);
  const groups = new Map<number, number>();
  for (const end of works.ends) groups.set(end, (groups.get(end) ?? 0) + 1);
  // 8.2 s in steps of 50 ms are 61 each.
  expect(Math.max(...groups.values())).toBeLessThanOrEqual(125);
  expect(works.ends.at(-1)).toBeLessThanOrEqual(8250);
});

it('ends also those that come meanwhile, not all at once', async () => {
  const works = new Works();
  const over = disperse(works.lasting, 22_000, never);
  await works.pass(10_000);
  works.add(100);
  await works.pass(12_000);
  await over;
  expect(works.ends).toHaveLength(100);
  const early = works.ends.filter((end) => end < 15_000).length;
  expect([early > 30, early < 65]).toEqual([true, true]);
});

it('ends all at once where there is no time', () => {
  const works = new Works().add(3);
  void disperse(works.lasting, 0, never);
  expect(works.ends).toEqual([0, 0, 0]);
});

it('ends no more once it is stopped', async () => {
  const works = new Works().add(10);
  const stopping = new AbortController();
  const over = disperse(works.lasting, 20_000, stopping.signal);
  await works.pass(9500);
  stopping.abort();
  await over;
  await works.pass(15_000);
  expect(works.ends).toHaveLength(5);
});
