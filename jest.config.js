/**
 * Compiles a file once for all workers and runs, without its types: `npm run typecheck` checks those.
 *
 * @type {Record<string, [string, import('@swc/core').Options]>}
 */
const transform = {
  '\\.ts$': ['@swc/jest', { swcrc: false, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, sourceMaps: 'inline' }],
};

/** What the tier `sid` has besides its own: tests of `core` and `compat` for which it is no matter where bindings are. */
const SID_TESTS = [
  'sid/**',
  'forwarding/**', 'routing/**', 'faults/**', 'serving/**', 'operating/**', 'proxy', 'closing', 'shutdown-delay',
  'compat/compatibility', 'compat/clients/**', 'compat/protocol/**', 'compat/servers/{engine.io,https,python-socketio,python-socketio-end}',
];

/** Of those: what has no session, or a store of its own. */
const WITHOUT_SIDS = `/test/(?:${[
  'forwarding/(?:connection|disperse|frames|has-left|headers|idle-connections|response-parser|response-parser-fuzz)',
  'routing/(?:address-limit|admission-changes|admission-rate|admission-turns|route|router|sniffer|sniffer-url)', 'faults/redis.*',
  'serving/(?:bad-input-hosts|health-path|keep-alive|plain-head|proxy-header|proxy-protocol)',
].join('|')})[.]test`;

/** What all tiers have. */
const shared = {
  testEnvironment: '<rootDir>/test/support/environment.cjs',
  testMatch: ['**/*.test.ts'],
  transform,
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

/** @type {import('jest').Config} */
module.exports = {
  // `npm test` runs one of them, and `npx jest test/x.test.ts` whichever has the file.
  projects: [
    { ...shared, displayName: 'core', roots: ['<rootDir>/test'], testPathIgnorePatterns: ['<rootDir>/test/(?:compat|load|sid)/'] },
    { ...shared, displayName: 'compat', roots: ['<rootDir>/test/compat'] },
    // Tests of the two above for which it is no matter where bindings are, once more where the sids carry their hosts.
    {
      ...shared, displayName: 'sid', globals: { storeOfTests: 'sid' },
      testMatch: SID_TESTS.map((name) => `<rootDir>/test/${name}.test.ts`),
      testPathIgnorePatterns: [WITHOUT_SIDS],
    },
    { ...shared, displayName: 'load', roots: ['<rootDir>/test/load'] },
  ],
  // A tier says what failed and a summary; a run by hand says more.
  reporters: [
    process.env.TESTS_QUIETLY ? ['summary', { summaryThreshold: 0 }] : 'default',
    ['<rootDir>/test/support/tested-reporter.mjs', { folder: 'test/compat' }],
  ],
  // Longer than `until` waits, so that what hangs is told by what was waited for.
  testTimeout: 90_000,
  testSequencer: '<rootDir>/test/support/sequencer.cjs',
  // More than the two cores that there may be: tests wait more than they compute.
  maxWorkers: 4,
};
