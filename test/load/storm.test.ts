import { onCleanup } from '../support/cleanup';
import { mostWithin } from '../support/most-within';
import { startProxyProcess } from '../support/proxy-process';
import { Remote } from '../support/remote';

const CLIENTS = 3000;
const RATE = 400;

it('lets 3,000 clients in that come at once, and none is starved, and slow hosts never see more than the rate', async () => {
  const hosts = [new Remote('slow-host.mjs'), new Remote('slow-host.mjs')];
  const ports = await Promise.all(hosts.map((host) => host.call<number>('start', 200)));
  const proxy = await startProxyProcess({
    hosts: ports.map((port) => `127.0.0.1:${port}`), maxHandshakesPerSecond: RATE, drainTimeout: 0,
  });
  await proxy.call('watch');
  const storm = new Remote('storm.mjs');
  onCleanup(() => storm.call('close'));
  const took = await storm.call<number[]>('connect', proxy.url, CLIENTS);
  expect(took).toHaveLength(CLIENTS);
  // All take 8 s at the rate. A client that is refused comes again within 5 s, and may wait for 5 s then.
  expect(Math.max(...took)).toBeGreaterThan(CLIENTS / RATE * 1000 - 500);
  expect(Math.max(...took)).toBeLessThan(30_000);
  const times = (await Promise.all(hosts.map((host) => host.call<number[]>('times')))).flat();
  expect(times.length).toBeGreaterThanOrEqual(CLIENTS);
  // What is late, as a process waits for its processor, comes with what is in time; and a late turn is made up for.
  const lags = await Promise.all(hosts.map((host) => host.call<number>('lag')));
  const lag = Math.max(...lags) + await proxy.call<number>('lag');
  expect(mostWithin(1000, times)).toBeLessThanOrEqual(RATE * (1 + 2 * lag / 1000));
});
