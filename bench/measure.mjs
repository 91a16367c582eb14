import { start } from './processes.mjs';

/** Smallest, median and largest of some figures, and all of them in the order in which they were measured. */
export function spread(all) {
  const sorted = [...all].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
  return { min: sorted[0], median, max: sorted.at(-1), all };
}

/**
 * Measures each entry once a round, so that what else the machine does hits them all alike.
 *
 * @param measure returns an object of figures.
 * @returns the spread of each figure, by entry.
 */
export async function inRounds(rounds, entries, measure) {
  const samples = new Map(entries.map((entry) => [entry, []]));
  for (let round = 0; round < rounds; round += 1) {
    // From another one each time: none always follows the same other.
    for (let i = 0; i < entries.length; i += 1) {
      const entry = entries[(i + round) % entries.length];
      samples.get(entry).push(await measure(entry, round));
    }
  }
  return new Map([...samples].map(([entry, all]) => [entry, spreads(all)]));
}

/**
 * How two spreads compare that were measured in the same rounds: the median of the rounds' ratios. What slows the
 * machine down for longer than a turn hits both of a pair.
 */
export function pairedRatio(ours, theirs) {
  return ours && theirs ? ratios(ours, theirs).median : undefined;
}

/**
 * What the ratio is at least, with a confidence of 99 %, by the sign test: where the true ratio were smaller, fewer than
 * one run in a hundred would have so many rounds above. Less than 7 rounds cannot show that much; it is their smallest.
 */
export function leastRatio(ours, theirs) {
  if (!ours || !theirs) return undefined;
  const sorted = ratios(ours, theirs).all.sort((a, b) => a - b);
  const n = sorted.length;
  let rank = 0;
  // By how likely it is that at most so many of n rounds lie below their true median.
  for (let ways = 1, sum = 1; sum / 2 ** n <= 0.01; rank += 1) {
    ways *= (n - rank) / (rank + 1);
    sum += ways;
  }
  return sorted[Math.max(0, rank - 1)];
}

function ratios(ours, theirs) {
  return spread(ours.all.map((value, round) => value / theirs.all[round]));
}

function spreads(samples) {
  const names = Object.keys(samples[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, spread(samples.map((sample) => sample[name]))]));
}

/** How many turns in a row no cheaper than those before show that a peer is warm, and after how many the others wait no more. */
const STILL = { turns: 3, atMost: 25, tolerance: 0.03 };

/** Measures what a request costs until it stands still: code is compiled for seconds, sooner on one machine than on another. */
export async function untilStill(measure) {
  let least = Infinity;
  for (let turn = 0, still = 0; turn < STILL.atMost && still < STILL.turns; turn += 1) {
    const cpu = await measure();
    still = cpu < least * (1 - STILL.tolerance) ? 0 : still + 1;
    least = Math.min(least, cpu);
  }
}

/** Runs a load until what a request costs a peer stands still. */
export function warm(load, peer, { work, ms }) {
  return untilStill(async () => (await measureRun(load, peer, { work, ms })).cpu);
}

/**
 * One run of a load generator, and the CPU that a peer has used for each of its requests meanwhile, in µs.
 *
 * @param warmUp how long the load runs before the figures count, in ms.
 */
export async function measureRun(load, peer, { work, warmUp = 0, ms }) {
  if (warmUp > 0) await load.call('run', { work, ms: warmUp });
  const before = await peer.call('usage');
  const { count, rps, p50, p99 } = await load.call('run', { work, ms });
  const cpu = (await peer.call('usage') - before) / count;
  return { cpu, rps, p50, p99 };
}

/**
 * Measures peers in turns, by name: opens connections to one, lets it get warm in its first turn, and closes them again.
 *
 * @param settle waits for what a peer does after its connections are open.
 */
export function inTurns(load, peers, { work, connections, settle, rounds, ms, warmUp }) {
  return inRounds(rounds, [...peers.keys()], async (name, round) => {
    const peer = peers.get(name);
    await load.call('open', { port: peer.port, connections });
    await settle();
    if (round === 0) await warm(load, peer, { work, ms });
    const run = await measureRun(load, peer, { work, ms, warmUp });
    await load.call('close');
    return run;
  });
}

export function startLoad(name = 'requests') {
  return start(`./load/${name}.mjs`);
}
