import { Clients, type ClientOptions } from '../../support/clients';
import { startHosts } from '../../support/hosts';
import { startProxy } from '../../support/proxy';
import { sharedStore } from '../../support/stores';
import { tested } from '../../support/tested';
import { CERT, KEY } from '../../support/tls';
import { versionOf } from '../../support/versions';

let urls: string[];
let names: string[];
let clients: Clients;

beforeAll(async () => {
  const hosts = await startHosts(3, { address: '127.0.0.1', tls: { cert: CERT, key: KEY } });
  names = hosts.map(({ name }) => name);
  clients = new Clients();
  const options = { ...await sharedStore(), hostTls: { ca: CERT } };
  const proxies = await Promise.all([1, 2].map(() => startProxy({ ...options, hosts: names.map((name) => `https://${name}`) })));
  urls = proxies.map(({ url }) => url);
});

it.each<[name: string, options: Partial<ClientOptions>]>([
  ['polling only', { transports: ['polling'] }],
  ['WebSocket only', { transports: ['websocket'] }],
  ['polling, then upgrade', { transports: ['polling', 'websocket'], upgraded: true }],
])('exchanges text and binary up to 1 MB with hosts on TLS: %s', async (_, options) => {
  for (const url of urls) {
    const client = await clients.connect({ url, ...options });
    expect(client.transport).toBe(options.transports?.at(-1));
    expect(names).toContain(client.host);
    await clients.exchange(client.key);
    expect(await clients.host(client.key)).toBe(client.host);
    await clients.close(client.key);
  }
  tested('Server', 'Socket.IO on https', versionOf('socket.io'));
});
