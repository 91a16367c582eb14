import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { surfaceOf, type Surface } from './support/surface';

const FILE = join(__dirname, 'fixtures/surface.json');

const WHAT_TO_DO = `The public names of the package have changed; docs/versioning.md says what each change means for the version:
what is taken away or renamed is a breaking change, and what is new is a minor one. If you mean it, write it into
CHANGELOG.md, and run \`npm run surface\`, which writes test/fixtures/surface.json.`;

function linesOf(surface: Surface): string[] {
  return Object.entries(surface).flatMap(([kind, lines]) => lines.map((line) => `${kind}: ${line}`));
}

it('is as the file says that was checked in', async () => {
  const surface = await surfaceOf();
  if (process.env.SURFACE === 'write') writeFileSync(FILE, `${JSON.stringify(surface, undefined, 2)}\n`);
  const [before, now] = [linesOf(JSON.parse(readFileSync(FILE, 'utf8')) as Surface), linesOf(surface)];
  const gone = before.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
  const added = now.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  if (gone.length + added.length > 0) throw new Error([WHAT_TO_DO, '', ...gone, ...added].join('\n'));
});
