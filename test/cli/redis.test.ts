import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from 'redis';
import { storeFailure } from '../../src/cli/log/store-failure';
import type { RedisSettings } from '../../src/cli/settings/redis';
import { onCleanup } from '../support/cleanup';
import { startCommand, type Command } from '../support/command';
import { handshake } from '../support/http';
import { temporaryFolder } from '../support/program';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { startFailover } from '../support/redis-failover';
import { startReloadable, type Reloadable } from '../support/reloadable';
import { Relay } from '../support/relay';
import { startSessionHosts } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

const CERT = join(__dirname, '../fixtures/tls/cert.pem');
const KEY = join(__dirname, '../fixtures/tls/key.pem');
const OTHER_CERT = join(__dirname, '../fixtures/tls/next-cert.pem');

let hosts: string[];

beforeAll(async () => {
  hosts = (await startSessionHosts(1)).map(({ name }) => name);
});

/** Opens a session through the command, and waits until this Redis has it. */
async function bindThrough({ url }: Reloadable, admin: TestClient): Promise<void> {
  const key = `socket.io#${await handshake(url)}`;
  await until('the binding is stored', async () => await admin.get(key) === hosts[0]);
}

/** A Redis that speaks TLS, and a client of it by a Unix socket. */
async function startTls(...args: string[]): Promise<{ redis: RedisProcess; admin: TestClient; rediss: string }> {
  const socket = join(temporaryFolder('redis-'), 'redis.sock');
  const redis = await RedisProcess.start(['--unixsocket', socket, ...args], { tls: true });
  return { redis, admin: await openClient(`unix://${socket}`), rediss: `rediss://localhost:${redis.port}` };
}

describe('a Redis with TLS', () => {
  it('is used with the CA that signed its certificate', async () => {
    const { admin, rediss } = await startTls('--tls-auth-clients', 'no');
    const started = await startReloadable({ hosts, redis: rediss, redisCa: CERT });
    expect(started.listening).toContain(`bindings in ${rediss}`);
    await bindThrough(started, admin);
  });

  it('is used with a client certificate', async () => {
    const { admin, rediss } = await startTls('--tls-auth-clients', 'yes');
    const settings = { hosts, redis: rediss, redisCa: CERT };
    // What Redis says of it, or that it has closed the connection: whatever comes first.
    await (await startReloadable(settings)).line(/^warn: the store fails: /);
    await bindThrough(await startReloadable({ ...settings, redisCert: CERT, redisKey: KEY }), admin);
  });

  it('is used without a look at its certificate, where that is wanted', async () => {
    const { admin, rediss } = await startTls('--tls-auth-clients', 'no');
    await bindThrough(await startReloadable({ hosts, redis: rediss, redisInsecure: true }), admin);
  });

  it('is said not to be trusted, and what helps', async () => {
    const { rediss } = await startTls('--tls-auth-clients', 'no');
    for (const more of [{}, { redisCa: OTHER_CERT }]) {
      const { line } = await startReloadable({ hosts, redis: rediss, ...more });
      expect(await line(/^warn: the store fails: /)).toBe('warn: the store fails: the certificate of this Redis is not trusted: ' +
        'self-signed certificate; --redis-ca names the CA that signed it');
    }
  });
});

it.each([
  ['unable to verify the first certificate', /not trusted: .+; --redis-ca names/],
  ['unable to get local issuer certificate', /not trusted: .+; --redis-ca names/],
  ['self-signed certificate in certificate chain', /not trusted: .+; --redis-ca names/],
  ['obseve client error: Error: self-signed certificate', /not trusted: self-signed certificate; --redis-ca names/],
  ["Hostname/IP does not match certificate's altnames: IP: 127.0.0.2 is not in the cert's list", /; --redis has to use a name that/],
  ['error:0A00045C:SSL routines::tlsv13 alert certificate required:', /^this Redis asks for a client certificate: --redis-cert/],
  ['certificate has expired', /not trusted: .+; the Redis needs a new one/],
  ['this Redis is one node of a cluster, and needs a cluster client (createCluster() of redis): MOVED 1 127.0.0.1:1',
    /^this Redis is one node of a cluster: --redis-cluster lets the command use all of them \(MOVED 1 127\.0\.0\.1:1\)$/],
  ['Socket closed unexpectedly', /^Socket closed unexpectedly$/],
])('a failure is told with what helps: %s', (message, expected) => {
  expect(storeFailure(new Error(message))).toMatch(expected);
});

const tls = {};

it.each<[kind: RedisSettings['kind'], tls: object | undefined, message: string, remedy: string | undefined]>([
  ['server', undefined, 'read ECONNRESET', 'a port that speaks TLS needs rediss:// in --redis'],
  ['server', tls, 'read ECONNRESET', undefined],
  ['server', tls, 'Connection timeout', 'a port that speaks no TLS needs redis:// in --redis'],
  ['server', tls, 'the session store did not answer within 800 ms', 'a port that speaks no TLS needs redis:// in --redis'],
  ['server', undefined, 'the session store did not answer within 800 ms', undefined],
  ['server', undefined, "ERR unknown command 'GET'",
    'a Sentinel needs --redis-sentinel, and a Redis has to know its commands by their own names'],
  ['sentinel', undefined, "ERR unknown command 'SENTINEL'", 'this is no Sentinel: without --redis-sentinel, --redis names one Redis'],
  ['sentinel', undefined, 'ERR No such master with that name', 'the Sentinels know no Redis by the name in --redis-sentinel'],
  ['cluster', undefined, 'ERR This instance has cluster support disabled',
    'this Redis is no node of a cluster: leave --redis-cluster out'],
  ['cluster', undefined, 'the session store did not answer within 800 ms',
    'the addresses that the nodes announce have to be reachable from here (cluster-announce-ip, -hostname, -port)'],
])('what helps depends on the flags: %s, TLS %j: %s', (kind, given, message, remedy) => {
  expect(storeFailure(new Error(message), { kind, tls: given })).toBe(remedy === undefined ? message : `${message}; ${remedy}`);
});

/** For `--redis-cluster`: a client of a cluster that is destroyed while it connects tries on, and keeps its process. */
async function startWithCluster(redis: string, ...flags: string[]): Promise<{ command: Command; url: string }> {
  return startCommand(['--hosts', hosts.join(), '--redis', redis, '--redis-cluster', ...flags]);
}

describe('the wrong kind of Redis is said, and what helps:', () => {
  it('--redis-cluster, --redis-sentinel and TLS to a plain Redis', async () => {
    const { url: redis, port } = await RedisProcess.start();
    await (await startWithCluster(redis)).command.line(/cluster support disabled; .+ leave --redis-cluster out$/);
    await (await startReloadable({ hosts, redis, redisSentinel: 'main' })).line(/ unknown command 'SENTINEL'; this is no Sentinel/);
    const toPlain = await startReloadable({ hosts, redis: `rediss://localhost:${port}`, redisCa: CERT });
    await handshake(toPlain.url);
    await toPlain.line(/; a port that speaks no TLS needs redis:/);
  });

  it('a Sentinel, by itself and by a name that it does not know', async () => {
    const dir = temporaryFolder('redis-sentinel-');
    writeFileSync(join(dir, 'sentinel.conf'), '');
    const { url: redis } = await RedisProcess.start([join(dir, 'sentinel.conf'), '--sentinel'], { dir });
    const alone = await startReloadable({ hosts, redis });
    await handshake(alone.url);
    await alone.line(/^warn: the store fails: ERR unknown command '\w+'; a Sentinel needs --redis-sentinel/);
    await (await startReloadable({ hosts, redis, redisSentinel: 'other' })).line(/No such master .+; the Sentinels know no Redis by/);
  });

  it('a cluster whose nodes announce addresses that their certificates do not hold', async () => {
    const cluster = ['--cluster-enabled', 'yes', '--tls-cluster', 'yes', '--cluster-announce-ip', '127.0.0.2'];
    const { admin, rediss } = await startTls('--tls-auth-clients', 'no', ...cluster);
    await admin.sendCommand(['CONFIG', 'SET', 'bind', '127.0.0.1 127.0.0.2']);
    await admin.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    const { command, url } = await startWithCluster(rediss, '--redis-ca', CERT);
    await handshake(url);
    await command.line(/not trusted: Hostname\/IP does not match .+; the nodes have to announce names .+ cluster-announce-hostname/);
  });
});

it.each(['', 'unix://'])('a Unix socket is used, as %s/path', async (scheme) => {
  const socket = join(temporaryFolder('redis-'), 'redis.sock');
  const redis = await RedisProcess.start(['--unixsocket', socket]);
  const started = await startReloadable({ hosts, redis: `${scheme}${socket}` });
  expect(started.listening).toContain(`bindings in unix://${socket}`);
  await bindThrough(started, await openClient(redis.url));
});

it('a database is used, by TCP and by a Unix socket', async () => {
  const socket = join(temporaryFolder('redis-'), 'redis.sock');
  const redis = await RedisProcess.start(['--unixsocket', socket]);
  const admin = await openClient(`${redis.url}/3`);
  await bindThrough(await startReloadable({ hosts, redis: `${redis.url}/3` }), admin);
  await bindThrough(await startReloadable({ hosts, redis: `unix://${socket}?db=3` }), admin);
});

describe('a password file', () => {
  const passwords = ['first secret', 'second secret'] as const;

  it('is read again for each new connection', async () => {
    const redis = await RedisProcess.start();
    const relay = await Relay.start(redis.port);
    const admin = await openClient(redis.url);
    const redisPasswordFile = join(temporaryFolder('redis-'), 'password');
    const setUser = (password: string): Promise<unknown> =>
      admin.sendCommand(['ACL', 'SETUSER', 'proxy', 'reset', 'on', `>${password}`, '~*', '+@all']);
    await setUser(passwords[0]);
    writeFileSync(redisPasswordFile, `${passwords[0]}\n`);
    const started = await startReloadable({ hosts, redis: `redis://proxy@127.0.0.1:${relay.port}`, redisPasswordFile });
    await bindThrough(started, admin);
    await setUser(passwords[1]);
    relay.cut();
    await started.line(/^warn: the store fails: /);
    // What is not there for a moment is asked for again.
    rmSync(redisPasswordFile);
    const connections = relay.connections;
    await until('it has tried', () => relay.connections > connections);
    writeFileSync(redisPasswordFile, passwords[1]);
    await started.line(/^the store works again$/);
    await bindThrough(started, admin);
    // The path is the same: nothing needs a restart.
    expect(started.reload()).toEqual(['settings are read again']);
    for (const password of passwords) expect(started.lines.join('\n')).not.toContain(password);
  });

  it('that is wrong is not shown', async () => {
    const { port } = await RedisProcess.start(['--requirepass', 'another']);
    const redisPasswordFile = join(temporaryFolder('redis-'), 'password');
    writeFileSync(redisPasswordFile, passwords[0]);
    const { lines, line } = await startReloadable({ hosts, redis: `redis://127.0.0.1:${port}`, redisPasswordFile });
    await line(/^warn: the store fails: WRONGPASS/);
    expect(lines.join('\n')).not.toContain(passwords[0]);
  });
});

it('a failover that keeps the connection is told in one line, and followed by name', async () => {
  const failover = await startFailover();
  const started = await startReloadable({ hosts, redis: `redis://localhost:${failover.relay.port}` });
  await bindThrough(started, failover.toOld);
  await failover.switchOver();
  const from = started.lines.length;
  await bindThrough(started, failover.toNew);
  await started.line(/^the store works again$/);
  expect(started.lines.slice(from)).toEqual([
    'warn: the store fails: this Redis takes no writes any more. The proxy connects to it anew, until its name leads to the ' +
      "primary: READONLY You can't write against a read only replica.",
    'the store works again',
  ]);
});

it('workers follow it too', async () => {
  const failover = await startFailover();
  const { command, url } = await startWorkers(hosts, ['--workers', '2'], `redis://localhost:${failover.relay.port}`);
  await failover.switchOver();
  const sids = await Promise.all(Array.from({ length: 10 }, () => handshake(url)));
  await until('all is stored', async () => {
    const keys = await failover.toNew.keys('*');
    return sids.every((sid) => keys.some((key) => key.endsWith(sid)));
  });
  const [line] = await command.seen('degraded');
  expect(line).toMatchObject({ level: 'warn', error: expect.stringMatching(/^this Redis takes no writes any more\./) as string });
  await command.seen('recovered');
});

it('the client of a Unix socket is closed with the command', async () => {
  const socket = join(temporaryFolder('redis-'), 'redis.sock');
  const redis = await RedisProcess.start(['--unixsocket', socket]);
  const admin = createClient({ url: redis.url });
  onCleanup(() => admin.destroy());
  await admin.connect();
  const { proxy } = await startReloadable({ hosts, redis: socket });
  const clients = async (): Promise<number> => (await admin.sendCommand<string>(['CLIENT', 'LIST'])).trim().split('\n').length;
  expect(await clients()).toBe(2);
  await proxy.close();
  await until('it is closed', async () => await clients() === 1);
});
