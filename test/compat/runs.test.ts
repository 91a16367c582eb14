import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onCleanup } from '../support/cleanup';
import { ROOT } from '../support/package';
import { childrenOf, isAlive } from '../support/processes';
import { temporaryFolder } from '../support/program';
import { until } from '../support/until';

/** A project with one of our scripts, in which npm's scripts are others. */
function projectWith(script: string, scripts: Record<string, string>): string {
  const folder = temporaryFolder('runs-');
  mkdirSync(join(folder, 'scripts'));
  cpSync(join(ROOT, 'scripts', script), join(folder, 'scripts', script));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }));
  return folder;
}

function start(folder: string, script: string, args: string[]): ChildProcess {
  const child = spawn(process.execPath, [join(folder, 'scripts', script), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onCleanup(() => child.kill('SIGKILL'));
  return child;
}

async function run(folder: string, script: string, args: string[]): Promise<{ exitCode: unknown; lines: string[] }> {
  const child = start(folder, script, args);
  if (!child.stdout) throw new Error('no standard output');
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close')]) as [string, [unknown]];
  return { exitCode, lines: output.trimEnd().split('\n') };
}

const saying = (...lines: string[]): string => lines.map((line) => `echo '${line}'`).join(' && ');

describe('all stages', () => {
  it('are run, also after one that failed; a table and the sum of their tests close the run', async () => {
    const folder = projectWith('stages.mjs', {
      'lint': 'exit 1',
      'test': saying('Tests:       2 failed, 3 passed, 5 total') + ' && exit 1',
      'test:nodes': `${saying('Tests:       1 skipped, 20 passed, 21 total', 'Tests:       21 passed, 21 total')} >&2`,
    });
    const { exitCode, lines } = await run(folder, 'stages.mjs', ['lint', 'core', 'nodes']);
    expect(exitCode).toBe(1);
    expect(lines.slice(-6)).toEqual([
      expect.stringMatching(/^lint {3}FAILED +\d+ s {2}0 passed, 1 failed$/),
      expect.stringMatching(/^core {3}FAILED +\d+ s {2}3 passed, 2 failed$/),
      expect.stringMatching(/^nodes {2}ok +\d+ s {2}41 passed, 0 failed$/),
      '',
      expect.stringMatching(/^\d+ s in all$/),
      '44 passed, 3 failed, 1 skipped',
    ]);
  });

  it('are green where each is', async () => {
    const { exitCode, lines } = await run(projectWith('stages.mjs', { lint: 'exit 0' }), 'stages.mjs', ['lint']);
    expect([exitCode, lines.at(-1)]).toEqual([0, '0 passed, 0 failed']);
  });
});

describe('the tests beside busy loops', () => {
  /** Stands for the tests: one of them fails, and a file cannot be run. */
  const RESULTS = {
    testResults: [
      {
        name: 'a.test.ts', status: 'failed',
        assertionResults: [{ status: 'failed', fullName: 'a b' }, { status: 'passed', fullName: 'c' }],
      },
      { name: 'b.test.ts', status: 'failed', assertionResults: [] },
      { name: 'c.test.ts', status: 'passed', assertionResults: [] },
    ],
  };

  it('end with what failed how often', async () => {
    const folder = projectWith('stress.mjs', { test: 'node tests.mjs' });
    const results = JSON.stringify({ testResults: RESULTS.testResults.map((one) => ({ ...one, name: join(folder, one.name) })) });
    writeFileSync(join(folder, 'tests.mjs'), `
      import { writeFileSync } from 'node:fs';
      writeFileSync(process.argv.at(-1).split('=')[1], ${JSON.stringify(results)});
      process.exit(1);
    `);
    const { exitCode, lines } = await run(folder, 'stress.mjs', ['--runs', '2']);
    expect(exitCode).toBe(1);
    expect(lines.slice(-6)).toEqual([
      '0 of 2 green', '', '| Failed | Test |', '|---|---|', '| 2 of 2 | a.test.ts: a b |', '| 2 of 2 | b.test.ts |',
    ]);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)('leave no busy loop when they are ended by %s', async (signal) => {
    const folder = projectWith('stress.mjs', { test: 'node -e "setInterval(() => {}, 1000)"' });
    const child = start(folder, 'stress.mjs', ['--runs', '1']);
    const pid = child.pid ?? NaN;
    // Two loops at least, as on one core; npm, which runs the tests, is started after them.
    await until('the loops and npm run', () => childrenOf(pid).length >= 3, 60_000);
    const children = childrenOf(pid);
    onCleanup(() => children.filter(isAlive).forEach((each) => process.kill(each, 'SIGKILL')));
    child.kill(signal);
    await once(child, 'exit');
    // npm does not end by itself where all were killed but it.
    await until('they have ended', () => children.filter(isAlive).length <= 1, 60_000);
  });
});
