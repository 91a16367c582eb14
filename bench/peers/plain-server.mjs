import { once } from 'node:events';
import http from 'node:http';
import { serve } from '../serve.mjs';

/**
 * A peer that only forwards: the hosts take turns. `forwarderOf(agent)` makes what forwards, which is called with the
 * request, the response and the host's URL.
 */
export function servePlain(forwarderOf) {
  serve({
    async start({ hosts }) {
      const forward = forwarderOf(new http.Agent({ keepAlive: true }));
      const targets = hosts.map((port) => `http://127.0.0.1:${port}`);
      let next = 0;
      const server = http.createServer((req, res) => forward(req, res, targets[next = (next + 1) % targets.length]));
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
      await once(server, 'listening');
      return server.address().port;
    },
  });
}
