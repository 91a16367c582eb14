// How Stryker makes mutants of the parts that decide, and looks whether a core test fails for each.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const PARTS = [
  'hosts/hosts', 'hosts/balance', 'sessions/bindings', 'sessions/store-guard', 'routing/sniffer', 'routing/router',
  'routing/route', 'routing/admission', 'forwarding/response-parser', 'forwarding/headers', 'forwarding/exchange',
  'forwarding/tunnel', 'forwarding/connections', 'serving/pipelines',
];

/** The files that `mutants.mjs` was given. */
const given = JSON.parse(process.env.MUTATED ?? '[]');
const sources = given.filter((path) => path.startsWith('src/'));
const tests = given.filter((path) => path.startsWith('test/'));

const { projects: [core], testTimeout } = createRequire(import.meta.url)('../jest.config.js');

export default {
  testRunner: 'jest',
  plugins: ['@stryker-mutator/jest-runner', './scripts/stryker-debug.mjs'],
  ignorers: ['debug'],
  // Each mutant is run against the tests alone that come by it.
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  mutate: sources.length > 0 ? sources : PARTS.map((name) => `src/${name}.ts`),
  jest: {
    projectType: 'custom',
    // To find those among all tests takes longer than to run a few.
    enableFindRelatedTests: tests.length === 0,
    config: {
      ...core, projects: [], reporters: [], testTimeout,
      testMatch: tests.length > 0 ? tests.map((path) => `**/${path}`) : core.testMatch,
      testEnvironment: fileURLToPath(new URL('stryker-environment.cjs', import.meta.url)),
    },
  },
  // For what hangs so that no test has the chance to fail.
  timeoutMS: 30_000,
  concurrency: 2,
  tempDirName: '.mutants',
  cleanTempDir: 'always',
  reporters: ['clear-text', 'html'],
  clearTextReporter: { logTests: false, reportTests: false },
  htmlReporter: { fileName: 'coverage/mutants.html' },
  ignorePatterns: ['.mutants', 'bench', 'coverage', 'demo', 'examples'],
};
