// Says what has to be filled in before the package is published, and fails while anything is: `npm publish` runs it first.
// It looks at the folder that the argument names, or at this package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const read = (name) => readFileSync(join(folder, name), 'utf8');

const { version, repository, bugs, homepage } = JSON.parse(read('package.json'));
const [, newest, date] = /^## (\S+)(?: - (.+))?$/m.exec(read('CHANGELOG.md')) ?? [];

const missing = [
  [(repository?.url ?? repository), "package.json has no 'repository': npm takes provenance only where it names the one that publishes"],
  [(bugs?.url ?? bugs?.email ?? bugs), "package.json has no 'bugs': users have nowhere to report faults"],
  [homepage, "package.json has no 'homepage'"],
  [!read('SECURITY.md').includes('<!-- to be filled in -->'), 'SECURITY.md does not say yet where to report a weakness'],
  [newest === version, `the newest part of CHANGELOG.md is about ${newest}, and not about ${version}`],
  [/^\d{4}-\d\d-\d\d$/.test(date ?? ''), `CHANGELOG.md has no date for ${newest}, as in '## ${newest} - 2027-01-31'`],
].flatMap(([is, text]) => (is ? [] : [text]));

if (missing.length > 0) {
  console.error(['This package cannot be published yet:', ...missing.map((text) => `- ${text}`)].join('\n'));
  process.exitCode = 1;
}
