import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { handshake, pollUrl, request } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { openClient, type TestClient } from '../../support/redis';
import { RedisCluster } from '../../support/redis-cluster';
import { RedisSentinel, SENTINEL_NAME } from '../../support/redis-sentinel';
import { SERVERS } from '../../support/redis-server';
import { startReloadable, type Reloadable } from '../../support/reloadable';
import { startSessionHosts } from '../../support/session-host';
import { until } from '../../support/until';
import { WorkersCommand } from '../../support/workers';

const PASSWORD = 'a: secret@';

let hosts: string[];

beforeAll(async () => {
  hosts = (await startSessionHosts(1)).map(({ name }) => name);
});

/** Makes the user, and the only one that may use bindings. */
async function makeUser(admin: TestClient): Promise<void> {
  await admin.sendCommand(['ACL', 'SETUSER', 'default', '-get', '-set', '-setex']);
  await admin.sendCommand(['ACL', 'SETUSER', 'proxy', 'reset', 'on', `>${PASSWORD}`, '~*', '+@all']);
}

async function post(url: string, sid: string): Promise<number> {
  return (await request(pollUrl(url, sid), { method: 'POST', body: '3' })).status;
}

/** What one opens, the other finds. */
async function expectShared(first: Reloadable, second: Reloadable): Promise<void> {
  const sids = await Promise.all(Array.from({ length: 20 }, () => handshake(first.url)));
  for (const sid of sids) expect(await post(second.url, sid)).toBe(200);
  expect([...first.lines, ...second.lines].join('\n')).not.toMatch(/fails|secret/);
}

describe.each(SERVERS)('the command on %s', (program) => {
  it('uses a Redis Cluster of which one node is named, with a user of all nodes', async () => {
    const cluster = await RedisCluster.start(program);
    await Promise.all(cluster.nodes.map(({ admin }) => makeUser(admin)));
    const [port] = cluster.ports;
    const redis = `redis://proxy:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
    const redisPasswordFile = join(temporaryFolder('redis-'), 'password');
    writeFileSync(redisPasswordFile, PASSWORD);
    const first = await startReloadable({ hosts, redis, redisCluster: true });
    const second = await startReloadable({ hosts, redis: `redis://proxy@127.0.0.1:${port}`, redisCluster: true, redisPasswordFile });
    expect(first.listening).toMatch(new RegExp(`bindings in the cluster of redis://127.0.0.1:${port}$`));
    await expectShared(first, second);
    const counts = cluster.nodes.map(async ({ admin }) => (await admin.keys('socket.io#*')).length);
    expect(await Promise.all(counts)).not.toContain(0);
  });

  it('goes to another node of the list where the first is none, also with workers', async () => {
    const cluster = await RedisCluster.start(program);
    const redis = `127.0.0.1:1,${cluster.ports.map((port) => `127.0.0.1:${port}`).join(',')}`;
    const command = new WorkersCommand(
      ['--hosts', hosts.join(','), '--redis', redis, '--redis-cluster', '--workers', '2', '--bind', '127.0.0.1', '--port', '0'],
    );
    const url = await command.ready();
    for (let i = 0; i < 10; i += 1) expect(await post(url, await handshake(url))).toBe(200);
  });

  it('says why no node of a Cluster can be used', async () => {
    const cluster = await RedisCluster.start(program);
    const { line } = await startReloadable({ hosts, redis: `redis://x:y@127.0.0.1:${cluster.ports[0]}`, redisCluster: true });
    await line(/^warn: the store fails: WRONGPASS/);
  });

  it('follows Sentinel to another primary', async () => {
    const sentinel = await RedisSentinel.start(program);
    const toReplica = await openClient(sentinel.replica.url);
    const settings = { hosts, redis: `redis://127.0.0.1:1,127.0.0.1:${sentinel.port}`, redisSentinel: SENTINEL_NAME };
    const [first, second] = [await startReloadable(settings), await startReloadable(settings)];
    expect(first.listening).toMatch(/bindings in 'main' of the Sentinels redis:\/\/127.0.0.1:1,127.0.0.1:\d+/);
    await until('neither fails', async () => {
      const sid = await handshake(first.url);
      return await post(second.url, sid) === 200;
    });
    const sid = await handshake(first.url);
    await until('the replica has it', () => toReplica.exists(`socket.io#${sid}`));
    await sentinel.primary.kill();
    const during = await handshake(first.url);
    const keys = [sid, during].map((each) => `socket.io#${each}`);
    // Sentinel ends the connections of a server that it changes.
    await until('both are in the new primary', () => toReplica.exists(keys).then((count) => count === 2, () => false));
    await until('the other finds it', async () => await post(second.url, during) === 200);
  });

  it.each(['no password', 'the same password'])('gives Sentinels with %s the password, and Redis user and password', async (which) => {
    const sentinel = await RedisSentinel.start(program);
    const admins = [await openClient(sentinel.primary.url), await openClient(sentinel.replica.url)];
    await Promise.all(admins.map(makeUser));
    if (which !== 'no password') {
      const toSentinel = await openClient(`redis://127.0.0.1:${sentinel.port}`);
      await toSentinel.sendCommand(['ACL', 'SETUSER', 'default', 'resetpass', `>${PASSWORD}`]);
    }
    const redis = `redis://proxy:${encodeURIComponent(PASSWORD)}@127.0.0.1:${sentinel.port}/1`;
    const settings = { hosts, redis, redisSentinel: SENTINEL_NAME };
    await expectShared(await startReloadable(settings), await startReloadable(settings));
    const inDatabase = await openClient(`${sentinel.primary.url}/1`);
    expect((await inDatabase.keys('socket.io#*')).length).toBe(20);
  });
});
