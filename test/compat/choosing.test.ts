import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { Clients } from '../support/clients';
import { inTurn, Session, working } from '../support/cookieless';
import { blocksOf, type Block } from '../support/document-blocks';
import { startHaproxyWith, startNginxWith } from '../support/documented-balancers';
import { ADDRESS, startHosts, type HostProcess } from '../support/hosts';
import { tellHaproxy } from '../support/haproxy';
import { handshake, pollUrl, request } from '../support/http';
import { adapt, temporaryFolder, versionOf } from '../support/program';
import { Relay } from '../support/relay';
import { SnippetProject } from '../support/snippets';
import { until } from '../support/until';

const blocks = blocksOf('docs/choosing.md');
const run = new Set<Block>();

/** The one block of a language in a section, which the test runs. */
function blockOf(section: string, language: string): string {
  const [block, ...others] = blocks.filter((candidate) => candidate.section === section && candidate.language === language);
  if (!block || others.length > 0) throw new Error(`docs/choosing.md has not one block of ${language} in ${section}`);
  run.add(block);
  return block.text;
}

const WEBSOCKET_ONLY = blockOf('WebSocket only', 'js');
const LEARN = { nginx: blockOf('nginx, sticky learn', 'nginx'), server: blockOf('nginx, sticky learn', 'js') };
const STICK_TABLE = blockOf('HAProxy, stick table', 'haproxy');
const WAIT = blockOf('HAProxy, stick table', 'lua');
const KEY = { client: blockOf('A key of the client\'s own', 'js'), haproxy: blockOf('A key of the client\'s own', 'haproxy') };
const NAMED = {
  server: blockOf('The host\'s name in the sid', 'js'),
  haproxy: blockOf('The host\'s name in the sid', 'haproxy'),
  nginx: blockOf('The host\'s name in the sid', 'nginx'),
};
const CLIENT_CHOOSES = blockOf('The client chooses', 'js');

let project: SnippetProject;
let hosts: HostProcess[];

beforeAll(async () => {
  project = new SnippetProject(['socket.io', 'socket.io-client']);
  hosts = await startHosts(3, { address: '127.0.0.1' });
});

/** Where the hosts of a configuration really are. */
const at = (ports: readonly number[]): [string, string][] => ports.map((port, i) => [`127.0.0.1:${3000 + i}`, `127.0.0.1:${port}`]);
const hostPorts = (): number[] => hosts.map(({ port }) => port);

/** Where a relay listens that refuses: from this address nothing connects, so its port stays free meanwhile. */
const OWN = { host: ADDRESS, port: 10_020 };

type Replacements = readonly (readonly [from: string, to: string])[];

/** Expects that a HAProxy keeps a session of the host `a` that refuses connections, and takes them again. */
async function expectKept(start: (more: Replacements) => Promise<number>, [port = 0]: readonly number[]): Promise<void> {
  const control = join(temporaryFolder('haproxy-'), 'control.sock');
  const relay = await Relay.start(port, '127.0.0.1', OWN);
  const url = `http://127.0.0.1:${await start([
    ['defaults', `global\n  stats socket ${control} level admin\n\ndefaults`],
    // Neither a check nor the last retry comes while a busy machine takes its time.
    ['127.0.0.1:3000 check', `${OWN.host}:${OWN.port} check inter 1h`],
    ['option redispatch', 'option redispatch\n  retries 100'],
  ])}`;
  const before = relay.connections;
  let sid = await handshake(url);
  while (relay.connections === before) sid = await handshake(url);
  await relay.refuse();
  const poll = request(pollUrl(url, sid), { method: 'POST', body: '3' });
  await until('HAProxy has tried again', async () => {
    const [names = '', ...rows] = (await tellHaproxy(control, 'show stat')).split('\n');
    const row = rows.find((candidate) => candidate.startsWith('hosts,a,'))?.split(',') ?? [];
    return Number(row[names.split(',').indexOf('wretr')]) > 0;
  });
  await relay.listen(OWN);
  expect((await poll).status).toBe(200);
}

/** Real clients without a cookie jar, that upgrade. */
async function connectSome(port: number): Promise<void> {
  const clients = new Clients();
  const options = { url: `http://127.0.0.1:${port}`, upgraded: true };
  const connected = await Promise.all(Array.from({ length: 10 }, () => clients.connect(options)));
  expect(new Set(connected.map(({ transport }) => transport))).toEqual(new Set(['websocket']));
}

/** How many of twenty sessions of protocol 3 find their hosts with each of three requests. */
async function workingOld(port: number): Promise<number> {
  const url = `http://127.0.0.1:${port}`;
  let count = 0;
  for (let i = 0; i < 20; i += 1) {
    const { body } = await request(`${url}/socket.io/?EIO=3&transport=polling`);
    const sid = /"sid":"([^"]+)"/.exec(body)?.[1] ?? '';
    const post = (): Promise<{ status: number }> =>
      request(`${url}/socket.io/?EIO=3&transport=polling&sid=${sid}`, { method: 'POST', body: '1:2' });
    if ([await post(), await post(), await post()].every(({ status }) => status === 200)) count += 1;
  }
  return count;
}

it.each([['WebSocket only', WEBSOCKET_ONLY], ['The client chooses', CLIENT_CHOOSES]])('%s: a client connects', async (_, text) => {
  const [first = 0, second = 0, third = 0] = hostPorts();
  expect(await project.firstLine(text, { 80: first, 3000: first, 3001: second, 3002: third })).toBe('connected');
});

it('A key of the client\'s own: two HAProxies that share nothing lead it to one host', async () => {
  const balancers = await Promise.all([1, 2].map(() => startHaproxyWith(adapt(KEY.haproxy, at(hostPorts())))));
  for (const port of balancers) expect(await project.firstLine(KEY.client, { 80: port })).toBe('connected');
  const url = inTurn(balancers);
  for (let i = 0; i < 10; i += 1) {
    const { body } = await request(`${url()}/socket.io/?EIO=4&transport=polling&uid=${i}`);
    const { sid } = JSON.parse(body.slice(1)) as { sid: string };
    const statuses = await Promise.all([1, 2, 3, 4].map(async () => (
      (await request(`${pollUrl(url(), sid)}&uid=${i}`, { method: 'POST', body: '3' })).status
    )));
    expect(statuses).toEqual([200, 200, 200, 200]);
  }
});

it('A key of the client\'s own: only the sessions of a host that goes hash elsewhere, whatever the order of the lines', async () => {
  const lines = KEY.haproxy.split('\n').filter((line) => line.startsWith('  server '));
  const [first = '', ...others] = lines;
  const block = (kept: readonly string[]): string => adapt(KEY.haproxy, [[lines.join('\n'), kept.join('\n')]]);
  const start = (kept: readonly string[]): Promise<number> =>
    startHaproxyWith(adapt(block(kept), at(hostPorts()).filter(([said]) => kept.join().includes(said))));
  const [all, turned, without] = await Promise.all([start(lines), start([...lines].reverse()), start(others)]);
  const goneFrom = hostPorts()[lines.indexOf(first)];
  let gone = 0;
  for (let i = 0; i < 30; i += 1) {
    const { body } = await request(`http://127.0.0.1:${all}/socket.io/?EIO=4&transport=polling&uid=${i}`);
    const { sid } = JSON.parse(body.slice(1)) as { sid: string };
    const [atFirst, ...through] = await Promise.all([goneFrom, turned, without].map(async (port) => (
      (await request(`${pollUrl(`http://127.0.0.1:${port}`, sid)}&uid=${i}`, { method: 'POST', body: '3' })).status
    )));
    if (atFirst === 200) gone += 1;
    expect(through).toEqual([200, atFirst === 200 ? 400 : 200]);
  }
  expect(gone).toBeGreaterThan(0);
  expect(gone).toBeLessThan(30);
});

describe('HAProxy, stick table', () => {
  /** At an address that no other test uses. */
  const ownPeer = (port: number): string => `${ADDRESS}:${port}`;
  let between: Relay[];
  let [one, other] = [0, 0];
  /** Where `one` takes commands. */
  let control: string;

  /** @param peers where haproxy0 and haproxy1 are, the one of them itself. */
  const start = (name: string, peers: readonly [string, string], {
    wait = WAIT, ports = hostPorts(), folder = temporaryFolder('haproxy-'), more = [] as Replacements,
  } = {}): Promise<number> => {
    const file = join(folder, 'wait.lua');
    writeFileSync(file, wait);
    return startHaproxyWith(adapt(STICK_TABLE, [
      ...more, ...at(ports), ['localpeer haproxy0', `localpeer ${name}\n  stats socket ${join(folder, 'control.sock')} level admin`],
      ['lua-load wait.lua', `lua-load ${file}`],
      ['127.0.0.1:10000', peers[0]], ['127.0.0.1:10001', peers[1]],
    ]));
  };

  beforeAll(async () => {
    between = await Promise.all([10_000, 10_001].map((port) => Relay.start(port, ADDRESS)));
    const [toOne = '', toOther = ''] = between.map(({ port }) => `127.0.0.1:${port}`);
    const folder = temporaryFolder('haproxy-');
    control = join(folder, 'control.sock');
    one = await start('haproxy0', [ownPeer(10_000), toOther], { folder });
    // Longer than the document's 100 ms, which is the time that a busy machine may take.
    other = await start('haproxy1', [toOne, ownPeer(10_001)], { wait: adapt(WAIT, [['msleep(100)', 'msleep(3000)']]) });
  });

  it('keeps the sessions of clients without cookies', async () => {
    expect(await working([one])).toBe(20);
    await connectSome(one);
  });

  it('tells the other HAProxy, which then routes the sessions of the first one', async () => {
    const sids = await Promise.all(Array.from({ length: 5 }, () => handshake(`http://127.0.0.1:${one}`)));
    for (const sid of sids) {
      await until('the other one routes it, not by chance', async () => {
        for (let i = 0; i < 8; i += 1) {
          const { status } = await request(pollUrl(`http://127.0.0.1:${other}`, sid), { method: 'POST', body: '3' });
          if (status !== 200) return false;
        }
        return true;
      });
    }
  });

  it('waits for news of a sid that the other HAProxy has just learned', async () => {
    for (const relay of between) relay.hold();
    const sids = await Promise.all(Array.from({ length: 8 }, () => handshake(`http://127.0.0.1:${one}`)));
    const polls = Promise.all(sids.map((sid) => request(pollUrl(`http://127.0.0.1:${other}`, sid), { method: 'POST', body: '3' })));
    // What has come before these has been looked at.
    for (let i = 0; i < 5; i += 1) await handshake(`http://127.0.0.1:${other}`);
    for (const relay of between) relay.letGo();
    expect((await polls).map(({ status }) => status)).toEqual(sids.map(() => 200));
  });

  it('drains a host without losing its sessions, and tells where each is', async () => {
    const open = (): Promise<string[]> => Promise.all(Array.from({ length: 10 }, () => handshake(`http://127.0.0.1:${one}`)));
    const hostsOf = async (sids: string[]): Promise<(string | undefined)[]> => {
      const table = await tellHaproxy(control, 'show table hosts');
      return sids.map((sid) => new RegExp(` key=${sid} .* server_key=(.)`).exec(table)?.[1]);
    };
    const before = await open();
    const [drained = ''] = await hostsOf(before);
    expect(await tellHaproxy(control, `set server hosts/${drained} state drain`)).toBe('');
    for (const sid of before) expect(await new Session(inTurn([one]), sid).works()).toBe(true);
    const after = await hostsOf(await open());
    expect(after).toEqual(after.map(() => expect.stringMatching(new RegExp(`^(?!${drained})[abc]$`)) as string));
    expect(await tellHaproxy(control, `set server hosts/${drained} state ready`)).toBe('');
  });

  it('learns from an answer whose body comes after its head', async () => {
    const slow = await Promise.all(hostPorts().map((port) => Relay.start(port)));
    for (const relay of slow) relay.bodyDelay = 20;
    const alone = await start('haproxy0', [ownPeer(10_002), ownPeer(10_003)], { ports: slow.map(({ port }) => port) });
    expect(await working([alone])).toBe(20);
  });

  it('keeps a session whose host refuses connections for a moment', async () => {
    await expectKept((more) => start('haproxy0', [ownPeer(10_004), ownPeer(10_005)], { more }), hostPorts());
  });

  it('keeps sessions of protocol 3', async () => {
    expect(await workingOld(one)).toBe(20);
  });
});

describe('The host\'s name in the sid', () => {
  let servers: number[];

  beforeAll(async () => {
    servers = await Promise.all([3000, 3001, 3002].map((said) => project.run(NAMED.server, said)));
  });

  it('HAProxy keeps a session whose host refuses connections for a moment', async () => {
    await expectKept((more) => startHaproxyWith(adapt(NAMED.haproxy, [...more, ...at(servers)])), servers);
  });

  it.each([
    ['HAProxy', NAMED.haproxy, startHaproxyWith], ['nginx', NAMED.nginx, startNginxWith],
  ] as const)('%s: two that share nothing keep all sessions', async (_, block, start) => {
    const balancers = await Promise.all([1, 2].map(() => start(adapt(block, at(servers)))));
    expect(await working(balancers)).toBe(20);
    expect(await project.firstLine(WEBSOCKET_ONLY, { 80: balancers[0] ?? 0 })).toBe('connected');
    const session = new Session(inTurn(balancers));
    await session.works();
    expect(session.sid).toMatch(/^[abc]\./);
  });
});

describe('nginx, sticky learn', () => {
  const STICKY = /^ {2}sticky .+$/m.exec(LEARN.nginx)?.[0] ?? '';
  let servers: number[];

  beforeAll(async () => {
    servers = await Promise.all([3000, 3001, 3002].map((said) => project.run(LEARN.server, said)));
  });

  it('has servers whose cookie is the sid', async () => {
    const { headers, body } = await request(`http://127.0.0.1:${servers[0]}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse(body.slice(1)) as { sid: string };
    expect(headers['set-cookie']).toEqual([expect.stringMatching(new RegExp(`^io=${sid};`))]);
  });

  it('keeps all sessions with an nginx that knows it, and is right but for that line with another', async () => {
    const [major = 0, minor = 0, patch = 0] = (await versionOf('nginx', ['-v'], /nginx\/(\S+)/)).split('.').map(Number);
    const learns = major > 1 || (major === 1 && (minor > 29 || (minor === 29 && patch >= 6)));
    const block = learns ? LEARN.nginx : adapt(LEARN.nginx, [[STICKY, '  hash $arg_sid;']]);
    const count = await working([await startNginxWith(adapt(block, at(servers)))]);
    // Without learning, chance alone leads each session to its host, or never: a sid's hash does not change.
    if (learns) expect(count).toBe(20);
    else expect(count).toBeLessThan(20);
  });

  it('is what HAProxy can do by the same cookie, without looking at bodies', async () => {
    const rules = /^ {2}http-request set-var\(txn\.opens\)[^]+?(?=^ {2}stick-table)/m.exec(STICK_TABLE)?.[0] ?? '';
    const long = /^ {2}stick store-response .+$/m.exec(STICK_TABLE)?.[0] ?? '';
    const wait = join(temporaryFolder('haproxy-'), 'wait.lua');
    writeFileSync(wait, WAIT);
    const port = await startHaproxyWith(adapt(STICK_TABLE, [
      [rules, ''], [long, '  stick store-response res.cook(io)'], ['lua-load wait.lua', `lua-load ${wait}`],
      ['127.0.0.1:10000', `${ADDRESS}:10006`], ['127.0.0.1:10001', `${ADDRESS}:10007`], ...at(servers),
    ]));
    expect(await working([port])).toBe(20);
  });

  it('sends nothing of a host that refused a connection elsewhere, by the two settings that the document names', async () => {
    const relay = await Relay.start(servers[0] ?? 0, '127.0.0.1', OWN);
    const port = await startNginxWith(adapt(LEARN.nginx, [
      [STICKY, '  hash $arg_sid;'], ['127.0.0.1:3000;', `${OWN.host}:${OWN.port} max_fails=0;`],
      ['listen 80;', 'listen 80;\n  proxy_next_upstream off;'], ...at(servers),
    ]));
    const url = `http://127.0.0.1:${port}`;
    const post = async (sid: string): Promise<number> => (await request(pollUrl(url, sid), { method: 'POST', body: '3' })).status;
    const open = (): Promise<string> => handshake(`http://${OWN.host}:${OWN.port}`);
    let sid = await open();
    while (await post(sid) !== 200) sid = await open();
    await relay.refuse();
    expect(await post(sid)).toBe(502);
    await relay.listen(OWN);
    expect(await post(sid)).toBe(200);
  });
});

it('runs all that the document has, but for what it marks', () => {
  const others = blocks.filter((block) => !run.has(block));
  expect(others.map(({ section, notRun }) => [section, notRun])).toEqual([['@socket.io/cluster-engine', true]]);
  for (const { text } of others) expect(() => new Script(text)).not.toThrow();
});
