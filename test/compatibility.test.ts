import { Clients, type ClientOptions } from './support/clients';
import { startHosts, type HostProcess } from './support/hosts';
import { startProxy, type Started } from './support/proxy';
import { openClient, uniqueKeyPrefix, type TestClient } from './support/redis';
import { tested, versionOf } from './support/tested';

type Version = 2 | 3 | 4;

const PAIRS: [client: Version, server: Version][] = [[2, 2], [2, 3], [2, 4], [3, 3], [3, 4], [4, 3], [4, 4]];

const TRANSPORTS: [name: string, options: Partial<ClientOptions>][] = [
  ['polling only', { transports: ['polling'] }],
  ['WebSocket only', { transports: ['websocket'] }],
  ['polling, then upgrade', { transports: ['polling', 'websocket'], upgraded: true }],
];

/** What the server says of itself. */
async function redisServerOf(client: TestClient): Promise<[name: string, version: string]> {
  const info = await client.info('server');
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1];
  return valkey ? ['Valkey', valkey] : ['Redis', /^redis_version:(\S+)/m.exec(info)?.[1] ?? ''];
}

describe.each([2, 3, 4] as const)('servers of version %i', (server) => {
  let hosts: HostProcess[];
  let clients: Clients;
  let proxies: Started[];
  let redisServer: [name: string, version: string];

  beforeAll(async () => {
    hosts = await startHosts(3, { version: server });
    clients = new Clients();
    const keyPrefix = uniqueKeyPrefix();
    const redisClient = await openClient();
    redisServer = await redisServerOf(redisClient);
    const options = { redisClient, keyPrefix, hosts: hosts.map(({ name }) => name) };
    proxies = [await startProxy(options), await startProxy(options)];
  });

  describe.each(PAIRS.filter((pair) => pair[1] === server))('client of version %i', (version) => {
    it.each(TRANSPORTS)('exchanges text and binary up to 1 MB: %s', async (_, options) => {
      for (const { url } of proxies) {
        const client = await clients.connect({ url, version, ...options });
        expect(client.transport).toBe(options.transports?.at(-1));
        expect(hosts.map(({ name }) => name)).toContain(client.host);
        await clients.exchange(client.key);
        expect(await clients.host(client.key)).toBe(client.host);
        await clients.close(client.key);
      }
      tested('Server', 'Socket.IO', String(server));
      tested('Client', 'Socket.IO', String(version));
      tested('Redis client', 'redis', versionOf('redis'));
      tested('Redis server', ...redisServer);
    });
  });
});
