import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

const SRC = join(__dirname, '..', 'src');

/** From top to bottom: a file imports only files below it. */
const ORDER = [
  'cli', 'cli/command-line', 'cli/help', 'cli/primary', 'cli/run', 'cli/workers', 'cli/member', 'cli/restarts',
  'cli/signals', 'cli/reload', 'cli/status', 'cli/worker', 'cli/worker-settings', 'cli/retirement', 'cli/events', 'cli/host-table',
  'cli/told-hosts', 'cli/host-changes',
  'cli/instance', 'cli/parts', 'cli/access-log', 'cli/tls', 'cli/messages', 'cli/all-workers', 'cli/worker-answers',
  'cli/questions', 'cli/settings', 'cli/values', 'cli/sources', 'cli/log', 'cli/status-line', 'cli/output', 'cli/flags',
  'cli/nearest', 'index', 'store-tests', 'store-expiry-clauses', 'store-clauses', 'store-bench', 'proxy',
  'proxy-internals', 'own-process', 'admin/lazy', 'admin/server', 'admin/host-routes', 'admin/session-routes',
  'admin/routes', 'admin/body', 'admin/streams', 'admin/metrics', 'admin/snapshot', 'admin/static-files', 'admin/reply',
  'admin/connections', 'admin/guard', 'admin/problems', 'admin/process-metrics', 'operations', 'moves', 'sessions',
  'pipelines', 'router', 'request-checks', 'admission', 'proxy-events', 'access', 'forwarder', 'tunnel', 'upgrade',
  'exchange', 'waiting', 'route', 'under-way', 'outflow', 'connections', 'trust', 'connection', 'traffic',
  'request-body', 'response-parser', 'headers', 'target', 'sniffer', 'discovery', 'leaving', 'health-checker',
  'host-request', 'operator', 'bindings', 'copies', 'rewrites', 'look-ups', 'binding', 'store-guard', 'late-calls',
  'store-probe', 'server', 'options', 'host-tls', 'proxy-options', 'admin/options', 'host-options', 'dns', 'hosts',
  'balance', 'host', 'redis-store', 'redis-clients', 'redis-slots', 'session-store', 'announce', 'totals', 'histogram',
  'errors', 'shown', 'fields', 'checks', 'agenda', 'bag', 'deadline', 'pause', 'version',
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

it('has a place for every file, and a file for every place', () => {
  const unplaced = files.filter((file) => !ORDER.includes(file))
    .map((file) => `place src/${file}.ts in ORDER: below all that import it, above all that it imports`);
  expect(unplaced).toEqual([]);
  expect([...ORDER].sort()).toEqual([...files].sort());
});

it.each(files)('src/%s.ts imports only files below it', (file) => {
  const above = ORDER.slice(0, ORDER.indexOf(file) + 1);
  expect(importsOf(file).filter((name) => above.includes(name) || !ORDER.includes(name))).toEqual([]);
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
  expect(importsOf('errors', text)).toEqual(['proxy']);
});

it.each(files)(`src/%s.ts has at most ${MAX_LINES} lines`, (file) => {
  expect(textOf(file).trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
});
