import { once, type EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ioredis5 from 'ioredis-5';
import * as ioredis6 from 'ioredis-6';
import * as redis6 from 'redis';
import * as redis2 from 'redis-2';
import * as redis3 from 'redis-3';
import * as redis4 from 'redis-4';
import * as redis5 from 'redis-5';
import type { RedisClient } from '../../src';
import { onCleanup } from './cleanup';
import { SENTINEL_NAME } from './redis-sentinel';
import { until } from './until';

/** A client as a caller has made it, and what the caller does with it: each family has its own way. */
export interface Made {
  client: RedisClient & EventEmitter;
  /** Opens it where it does not by itself, and resolves when it can be used. */
  open: () => Promise<unknown>;
  isOpen: () => boolean;
  /** What the server answers to PING. */
  ping: () => Promise<unknown>;
}

/** A version of a package, and how it is used. Its clients are closed when the test is over. */
export interface Family {
  name: string;
  /** What the version's package is installed as. */
  installed: string;
  /** Open as soon as it is made: never the proxy's to open or to close. */
  opensItself: boolean;
  /** A client of one server. */
  make: (port: number) => Made;
}

const host = '127.0.0.1';
const urlOf = (port: number): string => `redis://${host}:${port}`;

/** `redis` 2 and 3. */
export function ofCallbacks(client: redis2.RedisClient): Made {
  onCleanup(() => client.end(false));
  return {
    client,
    open: () => client.connected ? Promise.resolve() : once(client, 'ready'),
    isOpen: () => client.connected,
    ping: () => new Promise((resolve, reject) => {
      client.ping((error, reply) => {
        if (error) reject(error);
        else resolve(reply);
      });
    }),
  };
}

type NodeRedis = RedisClient & EventEmitter & {
  readonly isOpen: boolean;
  connect: () => Promise<unknown>;
  destroy?: () => unknown;
  disconnect?: () => unknown;
};

/** `redis` from version 4. */
export function ofNodeRedis(client: NodeRedis, ping: () => Promise<unknown>): Made {
  onCleanup(() => client.isOpen && (client.destroy ? client.destroy() : client.disconnect?.()));
  return { client, open: () => client.connect(), isOpen: () => client.isOpen, ping };
}

/** `ioredis`. */
export function ofIoRedis(client: ioredis5.Redis | ioredis6.Redis | ioredis5.Cluster | ioredis6.Cluster): Made {
  onCleanup(() => client.disconnect());
  return {
    client,
    open: async () => {
      if (client.status === 'wait') await client.connect();
      else if (client.status !== 'ready') await once(client, 'ready');
    },
    // A Cluster goes from 'end' back to 'close' for each of its nodes.
    isOpen: () => !['wait', 'close', 'end'].includes(client.status),
    ping: () => client.ping(),
  };
}

function node4(port: number, legacyMode: boolean): Made {
  const client = redis4.createClient({ url: urlOf(port), legacyMode });
  // The types know nothing of what it has in legacy mode.
  const { ping } = legacyMode ? client.v4 as { ping: () => Promise<unknown> } : client;
  return ofNodeRedis(client, () => ping.call(client));
}

function node5(port: number): Made {
  const client = redis5.createClient({ url: urlOf(port) });
  return ofNodeRedis(client, () => client.ping());
}

function node6(port: number): Made {
  const client = redis6.createClient({ url: urlOf(port) });
  return ofNodeRedis(client, () => client.ping());
}

const io5 = (port: number, lazyConnect: boolean): Made => ofIoRedis(new ioredis5.Redis(port, host, { lazyConnect }));
const io6 = (port: number, lazyConnect: boolean): Made => ofIoRedis(new ioredis6.Redis(port, host, { lazyConnect }));

const family = (name: string, installed: string, opensItself: boolean, make: Family['make']): Family =>
  ({ name, installed, opensItself, make });

export const FAMILIES: Family[] = [
  family('redis 2', 'redis-2', true, (port) => ofCallbacks(redis2.createClient(port, host))),
  family('redis 3', 'redis-3', true, (port) => ofCallbacks(redis3.createClient(port, host))),
  family('redis 4', 'redis-4', false, (port) => node4(port, false)),
  family('redis 4 in legacy mode', 'redis-4', false, (port) => node4(port, true)),
  family('redis 5', 'redis-5', false, node5),
  family('redis 6', 'redis', false, node6),
  family('ioredis 5', 'ioredis-5', true, (port) => io5(port, false)),
  family('ioredis 6', 'ioredis-6', true, (port) => io6(port, false)),
  family('ioredis 5 with lazyConnect', 'ioredis-5', false, (port) => io5(port, true)),
  family('ioredis 6 with lazyConnect', 'ioredis-6', false, (port) => io6(port, true)),
];

/** Clients of a Redis Cluster, made with the ports of its nodes. */
export interface ClusterFamily extends Omit<Family, 'make'> {
  make: (ports: number[]) => Made;
}

const clusterFamily = (name: string, installed: string, opensItself: boolean, make: ClusterFamily['make']): ClusterFamily =>
  ({ name, installed, opensItself, make });

const rootNodes = (ports: number[]): { url: string }[] => ports.map((port) => ({ url: urlOf(port) }));
const nodesAt = (ports: number[]): { host: string; port: number }[] => ports.map((port) => ({ host, port }));

/** Clients of several servers are not asked. */
const notPinged = (): Promise<string> => Promise.resolve('PONG');

export const CLUSTER_FAMILIES: ClusterFamily[] = [
  clusterFamily('redis 4', 'redis-4', false, (ports) =>
    ofNodeRedis(redis4.createCluster({ rootNodes: rootNodes(ports) }), notPinged)),
  clusterFamily('redis 5', 'redis-5', false, (ports) =>
    ofNodeRedis(redis5.createCluster({ rootNodes: rootNodes(ports) }), notPinged)),
  clusterFamily('redis 6', 'redis', false, (ports) =>
    ofNodeRedis(redis6.createCluster({ rootNodes: rootNodes(ports) }), notPinged)),
  clusterFamily('ioredis 5', 'ioredis-5', true, (ports) => ofIoRedis(new ioredis5.Cluster(nodesAt(ports)))),
  clusterFamily('ioredis 6', 'ioredis-6', true, (ports) => ofIoRedis(new ioredis6.Cluster(nodesAt(ports)))),
  clusterFamily('ioredis 6 with lazyConnect', 'ioredis-6', false, (ports) =>
    ofIoRedis(new ioredis6.Cluster(nodesAt(ports), { lazyConnect: true }))),
];

const nodeSentinel = (port: number): { name: string; sentinelRootNodes: { host: string; port: number }[] } =>
  ({ name: SENTINEL_NAME, sentinelRootNodes: [{ host, port }] });
const ioSentinel = (port: number): { name: string; sentinels: { host: string; port: number }[] } =>
  ({ name: SENTINEL_NAME, sentinels: [{ host, port }] });

/** Clients of whatever server a Sentinel says is the primary, made with the Sentinel's port. */
export const SENTINEL_FAMILIES: Family[] = [
  family('redis 5', 'redis-5', false, (port) => ofNodeRedis(redis5.createSentinel(nodeSentinel(port)), notPinged)),
  family('redis 6', 'redis', false, (port) => ofNodeRedis(redis6.createSentinel(nodeSentinel(port)), notPinged)),
  family('ioredis 5', 'ioredis-5', true, (port) => ofIoRedis(new ioredis5.Redis(ioSentinel(port)))),
  family('ioredis 6', 'ioredis-6', true, (port) => ofIoRedis(new ioredis6.Redis(ioSentinel(port)))),
  family('ioredis 6 with lazyConnect', 'ioredis-6', false, (port) =>
    ofIoRedis(new ioredis6.Redis({ ...ioSentinel(port), lazyConnect: true }))),
];

/** The name and version of an installed package. */
export function installedAs(installed: string): [name: string, version: string] {
  const manifest = readFileSync(join(__dirname, '../../node_modules', installed, 'package.json'), 'utf8');
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  return [name, version];
}

/** Listens to nothing but what keeps a client of the test's from ending it, before the proxy has it. */
export async function opened(made: Made): Promise<Made> {
  made.client.on('error', () => {});
  await made.open();
  await until('it is open', made.isOpen);
  return made;
}
