import { Clients } from '../support/clients';
import { startHosts } from '../support/hosts';
import { startProxy } from '../support/proxy';
import { startProxyProcess } from '../support/proxy-process';
import { sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { Relay } from '../support/relay';

/** Clients of mixed transports, with a default client's settings for reconnection. */
function connectAll(clients: Clients, count: number, url: string): Promise<number[]> {
  const transports = [['polling'], ['websocket'], ['polling', 'websocket']];
  return Promise.all(Array.from({ length: count }, async (_, i) => {
    const { key } = await clients.connect({ url, transports: transports[i % 3] as ['polling'], reconnection: true });
    return key;
  }));
}

it('keeps 30 clients of mixed transports answering when one of three hosts is killed', async () => {
  const hosts = await startHosts(3);
  const { url } = await startProxy({ hosts: hosts.map(({ name }) => name) });
  const clients = new Clients();
  const keys = await connectAll(clients, 30, url);
  const killed = hosts[0]?.name;
  await hosts[0]?.kill();
  const answered = await Promise.all(keys.map((key) => clients.answered(key, 60_000)));
  expect(answered).toHaveLength(30);
  expect(answered).not.toContain(killed);
});

it('has the clients of a proxy that is killed reconnect through another on the same Redis', async () => {
  const hosts = await startHosts(3);
  const options = { hosts: hosts.map(({ name }) => name), redisUrl: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix() };
  const [first, second] = await Promise.all([startProxyProcess(options), startProxyProcess(options)]);
  // What stands before both, as a load balancer would: it sends new connections to the one that lives.
  const relay = await Relay.start(first.port);
  const clients = new Clients();
  const keys = await connectAll(clients, 12, `http://127.0.0.1:${relay.port}`);
  await first.kill();
  relay.target = second.port;
  expect(await Promise.all(keys.map((key) => clients.answered(key, 60_000)))).toHaveLength(12);
});
