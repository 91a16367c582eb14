import { spawn } from 'node:child_process';
import http from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { onCleanup } from '../support/cleanup';
import { handshake, pollUrl, request } from '../support/http';
import { startProxyProcess } from '../support/proxy-process';
import { Remote } from '../support/remote';

type After = number | 'random' | 'answer' | 'never';

/** How many requests each kind of host gets from each crowd: 24,000 in all. */
const REQUESTS = 1000;

interface Stand {
  url: string;
  /** How many connections the host has had. */
  connections: () => Promise<number>;
}

/** A proxy before one host, both processes of their own, beside busy loops that make them close, see and send late. */
async function stand(after: After, says?: string): Promise<Stand> {
  for (let i = 0; i < availableParallelism(); i += 1) {
    const loop = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    onCleanup(() => void loop.kill('SIGKILL'));
  }
  const host = new Remote('closing-hosts.mjs');
  const port = await host.call<number>('start', { after, says });
  const { url } = await startProxyProcess({ hosts: [`127.0.0.1:${port}`], checkInterval: 60_000 });
  return { url, connections: async () => (await host.call<{ connections: number }>('counts')).connections };
}

/** How often which status was answered to a crowd that pauses for about so long between two requests, in ms. */
async function statusesOf(url: string, clients: number, requests: number, pause: number): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  await Promise.all(Array.from({ length: clients }, async () => {
    const agent = new http.Agent({ keepAlive: true });
    onCleanup(() => agent.destroy());
    const at = pollUrl(url, await handshake(url));
    for (let i = 0; i < requests / clients; i += 1) {
      const { status } = await request(at, i % 3 === 0 ? { agent, method: 'POST', body: '2' } : { agent });
      statuses[status] = (statuses[status] ?? 0) + 1;
      await sleep(pause * (0.5 + Math.random()));
    }
  }));
  return statuses;
}

describe.each([20, 200])('of %p clients, beside busy loops', (clients) => {
  it.each<[After, string | undefined]>([
    ...[0, 5, 40, 150, 'random' as const, 'answer' as const].map((after): [After, undefined] => [after, undefined]),
    ...[0, 5, 40, 150, 'random' as const, 'answer' as const].map((after): [After, string] => [after, 'timeout=5']),
  ])('none pays for a host that closes after %p, and says %p', async (after, says) => {
    const { url } = await stand(after, says);
    // Around the time that the host waits: some requests would meet a connection that is just being closed.
    const pause = typeof after === 'number' ? after : after === 'random' ? 1000 : 5;
    expect(await statusesOf(url, clients, REQUESTS, pause)).toEqual({ 200: REQUESTS });
  }, 300_000);
});

it('reuses the connections of a host that keeps them, once that was seen', async () => {
  const { url, connections } = await stand('never');
  let opened = Infinity;
  // It takes some 4 s until that is seen. How many requests these are depends on the machine.
  while (opened > 100) {
    const before = await connections();
    expect(await statusesOf(url, 20, 1000, 5)).toEqual({ 200: 1000 });
    opened = await connections() - before;
  }
}, 300_000);
