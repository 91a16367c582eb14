// socket.io-proxy2 in processes that each listen on the same port: the kernel gives each its connections (SO_REUSEPORT).
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '../serve.mjs';
import { callWorker, usageOf } from './worker-calls.mjs';

const children = [];

serve({
  async start({ workers, ...options }) {
    let port = 0;
    for (let i = 0; i < workers; i += 1) {
      const child = fork(fileURLToPath(new URL('./ours.mjs', import.meta.url)));
      await once(child, 'message');
      children.push(child);
      port = await callWorker(child, 'start', { ...options, listen: { port, reusePort: true } });
    }
    return port;
  },
  ...usageOf((method) => Promise.all(children.map((child) => callWorker(child, method)))),
});
