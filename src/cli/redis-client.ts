import { readFile } from 'node:fs/promises';
import type { RedisClient } from '../sessions/redis-clients';
import { PING_TIMEOUT, watchConnection } from './redis-watch';
import { passwordIn, type RedisSettings } from './settings/redis';

interface Credentials {
  readonly type: 'async-credentials-provider';
  readonly credentials: () => Promise<{ username?: string; password?: string }>;
}

/** A client that is not open yet. */
export async function createRedisClient(settings: RedisSettings): Promise<RedisClient> {
  // Loaded only if needed, since `redis` takes longer to load than everything else.
  const redis = await import('redis');
  const { kind, addresses, primary = '', tls, username, database } = settings;
  const own = { ...credentialsOf(settings, username), ...(database === 0 ? {} : { database }) };
  const socket = tls && { tls: true as const, ...tls };
  const defaults = { ...own, ...(socket && { socket }) };
  if (kind === 'cluster') {
    const rootNodes = addresses.map((address) => ({ socket: { ...address } }));
    const client: RedisClient = redis.createCluster({ rootNodes, defaults });
    return client;
  }
  if (kind === 'sentinel') {
    const client: RedisClient = redis.createSentinel({
      name: primary,
      sentinelRootNodes: addresses.map((address) => ({ ...address })),
      nodeClientOptions: defaults,
      // Sentinels need not know the servers' users. One that asks for no password takes any for `default`.
      sentinelClientOptions: { ...credentialsOf(settings, 'default'), ...(socket && { socket }) },
      // Otherwise nobody would learn why the primary cannot be used.
      passthroughClientErrorEvents: true,
    });
    return client;
  }
  const [address] = addresses;
  const ipc = settings.socket === undefined ? undefined : { path: settings.socket, tls: false as const };
  const client = redis.createClient({ ...own, socket: ipc ?? { ...socket, ...address } });
  // The client's own timeout of 5 s would be taken for an answer.
  const patient = client.withCommandOptions({ timeout: 2 * PING_TIMEOUT });
  watchConnection({
    get isReady() {
      return client.isReady;
    },
    ping: () => patient.ping(), destroy: () => client.destroy(), connect: () => client.connect(),
  });
  return client;
}

/** Asked for at each new connection. So a password that has changed in its file is used from then on. */
function credentialsOf(
  { password, passwordFile }: RedisSettings, username: string | undefined,
): { credentialsProvider?: Credentials } {
  if (password === undefined && passwordFile === undefined) return {};
  const user = username === undefined ? {} : { username };
  const credentials = async (): Promise<{ username?: string; password?: string }> => {
    if (passwordFile === undefined) return { ...user, ...(password === undefined ? {} : { password }) };
    return { ...user, password: passwordIn(await readFile(passwordFile, 'utf8'), '--redis-password-file') };
  };
  return { credentialsProvider: { type: 'async-credentials-provider', credentials } };
}
