import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

const SRC = join(__dirname, '..', 'src');

/** From top to bottom: a wing imports only those below it. The files beside the wings are the top. */
const WINGS = [
  'cli', 'top', 'options', 'admin', 'operating', 'fleet', 'serving', 'forwarding', 'routing', 'sessions/conformance', 'sessions', 'hosts',
  'base',
];

const MAX_LINES = 300;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => path.slice(0, -'.ts'.length).replaceAll('\\', '/'));

function textOf(file: string): string {
  return readFileSync(join(SRC, `${file}.ts`), 'utf8');
}

/** The files of `src/` that a file imports, in any way that TypeScript knows: types, re-exports and `import()` too. */
function importsOf(file: string, text = textOf(file)): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const name = moduleNameOf(node);
    if (name?.startsWith('.')) names.push(relative(SRC, resolve(SRC, dirname(file), name)).replaceAll('\\', '/'));
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(`${file}.ts`, text, ts.ScriptTarget.Latest, true));
  return names;
}

function moduleNameOf(node: ts.Node): string | undefined {
  let name: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) name = node.moduleSpecifier;
  else if (ts.isExternalModuleReference(node)) name = node.expression;
  else if (ts.isImportTypeNode(node)) name = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  else if (ts.isCallExpression(node) && /^(?:import|require)$/.test(node.expression.getText())) [name] = node.arguments;
  return name && ts.isStringLiteralLike(name) ? name.text : undefined;
}

/** The wing whose folder has a file, or has the folder that has it; the command's first file is part of its wing. */
function wingOf(file: string): string {
  if (file === 'cli') return 'cli';
  const folder = dirname(file);
  if (folder === '.') return 'top';
  return WINGS.find((wing) => folder === wing || folder.startsWith(`${wing}/`)) ?? folder;
}

/** Where imports lead back to the file that they began with, if they do. */
function cycleOf(file: string, imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const seen = new Set<string>();
  const visit = (path: string[]): string[] | undefined => {
    for (const next of imports.get(path.at(-1) ?? '') ?? []) {
      if (next === file) return [...path, next];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = visit([...path, next]);
      if (found) return found;
    }
    return undefined;
  };
  return visit([file]);
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));

it('has wings alone, and files in each', () => {
  expect([...new Set(files.map(wingOf))].sort()).toEqual([...WINGS].sort());
});

it.each(files)('src/%s.ts imports nothing above its wing', (file) => {
  const known = (imports.get(file) ?? []).filter((name) => imports.has(name));
  expect(imports.get(file)).toEqual(known);
  const floor = WINGS.indexOf(wingOf(file));
  expect(known.filter((name) => WINGS.indexOf(wingOf(name)) < floor)).toEqual([]);
});

it('has no circle of imports', () => {
  expect(files.flatMap((file) => cycleOf(file, imports)?.join(' → ') ?? [])).toEqual([]);
});

it('sees a circle of imports', () => {
  const circle = new Map([['a', ['b', 'c']], ['b', []], ['c', ['b', 'd']], ['d', ['a']]]);
  expect(cycleOf('a', circle)).toEqual(['a', 'c', 'd', 'a']);
  expect(cycleOf('b', circle)).toBeUndefined();
});

it.each([
  "import { a } from './proxy';",
  "import './proxy';",
  "import type { A } from './proxy';",
  "import { type A } from '../src/proxy';",
  "import proxy = require('./proxy');",
  "export * from './proxy';",
  "export type { A } from './proxy';",
  "type A = import('./proxy').A;",
  "const a = await import('./proxy');",
  "const a = require('./proxy');",
])('sees the import in %s', (text) => {
  expect(importsOf('base', text)).toEqual(['proxy']);
});

it.each(files)(`src/%s.ts has at most ${MAX_LINES} lines`, (file) => {
  expect(textOf(file).trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
});

it('has a line for each helper of the tests', () => {
  const folder = join(__dirname, 'support');
  const listed = Array.from(readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| `(.+?)` \|/gm), ([, name]) => name);
  expect(listed).toEqual(readdirSync(folder).filter((name) => name !== 'README.md').sort());
});
