// Runs a tier of the tests: `node scripts/test.mjs core`. What follows its name is for jest.
import { prepare, runJest } from './jest.mjs';
import { TIERS } from './tiers.mjs';

const [name, ...rest] = process.argv.slice(2);
if (!Object.hasOwn(TIERS, name ?? '')) {
  console.error(`test: expected any of ${Object.keys(TIERS).join(', ')}; received ${name}`);
  process.exit(2);
}

const { programs, args } = TIERS[name];
prepare(programs);
// The last: jest takes all names after it for projects.
process.exitCode = runJest([...rest, ...args, '--selectProjects', name]) ? 0 : 1;
