import { Clients, type ClientOptions } from '../support/clients';
import { startHosts, type HostProcess } from '../support/hosts';
import { startProxy, type Started } from '../support/proxy';
import { sharedStore } from '../support/stores';
import { tested } from '../support/tested';
import { versionOf } from '../support/versions';

type Version = 2 | 3 | 4;

const PAIRS: [client: Version, server: Version][] = [[2, 2], [2, 3], [2, 4], [3, 3], [3, 4], [4, 3], [4, 4]];

/** Version 4 is installed under the package's own name. */
const packageOf = (name: string, version: Version): string => (version === 4 ? name : `${name}-${version}`);

const TRANSPORTS: [name: string, options: Partial<ClientOptions>][] = [
  ['polling only', { transports: ['polling'] }],
  ['WebSocket only', { transports: ['websocket'] }],
  ['polling, then upgrade', { transports: ['polling', 'websocket'], upgraded: true }],
];

describe.each([2, 3, 4] as const)('servers of version %i', (server) => {
  let hosts: HostProcess[];
  let clients: Clients;
  let proxies: Started[];

  beforeAll(async () => {
    hosts = await startHosts(3, { version: server });
    clients = new Clients();
    const options = { ...await sharedStore(), hosts: hosts.map(({ name }) => name) };
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
      tested('Server', 'Socket.IO', versionOf(packageOf('socket.io', server)));
      tested('Client', 'socket.io-client in Node.js', versionOf(packageOf('socket.io-client', version)));
    });
  });
});
