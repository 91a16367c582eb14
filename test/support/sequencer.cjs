const Sequencer = require('@jest/test-sequencer').default;

/** Tests that mostly wait for beats, checks and processes, for up to half a minute. */
const LONG = /[/\\]test[/\\](?:fleet|cli)[/\\]/;

/** Begins with the files that take longest: jest knows that only of files that it has run before, and CI never has. */
module.exports = class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    const isLong = ({ path }) => LONG.test(path);
    return [...sorted.filter(isLong), ...sorted.filter((test) => !isLong(test))];
  }
};
