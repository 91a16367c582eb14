// socket.io-proxy2, with its defaults but one: `main` is the file of the build that is measured.
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createClient } from 'redis';
import { serve } from '../serve.mjs';

serve({
  async start({ main, hosts, redisPort, options = {}, listens = false, findsOut = false, hasTokens = false, listen = {} }) {
    const Proxy = createRequire(import.meta.url)(main);
    const own = () => (hasTokens ? new Proxy.SidStore({ secret: 's'.repeat(32) }) : new Proxy.MemoryStore());
    const stored = redisPort === undefined ? { store: own() } : { redisClient: client(redisPort) };
    const proxy = new Proxy({ ...stored, ...(findsOut ? {} : knownOf(main)), hosts: hosts.map((port) => `127.0.0.1:${port}`), ...options });
    if (listens) proxy.on('access', () => {});
    proxy.listen({ port: 0, host: '127.0.0.1', backlog: 4096, ...listen });
    await once(proxy, 'listening');
    return proxy.server.address().port;
  },
});

/**
 * What finds out within 4 s that hosts keep their connections is told so instead: a turn takes less than that. Builds
 * that are older know no such option.
 */
function knownOf(main) {
  const types = readdirSync(dirname(main), { recursive: true }).filter((path) => basename(path) === 'proxy-options.d.ts');
  const knows = types.some((path) => readFileSync(join(dirname(main), path), 'utf8').includes('hostKeepAlive'));
  return knows ? { hostKeepAlive: 5000 } : {};
}

function client(port) {
  return createClient({ url: `redis://127.0.0.1:${port}` });
}
