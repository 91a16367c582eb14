// What the README of the original version describes, on bare http-proxy: any host for a handshake, whose response is
// read for its sid, which is written to Redis without waiting; a look-up in Redis for every later request.
import http from 'node:http';
import { once } from 'node:events';
import httpProxy from 'http-proxy';
import { createClient } from 'redis';
import { serve } from '../serve.mjs';

const KEY_EXPIRY = 60;

serve({
  async start({ hosts, redisPort }) {
    const redis = createClient({ url: `redis://127.0.0.1:${redisPort}` });
    redis.on('error', () => {});
    await redis.connect();
    const names = hosts.map((port) => `127.0.0.1:${port}`);
    const proxy = httpProxy.createProxyServer();
    proxy.on('error', (error, req, res) => res.destroy());
    proxy.on('proxyRes', (response, req) => {
      if (sidOf(req) !== null) return;
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const { sid } = JSON.parse(body.slice(body.indexOf('{')));
        redis.setEx(`socket.io#${sid}`, KEY_EXPIRY, req.host).catch(() => {});
      });
    });
    const server = http.createServer(async (req, res) => {
      const sid = sidOf(req);
      if (sid === null) {
        req.host = names[Math.floor(Math.random() * names.length)];
      } else {
        const key = `socket.io#${sid}`;
        const found = redis.get(key);
        redis.expire(key, KEY_EXPIRY).catch(() => {});
        req.host = await found;
      }
      if (req.host) proxy.web(req, res, { target: `http://${req.host}` });
      else res.writeHead(400, { 'content-length': 0 }).end();
    });
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(server, 'listening');
    return server.address().port;
  },
});

function sidOf(req) {
  return new URL(req.url, 'http://localhost').searchParams.get('sid');
}
