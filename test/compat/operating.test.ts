import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { refusals } from '../../src/base/refusals';
import { onCleanup } from '../support/cleanup';
import { startCommand, type Command } from '../support/command';
import { handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { RedisProcess } from '../support/redis';
import { openWebSocket, startSessionHosts, type SessionHost } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

const ROOT = join(__dirname, '../..');
const DOCUMENT = join(ROOT, 'docs/operating.md');
const TOKEN = 'a-token-of-the-tests';

const text = readFileSync(DOCUMENT, 'utf8');

/** The rows of the table between two marks, by cell. */
function rowsOf(mark: string): string[][] {
  const [, table = ''] = new RegExp(`<!-- ${mark} -->\\n(.+?)<!-- /${mark} -->`, 's').exec(text) ?? [];
  return table.split('\n').filter((row) => row.startsWith('|')).slice(2).map((row) => row.slice(2, -2).split(/ ?\| /));
}

const code = (cell = ''): string => cell.replaceAll('`', '');

const blocks = Array.from(text.matchAll(/^```sh\n(.+?)^```$/gms), ([, block = '']) => block);
const [FUNCTION = '', ...commands] = blocks;
const used = new Set<string>();

/** The one block that holds a text. */
function blockWith(part: string): string {
  const found = commands.filter((block) => block.includes(part));
  expect(found).toHaveLength(1);
  used.add(found[0] ?? '');
  return found[0] ?? '';
}

/** Runs a block as it stands, and resolves with what it has written once it has ended well. */
async function run(block: string, env: NodeJS.ProcessEnv = {}, cwd?: string): Promise<string> {
  const child = spawn('sh', ['-c', `${FUNCTION}${block}`], {
    env: { ...process.env, TOKEN, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'],
  });
  onCleanup(() => child.kill('SIGKILL'));
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [status] = await once(child, 'close') as [number | null];
  if (status !== 0 || errors !== '') throw new Error(`${block}ends with ${String(status)}: ${output}${errors}`);
  return output;
}

interface Operated {
  command: Command;
  url: string;
  admin: string;
}

let redis: RedisProcess;
let hosts: SessionHost[];

beforeAll(async () => {
  // With keys of the default prefix, and users: not the Redis that the tests share.
  [redis, hosts] = await Promise.all([RedisProcess.start(), startSessionHosts(2)]);
});

async function startProxy(args: readonly string[] = [], url = redis.url): Promise<Operated> {
  const names = hosts.map(({ name }) => name).join(',');
  const started = await startCommand([
    '--hosts', names, '--redis', url, '--admin-port', '0', '--admin-token', TOKEN, ...args,
    // The hosts are in this process: none of them counts as down where it stands still.
    '--check-timeout', '20000',
  ]);
  return { ...started, admin: await adminOf(started.command) };
}

async function adminOf(command: Command): Promise<string> {
  return /http:\/\/127\.0\.0\.1:\d+/.exec(await command.line(/the admin server is/))?.[0] ?? '';
}

async function ask(url: string): Promise<string> {
  return (await request(url, { headers: { Authorization: `Bearer ${TOKEN}` } })).body;
}

const stateOf = async (admin: string, host: string): Promise<unknown> =>
  (JSON.parse(await ask(`${admin}/api/hosts/${host}`)) as { state: unknown }).state;

it('has the sizes that follow from what was measured', async () => {
  const copy = join(temporaryFolder('sizing-'), 'operating.md');
  cpSync(DOCUMENT, copy);
  const bench = (path: string): string => join(ROOT, 'bench', path);
  const args = [bench('sizing/table.mjs'), bench('results/sizing.json'), bench('results/results.json'), copy];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(readFileSync(copy, 'utf8')).toBe(text);
});

it('has all refusals with their code, cause and status', () => {
  const all = Object.values(refusals).map(({ code: value, cause, status }) => [String(value), cause, String(status)]);
  expect(rowsOf('refusals').map(([value, cause, status = '']) => [code(value), code(cause), status])).toEqual(all);
});

describe('the commands', () => {
  let first: Operated;
  let second: Operated;
  let env: NodeJS.ProcessEnv;
  let host: string;
  let folder: string;

  beforeAll(async () => {
    folder = temporaryFolder('operating-');
    const accessLog = ['--access-log', 'json', '--access-log-file', join(folder, 'access.log')];
    [first, second] = await Promise.all([startProxy(accessLog), startProxy(['--drain-timeout', '30000'])]);
    host = encodeURIComponent(hosts[1]?.name ?? '');
    env = { ADMIN: first.admin, ADMINS: `${first.admin} ${second.admin}`, HOST: host, REDIS: redis.url, PID: String(first.command.pid) };
  });

  it('names all metrics that there are, with type and labels, and no others', async () => {
    expect((await request(pollUrl(first.url, 'nobody-s'))).status).toBe(400);
    const metrics = await ask(`${first.admin}/metrics`);
    const types = new Map(Array.from(metrics.matchAll(/^# TYPE (\S+) (\w+)$/gm), ([, name = '', type = '']) => [name, type]));
    const labelsOf = (name: string): string[] => {
      const [, labels = ''] = new RegExp(`^${name}(?:_count)?{(.*?)} `, 'm').exec(metrics) ?? [];
      return Array.from(labels.matchAll(/(\w+)="/g), ([, label = '']) => label).sort();
    };
    const made = [...types].filter(([name]) => name.startsWith('socketio_proxy_')).map(([name, type]) => [name, type, labelsOf(name)]);
    const told = rowsOf('metrics').map(([name, type, labels = '']) =>
      [code(name), type, labels === '' ? [] : code(labels).split(', ').sort()]);
    expect([...told].sort()).toEqual([...made].sort());

    const mentioned = Array.from(text.matchAll(/\b(?:socketio_proxy|process|nodejs)_[a-z_\d]+[a-z]/g), ([name]) => name);
    const known = (name: string): boolean => types.has(name.replace(/_(?:bucket|count|sum)$/, ''));
    expect(mentioned.filter((name) => !known(name))).toEqual([]);
  });

  it('show how it is', async () => {
    const output = await run(blockWith('/readyz'), env);
    expect(output).toContain('{"ready":true,"reason":null}');
    expect(output).toContain(`"host":"${hosts[0]?.name ?? ''}"`);
    expect(output).toMatch(/^socketio_proxy_store_up 1$/m);
    expect(output).toMatch(/^socketio_proxy_host_up\{host=".+"\} 1$/m);
  });

  it('drain a host on all proxies, take it back, and even the hosts out', async () => {
    const states = (): Promise<unknown[]> => Promise.all([first, second].map(({ admin }) => stateOf(admin, host)));
    // The block waits until it is drained everywhere.
    expect(await run(blockWith('"deadline":60000'), env)).toMatch(/"drained":true/);
    expect(await states()).toEqual(['draining', 'draining']);
    await run(blockWith('"state":"active"'), env);
    await until('both follow', async () => (await states()).every((state) => state === 'active'));
    expect(await run(blockWith('-X POST "$ADMIN/api/rebalance"'), env)).toMatch(/^\{"running":.+\{"running":/);
    await run(blockWith('-X DELETE "$ADMIN/api/rebalance"'), env);
    expect(await run(blockWith('{"weight":1}'), env)).toContain('"weight":1');
  });

  it('take a host away, and add one', async () => {
    await run(blockWith('-X DELETE "$ADMIN/api/hosts/$HOST"'), { ...env, ADMIN: second.admin });
    const [removed] = hosts.slice(1).map(({ name }) => name);
    for (const { admin } of [first, second]) {
      await until('it has followed', async () => {
        const left = await ask(`${admin}/api/hosts`);
        return !left.includes(`"${removed}"`) && left.includes('"host":"127.0.0.1:3009"');
      });
    }
    // For what comes later.
    for (const name of [removed, '127.0.0.1:3009']) {
      const method = name === removed ? 'POST' : 'DELETE';
      const at = method === 'POST' ? `${first.admin}/api/hosts` : `${first.admin}/api/hosts/${encodeURIComponent(String(name))}`;
      const body = method === 'POST' ? { body: JSON.stringify({ host: name }) } : {};
      const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' };
      expect((await request(at, { method, headers, ...body })).status).toBeLessThan(300);
    }
    await until('it is up', async () => (await ask(`${first.admin}/api/hosts`)).split('"health":"up"').length === 3);
  });

  it('look a sid up, and end its session', async () => {
    const sid = await handshake(first.url);
    const found = await run(blockWith('/api/sessions/$SID"\nredis-cli'), { ...env, SID: sid });
    expect(found).toMatch(new RegExp(`^\\{"sid":"${sid}","host":"(.+?)","from":"cache".+\\}\\1\\n$`));
    await run(blockWith('-X DELETE "$ADMIN/api/sessions/$SID"'), { ...env, SID: sid });
    expect((await request(pollUrl(first.url, sid))).status).toBe(400);
    expect(await ask(`${first.admin}/api/sessions/${sid}`)).toContain('"code":"ENDED"');
  });

  it('ask Redis how it is', async () => {
    const output = await run(blockWith('SLOWLOG'), env);
    for (const name of ['instantaneous_ops_per_sec', 'evicted_keys', 'used_memory_human', 'maxmemory_policy', 'loading', 'role']) {
      expect(output).toMatch(new RegExp(`^${name}:`, 'm'));
    }
  });

  // Nowhere else is there a /proc.
  if (process.platform === 'linux') {
    it('count descriptors and ports', async () => {
      expect(await run(blockWith('open files'), env)).toMatch(/^Max open files +\d+ +\d+ +files *\n\d+\n$/);
      expect(await run(blockWith('ip_local_port_range'), env)).toMatch(/^\d+\s+\d+\nsockets: used \d+/);
    });
  }

  it('make a user of Redis who may do what a proxy needs', async () => {
    await run(blockWith('ACL SETUSER'), { ...env, PASSWORD: 'secret' });
    const { command, url } = await startProxy([], redis.url.replace('//', '//proxy:secret@'));
    // A proxy that has not seen it has to find it.
    expect((await request(pollUrl(url, await handshake(first.url)), { method: 'POST', body: '3' })).status).toBe(200);
    expect((await request(pollUrl(first.url, await handshake(url)), { method: 'POST', body: '3' })).status).toBe(200);
    expect(command.output).not.toContain('the store fails');
    // It is operated alone.
    await command.line(/this Redis refuses the fleet: NOPERM/);
    expect(JSON.parse(await ask(`${await adminOf(command)}/api/fleet`))).toMatchObject({ enabled: true, members: [] });
  });

  it('tell from the access log how long WebSockets last', async () => {
    (await openWebSocket(first.url)).terminate();
    const lineOf = (): string | undefined => /^.*"status":101.*(?=\n)/m.exec(readFileSync(join(folder, 'access.log'), 'utf8'))?.[0];
    await until('its line', () => lineOf() !== undefined);
    // How many, and for how many seconds: none, unless this machine stood still.
    const { duration } = JSON.parse(lineOf() ?? '') as { duration: number };
    expect(await run(blockWith('awk'), env, folder)).toMatch(new RegExp(`^ *1 ${Math.floor(duration / 1000)}\n$`));
  });

  it('stop a proxy, which says so while it drains', async () => {
    const { command, url, admin } = second;
    const socket = await openWebSocket(url);
    await run(blockWith('kill -TERM'), { PID: String(command.pid) });
    await command.line(/draining for up to/);
    expect((await request(`${admin}/readyz`)).status).toBe(503);
    socket.terminate();
    expect(await command.ended()).toBe(0);
  });

  it('read settings again and replace workers', async () => {
    const { command } = await startWorkers(hosts.map(({ name }) => name));
    await run(blockWith('kill -USR2'), { PID: String(command.pid) });
    await command.seen('reloaded');
    await command.seen('restarted');
  });

  it('are all run', () => {
    expect(commands.filter((block) => !used.has(block) && (process.platform === 'linux' || !block.includes('/proc')))).toEqual([]);
  });
});

it('names all alerts of the examples, and no others', () => {
  const rules = readFileSync(join(ROOT, 'examples/grafana/alerts.yml'), 'utf8');
  const { groups } = parseYaml(rules) as { groups: { rules: { alert: string }[] }[] };
  const named = Array.from(text.matchAll(/`(SocketIO[A-Z]\w+)`/g), ([, name]) => name);
  expect(named.sort()).toEqual(groups.flatMap((group) => group.rules.map(({ alert }) => alert)).sort());
});

it('has more alerts, each with what it waits for', () => {
  const [, yaml = ''] = /^```yaml\n(.+?)^```$/ms.exec(text) ?? [];
  const { groups } = parseYaml(yaml) as { groups: { name: string; rules: Record<string, string>[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(0);
  for (const { alert, expr = '', for: duration = '0s', ...rest } of rules) {
    expect([alert, duration, rest]).toEqual([expect.stringMatching(/^[A-Z]\w+$/), expect.stringMatching(/^\d+[smh]$/), {}]);
    expect(expr).toMatch(/(?:socketio_proxy|process|nodejs)_.+(?:[<>]|==)/s);
    for (const [open, close] of [['(', ')'], ['[', ']'], ['{', '}']] as const) {
      expect(expr.split(open)).toHaveLength(expr.split(close).length);
    }
  }
});
