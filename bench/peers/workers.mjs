// socket.io-proxy2 in a cluster of workers that share a port and a Redis.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '../serve.mjs';
import { callWorker, usageOf } from './worker-calls.mjs';

const everyone = (method, ...args) =>
  Promise.all(Object.values(cluster.workers).map((worker) => callWorker(worker, method, ...args)));

serve({
  async start({ workers, ...options }) {
    cluster.setupPrimary({ exec: fileURLToPath(new URL('./ours.mjs', import.meta.url)) });
    for (let i = 0; i < workers; i += 1) await once(cluster.fork(), 'message');
    // They share the port that the first is given.
    const [port] = await everyone('start', options);
    return port;
  },
  ...usageOf(everyone),
});
