// Runs the tests of other people's parts, and writes what they have shown into the README's table.
import { prepare, runJest } from './jest.mjs';
import { TIERS } from './tiers.mjs';

prepare(TIERS.compat.programs);
process.exitCode = runJest(['--selectProjects', 'compat'], { env: { TESTED: 'write' } }) ? 0 : 1;
