// What a run of tests takes: the programs that it needs, the built package, and jest.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const JEST = createRequire(import.meta.url).resolve('jest/bin/jest');
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Finds or installs the programs, and builds. Says nothing but what is wrong, with which it ends this process. */
export function prepare(programs) {
  for (const [program, ...args] of [
    [process.execPath, 'scripts/ensure-programs.mjs', ...programs],
    ['npm', 'run', '--silent', 'build'],
  ]) {
    const { status } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' });
    if (status !== 0) process.exit(status ?? 1);
  }
}

/** Runs jest, which says what failed and a summary, on the given Node.js; returns whether all passed. */
export function runJest(args, { node = process.execPath, env = {} } = {}) {
  const options = { cwd: ROOT, stdio: 'inherit', env: { ...process.env, TESTS_QUIETLY: '1', ...env } };
  return spawnSync(node, [JEST, ...args], options).status === 0;
}
