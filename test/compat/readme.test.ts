import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { parse as parseYaml } from 'yaml';
import Proxy, { MemoryStore } from '../../src';
import { refusals } from '../../src/base/refusals';
import { storeTests } from '../../src/sessions/conformance/store-tests';
import { onCleanup } from '../support/cleanup';
import { startHosts } from '../support/hosts';
import { pollUrl, request } from '../support/http';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { CERT, KEY } from '../support/tls';

const ROOT = join(__dirname, '../..');
const SRC = join(ROOT, 'src');

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');

const readme = read('README.md');
/** Documents with tables that are compared with the code, and with snippets that are run as they stand. */
const DOCUMENTS = [
  'command', 'connections', 'development', 'failures', 'hosts', 'how-it-works', 'in-front', 'library', 'limits', 'stores',
];
const documents = ['README.md', ...DOCUMENTS.map((name) => `docs/${name}.md`)].map((file) => ({ file, text: read(file) }));
const tables = documents.flatMap(({ text }) => text.match(/^\|.+\|\n\|[-|]+\|\n(?:\|.+\|\n)+/gm) ?? [])
  .map((table) => table.trimEnd().split('\n').map((row) => row.slice(2, -2).split(' | ')));
const manifest = JSON.parse(read('package.json')) as {
  name: string;
  version: string;
  engines: { node: string };
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
};

interface Snippet {
  file: string;
  language: string;
  line: number;
  text: string;
}

const snippets = documents.flatMap(({ file, text: document }) =>
  Array.from(document.matchAll(/^```(\w+)\n(.+?)^```$/gms), ({ 1: language = '', 2: text = '', index }): Snippet =>
    ({ file, language, line: document.slice(0, index).split('\n').length + 1, text })));

function snippetsOf(language: string, matching = /^/): [name: string, snippet: Snippet][] {
  return snippets.filter((snippet) => snippet.language === language && matching.test(snippet.text))
    .map((snippet) => [`${snippet.file}:${snippet.line}`, snippet]);
}

/** The cells of the one table whose head begins with `first`. */
function tableOf(first: string): string[][] {
  const found = tables.filter(([head]) => head?.[0] === first);
  expect(found).toHaveLength(1);
  return found[0]?.slice(2) ?? [];
}

/** The code in a cell; `undefined` when the cell is anything else. */
function code(cell = ''): string | undefined {
  return /^`([^`]+)`$/.exec(cell)?.[1];
}

function sourceOf(file: string): ts.SourceFile {
  return ts.createSourceFile(file, read('src', file), ts.ScriptTarget.Latest, true);
}

function membersOf(file: string, name: string): ts.PropertySignature[] {
  const found = sourceOf(file).statements.filter(ts.isInterfaceDeclaration).find((declared) => declared.name.text === name);
  return found?.members.filter(ts.isPropertySignature) ?? [];
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -'.ts'.length).replaceAll('\\', '/'));

describe('tables', () => {
  it('has every option with its default, those of the original first', () => {
    const options = membersOf('options/proxy-options.ts', 'PartialProxyOptions').map((member): [string, string | undefined] => {
      const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default');
      return [member.name.getText(), ts.getTextOfJSDocComment(tag?.comment)];
    });
    const rows = tableOf('Option').map(([name, , fallback]): [string, string | undefined] => [code(name) ?? '', code(fallback)]);
    expect(new Map(rows)).toEqual(new Map(options));
    expect(rows).toHaveLength(options.length);
    expect(rows.slice(0, 7).map(([name]) => name))
      .toEqual(['redisClient', 'hosts', 'path', 'checkInterval', 'checkTimeout', 'keyPrefix', 'keyExpiry']);
  });

  it('has every answer of the proxy itself', () => {
    const nameOf = new Map(Object.entries(Proxy.ErrorCode).map(([name, value]) => [value, name]));
    const answers = Object.values(refusals).map((refusal) => [
      String(refusal.status), nameOf.get(refusal.code),
      typeof refusal.code === 'number' ? String(refusal.code) : `'${refusal.code}'`, refusal.message,
    ]);
    const rows = tableOf('Status').map(([status, name, value, message]) => [status, code(name), code(value), message]);
    // Some differ only in their causes, which clients are not told.
    const told = new Map(answers.map((answer) => [JSON.stringify(answer), answer]));
    expect(rows).toEqual([...told.values()]);
    expect(new Set(rows.map(([, name]) => name))).toEqual(new Set(Object.keys(Proxy.ErrorCode)));
  });

  it('has every event with its arguments', () => {
    const events = membersOf('operating/proxy-events.ts', 'ProxyEvents').map(({ name, type }) => {
      if (!type || !ts.isTupleTypeNode(type)) throw new Error(`${name.getText()} is no tuple`);
      return [name.getText(), type.elements.filter(ts.isNamedTupleMember).map((element) => element.name.text)];
    });
    const rows = tableOf('Event')
      .map(([name, args = '']) => [code(name), args === 'none' ? [] : args.split(', ').map((argument) => code(argument))]);
    expect(rows).toEqual(events);
  });

  it('has every reason for which a host is down', () => {
    const type = sourceOf('hosts/host.ts').statements.filter(ts.isTypeAliasDeclaration)
      .find(({ name }) => name.text === 'DownReason')?.type;
    const reasons = type && ts.isUnionTypeNode(type) ? type.types.map((reason) => `\`${reason.getText().slice(1, -1)}\``) : [];
    expect(tableOf('Reason').map(([reason]) => reason).sort()).toEqual(reasons.sort());
  });

  it('has every file of src/', () => {
    const listed = tables.filter(([head]) => head?.[0] === 'File').flatMap((table) => table.slice(2).map(([name]) => code(name)));
    expect(listed.sort()).toEqual(files.map((file) => `${file}.ts`).sort());
  });

  it('has every debug scope', () => {
    const scopes = files.flatMap((file) => /createDebug\('([^']+)'\)/.exec(read('src', `${file}.ts`))?.[1] ?? []);
    expect(tableOf('Scope').map(([scope]) => code(scope)).sort()).toEqual([...new Set(scopes)].sort());
  });
});

describe('facts', () => {
  it('tells of the Node.js that package.json asks for', () => {
    expect(readme).toContain(`Node.js ${manifest.engines.node.replace('>=', '')} or later`);
  });

  it('has a place in the changelog for the version of package.json', () => {
    expect(/^## (\S+)/m.exec(read('CHANGELOG.md'))?.[1]).toBe(manifest.version);
  });

  it.each(snippetsOf('sh', /^npm /))('names commands and packages that exist: %s', (_, { text }) => {
    for (const command of text.trim().split(/ && |\n/)) {
      const [, verb = '', ...args] = command.split(' ');
      if (verb === 'install') expect([manifest.name, ...Object.keys(manifest.dependencies)]).toEqual(expect.arrayContaining(args));
      else if (verb === 'ci') expect(existsSync(join(ROOT, 'package-lock.json'))).toBe(true);
      else expect(Object.keys(manifest.scripts)).toContain(verb === 'run' ? args[0] : verb);
    }
  });
});

/**
 * Loaded before a snippet, which so runs as it stands: its connections to the ports that it names go to the test's hosts
 * and Redis, and none elsewhere. It listens on any port, and tells the test on which.
 */
const DIVERT = `
const { Server, Socket } = require('node:net');
const { connect } = Socket.prototype;
const { listen } = Server.prototype;
const ports = JSON.parse(process.env.README_PORTS);
Socket.prototype.connect = function (normalized, ...rest) {
  const port = ports[normalized[0].port];
  if (port === undefined) throw new Error('a connection to port ' + normalized[0].port);
  normalized[0] = { ...normalized[0], host: '127.0.0.1', port };
  return connect.call(this, normalized, ...rest);
};
Server.prototype.listen = function (port, ...rest) {
  this.once('listening', () => process.send([port, this.address().port]));
  return listen.call(this, 0, '127.0.0.1', ...rest);
};
`;

/** A folder in which the package is installed, as far as a snippet can see. */
let project: string;
let env: NodeJS.ProcessEnv;
let redisClient: TestClient;

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'readme-'));
  onCleanup(() => rmSync(project, { recursive: true }));
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
  symlinkSync(ROOT, join(project, 'node_modules', manifest.name), 'junction');
  for (const name of ['redis', 'express', 'fastify', '@types/node']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name), 'junction');
  }
  for (const [name, text] of [['divert.cjs', DIVERT], ['cert.pem', CERT], ['key.pem', KEY], ['sid.secret', 'x'.repeat(64)]] as const) {
    writeFileSync(join(project, name), text);
  }
  for (const [, snippet] of snippetsOf('js')) writeFileSync(join(project, fileOf(snippet)), snippet.text);
  // Not the Redis that the tests share: a snippet's keys have the default prefix, and its client has no password.
  const [redis, ...hosts] = await Promise.all([RedisProcess.start(), startHosts(3, { address: '127.0.0.1' })]);
  redisClient = await openClient(redis.url);
  const ports = new Map(hosts.flat().map(({ port }, i) => [3000 + i, port])).set(6379, redis.port);
  env = {
    ...process.env,
    DEBUG: '',
    README_PORTS: JSON.stringify(Object.fromEntries(ports)),
    NODE_OPTIONS: `--require=${join(project, 'divert.cjs')}`,
  };
});

/** A snippet that runs in a process of its own. */
class Running {
  output = '';
  errors = '';
  /** Its exit code, or the signal that ended it, once all that it wrote has arrived. */
  readonly ended: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #listening: Promise<unknown[]>;

  constructor(command: string) {
    // In a group of its own, as a shell may start one more process.
    const child = this.#child = spawn('sh', ['-c', command], {
      cwd: project, env, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.ended = once(child, 'close').then(([exitCode, signal]: unknown[]) => exitCode ?? signal);
    this.#listening = once(child, 'message');
    onCleanup(() => this.stop('SIGKILL'));
  }

  /** The port that it says it listens on, and the one that it was given. */
  async ports(): Promise<[said: unknown, real: unknown]> {
    const first = await Promise.race([this.#listening, this.ended]);
    if (!Array.isArray(first)) throw new Error(`it has ended with ${String(first)}: ${this.errors}`);
    return first[0] as [unknown, unknown];
  }

  /** Ends it, by default as a service manager does. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<unknown> {
    const { exitCode, signalCode, pid } = this.#child;
    if (exitCode === null && signalCode === null && pid !== undefined) process.kill(-pid, signal);
    return this.ended;
  }
}

/** Opens a session by polling, uses it, and resolves with its sid. */
async function useSession(url: string): Promise<string> {
  const reply = await request(`${url}/socket.io/?EIO=4&transport=polling`, { ca: CERT });
  const { sid } = JSON.parse(reply.body.slice(1)) as { sid: string };
  await request(pollUrl(url, sid), { method: 'POST', body: '40', ca: CERT });
  expect((await request(pollUrl(url, sid), { ca: CERT })).body).toMatch(/^40\{"sid":/);
  return sid;
}

/** A snippet that begins with its name is known by it to others. */
function fileOf({ file, line, text }: Snippet): string {
  return /^\/\/ (\S+\.js)\n/.exec(text)?.[1] ?? `${basename(file, '.md')}-${line}.${/^import /m.test(text) ? 'mjs' : 'cjs'}`;
}

function nodeOf(snippet: Snippet): Running {
  const file = fileOf(snippet);
  return new Running(`exec '${process.execPath}' ${file}`);
}

describe('snippets', () => {
  it.each(snippetsOf('js', /listen\(/))('proxies sessions with %s', async (_, snippet) => {
    const { text } = snippet;
    const running = nodeOf(snippet);
    const [said, port] = await running.ports();
    const scheme = text.includes('https.createServer') ? 'https' : 'http';
    const sid = await useSession(`${scheme}://127.0.0.1:${String(port)}`);
    const host = await redisClient.get(`socket.io#${sid}`);
    expect(host).toEqual(text.includes('redisClient') ? expect.stringMatching(/^localhost:300\d$/) : null);
    expect(await running.stop()).toBe(text.includes('SIGTERM') ? 0 : 'SIGTERM');
    expect(running.output).toMatch(text.includes('console.log') ? new RegExp(`^.+ port ${String(said)}\n$`) : /^$/);
    expect(running.errors).toBe('');
  });

  it.each(snippetsOf('js', /^(?!.*(?:listen\(|node:test))/s))('imports what exists with %s', async (_, snippet) => {
    const running = nodeOf(snippet);
    expect([await running.ended, running.errors]).toEqual([0, '']);
  });

  it('passes the tests for a store of the user\'s own with the one that is shown', async () => {
    const running = new Running(`exec '${process.execPath}' --test-reporter=tap own-store.test.js`);
    expect(await running.ended).toBe(0);
    const { length } = storeTests({ create: () => new MemoryStore() });
    expect(running.output).toContain(`\n# tests ${length}\n# suites 1\n# pass ${length}\n# fail 0\n`);
  });

  it.each(snippetsOf('sh', /^DEBUG=/))('shows the debug output with %s', async (_, { text }) => {
    writeFileSync(join(project, 'index.js'), snippetsOf('js', /listen\(/)[0]?.[1].text ?? '');
    const running = new Running(text);
    const [, port] = await running.ports();
    const url = `http://127.0.0.1:${String(port)}`;
    await useSession(url);
    await request(`${pollUrl(url, 'unknown')}&token=secret`);
    await running.stop();
    expect(running.errors).toContain('GET /socket.io/?sid=unknow: 400, never_seen\n');
    expect(running.errors).not.toContain('secret');
    for (const scope of ['proxy', 'bindings', 'forwarder', 'refused']) expect(running.errors).toContain(`socket.io-proxy:${scope} `);
  });

  it('compiles those of TypeScript strictly', () => {
    const names = snippetsOf('ts').map(([, { file, line, text }]) => {
      const path = join(project, `${basename(file, '.md')}-${line}.ts`);
      writeFileSync(path, text);
      return path;
    });
    const program = ts.createProgram(names, {
      module: ts.ModuleKind.Node16, target: ts.ScriptTarget.ES2022, strict: true, skipLibCheck: true, noEmit: true,
      types: ['node'], typeRoots: [join(project, 'node_modules', '@types')],
    });
    const problems = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    expect(problems).toEqual([]);
  });

  it('names a headless service by which hosts are discovered', () => {
    const [[, { text }] = ['', { text: '' }]] = snippetsOf('yaml');
    const { metadata, spec } = parseYaml(text) as { metadata: { name: string }; spec: { clusterIP: string; ports: { port: number }[] } };
    expect(spec.clusterIP).toBe('None');
    expect(read('docs/hosts.md')).toContain(`'dns:${metadata.name}.default.svc.cluster.local:${String(spec.ports[0]?.port)}'`);
  });

  it('are all of a kind that is run, compiled or checked', () => {
    // Those of balancers are run by the tests in test/compat/in-front/, those of the command by test/compat/cli/documented.test.ts.
    // Those of servers that are no proxies, by test/compat/servers/quiet-checks.test.ts.
    const kinds = /^(?:[jt]s|javascript|python|nginx|haproxy|json|yaml)$/;
    const isCommand = /^(?:npm |npx |node test\/|[A-Z_]+=)/;
    expect(snippets.filter(({ language, text }) => language === 'sh' ? !isCommand.test(text) : !kinds.test(language)))
      .toEqual([]);
  });
});
