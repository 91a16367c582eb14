import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './support/cleanup';

const JEST = require.resolve('jest/bin/jest');

/** Runs jest in a process of its own, with our environment and a single test file; returns the exit code. */
function runSingle(test: string): number | null {
  const folder = mkdtempSync(join(tmpdir(), 'single-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'single.test.js'), test);
  const config = { rootDir: folder, testEnvironment: require.resolve('./support/environment.cjs'), reporters: [] };
  return spawnSync(process.execPath, [JEST, '--config', JSON.stringify(config)], { cwd: folder, stdio: 'ignore' }).status;
}

// Once our environment ended jest's own process before that had set its exit code.
it.each([
  ['fails', 'throw new Error()', 1],
  ['passes', '', 0],
])('a single test file that %s says so by the exit code', (_, body, code) => {
  expect(runSingle(`it('is tried', () => { ${body} });`)).toBe(code);
});
