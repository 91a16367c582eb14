import { openClient, RedisProcess, type TestClient } from './redis';
import { Relay } from './relay';
import { until } from './until';

/** By default a primary waits for 5 s for more replicas, before it copies itself to the first. */
const ARGS = ['--repl-diskless-sync-delay', '0'];

/** A primary and its replica, and a relay that leads to the primary, as a name does. */
export interface Failover {
  relay: Relay;
  toOld: TestClient;
  toNew: TestClient;
  newPort: number;
  /**
   * Makes the replica the primary, and the primary its replica. All connections stay open.
   *
   * @param follow whether the relay leads to the new primary from now on.
   */
  switchOver: (follow?: boolean) => Promise<void>;
}

export async function startFailover(args: string[] = [], program?: string): Promise<Failover> {
  const all = [...ARGS, ...args];
  const [before, after] = await Promise.all([RedisProcess.start(all, { program }), RedisProcess.start(all, { program })]);
  const relay = await Relay.start(before.port);
  const [toOld, toNew] = await Promise.all([openClient(before.url), openClient(after.url)]);
  await toNew.sendCommand(['REPLICAOF', '127.0.0.1', String(before.port)]);
  await until('the replica is in step', async () => (await toNew.info('replication')).includes('master_link_status:up'));
  return {
    relay, toOld, toNew, newPort: after.port,
    switchOver: async (follow = true) => {
      await toNew.sendCommand(['REPLICAOF', 'NO', 'ONE']);
      await toOld.sendCommand(['REPLICAOF', '127.0.0.1', String(after.port)]);
      if (follow) relay.target = after.port;
    },
  };
}
