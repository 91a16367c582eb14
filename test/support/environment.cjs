// What jest's own environment is, in a process that ends at once. To take down a heap as large as that of many tests
// takes longer on a busy machine than the half second after which jest says that a worker has failed to exit.
const { TestEnvironment } = require('jest-environment-node');

// Not in jest's own process, where a few files run: there it would end before jest has set its exit code.
if (process.send) process.once('exit', () => process.exit());

module.exports = TestEnvironment;
