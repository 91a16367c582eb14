import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/package';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const NAMES = ['CONTRIBUTING.md', 'SECURITY.md', 'docs/versioning.md'];

/** The rows of CONTRIBUTING.md that say which test fails where something is left out. */
const rows = read('CONTRIBUTING.md').matchAll(/^\| .+ \| (.+) \| `(test\/.+)` \|$/gm);
const guards = Array.from(rows, ([, name = '', file = '']) => [name, file]);

it.each(guards)('names a test that there is: %s, %s', (name = '', file = '') => {
  expect(read(file)).toContain(name);
});

it('names the test of each step', () => {
  expect(guards.length).toBeGreaterThan(15);
});

it.each(NAMES)('%s names files and scripts that there are', (document) => {
  const text = read(document);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: object };
  const commands = Array.from(text.matchAll(/npm run (?:--silent )?([\w:]+)/g), ([, name]) => name);
  expect(commands.filter((name) => !Object.keys(scripts).includes(name ?? ''))).toEqual([]);
  const paths = Array.from(text.matchAll(/`?(?:node )?((?:src|test|scripts|examples|\.github|\.ci)\/[\w./-]+)/g), ([, path = '']) => path);
  expect(paths.filter((path) => !existsSync(join(ROOT, path.replace(/\.$/, ''))))).toEqual([]);
});

it('docs/versioning.md names each kind in the list of public names, and no other', () => {
  const kinds = Object.keys(JSON.parse(read('test/fixtures/surface.json')) as object)
    .map((kind) => (kind.startsWith('exports of ') ? 'exports of …' : kind));
  const [, table = ''] = /^\| What \| Where .+\n\|[-|]+\|\n((?:\|.+\n)+)/m.exec(read('docs/versioning.md')) ?? [];
  const told = table.trimEnd().split('\n').map((row) => row.split(' | ').at(-1) ?? '')
    .flatMap((cell) => Array.from(cell.matchAll(/`([^`/]+)`/g), ([, kind]) => kind));
  expect(new Set(told.filter((kind) => kind !== 'AccessEntry'))).toEqual(new Set(kinds));
});
