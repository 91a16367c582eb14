import { join } from 'node:path';
import { handshake } from '../support/http';
import { temporaryFolder } from '../support/program';
import { openClient, RedisProcess, type TestClient } from '../support/redis';
import { startFailover } from '../support/redis-failover';
import { startReloadable, type Reloadable } from '../support/reloadable';
import { Relay } from '../support/relay';
import { startSessionHosts } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

const FIXTURES = join(__dirname, '../fixtures/tls');
const CERT = join(FIXTURES, 'cert.pem');

let hosts: string[];

beforeAll(async () => {
  hosts = (await startSessionHosts(1)).map(({ name }) => name);
});

/** What it has said of the store. */
function failuresOf({ lines }: Reloadable): string[] {
  return lines.filter((line) => /^warn: the store fails: |^the store works again/.test(line));
}

async function requirePassword(admin: TestClient, password: string): Promise<void> {
  await admin.sendCommand(['CONFIG', 'SET', 'requirepass', password]);
}

it('tells a password that is missing after the connection was lost, once an outage', async () => {
  const redis = await RedisProcess.start();
  const [relay, admin] = [await Relay.start(redis.port), await openClient(redis.url)];
  const started = await startReloadable({ hosts, redis: `redis://localhost:${relay.port}` });
  await handshake(started.url);
  for (const outage of [1, 2]) {
    await requirePassword(admin, 'secret');
    relay.cut();
    await until('it is told', () => failuresOf(started).filter((line) => line.includes('NOAUTH')).length === outage);
    await requirePassword(admin, '');
    await until('it works', () => failuresOf(started).filter((line) => line.includes('works')).length === outage);
  }
  expect(failuresOf(started).map((line) => /Socket closed|NOAUTH|works again/.exec(line)?.[0] ?? line))
    .toEqual(['Socket closed', 'NOAUTH', 'works again', 'Socket closed', 'NOAUTH', 'works again']);
});

it('tells that a name leads to a replica after the connection was lost', async () => {
  const failover = await startFailover();
  const started = await startReloadable({ hosts, redis: `redis://localhost:${failover.relay.port}` });
  await handshake(started.url);
  failover.relay.target = failover.newPort;
  failover.relay.cut();
  expect(await started.line(/READONLY/)).toMatch(/^warn: the store fails: this Redis takes no writes any more/);
  await failover.switchOver();
  await started.line(/^the store works again$/);
  expect(failuresOf(started)).toEqual([
    'warn: the store fails: Socket closed unexpectedly', expect.stringContaining('READONLY'), 'the store works again',
  ]);
});

it('tells a certificate that is not trusted after the connection was lost', async () => {
  const socket = join(temporaryFolder('redis-'), 'redis.sock');
  const redis = await RedisProcess.start(['--unixsocket', socket, '--tls-auth-clients', 'no'], { tls: true });
  const [relay, admin] = [await Relay.start(redis.port), await openClient(`unix://${socket}`)];
  const started = await startReloadable({ hosts, redis: `rediss://localhost:${relay.port}`, redisCa: CERT });
  await handshake(started.url);
  const [cert, key] = ['next-cert.pem', 'next-key.pem'].map((file) => join(FIXTURES, file)) as [string, string];
  await admin.sendCommand(['CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key]);
  relay.cut();
  await started.line(/^warn: the store fails: the certificate of this Redis is not trusted: /);
  expect(failuresOf(started)).toHaveLength(2);
});

it('tells for all workers once what one of them is answered', async () => {
  const redis = await RedisProcess.start();
  const [relay, admin] = [await Relay.start(redis.port), await openClient(redis.url)];
  const { command, url } = await startWorkers(hosts, [], `redis://localhost:${relay.port}`);
  await Promise.all([0, 1, 2, 3].map(() => handshake(url)));
  await requirePassword(admin, 'secret');
  relay.cut();
  const told = (): string[] => command.eventsOf('degraded').map(({ error }) => String(error));
  await until('it is told', () => told().some((error) => error.includes('NOAUTH')));
  await requirePassword(admin, '');
  await command.seen('recovered');
  expect(told().map((error) => /Socket closed|NOAUTH/.exec(error)?.[0] ?? error)).toEqual(['Socket closed', 'NOAUTH']);
});
