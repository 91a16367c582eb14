// wrk as the load generator. It counts in whole seconds, and its last requests are under way when it ends: they are fewer
// than one in a hundred.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { untilStill } from '../measure.mjs';

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url));
const run = promisify(execFile);

/** One run, and the CPU that a peer has used for each of its requests, in µs. */
export async function runWrk(peer, { port, connections, sids, seconds }) {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT, `http://127.0.0.1:${port}`, '--', ...sids];
  const before = await peer.call('usage');
  const { stdout } = await run('wrk', args, { timeout: (seconds + 10) * 1000 });
  const used = await peer.call('usage') - before;
  const { count, us, p50, p99, failed } = JSON.parse(stdout.trim().split('\n').at(-1));
  if (failed > 0) throw new Error(`${failed} of ${count} requests of wrk have failed`);
  return { cpu: used / count, rps: count / us * 1e6, p50, p99 };
}

/** Runs it until what a request costs stands still. */
export function warmByWrk(peer, options) {
  return untilStill(async () => (await runWrk(peer, { ...options, seconds: 1 })).cpu);
}
