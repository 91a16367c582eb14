// socket.io-proxy2, with its defaults: `main` is the file of the build that is measured.
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { createClient } from 'redis';
import { serve } from '../serve.mjs';

serve({
  async start({ main, hosts, redisPort, options = {} }) {
    const Proxy = createRequire(import.meta.url)(main);
    const { MemoryStore } = Proxy;
    const stored = redisPort === undefined ? { store: new MemoryStore() } : { redisClient: client(redisPort) };
    const proxy = new Proxy({ ...stored, hosts: hosts.map((port) => `127.0.0.1:${port}`), ...options });
    proxy.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(proxy, 'listening');
    return proxy.server.address().port;
  },
});

function client(port) {
  return createClient({ url: `redis://127.0.0.1:${port}` });
}
