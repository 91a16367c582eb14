import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup';
import { openClient, RedisProcess } from './redis';
import { until } from './until';

/** What the Sentinel calls the servers that it watches. */
export const SENTINEL_NAME = 'main';

/** By default a primary waits for 5 s for more replicas, before it copies itself to the first. */
const ARGS = ['--repl-diskless-sync-delay', '0'];

/** A primary with a replica, and a Sentinel that makes the replica the primary when that dies. */
export class RedisSentinel {
  readonly primary: RedisProcess;
  readonly replica: RedisProcess;
  readonly port: number;

  private constructor(primary: RedisProcess, replica: RedisProcess, port: number) {
    this.primary = primary;
    this.replica = replica;
    this.port = port;
  }

  static async start(program: string): Promise<RedisSentinel> {
    const primary = await RedisProcess.start(ARGS, { program });
    const replica = await RedisProcess.start([...ARGS, '--replicaof', `127.0.0.1 ${primary.port}`], { program });
    const toReplica = await openClient(replica.url);
    // A replica that has never been in step is none that can take over.
    await until('the replica is in step', async () => (await toReplica.info('replication')).includes('master_link_status:up'));
    const dir = mkdtempSync(join(tmpdir(), 'redis-sentinel-'));
    onCleanup(() => rmSync(dir, { recursive: true, force: true }));
    const file = join(dir, 'sentinel.conf');
    writeFileSync(file, [
      `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${primary.port} 1`,
      `sentinel down-after-milliseconds ${SENTINEL_NAME} 500`,
      `sentinel failover-timeout ${SENTINEL_NAME} 5000`,
    ].join('\n'));
    const sentinel = await RedisProcess.start([file, '--sentinel'], { program, dir });
    const toSentinel = await openClient(sentinel.url);
    await until('the Sentinel knows the replica', async () =>
      (await toSentinel.sendCommand<unknown[]>(['SENTINEL', 'REPLICAS', SENTINEL_NAME])).length === 1, 15_000);
    return new RedisSentinel(primary, replica, sentinel.port);
  }
}
