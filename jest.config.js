/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Types are checked by `npm run typecheck`; here they would only be checked a second time.
  transform: { '\\.ts$': ['ts-jest', { diagnostics: false, tsconfig: { isolatedModules: true } }] },
  reporters: ['default', '<rootDir>/test/support/tested-reporter.mjs'],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // Longer than `until` waits, so that what hangs is told by what was waited for.
  testTimeout: 90_000,
  // More than the two cores that there may be: tests wait more than they compute.
  maxWorkers: 3,
};
