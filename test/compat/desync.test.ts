import { readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import httpProxy from 'http-proxy';
import { PlainResponse } from '../../src/serving/plain-response';
import { startHaproxyWith, startNginxWith } from '../support/documented-balancers';
import { DESYNC_CASES, REAL_CASES } from '../support/desync-cases';
import { BECAME, bytesOf, readTwice, runCases, startDesyncHost, type Outcome } from '../support/desync-run';
import { closeWithTest, handshake } from '../support/http';
import { readByNode, type ReadRequest } from '../support/node-reader';
import { adapt, blockOf, versionOf as programVersion } from '../support/program';
import { startProxy } from '../support/proxy';
import { versionOf } from '../support/versions';

const FILE = join(__dirname, '../../docs/security.md');
const BEGIN = '<!-- desync: written by `npm run desync` -->\n';
const END = '<!-- /desync -->';
const CONFIGURATIONS = 'docs/in-front.md';
const ABSOLUTE = /^https?:\/\/[^/]+(?=\/)/i;

/** What forwards to a host, and what became there of the cases. */
interface Way {
  hostile: Outcome[];
  real: Outcome[];
  /** How many answers the fast path has written of the real clients' requests. */
  fast: number;
}

function nginxBefore(port: number): Promise<number> {
  return startNginxWith(adapt(blockOf(CONFIGURATIONS, 'nginx'), [
    ['listen 443 ssl;', 'listen 80;'], ['  ssl_certificate cert.pem;\n', ''], ['  ssl_certificate_key key.pem;\n', ''],
    ['127.0.0.1:4000', `127.0.0.1:${port}`], ['  server 127.0.0.1:4001;\n', ''],
  ]));
}

function haproxyBefore(port: number): Promise<number> {
  return startHaproxyWith(adapt(blockOf(CONFIGURATIONS, 'haproxy'), [
    ['127.0.0.1:4000 check', `127.0.0.1:${port}`], ['  server b 127.0.0.1:4001 check\n', ''],
  ]));
}

async function httpProxyBefore(port: number): Promise<number> {
  const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${port}`, xfwd: true });
  const server = http.createServer((req, res) => proxy.web(req, res, {}, () => res.destroy()));
  server.on('upgrade', (req, socket, head) => proxy.ws(req, socket, head, {}, () => socket.destroy()));
  closeWithTest(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function oursBefore(port: number, options: { fastPath: boolean; trustProxy?: boolean }): Promise<number> {
  const started = await startProxy({ hosts: [`127.0.0.1:${port}`], changeOrigin: false, ...options });
  await handshake(started.url);
  return started.port;
}

/** By name: what stands before the host at this port. */
const STARTS: Record<string, (port: number) => Promise<number>> = {
  nginx: nginxBefore,
  HAProxy: haproxyBefore,
  'http-proxy': httpProxyBefore,
  'the proxy': (port) => oursBefore(port, { fastPath: false }),
  'the fast path': (port) => oursBefore(port, { fastPath: true }),
  'nginx, and the proxy': async (port) => nginxBefore(await oursBefore(port, { fastPath: true, trustProxy: true })),
  'HAProxy, and the proxy': async (port) => haproxyBefore(await oursBefore(port, { fastPath: true, trustProxy: true })),
};
const OURS = Object.keys(STARTS).filter((name) => !['nginx', 'HAProxy', 'http-proxy'].includes(name));

const ways = new Map<string, Way>();

beforeAll(async () => {
  const fast = jest.spyOn(PlainResponse.prototype, 'writeHead');
  for (const [name, start] of Object.entries(STARTS)) {
    const host = await startDesyncHost();
    const target = { host, port: await start(host.port), pollsFirst: name === 'the fast path' };
    const hostile = await runCases(DESYNC_CASES, target, true);
    fast.mockClear();
    ways.set(name, { hostile, real: await runCases(REAL_CASES, target, false), fast: fast.mock.calls.length });
  }
});

function wayOf(name: string): Way {
  const way = ways.get(name);
  if (!way) throw new Error(`nothing was sent through ${name}`);
  return way;
}

const meaningOf = ({ method, target, body }: ReadRequest): object =>
  ({ method, target: target.replace(ABSOLUTE, ''), body: body.toString('latin1') });

describe.each(OURS)('through %s', (name) => {
  it.each(DESYNC_CASES.map((each, i) => [each.name, i] as const))('nothing ambiguous reaches a host: %s', async (_, i) => {
    const { text, forwarded, answer } = wayOf(name).hostile[i] ?? { text: '', forwarded: [], answer: '' };
    expect(text).toMatch(new RegExp(`^(?:[45]\\d\\d|${BECAME.cut}|${BECAME.one})$`));
    expect(answer).not.toContain('-hidden>');
    if (text !== BECAME.one) return;
    const read = await readTwice(Buffer.concat(forwarded));
    const [seen] = read.node.map(meaningOf);
    expect(read.strict.map(meaningOf)).toEqual([seen]);
    // What is in front reads more than Node does.
    const [meant] = (await readByNode(Buffer.from(bytesOf(DESYNC_CASES[i] ?? { name: '', bytes: '' }, i), 'latin1'), false)).requests;
    if (meant?.isWhole === true || !name.includes(',')) expect(seen).toEqual(meant && meaningOf(meant));
  });

  it.each(REAL_CASES.map((each, i) => [each.name, i] as const))('what a client sends reaches its host: %s', async (_, i) => {
    const { text, forwarded, answer } = wayOf(name).real[i] ?? { text: '', forwarded: [], answer: '' };
    expect(text).toBe(BECAME.one);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    const [meant] = (await readByNode(Buffer.from(bytesOf(REAL_CASES[i] ?? { name: '', bytes: '' }, i), 'latin1'), false)).requests;
    expect((await readTwice(Buffer.concat(forwarded))).node.map(meaningOf)).toEqual([meant && meaningOf(meant)]);
  });
});

it('the fast path refuses and forwards what the proxy does without it, and reads some of it', () => {
  const [one, other] = [wayOf('the proxy'), wayOf('the fast path')];
  expect(other.hostile.map(({ text }) => text)).toEqual(one.hostile.map(({ text }) => text));
  expect(one.fast).toBe(0);
  // Those of the polls that come first, and of more.
  expect(other.fast).toBeGreaterThan(REAL_CASES.length / 4);
});

/** The columns of the table: what stands in its head, and the name of the way. */
async function columns(): Promise<[head: string, name: string][]> {
  return [
    [`nginx ${await programVersion('nginx', ['-v'], /nginx\/([\d.]+)/)}`, 'nginx'],
    [`HAProxy ${await programVersion('haproxy', ['-v'], /version ([\d.]+)/)}`, 'HAProxy'],
    [`http-proxy ${versionOf('http-proxy')}, Node.js ${process.versions.node.split('.')[0] ?? ''}`, 'http-proxy'],
    ['socket.io-proxy2', 'the proxy'],
  ];
}

const tableOf = (rows: readonly (readonly string[])[]): string => rows.map((row) => `| ${row.join(' | ')} |\n`).join('');

it('docs/security.md says who forwards what', async () => {
  const heads = await columns();
  const document = readFileSync(FILE, 'utf8');
  const [before = '', rest = ''] = document.split(BEGIN);
  const [table = '', after = ''] = rest.split(END);
  const rows = DESYNC_CASES.map(({ name }, i) => [name, ...heads.map(([, way]) => wayOf(way).hostile[i]?.text ?? '')]);
  const shown = [['A request with', ...heads.map(([head]) => head)], ['---', ...heads.map(() => '---')], ...rows];
  if (process.env.DESYNC === 'write') {
    writeFileSync(FILE, before + BEGIN + tableOf(shown) + END + after);
    return;
  }
  const written = table.trimEnd().split('\n').map((line) => line.slice(2, -2).split(' | '));
  // Another version may do otherwise: what the document says of this one stays.
  const isOther = shown[0]?.map((head, column) => written[0]?.[column] !== head) ?? [];
  // Node.js of another version refuses with other statuses.
  const isOtherNode = isOther[3] === true;
  const compared = (row: readonly string[]): string[] => row.map((text, column) => {
    if (isOther[column] === true) return '(another version)';
    return column === 4 && isOtherNode && text !== BECAME.one ? 'refused' : text;
  });
  expect(tableOf(written.map(compared))).toBe(tableOf(shown.map(compared)));
});
