// Runs `npm test` again and again on a machine that is kept busy, and says what failed how often:
// `npm run test:stress -- --runs 10` beside two busy loops for each core; with `--cores 1`, all of it, and three busy
// loops, on one core.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

// It looks now and then whether it is still our child: it outlives us even where we are killed.
const LOOP = `while (process.ppid === ${process.pid}) for (let i = 0; i < 1e8; i += 1);`;

const { values } = parseArgs({ options: { runs: { type: 'string', default: '10' }, cores: { type: 'string' } } });
const runs = Number(values.runs);
if (!(Number.isInteger(runs) && runs > 0) || (values.cores !== undefined && values.cores !== '1')) {
  console.error('usage: npm run test:stress -- [--runs N] [--cores 1]');
  process.exit(2);
}

/** Before a command: keeps it, and all that it starts, on one core. */
const bound = values.cores === undefined ? [] : ['taskset', '--cpu-list', '0'];
const loops = values.cores === undefined ? 2 * availableParallelism() : 3;

const start = (command, stdio) => {
  const [program, ...args] = [...bound, ...command];
  return spawn(program, args, { cwd: ROOT, stdio }).once('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
};

const folder = mkdtempSync(join(tmpdir(), 'stress-'));
const busy = [];
process.once('exit', () => {
  for (const child of busy) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
while (busy.length < loops) busy.push(start([process.execPath, '-e', LOOP], 'ignore'));

console.log(`${runs} runs beside ${loops} busy loops${bound.length > 0 ? ', all on one core' : ''}`);
const failures = new Map();
let green = 0;
for (let run = 1; run <= runs; run += 1) {
  const began = performance.now();
  const failed = await test(join(folder, `${run}.json`));
  if (failed.length === 0) green += 1;
  for (const name of failed) failures.set(name, (failures.get(name) ?? 0) + 1);
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`run ${run}: ${failed.length === 0 ? 'green' : `${failed.length} failed`}, ${seconds} s`);
}

console.log(`\n${green} of ${runs} green`);
if (failures.size > 0) {
  const rows = [...failures].sort(([, a], [, b]) => b - a).map(([name, count]) => `| ${count} of ${runs} | ${name} |`);
  console.log(['', '| Failed | Test |', '|---|---|', ...rows].join('\n'));
}
process.exit(failures.size > 0 ? 1 : 0);

/** Runs the tests once, and resolves with the names of those that failed. */
async function test(file) {
  const child = start(['npm', 'run', '--silent', 'test', '--', '--json', `--outputFile=${file}`], ['ignore', 'ignore', 'pipe']);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => (said += chunk));
  const [exitCode] = await once(child, 'close');
  const results = read(file);
  const failed = results.flatMap(({ name, status, assertionResults }) => {
    const path = relative(ROOT, name);
    const tests = assertionResults.filter((one) => one.status === 'failed').map(({ fullName }) => `${path}: ${fullName}`);
    return tests.length > 0 || status === 'passed' ? tests : [path];
  });
  if (exitCode !== 0) process.stderr.write(said);
  // Such as a build that fails, or jest itself.
  return exitCode === 0 || failed.length > 0 ? failed : ['the run itself'];
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).testResults;
  } catch {
    return [];
  }
}
