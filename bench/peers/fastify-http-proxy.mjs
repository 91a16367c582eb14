// @fastify/http-proxy: a plugin of Fastify, which forwards with undici.
import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';
import { serve } from '../serve.mjs';

serve({
  async start({ hosts }) {
    const targets = hosts.map((port) => `http://127.0.0.1:${port}`);
    let next = 0;
    const app = fastify();
    await app.register(httpProxy, {
      upstream: '',
      replyOptions: { getUpstream: () => targets[next = (next + 1) % targets.length] },
    });
    await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    return app.server.address().port;
  },
});
