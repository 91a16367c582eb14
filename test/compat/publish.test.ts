import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { dependencies, filesOf, install, pack, ROOT, run, TIMEOUT, type Packed } from '../support/package';

interface Manifest extends Record<string, unknown> {
  main: string;
  types: string;
  exports: Record<string, string | { types: string; default: string }>;
}

/** What may be packed: code and declarations of what is in src/, the dashboard, and the documents. */
const ALLOWED = [
  /^dist\/(?:[a-z]+\/)*[a-z-]+\.(?:js|d\.ts)$/, /^dist\/admin\/(?:openapi\.json|page\/[a-z-]+\.(?:css|html))$/,
  /^(?:CHANGELOG\.md|LICENSE|README\.md|docs\/[a-z-]+\.md|package\.json)$/,
];

let packed: Packed;
let modules: string;
let installed: string;
let manifest: Manifest;

beforeAll(async () => {
  packed = await pack();
  await install(packed);
  modules = join(packed.folder, 'node_modules');
  installed = join(modules, 'socket.io-proxy2');
  manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
}, 2 * TIMEOUT);

function sizeOf(folder: string): number {
  return filesOf(folder).reduce((size, path) => size + statSync(join(folder, path)).size, 0);
}

it('passes publint and Are The Types Wrong, for every way to resolve it', async () => {
  const script = join(__dirname, '../fixtures/lint-package.mjs');
  const checked = JSON.parse(await run(process.execPath, [script, packed.tarball], packed.folder)) as Record<string, unknown>;
  const everyWay = (path: string): object => {
    const file = `/node_modules/socket.io-proxy2/${path}`;
    return { 'node10': file, 'node16-cjs': file, 'node16-esm': file, 'bundler': file };
  };
  expect(checked).toEqual({
    lint: [],
    problems: [],
    resolved: {
      '.': everyWay('dist/index.d.ts'),
      './store-tests': everyWay('dist/sessions/conformance/store-tests.d.ts'),
      './package.json': everyWay('package.json'),
    },
  });
});

describe('the packed files', () => {
  it('are code, declarations and documents', () => {
    const files = filesOf(installed);
    expect(files.filter((path) => !ALLOWED.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json']));
  });

  it('have the documents that README.md leads to', () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8');
    const linked = Array.from(readme.matchAll(/\]\((docs\/[^)#]+\.md)/g), ([, path = '']) => path);
    expect(linked.length).toBeGreaterThan(0);
    expect(filesOf(installed)).toEqual(expect.arrayContaining(linked));
  });

  it('are built from every source file, and from nothing else', () => {
    const built = filesOf(join(ROOT, 'src')).flatMap((path) =>
      (path.endsWith('.ts') ? [path.replace(/ts$/, 'd.ts'), path.replace(/ts$/, 'js')] : [path]));
    expect(filesOf(join(installed, 'dist')).sort()).toEqual(built.sort());
  });

  it('name no source map, which is not packed', () => {
    for (const path of filesOf(join(installed, 'dist'))) {
      expect(readFileSync(join(installed, 'dist', path), 'utf8')).not.toContain('sourceMappingURL');
    }
  });

  it('declare nothing that is internal, and declarations that compile, those of the command too', async () => {
    const files = filesOf(join(installed, 'dist')).filter((path) => path.endsWith('.d.ts')).map((path) => join(installed, 'dist', path));
    expect(files.filter((path) => readFileSync(path, 'utf8').includes('@internal'))).toEqual([]);
    const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
    const language = ['--module', 'node16', '--target', 'es2022', '--strict', '--esModuleInterop', '--exactOptionalPropertyTypes'];
    const tsc = require.resolve('typescript/bin/tsc');
    expect(await run(process.execPath, [tsc, '--noEmit', ...types, ...language, ...files], ROOT)).toBe('');
  }, TIMEOUT);

  it('are what package.json names', () => {
    const named = Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? entry : Object.values(entry)));
    expect(filesOf(installed)).toEqual(expect.arrayContaining([manifest.main, manifest.types, ...named.map((path) => path.slice(2))]));
  });
});

it('says in package.json what tools and users ask for', () => {
  expect(manifest).toMatchObject({
    name: 'socket.io-proxy2', license: 'MIT', type: 'commonjs', sideEffects: false, engines: { node: '>=20.19.4' },
  });
  expect(manifest.description).toMatch(/^A cookieless sticky load balancer for Socket\.IO/);
  expect(manifest.keywords).toContain('socket.io');
});

describe('the installed command', () => {
  it('is a program', () => {
    const bin = join(modules, '.bin', 'socket.io-proxy2');
    expect(readFileSync(bin, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    if (process.platform !== 'win32') expect(statSync(bin).mode & 0o111).toBe(0o111);
  });

  it('is what npx runs', async () => {
    expect(await run('npx', ['--no', '--', 'socket.io-proxy2', '--version'], packed.folder)).toBe(`${String(manifest.version)}\n`);
  });
});

describe('an installation', () => {
  const [, count, all, own] = /holds (\d+) other packages, ([\d.]+) MB in all, ([\d.]+) MB of it this one/
    .exec(readFileSync(join(ROOT, 'README.md'), 'utf8').replaceAll('\n', ' ')) ?? [];

  it('holds as many packages as the README says', async () => {
    const { length } = Object.keys(dependencies());
    expect(length).toBe(Number(count));
    const found = (await run('npm', ['ls', '--all', '--parseable'], packed.folder)).trimEnd().split('\n').slice(1);
    expect(found).toHaveLength(length + 1);
  });

  it('is as large as the README says, by a tenth', () => {
    for (const [folder, stated] of [[modules, all], [installed, own]] as const) {
      expect(Math.abs(sizeOf(folder) / 1e6 / Number(stated) - 1)).toBeLessThan(0.1);
    }
  });

  it('runs no script', () => {
    expect(Object.entries(dependencies()).filter(([, { hasInstallScript }]) => hasInstallScript)).toEqual([]);
    expect(Object.keys(manifest.scripts as object).filter((name) => /install|^prepare$/.test(name))).toEqual([]);
  });
});
