import { inspect } from 'node:util';
import { RedisStore } from '../../../src';
import { RedisProcess } from '../../support/redis';
import { FAMILIES, opened } from '../../support/redis-clients';
import { SERVERS } from '../../support/redis-server';

const RENAMED = ['GET', 'TTL', 'SET', 'SETEX', 'DEL', 'EVAL'];
const SID = 'a-sid-that-nobody-may-read';

async function failureOf(call: Promise<unknown>): Promise<Error> {
  try {
    await call;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it has not failed');
}

describe.each(SERVERS)('where %s knows no command of the proxy', (program) => {
  it.each(FAMILIES)('a client of $name fails without a whole sid, and is told what that may be', async ({ make }) => {
    const redis = await RedisProcess.start(RENAMED.flatMap((name) => ['--rename-command', name, '']), { program });
    const { client } = await opened(make(redis.port));
    client.on('error', () => {});
    const store = new RedisStore(client);
    for (const call of [
      () => store.bind(SID, 'host:1', 10), () => store.find(SID, 10), () => store.inspect(SID), () => store.unbind(SID),
      () => store.claim(SID, 'host:1', 10), () => store.claim(SID, 'host:1', 10, 'host:2'), () => store.release(SID, 'host:1', 10),
    ]) {
      const error = await failureOf(call());
      // With all that a program may print of it.
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain(SID);
      expect(error.message).toMatch(/^this server does not know a command .+ a Sentinel, .+ renamed\?: ERR unknown command .\w+.$/i);
    }
  });
});
