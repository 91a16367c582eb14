// Jest's environment for mutants: once a test has failed, the others are skipped, since the mutant is killed.
const { TestEnvironment } = require('jest-environment-node');

/** How long a test may take, in ms. Many mutants hang, and no test that reaches one takes as long. */
const TEST_TIMEOUT = 15_000;

/** The last mutant that a test has killed. */
let killed;

module.exports = class extends TestEnvironment {
  handleTestEvent({ name, test }, state) {
    const mutant = process.env.__STRYKER_ACTIVE_MUTANT__;
    if (mutant === undefined) return;
    state.testTimeout = TEST_TIMEOUT;
    if (name === 'test_done' && test.errors.length > 0) killed = mutant;
    if (killed === mutant) state.testNamePattern = /(?!)/;
  }
};
