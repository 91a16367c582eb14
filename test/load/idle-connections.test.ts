import { spawn } from 'node:child_process';
import http from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { onCleanup } from '../support/cleanup';
import { handshake, pollUrl, request } from '../support/http';
import { startProxyProcess } from '../support/proxy-process';
import { Remote } from '../support/remote';

type Way = number | 'random' | 'answer' | 'never';

/** How many requests each kind of host gets from each crowd: 21,000 in all. */
const REQUESTS = 1500;

/** Keeps the processors busy, so that hosts and proxy close, see and send late. */
function startBusyLoops(): void {
  for (let i = 0; i < availableParallelism(); i += 1) {
    const loop = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    onCleanup(() => void loop.kill('SIGKILL'));
  }
}

/** A proxy before one host, both processes of their own, and what a crowd of clients is answered. */
async function answersOf(way: Way, clients: number, requests = REQUESTS): Promise<{ statuses: Record<number, number>; connections: number }> {
  const host = new Remote('closing-hosts.mjs');
  const [port = 0] = await host.call<number[]>('start', [way]);
  const { url } = await startProxyProcess({ hosts: [`127.0.0.1:${port}`], checkInterval: 60_000 });
  const statuses: Record<number, number> = {};
  // Around the time that the host waits: some requests meet a connection that is just being closed.
  const pause = typeof way === 'number' ? way : way === 'random' ? 1000 : 5;
  const count = async (options: Parameters<typeof request>[1], at: string): Promise<void> => {
    const { status } = await request(at, options);
    statuses[status] = (statuses[status] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: clients }, async () => {
    const agent = new http.Agent({ keepAlive: true });
    onCleanup(() => agent.destroy());
    const at = pollUrl(url, await handshake(url));
    for (let i = 0; i < requests / clients; i += 1) {
      await count(i % 3 === 0 ? { agent, method: 'POST', body: '2' } : { agent }, at);
      await sleep(pause * (0.5 + Math.random()));
    }
  }));
  return { statuses, connections: (await host.call<Record<number, number>>('connections'))[port] ?? 0 };
}

describe.each([20, 200])('of %p clients, beside busy loops', (clients) => {
  it.each<Way>([0, 5, 40, 150, 'random', 'answer', 'never'])('no request fails by a host that closes after: %p', async (way) => {
    startBusyLoops();
    const { statuses } = await answersOf(way, clients);
    expect(statuses).toEqual({ 200: Math.ceil(REQUESTS / clients) * clients });
  }, 300_000);
});

it('reuses the connections of a host that keeps them: of the last requests few are on a new one', async () => {
  const { statuses, connections } = await answersOf('never', 20, 20_000);
  expect(statuses).toEqual({ 200: 20_000 });
  // It learns for some 4 s; how many requests that are depends on the machine.
  expect(connections).toBeLessThan(19_000);
}, 300_000);
