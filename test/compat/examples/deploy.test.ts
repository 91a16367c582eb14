import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Clients, TRANSPORTS, type Connected } from '../../support/clients';
import { cleanEnv, Command } from '../../support/command';
import { examplePath } from '../../support/examples';
import { ADDRESS, startHost, startHosts, type HostProcess } from '../../support/hosts';
import { closeWithTest, handshake, request, startServer } from '../../support/http';
import { lastingPort, temporaryFolder } from '../../support/program';
import { sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { until } from '../../support/until';

/** A session that one proxy has ended counts at another one until it would expire: soon. */
const LIFE = { pingInterval: 1000, pingTimeout: 9000 };

interface Member {
  command: Command;
  port: number;
  admin: string;
}

let prefix: string;

beforeEach(() => {
  prefix = uniqueKeyPrefix();
});

async function startMember(hosts: readonly HostProcess[], port: number, adminPort: number): Promise<Member> {
  const here = ['--bind', '127.0.0.1', '--port', String(port), '--admin-port', String(adminPort)];
  const redis = ['--redis', sharedRedisUrl(), '--key-prefix', prefix];
  // By chance, all clients might get the same host.
  const balance = ['--balance', 'round-robin'];
  const times = ['--key-expiry', '10', '--check-interval', '50', '--shutdown-delay', '100', '--drain-timeout', '100'];
  const command = new Command(['--hosts', hosts.map(({ name }) => name).join(), ...here, ...redis, ...balance, ...times]);
  await command.ready();
  return { command, port, admin: `http://127.0.0.1:${adminPort}` };
}

async function startTwo(hosts: readonly HostProcess[]): Promise<[Member, Member]> {
  const [port, adminPort] = [lastingPort(), lastingPort()];
  const members: [Member, Member] = [await startMember(hosts, port, adminPort), await startMember(hosts, lastingPort(), lastingPort())];
  await together(members);
  return members;
}

async function together(members: readonly Member[]): Promise<void> {
  for (const { admin } of members) {
    await until('they know each other', async () => {
      const { members: known } = (await request(`${admin}/api/fleet`)).json() as { members: unknown[] };
      return known.length === members.length;
    });
  }
}

/** Runs a script with a `systemctl` that leaves its work to `handle`. Resolves with what the script has written. */
async function run(
  script: string, args: string[], env: NodeJS.ProcessEnv, handle: (action: string, unit: string) => Promise<void>,
): Promise<string[]> {
  const { name } = await startServer((req, res) => {
    const [, action = '', unit = ''] = (req.url ?? '').split('/');
    void handle(action, unit).then(() => res.end(), (error: unknown) => res.writeHead(500).end(String(error)));
  });
  const folder = temporaryFolder('systemctl-');
  const file = join(folder, 'systemctl');
  writeFileSync(file, `#!/bin/sh\nexec curl --silent --show-error --fail-with-body http://${name}/$1/$2\n`);
  chmodSync(file, 0o755);
  const { stdout } = await promisify(execFile)(examplePath('deploy', script), args, {
    env: { ...cleanEnv(), ...env, PATH: `${folder}:${process.env.PATH}` },
  });
  return stdout.trim().split('\n');
}

/** Leads each connection to the next proxy. */
async function startBalancer(ports: readonly number[]): Promise<string> {
  let turns = 0;
  const server = net.createServer((socket) => {
    const to = net.connect(ports[(turns += 1) % ports.length] ?? 0, '127.0.0.1');
    for (const [from, end] of [[socket, to], [to, socket]] as const) from.pipe(end).on('error', () => from.destroy());
  });
  closeWithTest(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Two clients of each transport, which come back by themselves. */
async function connectAll(clients: Clients, url: string): Promise<Connected[]> {
  const connected: Connected[] = [];
  for (const [, options] of [...TRANSPORTS, ...TRANSPORTS]) {
    connected.push(await clients.connect({ url, reconnection: true, reconnectionDelay: 20, ...options }));
  }
  return connected;
}

const portOf = (unit: string): number => Number(unit.split('@')[1]);

it('hosts.sh replaces hosts: each client is moved once, to a new host, and loses nothing else', async () => {
  const old = await startHosts(2, LIFE);
  const members = await startTwo(old);
  const url = await startBalancer(members.map(({ port }) => port));
  const clients = new Clients();
  const connected = await connectAll(clients, url);
  expect(new Set(connected.map(({ host }) => host))).toEqual(new Set(old.map(({ name }) => name)));
  const lost: unknown[] = [];
  clients.on('disconnect', ({ key }: { key: number }) => lost.push(key));
  let opened = 0;
  for (const host of old) host.on('connection', () => opened += 1);

  const fresh: HostProcess[] = [];
  const stopped: string[] = [];
  const names = [lastingPort(), lastingPort()].map((port) => `${ADDRESS}:${port}`);
  const given = [old.map(({ name }) => name).join(' '), names.join(' ')];
  const written = await run('hosts.sh', given, { ADMIN: members[0].admin, MOVES: '20' }, async (action, unit) => {
    if (action === 'start') {
      fresh.push(await startHost({ ...LIFE, port: portOf(unit) }));
      return;
    }
    const host = old.find(({ port }) => port === portOf(unit));
    expect([action, await host?.call('clientsCount')]).toEqual(['stop', 0]);
    stopped.push(unit);
    await host?.kill();
  });
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ old: old.map(({ name }) => name), new: names });
  expect(written.slice(1)).toEqual(old.map(({ name }) => `${name} is replaced`));
  expect(stopped).toEqual(old.map(({ port }) => `socket.io-server@${port}`));
  expect(fresh.map(({ name }) => name)).toEqual(names);

  for (const { key } of connected) {
    expect(names).toContain(await clients.answered(key));
    await clients.exchange(key, 1000);
  }
  expect(lost.sort()).toEqual(connected.map(({ key }) => key).sort());
  expect(opened).toBe(0);
  for (const { admin } of members) {
    await until('only the new ones are left', async () => {
      const { hosts } = (await request(`${admin}/api/hosts`)).json() as { hosts: { host: string; state: string }[] };
      const left = hosts.map(({ host, state }) => `${host} ${state}`).sort();
      return left.join() === names.map((name) => `${name} active`).sort().join();
    });
  }
});

it('hosts.sh changes nothing where an old host is mistaken', async () => {
  const [member] = await startTwo(await startHosts(1));
  const handled: string[] = [];
  const failed = run('hosts.sh', ['127.0.0.1:1', '127.0.0.1:2'], { ADMIN: member.admin }, (action) => {
    handled.push(action);
    return Promise.resolve();
  });
  await expect(failed).rejects.toMatchObject({ code: 22, stderr: expect.stringContaining('404') as string });
  expect(handled).toEqual([]);
});

it('proxies.sh restarts proxies: a host that drains meanwhile gets no session from any successor', async () => {
  const hosts = await startHosts(2);
  const [draining, other] = hosts as [HostProcess, HostProcess];
  const members = await startTwo(hosts);
  const [first, second] = members;
  const clients = new Clients();
  const connected = [...await connectAll(clients, `http://127.0.0.1:${members[0].port}`),
    ...await connectAll(clients, `http://127.0.0.1:${members[1].port}`)];
  const ended: unknown[] = [];
  const sids: string[] = [];
  let opened: number | undefined;
  draining.on('connection', () => opened = opened === undefined ? undefined : opened + 1);

  const args = members.map(({ port, admin }) => `${port}=${admin}`);
  const written = await run('proxies.sh', args, {}, async (action, unit) => {
    const member = portOf(unit) === first.port ? first : second;
    const { command, port, admin } = member;
    command.signal('SIGTERM');
    if (member === first) {
      const path = `/api/hosts/${draining.name}`;
      await request(second.admin + path, { method: 'PATCH', body: '{"state":"draining"}' });
      opened = 0;
    }
    ended.push([action, await command.ended()]);
    members[member === first ? 0 : 1] = await startMember(hosts, port, Number(new URL(admin).port));
    for (let i = 0; i < 8; i += 1) sids.push(await handshake(`http://127.0.0.1:${port}`));
  });
  expect(written).toEqual(members.map(({ port }) => `${port} is ready`));
  expect(ended).toEqual([['restart', 0], ['restart', 0]]);

  for (const { key } of connected) {
    await clients.answered(key);
    await clients.exchange(key, 1000);
  }
  expect(opened).toBe(0);
  await together(members);
  for (const sid of sids) {
    const { json } = await request(`${members[0].admin}/api/sessions/${sid}`);
    expect(json()).toMatchObject({ host: other.name });
  }
});
