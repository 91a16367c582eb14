import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from '../support/cleanup';

const ROOT = join(__dirname, '../..');
const RESULTS = join(ROOT, 'bench/results/results.json');

/** Runs one of the scripts that write what stands in the repository, and resolves with what it has written. */
async function write(script: string, kept: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'written');
  cpSync(join(ROOT, kept), file);
  const child = spawn(process.execPath, [join(ROOT, 'bench', script), RESULTS, file], { stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([0, null]);
  return readFileSync(file, 'utf8');
}

it.each([
  ['README.md', 'table.mjs'],
  ['bench/results/chart.svg', 'chart.mjs'],
])('%s shows what the saved run has measured', async (kept, script) => {
  expect(await write(script, kept)).toBe(readFileSync(join(ROOT, kept), 'utf8'));
});
