// socket.io-proxy2 in a cluster of workers that share a port and a Redis.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '../serve.mjs';

let nextId = 0;
/** The calls of `serve.mjs`, which the workers answer as any child does. */
const call = async (worker, method, ...args) => {
  const id = nextId += 1;
  worker.send({ id, method, args });
  for (;;) {
    const [answer] = await once(worker, 'message');
    if (answer.error !== undefined) throw new Error(answer.error);
    if (answer.id === id) return answer.result;
  }
};
const everyone = (method, ...args) =>
  Promise.all(Object.values(cluster.workers).map((worker) => call(worker, method, ...args)));
serve({
  async start({ workers, ...options }) {
    cluster.setupPrimary({ exec: fileURLToPath(new URL('./ours.mjs', import.meta.url)) });
    for (let i = 0; i < workers; i += 1) await once(cluster.fork(), 'online');
    // They share the port that the first is given.
    const [port] = await everyone('start', options);
    return port;
  },
  async usage() {
    const { user, system } = process.cpuUsage();
    const used = await everyone('usage');
    return used.reduce((sum, one) => sum + one, user + system);
  },
});
