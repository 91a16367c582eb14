import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Proxy, type PartialProxyOptions, type ProxyOptions } from '../../src';
import { onCleanup } from './cleanup';
import { ownStore, SESSIONS } from './stores';

export type ProxyInstance = Proxy;

/** A proxy that listens, with its URL and port. It is closed, at once, when the test is over. */
export interface Started {
  proxy: ProxyInstance;
  url: string;
  port: number;
}

/** Starts a proxy on a memory store or, in the tier `sid`, on a `SidStore`, unless a store or a Redis client is given. */
export async function startProxy(options: PartialProxyOptions): Promise<Started> {
  const store = options.redisClient || options.store ? {} : { store: ownStore() };
  const proxy = new Proxy({ drainTimeout: 0, cacheSize: SESSIONS, ...store, ...options } as ProxyOptions);
  onCleanup(() => proxy.close());
  if (!options.server) {
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  }
  const { port } = proxy.server.address() as AddressInfo;
  return { proxy, port, url: `http://127.0.0.1:${port}` };
}
