import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { Clients, type ClientOptions } from '../support/clients';
import { onCleanup } from '../support/cleanup';
import { startHosts, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { adapt, Program, startOnSomePort, temporaryFolder } from '../support/program';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { until } from '../support/until';

const ROOT = join(__dirname, '../..');

interface Block {
  section: string;
  part: string;
  language: string;
  text: string;
  /** The paragraph before it says "not run". */
  notRun: boolean;
}

function blocksOf(markdown: string): Block[] {
  const found: Block[] = [];
  let [section, part, said] = ['', '', ''];
  let block: Block | undefined;
  for (const line of markdown.split('\n')) {
    if (block) {
      if (line === '```') block = undefined;
      else block.text += `${line}\n`;
    } else if (line.startsWith('```')) {
      block = { section, part, language: line.slice(3), text: '', notRun: /\*not run\*/i.test(said) };
      if (block.language !== '') found.push(block);
    } else if (line.startsWith('## ')) [section, part, said] = [line.slice(3), '', ''];
    else if (line.startsWith('### ')) [part, said] = [line.slice(4), ''];
    // What is said of a block is the paragraph before it.
    else if (line !== '') said = said.endsWith('\n\n') ? line : `${said} ${line}`;
    else said += '\n\n';
  }
  return found;
}

const blocks = blocksOf(readFileSync(join(ROOT, 'docs/migrating.md'), 'utf8'));
const run = new Set<Block>();

/** The one block that is run of a part of a section. */
function blockOf(section: string, part: string): string {
  const [block, ...others] = blocks.filter((candidate) => candidate.section === section && candidate.part === part && !candidate.notRun);
  if (!block || others.length > 0) throw new Error(`docs/migrating.md has not one block to run in ${section}, ${part}`);
  run.add(block);
  return block.text;
}

const PROXY = blockOf('What all of them end with', '');
const ORIGINAL = [['Before', blockOf('The original package', 'Before')], ['After', blockOf('The original package', 'After')]] as const;
const STICKY = { before: blockOf('@socket.io/sticky', 'Before'), after: blockOf('@socket.io/sticky', 'After') };
const NGINX = { before: blockOf('nginx', 'Before'), after: blockOf('nginx', 'After') };
const HAPROXY = { before: blockOf('HAProxy', 'Before'), after: blockOf('HAProxy', 'After') };

let project: string;
let hosts: HostProcess[];
let redis: RedisProcess;
let redisClient: TestClient;
/** Two, as the document has them. */
let proxies: number[];

const portsOf = (started: readonly { port: number }[]): number[] => started.map(({ port }) => port);

/** Runs a snippet in a process of its own, and resolves with the port that it listens on. */
async function runSnippet(text: string, said: number, hostPorts: readonly number[]): Promise<number> {
  const file = join(project, `snippet-${said}.cjs`);
  writeFileSync(file, text);
  const ports = Object.fromEntries([...hostPorts.entries()].map(([i, port]) => [3000 + i, port]));
  // In a group of its own, since it may start others.
  const child = spawn(process.execPath, ['--require', join(__dirname, '../fixtures/divert.cjs'), file], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, PORT: String(said), DIVERT: JSON.stringify({ ...ports, 6379: redis.port }) },
  });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const closed = once(child, 'close').then(() => {
    throw new Error(`the snippet has ended: ${errors}`);
  });
  closed.catch(() => {});
  onCleanup(async () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
    await closed.catch(() => {});
  });
  const [[asked, port]] = await Promise.race([once(child, 'message') as Promise<[[number, number]]>, closed]);
  expect(asked).toBe(said);
  return port;
}

const runProxies = (hostPorts: readonly number[]): Promise<number[]> =>
  Promise.all([4000, 4001].map((said) => runSnippet(PROXY, said, hostPorts)));

beforeAll(async () => {
  project = temporaryFolder('migrating-');
  mkdirSync(join(project, 'node_modules', '@socket.io'), { recursive: true });
  symlinkSync(ROOT, join(project, 'node_modules', 'socket.io-proxy2'), 'junction');
  for (const name of ['redis', 'socket.io', '@socket.io/sticky']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name), 'junction');
  }
  [hosts, redis] = await Promise.all([startHosts(3, { address: '127.0.0.1' }), RedisProcess.start()]);
  redisClient = await openClient(redis.url);
  proxies = await runProxies(portsOf(hosts));
});

/** The URL of a port, of each of several in turn. */
const inTurn = (ports: readonly number[]): () => string => {
  let turn = 0;
  return () => `http://127.0.0.1:${ports[turn++ % ports.length]}`;
};

/** A session by polling of a client that keeps no cookies: sends each request on a connection of its own. */
class Session {
  readonly #url: () => string;
  sid = '';

  constructor(url: () => string, sid = '') {
    this.#url = url;
    this.sid = sid;
  }

  /** Whether all requests of a session find it: a handshake where it has no sid yet, an event and its acknowledgement. */
  async works(): Promise<boolean> {
    if (this.sid === '') this.sid = await handshake(this.#url());
    for (const [sent, received] of [['40', /^40\{"sid":/], ['420["echo","é"]', /^430\["é"\]$/]] as const) {
      const post = await request(pollUrl(this.#url(), this.sid), { method: 'POST', body: sent });
      if (post.status !== 200) return this.#unknown(post);
      const poll = await request(pollUrl(this.#url(), this.sid));
      if (poll.status !== 200) return this.#unknown(poll);
      expect(poll.body).toMatch(received);
    }
    return true;
  }

  #unknown({ status, body }: { status: number; body: string }): false {
    expect([status, body]).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
    return false;
  }
}

/** How many of twenty sessions work, one after the other. */
async function working(ports: readonly number[]): Promise<number> {
  const url = inTurn(ports);
  let count = 0;
  for (let i = 0; i < 20; i += 1) if (await new Session(url).works()) count += 1;
  return count;
}

describe('proxy.js', () => {
  it('routes each session through both proxies', async () => {
    expect(await working(proxies)).toBe(20);
  });

  it('answers a health check with the status that the document names', async () => {
    const { status } = await request(`http://127.0.0.1:${proxies[0]}/socket.io/`);
    const json = blocks.find(({ section, part }) => section === 'AWS ALB' && part === 'After')?.text ?? '';
    expect(JSON.parse(json)).toMatchObject({ HealthCheckPath: '/socket.io/', Matcher: { HttpCode: String(status) } });
  });
});

describe('the original package', () => {
  it.each(ORIGINAL)('shares a Redis with it: %s', async (_, text) => {
    const port = await runSnippet(text, 4000, portsOf(hosts));
    const session = new Session(inTurn([port]));
    expect(await session.works()).toBe(true);
    expect(await redisClient.get(`socket.io#${session.sid}`)).toMatch(/^localhost:300[012]$/);

    // Opened through another proxy, as far as this one can see.
    const sid = await handshake(`http://127.0.0.1:${hosts[1]?.port}`);
    await redisClient.set(`socket.io#${sid}`, 'localhost:3001', { EX: 60 });
    expect(await new Session(inTurn([port]), sid).works()).toBe(true);
  });
});

describe('@socket.io/sticky', () => {
  it('keeps sessions before, on the workers of a cluster', async () => {
    const port = await runSnippet(STICKY.before, 3000, []);
    // Workers start after the primary has begun to listen, and tell nobody. Until then connections are cut.
    await until('all workers take sessions', async () => await working([port]).catch(() => 0) === 20);
    const agent = new Agent({ keepAlive: true });
    onCleanup(() => agent.destroy());
    expect((await request(`http://127.0.0.1:${port}/socket.io/`, { agent })).headers.connection).toBe('close');
  });

  it('keeps sessions after, on hosts behind the proxies', async () => {
    const servers = await Promise.all([3000, 3001, 3002].map((said) => runSnippet(STICKY.after, said, [])));
    expect(await working(await runProxies(servers))).toBe(20);
  });
});

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

async function startNginx(block: string): Promise<number> {
  const folder = temporaryFolder('nginx-');
  const { port } = await startOnSomePort('start worker process ', (candidate) => {
    writeFileSync(join(folder, 'nginx.conf'), [
      // The workers of one who may open any port would else be another user's, who may not read the folder.
      ...(process.getuid?.() === 0 ? [`user ${userInfo().username};`] : []),
      `daemon off; pid ${folder}/pid; error_log stderr notice; worker_processes 1; events {}`,
      `http { access_log off; ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}`,
      adapt(block, [['listen 80;', `listen 127.0.0.1:${candidate};`]]), '}',
    ].join('\n'));
    return new Program('nginx', ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')]);
  });
  return port;
}

async function startHaproxy(block: string): Promise<number> {
  const file = join(temporaryFolder('haproxy-'), 'haproxy.cfg');
  const { port } = await startOnSomePort('Loading success', (candidate) => {
    writeFileSync(file, adapt(block, [['bind :80\n', `bind 127.0.0.1:${candidate}\n`]]));
    return new Program('haproxy', ['-W', '-db', '-f', file]);
  });
  return port;
}

describe.each([['nginx', NGINX, startNginx], ['HAProxy', HAPROXY, startHaproxy]] as const)('%s', (_, { before, after }, start) => {
  const at = (first: number, ports: readonly number[]): [string, string][] =>
    ports.map((port, i) => [`127.0.0.1:${first + i}`, `127.0.0.1:${port}`]);
  let clients: Clients;

  beforeAll(() => {
    clients = new Clients();
  });

  /** Real clients, that upgrade, with or without a cookie jar. */
  async function connectSome(port: number, withCredentials: boolean): Promise<void> {
    const options: ClientOptions = { url: `http://127.0.0.1:${port}`, withCredentials, upgraded: true };
    const connected = await Promise.all(Array.from({ length: 10 }, () => clients.connect(options)));
    expect(new Set(connected.map(({ transport }) => transport))).toEqual(new Set(['websocket']));
    for (const { key } of connected) await clients.close(key);
  }

  it('keeps the sessions of clients with cookies before, and loses those of clients without', async () => {
    const port = await start(adapt(before, at(3000, portsOf(hosts))));
    await connectSome(port, true);
    expect(await working([port])).toBeLessThan(20);
  });

  it('keeps the sessions of clients without cookies after', async () => {
    const port = await start(adapt(after, at(4000, proxies)));
    await connectSome(port, false);
    expect(await working([port])).toBe(20);
  });
});

describe('what is not run', () => {
  const ofLanguage = (...languages: string[]): [name: string, block: Block][] => blocks
    .filter(({ language }) => languages.includes(language)).map((block) => [`${block.section}, ${block.part}`, block]);

  it.each(ofLanguage('yaml', 'json'))('parses: %s', (_, { language, text, part }) => {
    const documents = language === 'json' ? [JSON.parse(text) as unknown]
      : parseAllDocuments(text, { strict: true }).map((document) => {
        expect([...('errors' in document ? document.errors : []), ...('warnings' in document ? document.warnings : [])]).toEqual([]);
        return document.toJS() as unknown;
      });
    expect(documents.length).toBeGreaterThan(0);
    // What a migration is about.
    const configuration = JSON.stringify(documents);
    if (part === 'After') expect(configuration).not.toMatch(/sticky|stickiness|affinity/);
    else expect(configuration).toMatch(/sticky|stickiness|affinity/);
  });

  it('says so, and nothing else does', () => {
    expect(blocks.filter((block) => block.notRun === run.has(block))).toEqual([]);
    expect(run.size).toBe(9);
  });
});
