import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { onCleanup } from '../support/cleanup';
import { exportsOf } from '../support/public-types';

const ROOT = join(__dirname, '../..');
const DOCS = join(ROOT, 'docs');

const read = (file: string): string => readFileSync(file, 'utf8');

describe('docs/api.md', () => {
  it('is what the comments in src/ say', async () => {
    const out = mkdtempSync(join(tmpdir(), 'docs-'));
    onCleanup(() => rmSync(out, { recursive: true }));
    const { scripts } = JSON.parse(read(join(ROOT, 'package.json'))) as { scripts: { docs: string } };
    const [program = '', ...args] = scripts.docs.split(' ');
    const child = spawn(join(ROOT, 'node_modules/.bin', program), [...args, '--out', out], {
      cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'],
    });
    onCleanup(() => child.kill());
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [exitCode] = await once(child, 'close') as [number | null];
    if (exitCode !== 0) throw new Error(`npm run docs fails: ${output}`);
    expect(readdirSync(out)).toEqual(['api.md']);
    if (read(join(out, 'api.md')) !== read(join(DOCS, 'api.md'))) throw new Error('docs/api.md is out of date: run `npm run docs`');
    // It compiles, which takes seconds, and much more on a machine with other work.
  }, 120_000);

  it('has all public names, and no others', () => {
    const headings = new Set(Array.from(read(join(DOCS, 'api.md')).matchAll(/^## (.+)$/gm), ([, name = '']) => name));
    expect([...headings].sort()).toEqual(exportsOf(join(ROOT, 'src/index.ts'))[0]?.names);
  });
});

/** As GitHub makes them: repeated headings are numbered. */
function anchorsOf(markdown: string): Set<string> {
  const prose = markdown.replace(/^```.+?^```$/gms, '');
  const counts = new Map<string, number>();
  const headings = Array.from(prose.matchAll(/^#+ (.+)$/gm), ([, heading = '']) => {
    const slug = heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
  const ids = Array.from(prose.matchAll(/<a id="([^"]+)"/g), ([, id = '']) => id);
  return new Set([...headings, ...ids]);
}

function linksOf(file: string): [name: string, file: string, link: string][] {
  const prose = read(file).replace(/^```.+?^```$/gms, '').replace(/`[^`\n]+`(?!\])/g, '');
  return Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link).filter((link) => !/^https?:/.test(link))
    .map((link) => [`${relative(ROOT, file)}: ${link}`, file, link]);
}

const documents = [join(ROOT, 'README.md'), ...readdirSync(DOCS).filter((name) => name.endsWith('.md')).map((name) => join(DOCS, name))];
const examples = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('README.md') && !name.includes('node_modules')).map((name) => join(ROOT, 'examples', name));

const others = ['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'bench/README.md'].map((name) => join(ROOT, name));

describe('links', () => {
  it.each([...documents, ...examples, ...others].flatMap(linksOf))('lead somewhere: %s', (_, file, link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? file : join(dirname(file), path);
    expect(existsSync(target)).toBe(true);
    if (anchor !== undefined) expect([...anchorsOf(read(target))]).toContain(anchor);
  });

  it('lead from README.md to each document', () => {
    const targets = linksOf(join(ROOT, 'README.md')).map(([, , link]) => join(ROOT, link.split('#')[0] ?? ''));
    expect(targets).toEqual(expect.arrayContaining([...documents.slice(1), ...others]));
  });
});
