import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

it('has faults that can be put into the source as it is', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(__dirname, '../framing-mutants.mjs'), '--check'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});
