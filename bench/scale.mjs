/** How long and how often everything is measured; times in ms. */
export function scaleOf({ quick, assert, rounds }) {
  const scale = assert ? ASSERT : quick ? QUICK : FULL;
  if (rounds === undefined) return scale;
  return { ...scale, rounds: Number(rounds), turn: { ...scale.turn, rounds: Number(rounds) } };
}

/** `turn`: of those that are compared round by round, many and short ones. */
const FULL = {
  rounds: 5, warmUp: 300, firstWarmUp: 1500, turn: { rounds: 21, ms: 400, warmUp: 50 },
  held: {
    counts: [50, 500, 2000, 4000, 8000], rounds: 3, ms: 1200, warmUp: 300,
    peers: ['http-proxy', 'HAProxy'],
  },
  wrk: { rounds: 9, seconds: 1 }, latency: { rounds: 9, ms: 1000, warmUp: 100 },
  idle: { base: 500, sockets: 2000, rounds: 3 },
  workers: { rounds: 3, ms: 2000 }, accepting: { rounds: 7, ms: 1000 },
  sessions: { counts: [100, 1000, 10_000, 100_000], rounds: 3, ms: 1000 },
  hosts: { counts: [3, 30, 300], rounds: 3, ms: 1200, idle: 4000 },
};

const QUICK = {
  rounds: 2, warmUp: 100, firstWarmUp: 400, turn: { rounds: 5, ms: 200, warmUp: 50 },
  held: { counts: [50, 4000], rounds: 1, ms: 500, warmUp: 100, peers: [] },
  wrk: { rounds: 1, seconds: 1 }, latency: { rounds: 1, ms: 500, warmUp: 100 },
  idle: { base: 300, sockets: 700, rounds: 1 },
  workers: { rounds: 1, ms: 500 }, accepting: { rounds: 2, ms: 500 },
  sessions: { counts: [100, 10_000], rounds: 1, ms: 400 },
  hosts: { counts: [3, 300], rounds: 1, ms: 300, idle: 2000 },
};

const ASSERT = {
  rounds: 5, warmUp: 100, turn: { rounds: 21, ms: 200, warmUp: 50 },
  held: { counts: [50, 2000], rounds: 3, ms: 500, warmUp: 100, peers: [] },
  idle: { base: 400, sockets: 800, rounds: 2 },
  sessions: { counts: [100, 20_000], rounds: 1, ms: 200 },
};
