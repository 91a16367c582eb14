import { RedisStore } from '../../../src';
import { RedisCluster } from '../../support/redis-cluster';
import { FAMILIES, opened } from '../../support/redis-clients';

const SIDS = Array.from({ length: 20 }, (_, i) => `sid-${i}`);

it('says that one node of a cluster needs another client, whichever command has failed', async () => {
  const { ports: [port = NaN] } = await RedisCluster.start('redis-server');
  for (const { name, make } of FAMILIES) {
    const store = new RedisStore((await opened(make(port))).client, `${name}#`);
    for (const ask of [
      (sid: string): Promise<unknown> => store.bind(sid, 'host:1', 100),
      (sid: string): Promise<unknown> => store.find(sid, 100),
      (sid: string): Promise<unknown> => store.inspect(sid),
      (sid: string): Promise<unknown> => store.unbind(sid),
    ]) {
      const outcomes = await Promise.allSettled(SIDS.map(ask));
      const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []));
      // Of three nodes the one that is asked has a third of the slots.
      expect(reasons.length).toBeGreaterThan(0);
      expect(reasons.length).toBeLessThan(SIDS.length);
      for (const reason of reasons) expect(reason).toMatch(/^Error: this Redis is one node of a cluster, .+: MOVED \d+ 127\.0\.0\.1:\d+$/);
    }
  }
});
