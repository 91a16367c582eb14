import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Proxy from '../../src';
import { onCleanup } from './cleanup';
import { request, type Reply, type RequestOptions } from './http';
import type { Started } from './proxy';
import { until } from './until';

export const TOKEN = 'a-token-for-tests-only';

/** More sessions than a test has, unless it is about them: room for the usual 100,000 costs 6 ms each time it is made. */
const SESSIONS = 2000;

export interface Operated extends Started {
  /** The admin server's URL and port. */
  admin: string;
  adminPort: number;
  /** Asks the admin server, as in `ask('PATCH /api/hosts/a:1', { weight: 2 })`. */
  ask: (what: string, body?: unknown, options?: RequestOptions) => Promise<Reply>;
}

/** Starts a proxy with an admin server, and resolves when that listens. */
export async function startOperated(
  options: Omit<Proxy.PartialProxyOptions, 'admin'> & { admin?: Partial<Proxy.AdminOptions> | undefined } = {},
): Promise<Operated> {
  const { admin, ...others } = options;
  const store = others.redisClient || others.store ? {} : { store: new Proxy.MemoryStore({ maxSessions: SESSIONS }) };
  const all = { drainTimeout: 0, hosts: ['127.0.0.1:1'], cacheSize: SESSIONS, ...store, ...others, admin: { port: 0, ...admin } };
  const proxy = new Proxy(all as Proxy.ProxyOptions);
  onCleanup(() => proxy.close());
  const ready = Promise.all([once(proxy, 'adminListening'), once(proxy, 'listening')]);
  proxy.listen(0, '127.0.0.1');
  const [[{ port: adminPort }]] = await ready as [[AddressInfo], []];
  const { port } = proxy.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${adminPort}`;
  const ask: Operated['ask'] = (what, body, { headers, ...more } = {}) => {
    const [method, path = ''] = what.split(' ');
    const token = admin?.token === undefined ? {} : { Authorization: `Bearer ${admin.token}` };
    return request(url + path, {
      ...more,
      method,
      headers: { ...token, ...headers as Record<string, string> },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  };
  return { proxy, port, url: `http://127.0.0.1:${port}`, admin: url, adminPort, ask };
}

/** The same, before hosts that are up. */
export async function operatedBefore(
  hosts: readonly { readonly name: string }[], options: Parameters<typeof startOperated>[0] = {},
): Promise<Operated> {
  const started = await startOperated({ hosts: hosts.map(({ name }) => name), checkInterval: 20, ...options });
  await until('all are up', () => started.proxy.hosts.every(({ state }) => state === 'up'));
  return started;
}

export const pathOf = (host: string): string => `/api/hosts/${encodeURIComponent(host)}`;
