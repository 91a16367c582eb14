// @socket.io/sticky: no proxy, but a primary that hands each connection to one of the workers of one machine, which are
// the hosts themselves. They answer here as `responder.mjs` does, so that it is the way there that is measured.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import { setupMaster, setupWorker } from '@socket.io/sticky';
import { serve } from '../serve.mjs';
import { callWorker } from './worker-calls.mjs';

if (cluster.isPrimary) {
  serve({
    async start({ hosts }) {
      const server = http.createServer();
      setupMaster(server, { loadBalancingMethod: 'round-robin' });
      cluster.setupPrimary({ serialization: 'advanced' });
      for (let i = 0; i < hosts.length; i += 1) await once(cluster.fork(), 'message');
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
      await once(server, 'listening');
      return server.address().port;
    },
    async usage() {
      const { user, system } = process.cpuUsage();
      const used = await Promise.all(Object.values(cluster.workers).map((worker) => callWorker(worker, 'usage')));
      return used.reduce((sum, one) => sum + one, user + system);
    },
  });
} else {
  const engine = new EventEmitter();
  const httpServer = http.createServer((req, res) => {
    const isHandshake = !req.url.includes('sid=');
    req.resume();
    const body = isHandshake ? openPacket() : 'ok';
    res.writeHead(200, { 'Content-Type': 'text/plain; charset=UTF-8', 'Content-Length': body.length }).end(body);
  });
  setupWorker({ httpServer, engine });
  // Beside the messages of the package: `serve.mjs` would take those for calls.
  process.on('message', ({ id, method }) => {
    if (method !== 'usage') return;
    const { user, system } = process.cpuUsage();
    process.send({ id, result: user + system });
  });
  process.on('SIGINT', () => {});
  process.send({ ready: true });

  const openPacket = () => {
    const id = randomBytes(15).toString('base64url');
    engine.emit('connection', Object.assign(new EventEmitter(), { id }));
    return `0{"sid":"${id}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`;
  };
}
