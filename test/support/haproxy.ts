import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Balancer, BalancerOptions } from './balancer';
import { adapt, blockOf, startOnSomePort, temporaryFolder, versionOf, Program } from './program';

const NAMES = ['a', 'b'];

/** Sends a command to a HAProxy's control socket, and resolves with the answer. */
export async function tellHaproxy(control: string, command: string): Promise<string> {
  const socket = net.connect(control);
  socket.end(`${command}\n`);
  return (await text(socket)).trim();
}

/** A HAProxy with the configuration of docs/in-front.md. */
export async function startHaproxy(ports: readonly number[], { idleTimeout }: BalancerOptions = {}): Promise<Balancer> {
  const folder = temporaryFolder('haproxy-');
  const file = join(folder, 'haproxy.cfg');
  const control = join(folder, 'control.sock');
  const { port } = await startOnSomePort('Loading success', (candidate) => {
    const keep = idleTimeout === undefined ? '' : ` pool-purge-delay ${idleTimeout}ms`;
    const block = adapt(blockOf('docs/in-front.md', 'haproxy'), [
      ['bind :80', `bind 127.0.0.1:${candidate}`],
      ...ports.map((proxy, i) => [`127.0.0.1:${4000 + i} check`, `127.0.0.1:${proxy} check${keep}`] as const),
    ]);
    writeFileSync(file, `global\n  stats socket ${control} level admin\n\n${block}`);
    return new Program('haproxy', ['-W', '-db', '-f', file]);
  });
  const set = async (server: number, state: string): Promise<void> => {
    const answer = await tellHaproxy(control, `set server proxies/${NAMES[server]} ${state}`);
    if (answer !== '') throw new Error(`HAProxy answers ${answer}`);
  };
  return {
    name: 'HAProxy',
    version: await versionOf('haproxy', ['-v'], /version ([\d.]+)/),
    port,
    url: `http://127.0.0.1:${port}`,
    drain: (proxy) => set(proxy, 'state drain'),
    restore: async () => {
      for (const proxy of NAMES.keys()) {
        await set(proxy, 'state ready');
        // Its checks may have met the proxy while it was closed: this is sooner than their next.
        await set(proxy, 'health up');
      }
    },
  };
}
