import { once } from 'node:events';
import http, { Agent } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseAllDocuments } from 'yaml';
import { onCleanup } from '../support/cleanup';
import { Clients, type ClientOptions } from '../support/clients';
import { inTurn, Session, working } from '../support/cookieless';
import { blocksOf, type Block } from '../support/document-blocks';
import { startHaproxyWith, startNginxWith } from '../support/documented-balancers';
import { startHosts, type HostProcess } from '../support/hosts';
import { handshake, request } from '../support/http';
import { adapt } from '../support/program';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { SnippetProject } from '../support/snippets';
import { until } from '../support/until';

const blocks = blocksOf('docs/migrating.md');
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

let project: SnippetProject;
let hosts: HostProcess[];
let redis: RedisProcess;
let redisClient: TestClient;
/** Two, as the document has them. */
let proxies: number[];

const portsOf = (started: readonly { port: number }[]): number[] => started.map(({ port }) => port);

const runSnippet = (text: string, said: number, hostPorts: readonly number[]): Promise<number> =>
  project.run(text, said, { ...Object.fromEntries([...hostPorts.entries()].map(([i, port]) => [3000 + i, port])), 6379: redis.port });

const runProxies = (hostPorts: readonly number[]): Promise<number[]> =>
  Promise.all([4000, 4001].map((said) => runSnippet(PROXY, said, hostPorts)));

beforeAll(async () => {
  project = new SnippetProject(['redis', 'socket.io', '@socket.io/sticky']);
  [hosts, redis] = await Promise.all([startHosts(3, { address: '127.0.0.1' }), RedisProcess.start()]);
  redisClient = await openClient(redis.url);
  proxies = await runProxies(portsOf(hosts));
});

describe('proxy.js', () => {
  it('routes each session through both proxies', async () => {
    expect(await working(proxies)).toBe(20);
  });

  it('answers a health check with the status that the document names', async () => {
    const { status } = await request(`http://127.0.0.1:${proxies[0]}/healthz`);
    const json = blocks.find(({ section, part }) => section === 'AWS ALB' && part === 'After')?.text ?? '';
    expect(JSON.parse(json)).toMatchObject({ HealthCheckPath: '/healthz', Matcher: { HttpCode: String(status) } });
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

/** A host that answers a request with the addresses that it is told, and its port. */
async function startTellingHost(): Promise<number> {
  const host = http.createServer((req, res) => res.writeHead(400).end(req.headers['x-forwarded-for']));
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  onCleanup(() => host.close());
  return (host.address() as AddressInfo).port;
}

describe.each([['nginx', NGINX, startNginxWith], ['HAProxy', HAPROXY, startHaproxyWith]] as const)('%s', (_, { before, after }, start) => {
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

  it('tells hosts the address of the client after', async () => {
    const host = await startTellingHost();
    const port = await start(adapt(after, at(4000, await runProxies([host, host, host]))));
    const { body } = await request(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`);
    // The client's, and the load balancer's.
    expect(body).toBe('127.0.0.1, 127.0.0.1');
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
