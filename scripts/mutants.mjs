// Shows what the core tests would not notice: `npm run mutants` changes the parts that decide, one small change at a time,
// and runs the tests that come by it. `npm run mutants -- src/hosts/balance.ts test/hosts/balance.test.ts` takes these files alone.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { prepare } from './jest.mjs';
import { TIERS } from './tiers.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STRYKER = fileURLToPath(new URL('../node_modules/@stryker-mutator/core/bin/stryker.js', import.meta.url));

prepare(TIERS.core.programs);
const env = { ...process.env, MUTATED: JSON.stringify(process.argv.slice(2)) };
const { status } = spawnSync(process.execPath, [STRYKER, 'run', 'scripts/stryker.config.mjs'], { cwd: ROOT, stdio: 'inherit', env });
process.exitCode = status ?? 1;
