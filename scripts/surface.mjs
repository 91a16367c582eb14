// Writes the public names of the package into test/fixtures/surface.json, which test/surface.test.ts holds against the code.
import { prepare, runJest } from './jest.mjs';
import { TIERS } from './tiers.mjs';

prepare(TIERS.core.programs);
process.exitCode = runJest(['test/surface.test.ts', '--selectProjects', 'core'], { env: { SURFACE: 'write' } }) ? 0 : 1;
