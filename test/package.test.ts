import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onCleanup } from './support/cleanup';

const ROOT = join(__dirname, '..');
const CONSUMERS = join(__dirname, 'consumers');
const TSC = require.resolve('typescript/bin/tsc');

/** A compilation takes seconds, and much more on a machine with other work. */
const TIMEOUT = 60_000;

const execute = promisify(execFile);

interface Manifest {
  main: string;
  types: string;
  engines: { node: string };
  dependencies: Record<string, string>;
}

/** A folder whose node_modules hold the package, as npm installs it, and its dependencies. */
let project: string;
let installed: string;
let manifest: Manifest;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'consumers-'));
  onCleanup(() => rmSync(project, { recursive: true }));
  installed = join(project, 'node_modules', 'socket.io-proxy2');
  mkdirSync(installed, { recursive: true });
  // What is packed is what `npm test` has built.
  await execute('npm', ['pack', '--ignore-scripts', '--offline', '--pack-destination', project], { cwd: ROOT });
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'));
  await execute('tar', ['-xzf', tarball ?? 'none', '--strip-components=1', '-C', installed], { cwd: project });
  manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link, 'junction');
  }
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1).replaceAll('\\', '/'))
    .sort();
}

/** What a program prints. Rejects with its errors when it fails, or does not exit by itself. */
async function run(program: string, args: string[], cwd = project): Promise<string> {
  try {
    return (await execute(program, args, { cwd, timeout: TIMEOUT })).stdout;
  } catch (error) {
    // The compiler's errors are what it prints.
    throw new Error(`${String(error)}\n${(error as { stdout: string }).stdout}`);
  }
}

describe('the packed files', () => {
  it('are the built ones and the documents', () => {
    const others = filesOf(installed).filter((path) => !path.startsWith('dist/'));
    expect(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']).toEqual(expect.arrayContaining(others));
    expect(others).toEqual(expect.arrayContaining(['LICENSE', 'package.json']));
  });

  it('hold code, declarations and source map of every source file, and nothing else', () => {
    const sources = filesOf(join(ROOT, 'src')).map((path) => path.replace(/\.ts$/, ''));
    const built = filesOf(join(installed, 'dist')).filter((path) => /\.(?:js|d\.ts|js\.map)$/.test(path));
    expect(built).toEqual(sources.flatMap((name) => [`${name}.d.ts`, `${name}.js`, `${name}.js.map`]).sort());
  });

  it('hold source maps that bring the sources along', () => {
    const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');
    for (const path of filesOf(join(installed, 'dist')).filter((name) => name.endsWith('.js'))) {
      expect(read(installed, 'dist', path)).toContain(`\n//# sourceMappingURL=${basename(path)}.map`);
      const map = JSON.parse(read(installed, 'dist', `${path}.map`)) as { sourcesContent: unknown };
      expect(map.sourcesContent).toEqual([read(ROOT, 'src', path.replace(/\.js$/, '.ts'))]);
    }
  });

  it('are what package.json names', () => {
    expect(filesOf(installed)).toEqual(expect.arrayContaining([manifest.main, manifest.types]));
    expect(manifest.engines.node).toBe('>=20.18.1');
  });
});

describe('a consumer', () => {
  it.each(['commonjs.cjs', 'module.mjs'])('of JavaScript gets the class, and exits after close: %s', async (name) => {
    cpSync(join(CONSUMERS, name), join(project, name));
    expect(await run(process.execPath, [name])).toBe('closed\n');
  });

  it.each<[name: string, sources: Record<string, string>, compilerOptions: object]>([
    [
      'node16, CommonJS and ES modules',
      {
        'imports.cts': 'imports', 'imports.mts': 'imports', 'redis.cts': 'redis', 'redis.mts': 'redis',
        'require.cts': 'require',
      },
      // Checks the declarations too: once, since that takes seconds.
      { module: 'node16', skipLibCheck: false },
    ],
    ['bundler', { 'imports.mts': 'imports' }, { module: 'esnext', moduleResolution: 'bundler' }],
    ['without esModuleInterop', { 'require.ts': 'require' }, { module: 'node16', esModuleInterop: false }],
  ])('of TypeScript compiles strictly, and runs: %s', async (name, sources, compilerOptions) => {
    const folder = join(project, name);
    mkdirSync(folder);
    for (const [source, consumer] of Object.entries(sources)) {
      // Not named `.ts` where they are kept: the repository's own type check knows no installed package.
      cpSync(join(CONSUMERS, `${consumer}.ts.txt`), join(folder, source));
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: { target: 'es2022', strict: true, skipLibCheck: true, types: ['node'], ...compilerOptions },
    }));
    await run(process.execPath, [TSC], folder);
    for (const source of Object.keys(sources)) {
      expect(await run(process.execPath, [source.replace(/ts$/, 'js')], folder)).toMatch(/^(?:closed|made) \d\n$/);
    }
  }, 2 * TIMEOUT);
});
