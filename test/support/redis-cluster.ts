import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup';
import { openClient, RedisProcess, type TestClient } from './redis';
import { until } from './until';

const NODES = 3;
const SLOTS = 16_384;

const ARGS = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-config-file', 'nodes.conf'];

interface Node {
  id: string;
  redis: RedisProcess;
  admin: TestClient;
}

/** A Redis Cluster of three primaries, each with a third of the slots. */
export class RedisCluster {
  readonly nodes: readonly [Node, Node, Node];
  readonly #args: string[];

  private constructor(nodes: readonly [Node, Node, Node], args: string[]) {
    this.nodes = nodes;
    this.#args = args;
  }

  /** @param more arguments of each node. */
  static async start(program: string, more: string[] = []): Promise<RedisCluster> {
    const args = [...ARGS, ...more];
    const nodes = await Promise.all([startNode(program, args), startNode(program, args), startNode(program, args)]);
    const cluster = new RedisCluster(nodes, args);
    await Promise.all(nodes.map(async ({ admin }, i) => {
      await command(admin, 'SET-CONFIG-EPOCH', i + 1);
      const [from, to] = [Math.ceil(i * SLOTS / NODES), Math.ceil((i + 1) * SLOTS / NODES)];
      await command(admin, 'ADDSLOTS', ...Array.from({ length: to - from }, (_, slot) => from + slot));
    }));
    const [first, ...others] = nodes;
    for (const { redis } of others) await command(first.admin, 'MEET', '127.0.0.1', redis.port);
    await cluster.ready();
    return cluster;
  }

  get ports(): number[] {
    return this.nodes.map(({ redis }) => redis.port);
  }

  /** Starts a node again that was killed: empty, and with its old place. */
  async restart({ redis }: Node): Promise<void> {
    await redis.restart(this.#args);
    await this.ready();
  }

  /** Resolves when every node serves, and knows of every other. */
  async ready(): Promise<void> {
    for (const { admin } of this.nodes) {
      await until('the node serves', async () => {
        const info = await command(admin, 'INFO').catch(String);
        return info.includes('cluster_state:ok') && info.includes(`cluster_size:${NODES}`);
      });
    }
  }

  /** The slot of a key, the node that has it, and another. */
  async slotOf(key: string): Promise<{ slot: number; owner: Node; other: Node }> {
    const [first] = this.nodes;
    const slot = Number(await command(first.admin, 'KEYSLOT', key));
    const lines = (await command(first.admin, 'NODES')).split('\n');
    const ids = lines.filter((line) => line.split(' ').slice(8).some((range) => {
      const [from, to = from] = range.split('-').map(Number);
      return from !== undefined && to !== undefined && from <= slot && slot <= to;
    })).map((line) => line.split(' ')[0]);
    const owner = this.nodes.find(({ id }) => ids.includes(id));
    const other = this.nodes.find(({ id }) => !ids.includes(id));
    if (!owner || !other) throw new Error(`no node has slot ${slot}`);
    return { slot, owner, other };
  }

  /** Begins to move a slot with its keys: whoever asks for one is redirected by `ASK`, once it is done by `MOVED`. */
  async move(key: string): Promise<{ finish: () => Promise<void> }> {
    const { slot, owner, other } = await this.slotOf(key);
    await command(other.admin, 'SETSLOT', slot, 'IMPORTING', owner.id);
    await command(owner.admin, 'SETSLOT', slot, 'MIGRATING', other.id);
    const keys = await owner.admin.sendCommand<string[]>(['CLUSTER', 'GETKEYSINSLOT', String(slot), '1000']);
    await owner.admin.sendCommand(['MIGRATE', '127.0.0.1', String(other.redis.port), '', '0', '5000', 'KEYS', ...keys]);
    return {
      finish: async () => {
        for (const { admin } of [other, owner]) await command(admin, 'SETSLOT', slot, 'NODE', other.id);
      },
    };
  }
}

async function startNode(program: string, args: string[]): Promise<Node> {
  const dir = mkdtempSync(join(tmpdir(), 'redis-cluster-'));
  onCleanup(() => rmSync(dir, { recursive: true, force: true }));
  const redis = await RedisProcess.start(
    args,
    // Where it finds its place in the cluster again when it is started again.
    { program, dir },
  );
  const admin = await openClient(redis.url);
  return { redis, admin, id: await command(admin, 'MYID') };
}

function command(admin: TestClient, ...args: (string | number)[]): Promise<string> {
  return admin.sendCommand<string>(['CLUSTER', ...args.map(String)]);
}
