// Runs what the arguments name, stage by stage: `node scripts/stages.mjs core load`; without any, all that has to hold
// before a change lands. A stage that fails keeps no other from running. A table closes it, and the last line has the
// tests of all stages. It uses what Node.js brings alone: the first stage installs the rest.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const STAGES = {
  install: 'npm ci --no-audit --no-fund',
  lint: 'npm run --silent lint',
  typecheck: 'npm run --silent typecheck',
  core: 'npm run --silent test',
  compat: 'npm run --silent test:compat',
  sid: 'npm run --silent test:sid',
  load: 'node scripts/test.mjs load',
  chaos: 'npm run --silent chaos -- --minutes 1',
  nodes: 'npm run --silent test:nodes',
  bench: 'npm run --silent bench -- --assert',
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(STAGES);
const unknown = names.find((name) => !Object.hasOwn(STAGES, name));
if (unknown !== undefined) {
  console.error(`stages: expected any of ${Object.keys(STAGES).join(', ')}; received ${unknown}`);
  process.exit(2);
}

const results = [];
for (const name of names) results.push(await run(name, STAGES[name]));
close(results);

/** Runs a stage, whose output is passed on and looked through for jest's summaries. */
async function run(name, command) {
  console.log(`\n── ${name}: ${command}`);
  const start = performance.now();
  const child = spawn(command, { cwd: ROOT, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
    let line = '';
    from.setEncoding('utf8').on('data', (chunk) => {
      to.write(chunk);
      const lines = (line + chunk).split('\n');
      line = lines.pop();
      lines.forEach((each) => count(stripVTControlCharacters(each), counts));
    });
  }
  const [exitCode] = await once(child, 'close');
  // What fails before it has a test to tell of, as the linter does, is not to be missed in the sum.
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return { name, ok: exitCode === 0, seconds: (performance.now() - start) / 1000, ...counts };
}

/** Adds what jest's line says: 'Tests:  1 failed, 2 skipped, 30 passed, 33 total'. */
function count(line, counts) {
  if (!/^Tests: .* total$/.test(line)) return;
  for (const [, number, what] of line.matchAll(/(\d+) (passed|failed|skipped)/g)) counts[what] += Number(number);
}

function close(rows) {
  const widest = Math.max(...rows.map(({ name }) => name.length));
  console.log('');
  for (const { name, ok, seconds, passed, failed } of rows) {
    const tests = passed + failed > 0 ? `  ${passed} passed, ${failed} failed` : '';
    console.log(`${name.padEnd(widest)}  ${ok ? 'ok    ' : 'FAILED'}  ${seconds.toFixed(0).padStart(5)} s${tests}`);
  }
  const sum = (of) => rows.reduce((total, row) => total + row[of], 0);
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
  console.log(`\n${sum('seconds').toFixed(0)} s in all`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
  process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
}
