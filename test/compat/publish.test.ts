import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, cpSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dependencies, filesOf, install, pack, ROOT, run, TIMEOUT, type Packed } from '../support/package';
import { temporaryFolder } from '../support/program';

interface Manifest extends Record<string, unknown> {
  name: string;
  version: string;
  main: string;
  types: string;
  exports: Record<string, string | { types: string; default: string }>;
}

/** What may be packed: code and declarations of what is in src/, the dashboard, and the documents. */
const ALLOWED = [
  /^dist\/(?:[a-z]+\/)*[a-z-]+\.(?:js|d\.ts)$/, /^dist\/admin\/(?:openapi\.json|page\/[a-z-]+\.(?:css|html))$/,
  /^(?:CHANGELOG\.md|LICENSE|README\.md|SECURITY\.md|docs\/[a-z-]+\.md|package\.json)$/,
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
  manifest = manifestOf(installed);
}, 2 * TIMEOUT);

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

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
    const linked = Array.from(readme.matchAll(/\]\(((?:docs\/|SECURITY)[^)#]*\.md)/g), ([, path = '']) => path);
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

it('lets an ES module import by its name all that hangs on the class', async () => {
  const source = "import Proxy, * as names from 'socket.io-proxy2'; console.log(JSON.stringify([names, Proxy].map(Object.keys)))";
  const printed = await run(process.execPath, ['--input-type=module', '--eval', source], packed.folder);
  const [names, properties] = JSON.parse(printed) as [string[], string[]];
  // A newer Node.js adds this one.
  expect(names.filter((name) => name !== 'module.exports').sort()).toEqual(properties.sort());
});

describe('the installed command', () => {
  it('is a program', () => {
    const bin = join(modules, '.bin', 'socket.io-proxy2');
    expect(readFileSync(bin, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    if (process.platform !== 'win32') expect(statSync(bin).mode & 0o111).toBe(0o111);
  });

  it('is what npx runs', async () => {
    expect(await run('npx', ['--no', '--', 'socket.io-proxy2', '--version'], packed.folder)).toBe(`${manifest.version}\n`);
  });
});

interface Component {
  name: string;
  version: string;
  licenses?: { license: { id: string } }[];
}

describe('the bill of materials', () => {
  const nameOf = ({ name, version }: { name: string; version: string }): string => `${name}@${version}`;
  let own: Component[];

  beforeAll(async () => {
    own = (JSON.parse(await run('npm', ['run', '--silent', 'sbom'], ROOT)) as { components: Component[] }).components;
  }, TIMEOUT);

  it('lists what an installation holds, and nothing else', () => {
    const versions = filesOf(modules).filter((path) => /^(?:@[^/]+\/)?[^@/.][^/]*\/package\.json$/.test(path))
      .map((path) => manifestOf(join(modules, dirname(path)))).filter(({ name }) => name !== manifest.name);
    expect(own.map(nameOf).sort()).toEqual(versions.map(nameOf).sort());
    expect(own).toHaveLength(Object.keys(dependencies()).length);
  });

  it('has licences alone under which the package may be passed on with these', () => {
    const allowed = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];
    const licencesOf = ({ licenses = [] }: Component): string[] => licenses.map(({ license }) => license.id);
    const others = own.filter((component) => {
      const licences = licencesOf(component);
      return licences.length === 0 || !licences.every((id) => allowed.includes(id));
    });
    expect(others).toEqual([]);
  });
});

/** Packs and builds a copy of what makes the package, whose files have the given mode and time. */
async function packedElsewhere(mode: number, umask: string, time: Date): Promise<string> {
  const folder = temporaryFolder('elsewhere-');
  for (const name of ['src', 'scripts', 'docs', ...readdirSync(ROOT).filter((each) => /\.(?:json|md)$|^LICENSE$/.test(each))]) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  for (const path of filesOf(folder)) {
    chmodSync(join(folder, path), mode);
    utimesSync(join(folder, path), time, time);
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await run('sh', ['-c', `umask ${umask} && npm pack --silent --offline`], folder);
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  return createHash('sha512').update(readFileSync(join(folder, tarball))).digest('hex');
}

it('is the same bytes, wherever and whenever it is built, and whoever may read the files', async () => {
  const [one, other] = await Promise.all([
    packedElsewhere(0o644, '022', new Date('2026-01-01')), packedElsewhere(0o600, '077', new Date('2026-11-11')),
  ]);
  expect(other).toBe(one);
}, 3 * TIMEOUT);

describe('before it is published', () => {
  const script = join(ROOT, 'scripts/check-publication.mjs');
  const repository = { type: 'git', url: 'git+ssh://git@a.example/b.git' };
  const full = { ...manifestOf(ROOT), repository, bugs: { url: 'https://a.example' } };

  const MARK = '<!-- to be filled in -->';

  /** Resolves with what is said to be open in a package of these files. */
  async function openIn(contents: object, changelog: string, security = 'Write to us.'): Promise<string[]> {
    const folder = temporaryFolder('publication-');
    writeFileSync(join(folder, 'package.json'), JSON.stringify(contents));
    writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
    writeFileSync(join(folder, 'SECURITY.md'), security);
    const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const [status] = await once(child, 'close') as [number | null];
    expect(status).toBe(errors === '' ? 0 : 1);
    return errors.split('\n').slice(1, -1);
  }

  it('nothing may be open', async () => {
    const changelog = `# Changelog\n\n## ${full.version} - 2027-01-31\n`;
    expect(await openIn({ ...full, homepage: 'https://a.example' }, changelog)).toEqual([]);
  });

  it.each<[what: string, left: string[], changelog: string, security: string | undefined, text: string]>([
    ['the repository', ['repository'], '1.0.0 - 2027-01-31', undefined, "- package.json has no 'repository': "],
    ['where to report faults', ['bugs'], '1.0.0 - 2027-01-31', undefined, "- package.json has no 'bugs': "],
    ['the page', ['homepage'], '1.0.0 - 2027-01-31', undefined, "- package.json has no 'homepage'"],
    ['where to report weaknesses', [], '1.0.0 - 2027-01-31', MARK, '- SECURITY.md does not '],
    ['the date', [], '1.0.0 - unreleased', undefined, '- CHANGELOG.md has no date for 1.0.0'],
    ['the version', [], '0.9.0 - 2027-01-31', undefined, '- the newest part of CHANGELOG.md is about 0.9.0, and not about 1.0.0'],
  ])('%s may not be', async (_, left, newest, security, text) => {
    const contents = Object.fromEntries(Object.entries({ ...full, version: '1.0.0', homepage: 'https://a.example' })
      .filter(([key]) => !left.includes(key)));
    expect(await openIn(contents, `## ${newest}\n`, security)).toEqual([expect.stringContaining(text)]);
  });

  it('npm asks, and this package has as much open as it says', async () => {
    expect(manifest.scripts).toMatchObject({ prepublishOnly: 'node scripts/check-publication.mjs' });
    expect(readFileSync(join(ROOT, 'SECURITY.md'), 'utf8').includes(MARK)).toBe(manifest.repository === undefined);
    const asked = run('npm', ['run', '--silent', 'prepublishOnly'], ROOT);
    if (manifest.repository === undefined) await expect(asked).rejects.toThrow(/cannot be published yet:[^]+'repository'/);
    else await asked;
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
