import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install, pack, ROOT, run, TIMEOUT } from '../support/package';

const CONSUMERS = join(__dirname, 'consumers');
const TSC = require.resolve('typescript/bin/tsc');

/** A folder in which the packed package is installed. */
let project: string;

beforeAll(async () => {
  const packed = await pack();
  await install(packed);
  project = packed.folder;
  mkdirSync(join(project, 'node_modules', '@types'));
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'), 'junction');
}, 2 * TIMEOUT);

describe('a consumer', () => {
  it.each(['commonjs.cjs', 'module.mjs'])('of JavaScript gets the class, and exits after close: %s', async (name) => {
    cpSync(join(CONSUMERS, name), join(project, name));
    expect(await run(process.execPath, [name], project)).toBe('closed\n');
  });

  it.each<[name: string, sources: Record<string, string>, compilerOptions: object]>([
    [
      'node16, CommonJS and ES modules',
      {
        'imports.cts': 'imports', 'imports.mts': 'imports', 'redis.cts': 'redis', 'redis.mts': 'redis',
        'require.cts': 'require', 'store-tests.cts': 'store-tests', 'store-tests.mts': 'store-tests',
      },
      // Checks the declarations too: once, since that takes seconds.
      { module: 'node16', skipLibCheck: false },
    ],
    ['bundler', { 'imports.mts': 'imports', 'store-tests.mts': 'store-tests' }, { module: 'esnext', moduleResolution: 'bundler' }],
    [
      'node10',
      { 'imports.ts': 'imports', 'store-tests.ts': 'store-tests' },
      { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true },
    ],
    ['without esModuleInterop', { 'require.ts': 'require' }, { module: 'node16', esModuleInterop: false }],
  ])('of TypeScript compiles strictly, and runs: %s', async (name, sources, compilerOptions) => {
    const folder = join(project, name);
    mkdirSync(folder);
    for (const [source, consumer] of Object.entries(sources)) {
      // Not named `.ts` where they are kept: the repository's own type check knows no installed package.
      cpSync(join(CONSUMERS, `${consumer}.ts.txt`), join(folder, source));
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        target: 'es2022', strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, types: ['node'], ...compilerOptions,
      },
    }));
    await run(process.execPath, [TSC], folder);
    const names = Object.keys(sources).map((source) => source.replace(/ts$/, 'js'));
    const outputs = await Promise.all(names.map((source) => run(process.execPath, [source], folder)));
    expect(outputs).toEqual(names.map(() => expect.stringMatching(/^(?:closed|made|passed) \d\n$/) as string));
  }, 2 * TIMEOUT);
});
