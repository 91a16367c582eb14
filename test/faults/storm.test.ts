import { onCleanup } from '../support/cleanup';
import { startProxyProcess } from '../support/proxy-process';
import { Remote } from '../support/remote';

const CLIENTS = 3000;
const RATE = 300;

/** The most that fall into one second. */
function mostInASecond(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let from = 0;
  return Math.max(...sorted.map((time, at) => {
    while (time - (sorted[from] ?? time) >= 1000) from += 1;
    return at - from + 1;
  }));
}

it('lets 3,000 clients in that come at once, without that one is starved, or a slow host sees more than the rate', async () => {
  const hosts = [new Remote('slow-host.mjs'), new Remote('slow-host.mjs')];
  const ports = await Promise.all(hosts.map((host) => host.call<number>('start', 200)));
  const proxy = await startProxyProcess({
    hosts: ports.map((port) => `127.0.0.1:${port}`), maxHandshakesPerSecond: RATE, drainTimeout: 0,
  });
  const storm = new Remote('storm.mjs');
  onCleanup(() => storm.call('close'));
  const took = await storm.call<number[]>('connect', proxy.url, CLIENTS);
  expect(took).toHaveLength(CLIENTS);
  // At the rate it takes 10 s; a client that was refused comes again within 5 s, and may then wait for 5 s more.
  expect(Math.max(...took)).toBeLessThan(40_000);
  const times = (await Promise.all(hosts.map((host) => host.call<number[]>('times')))).flat();
  expect(times.length).toBeGreaterThanOrEqual(CLIENTS);
  // What the proxy sends evenly may come in bunches to a process that waits for its processor.
  expect(mostInASecond(times)).toBeLessThan(RATE * 1.3);
  expect(mostInASecond(times)).toBeGreaterThan(RATE * 0.5);
}, 90_000);
