import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Proxy from '../../src';
import { onCleanup } from './cleanup';
import type { Clients, ClientOptions, Connected } from './clients';
import { startHosts, type HostProcess } from './hosts';
import { openClient, uniqueKeyPrefix } from './redis';
import { until } from './until';

/** A proxy with hosts that are up, and its admin server. */
export interface Stand {
  hosts: HostProcess[];
  /** As they stand in `hosts`. */
  names: string[];
  proxy: Proxy;
  /** Where clients connect to. */
  url: string;
  /** Where the dashboard is. */
  admin: string;
}

/** Sessions are spread evenly, in turns. */
export async function startStand(count: number, token?: string): Promise<Stand> {
  const stand = await standBefore(await startHosts(count), {
    store: new Proxy.MemoryStore(), admin: { port: 0, ...(token === undefined ? {} : { token }) },
  });
  await until('all hosts are up', () => stand.proxy.hosts.every(({ state }) => state === 'up'));
  return stand;
}

/** The same, with options of your own, before hosts that may be down. */
export async function standBefore(hosts: HostProcess[], options: Partial<Proxy.PartialProxyOptions>): Promise<Stand> {
  const names = hosts.map(({ name }) => name);
  const proxy = new Proxy({
    hosts: names, checkInterval: 100, balance: 'round-robin', drainTimeout: 0, admin: { port: 0 }, ...options,
  } as Proxy.ProxyOptions);
  onCleanup(() => proxy.close());
  const ready = Promise.all([once(proxy, 'adminListening') as Promise<[AddressInfo]>, once(proxy, 'listening')]);
  proxy.listen(0, '127.0.0.1');
  const [[operated]] = await ready;
  const { port } = proxy.server.address() as AddressInfo;
  return { hosts, names, proxy, url: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${operated.port}` };
}

/** Members of one fleet before the same hosts. @param options of each. */
export async function startMembers(hosts: HostProcess[], ...options: Partial<Proxy.PartialProxyOptions>[]): Promise<Stand[]> {
  const shared = { redisClient: await openClient(), keyPrefix: uniqueKeyPrefix(), fleet: true };
  const members: Stand[] = [];
  // One after the other, so that their order is known.
  for (const each of options) members.push(await standBefore(hosts, { ...shared, ...each }));
  await until('all know all', () => members.every(({ proxy }) => proxy.fleet.members.length === members.length));
  return members;
}

/** Connects clients that come back by themselves, until the test is over. */
export function connect(
  clients: Clients, { url }: Stand, count: number, options: Partial<ClientOptions> = {},
): Promise<Connected[]> {
  const one = async (): Promise<Connected> => {
    const connected = await clients.connect({ url, reconnection: true, reconnectionDelay: 10, ...options });
    onCleanup(() => clients.close(connected.key));
    return connected;
  };
  return Promise.all(Array.from({ length: count }, one));
}
