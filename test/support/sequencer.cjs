const Sequencer = require('@jest/test-sequencer').default;

/** Tests that mostly wait for beats, checks and processes, for up to a minute. */
const WAITING = /[/\\]test[/\\](?:fleet|cli)[/\\]/;

/**
 * Mixes the files that mostly wait with those that mostly compute, so that the cores are busy from the beginning to the
 * end. Of both, those come first that take longest: jest knows that only of files that it has run before, and CI never has.
 */
module.exports = class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    const waits = ({ path }) => WAITING.test(path);
    return mixed(sorted.filter(waits), sorted.filter((test) => !waits(test)));
  }
};

/** All of two lists, each in its own order, and both spread evenly. */
function mixed(some, others) {
  const placed = [some, others].flatMap((list) => list.map((test, i) => ({ test, place: i / list.length })));
  return placed.sort((one, other) => one.place - other.place).map(({ test }) => test);
}
