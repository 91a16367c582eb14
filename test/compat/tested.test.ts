import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onCleanup } from '../support/cleanup';

const JEST = require.resolve('jest/bin/jest');
const SUPPORT = join(__dirname, '../support');

const CONFIG = {
  transform: { '\\.ts$': [require.resolve('@swc/jest'), { swcrc: false, jsc: { parser: { syntax: 'typescript' } } }] },
  testEnvironment: 'node',
  reporters: ['default', [join(SUPPORT, 'tested-reporter.mjs'), { folder: 'test/compat' }]],
  globalSetup: join(SUPPORT, 'global-setup.ts'),
  globalTeardown: join(SUPPORT, 'global-teardown.ts'),
};

const BEGIN = '<!-- tested: written by `npm run tested` -->';
const END = '<!-- /tested -->';
const HEAD = ['| What | Name | Version |', '|---|---|---|'];

/** What the tests of both files show. */
const SHOWN = [
  ...HEAD,
  '| Node | Node.js | 20, 22, 24, 26 |',
  '| Server | Socket.IO | 2, 10 |',
  '| Client | a in Chromium | 4.8 in 142 |',
  '| Client | raw | – |',
  '| Redis client | a | 0.9 |',
  '| Redis server | Redis | 7.0 |',
];

/** A project of its own with two files of tests, and what its README has in the table. */
class Project {
  readonly root = mkdtempSync(join(tmpdir(), 'tested-project-'));
  readonly #readme = join(this.root, 'README.md');

  constructor(table: string[], lastLine = '') {
    onCleanup(() => rmSync(this.root, { recursive: true }));
    for (const folder of ['test/compat', 'bin']) mkdirSync(join(this.root, folder), { recursive: true });
    const tested = `const { tested } = require(${JSON.stringify(join(SUPPORT, 'tested'))});\n`;
    writeFileSync(join(this.root, 'test/compat/one.test.ts'), `${tested}
      it('a', () => tested('Server', 'Socket.IO', '10.2.3'));
      it('b', () => tested('Redis server', 'Redis', '7.0.15'));
      it('c', () => tested('Redis client', 'a', '0.9.1'));`);
    writeFileSync(join(this.root, 'test/compat/two.test.ts'), `${tested}
      it.each(['2', '2.1.0'])('%s', (version) => tested('Server', 'Socket.IO', version));
      it('raw', () => tested('Client', 'raw', ''));
      it('d', () => tested('Client', 'a in Chromium', '4.8.1 in v142.0.7444.59'));
      ${lastLine}`);
    writeFileSync(join(this.root, 'jest.config.json'), JSON.stringify(CONFIG));
    this.rewrite([BEGIN, ...table, END]);
  }

  /** Gives its README other lines. */
  rewrite(lines: string[]): void {
    writeFileSync(this.#readme, ['before', ...lines, 'after'].join('\n'));
  }

  /** The lines of the table; what stands around it must not change. */
  get table(): string[] {
    const lines = readFileSync(this.#readme, 'utf8').split('\n');
    expect([...lines.splice(0, 2), ...lines.splice(-2)]).toEqual(['before', BEGIN, END, 'after']);
    return lines;
  }

  /** Makes a program that the machine then seems to have. */
  install(program: string): void {
    const path = join(this.root, 'bin', program);
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, 0o755);
  }

  /** Runs its tests, and resolves with the exit code and what has been said of the table. */
  async run(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<[exitCode: unknown, said: string[]]> {
    const child = spawn(process.execPath, [JEST, '--config', join(this.root, 'jest.config.json'), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Nothing that this machine has installed.
      env: { ...process.env, TESTED: '', ...env, PATH: join(this.root, 'bin') },
    });
    onCleanup(() => child.kill('SIGKILL'));
    const [output, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'exit')]) as [string, [unknown]];
    return [exitCode, output.split('\n').filter((line) => /\btable\b|^README/.test(line))];
  }
}

it('writes what the tests have shown: sorted, each once, with versions that no patch changes', async () => {
  const project = new Project([...HEAD, '| Server | of yesterday | 1 |']);
  expect(await project.run([], { TESTED: 'write' })).toEqual([0, []]);
  expect(project.table).toEqual(SHOWN);
  expect(await project.run()).toEqual([0, []]);
});

it('asks for no files but those of its folder', async () => {
  const project = new Project(HEAD);
  writeFileSync(join(project.root, 'test/other.test.ts'), "it('fails', () => expect(1).toBe(2));");
  expect(await project.run(['test/compat'], { TESTED: 'write' })).toEqual([0, []]);
  expect(project.table).toEqual(SHOWN);
});

it.each([
  ['a test has failed', "it('fails', () => expect(1).toBe(2));", []],
  ['not all tests were run', "it.skip('is skipped', () => {});", []],
  ['not all tests were run', '', ['one\\.test\\.ts$']],
])('writes nothing when %s', async (why, lastLine, args) => {
  const project = new Project(HEAD, lastLine);
  expect(await project.run(args, { TESTED: 'write' })).toEqual([1, [`The table in README.md is not written: ${why}`]]);
  expect(project.table).toEqual(HEAD);
});

it('fails a full run that has shown something else, and names each difference', async () => {
  const project = new Project(SHOWN.map((row) => row.replace('20, ', '').replace('2, 10', '1, 2')));
  const [exitCode, said] = await project.run();
  expect([exitCode, ...said]).toEqual([
    1,
    'The table of what is tested, in README.md, differs from this run:',
    '  shown by the tests, and missing in the table: Node Node.js 20',
    '  shown by the tests, and missing in the table: Server Socket.IO 10',
    '  in the table, and not shown by the tests: Server Socket.IO 1',
    'If the tests are right, `npm run tested` writes the table.',
  ]);
});

it('fails a full run in which a test that would have shown something is skipped', async () => {
  const project = new Project([...SHOWN, '| Mounted on | Express | 5 |'], "it.skip('x', () => tested('Mounted on', 'Express', '5'));");
  const [exitCode, said] = await project.run();
  expect(exitCode).toBe(1);
  expect(said).toContain('  in the table, and not shown by the tests: Mounted on Express 5');
});

it.each([
  ['a file', ['two\\.test\\.ts$']],
  ['tests by their names', ['-t', 'raw']],
])('checks nothing in a run of %s', async (_, args) => {
  expect(await new Project(HEAD).run(args)).toEqual([0, []]);
});

describe('what the machine brings', () => {
  it('may be of another version', async () => {
    expect(await new Project(SHOWN.map((row) => row.replace('7.0', '6.2'))).run()).toEqual([0, []]);
  });

  it('is not missed where it is not installed, and is where it is', async () => {
    const project = new Project([...SHOWN, '| Redis server | Valkey | 8.0 |']);
    expect(await project.run()).toEqual([0, []]);
    project.install('valkey-server');
    const [exitCode, said] = await project.run();
    expect(exitCode).toBe(1);
    expect(said).toContain('  in the table, and not shown by the tests: Redis server Valkey');
  });
});

it.each([
  ['no table', []],
  ['two tables', [BEGIN, ...HEAD, END, BEGIN, ...HEAD, END]],
])('fails a full run where README.md has %s', async (_, lines) => {
  const project = new Project([]);
  project.rewrite(lines);
  expect(await project.run()).toEqual([1, [`README.md must have one line '${BEGIN}', and after it one '${END}'`]]);
});
