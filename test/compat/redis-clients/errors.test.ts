import { once } from 'node:events';
import net from 'node:net';
import { onCleanup } from '../../support/cleanup';
import { RedisProcess } from '../../support/redis';
import { Remote } from '../../support/remote';
import { until } from '../../support/until';

interface Told {
  name: string;
  isError: boolean;
}

function startFixture(): { remote: Remote; degraded: Map<string, boolean>; recovered: Set<string> } {
  const remote = new Remote('redis-clients.mjs');
  const degraded = new Map<string, boolean>();
  const recovered = new Set<string>();
  remote.on('degraded', ({ name, isError }: Told) => degraded.set(name, isError));
  remote.on('recovered', ({ name }: Told) => recovered.add(name));
  return { remote, degraded, recovered };
}

/** Nothing listens on it: one that was free may be another test's at any moment. */
const DEAD_PORT = 1;

/** A server that takes connections, and never says a word. */
async function silentPort(): Promise<number> {
  const server = net.createServer();
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {}).resume()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as net.AddressInfo).port;
}

it('a client\'s errors end no process, and are told as degraded, whichever client it is', async () => {
  const { remote, degraded } = startFixture();
  const names = await remote.call<string[]>('make', DEAD_PORT);
  await remote.call('listen');
  await Promise.race([until('all are degraded', () => degraded.size === names.length), remote.exit()]);
  expect([...degraded].sort()).toEqual(names.map((name) => [name, true]).sort());
  expect(remote.connected).toBe(true);
});

it('an error that comes before the proxy listens is told too', async () => {
  const { remote, degraded, recovered } = startFixture();
  const redis = await RedisProcess.start();
  await redis.kill();
  const openThemselves = ['redis 2', 'redis 3', 'ioredis 5', 'ioredis 6'];
  const openByCall = ['redis 4', 'redis 5', 'redis 6', 'ioredis 5 with lazyConnect', 'ioredis 6 with lazyConnect'];
  const names = [...openThemselves, ...openByCall];
  await remote.call('make', redis.port, names);
  for (const name of openByCall) await remote.call('open', name);
  await until('all are degraded', () => degraded.size === names.length);
  await redis.restart();
  await remote.call('listen');
  await until('all have recovered', () => recovered.size === names.length);
});

/** Those that the proxy opens. Of a Cluster or Sentinel client, what it has asked a silent server outlives its closing. */
const OWN_SINGLE = [
  'redis 4', 'redis 4 in legacy mode', 'redis 5', 'redis 6', 'ioredis 5 with lazyConnect', 'ioredis 6 with lazyConnect',
];
const OWN_OTHER = ['redis 4 cluster', 'redis 5 cluster', 'redis 6 cluster', 'redis 5 sentinel', 'redis 6 sentinel'];

it.each<[name: string, port: () => Promise<number>, names: string[]]>([
  ['is silent', silentPort, OWN_SINGLE],
  ['is gone', () => Promise.resolve(DEAD_PORT), [...OWN_SINGLE, ...OWN_OTHER]],
])('clients that the proxy opens are closed with it, and end no process, while the server %s', async (_, port, names) => {
  const { remote } = startFixture();
  await remote.call('make', await port(), names);
  await remote.call('listen');
  await remote.call('close');
  await remote.call('leave');
  expect(await remote.exit()).toBe(0);
});
