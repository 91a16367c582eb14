// Gathers what the tests have shown with `tested()`. After a run of all that lie in the option `folder`, and have passed, it
// compares that with the table in README.md, or writes the table (`npm run tested`). Runs of some change and check nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences, entriesOf, read, write } from './tested-table.mjs';

export default class TestedReporter {
  #config;
  #folder;
  #error;

  constructor(config, { folder }) {
    this.#config = config;
    this.#folder = join(config.rootDir, folder);
  }

  onRunComplete(_, results) {
    const why = this.#incomplete(results);
    if (why) {
      if (isWriting()) this.#fail(new Error(`The table in README.md is not written: ${why}`));
      return;
    }
    try {
      const path = join(this.#config.rootDir, 'README.md');
      const readme = readFileSync(path, 'utf8');
      const shown = entriesOf(records());
      if (isWriting()) writeFileSync(path, write(readme, shown));
      else this.#compare(shown, read(readme));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Jest fails a run whose reporter has an error. */
  getLastError() {
    return this.#error;
  }

  /** Why this run says nothing of the table; skipped tests are no excuse, but no base for a table either. */
  #incomplete({ testResults, numFailedTestSuites, numPendingTests, wasInterrupted }) {
    const files = readdirSync(this.#folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.test.ts'));
    const { testNamePattern } = this.#config;
    const run = new Set(testResults.map(({ testFilePath }) => testFilePath));
    const isPartial = files.some((path) => !run.has(join(this.#folder, path))) || testNamePattern || wasInterrupted;
    if (isPartial || (isWriting() && numPendingTests > 0)) return 'not all tests were run';
    return numFailedTestSuites > 0 ? 'a test has failed' : undefined;
  }

  #compare(shown, table) {
    const { missing, notShown } = differences(shown, table);
    const lines = [
      ...missing.map((text) => `  shown by the tests, and missing in the table: ${text}`),
      ...notShown.map((text) => `  in the table, and not shown by the tests: ${text}`),
    ];
    if (lines.length === 0) return;
    const advice = 'If the tests are right, `npm run tested` writes the table.';
    this.#fail(new Error(['The table of what is tested, in README.md, differs from this run:', ...lines, advice].join('\n')));
  }

  #fail(error) {
    this.#error = error;
    console.error(`\n${error.message}`);
  }
}

function isWriting() {
  return process.env.TESTED === 'write';
}

/** What each call of `tested()` has left. */
function records() {
  const folder = process.env.TESTED_FOLDER;
  const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'));
  return lines.map((line) => JSON.parse(line));
}
