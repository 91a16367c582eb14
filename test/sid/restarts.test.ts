import { startHosts } from '../support/hosts';
import { lastingPort } from '../support/program';
import { startProxyProcess, type ProxyProcess } from '../support/proxy-process';
import { SECRET } from '../support/stores';
import { Way, type Wire } from '../support/wire';

/** Two proxies in processes of their own, which can be killed and started again on their ports. */
async function startPair(hosts: string[]): Promise<{ way: Way; restart: (secret?: string) => Promise<void> }> {
  const ports = [lastingPort(), lastingPort()];
  const start = (secret: string): Promise<ProxyProcess[]> => Promise.all(ports.map((port) => startProxyProcess({ hosts, port, secret })));
  let pair = await start(SECRET);
  return {
    way: new Way(ports, '/socket.io/'),
    restart: async (secret = SECRET) => {
      await Promise.all(pair.map((proxy) => proxy.kill()));
      pair = await start(secret);
    },
  };
}

/** Joins the main namespace by polling. */
async function join(way: Way, sid: string): Promise<void> {
  expect(await way.post(sid, '40')).toMatchObject({ status: 200, body: 'ok' });
  expect((await way.poll(sid)).body).toMatch(/^40\{"sid":/);
}

/** The host that has the session, as it says itself. */
async function hostOf(way: Way, sid: string): Promise<string> {
  expect(await way.post(sid, '420["host"]')).toMatchObject({ status: 200, body: 'ok' });
  return /^430\["(.*)"\]$/.exec((await way.poll(sid)).body)?.[1] ?? '';
}

/** The next messages, without pings. */
async function nextOf(wire: Wire, count: number): Promise<unknown[]> {
  const messages: unknown[] = [];
  while (messages.length < count) {
    const next = await wire.next();
    if (next !== '2') messages.push(next);
  }
  return messages;
}

it('goes on by polling and by WebSocket, by either proxy in turn, when both are killed and started again', async () => {
  const hosts = await startHosts(3);
  const names = hosts.map(({ name }) => name);
  const { way, restart } = await startPair(names);
  const { sid } = await way.open();
  await join(way, sid);
  const name = await hostOf(way, sid);
  expect(names).toContain(name);
  const host = hosts[names.indexOf(name)];
  const heard: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    // Its host keeps what it sends while nobody polls.
    await host?.call('broadcast', 'said', `before ${round}`);
    await restart();
    await host?.call('broadcast', 'said', `after ${round}`);
    heard.push((await way.poll(sid)).body);
    expect(await hostOf(way, sid)).toBe(name);
  }
  expect(heard).toEqual([0, 1, 2].map((round) => `42["said","before ${round}"]\x1e42["said","after ${round}"]`));

  // Each request is the other proxy's: so the WebSocket comes to one that has not had the poll before it.
  const socket = await way.upgrade(sid).opened();
  expect(await socket.ask('2probe')).toBe('3probe');
  socket.send('5');
  await host?.call('broadcast', 'said', 'by WebSocket');
  expect(await nextOf(socket, 1)).toEqual(['42["said","by WebSocket"]']);
  expect(await socket.ask('420["host"]')).toBe(`430["${name}"]`);
});

it('is known no more where the proxies are started again with another secret', async () => {
  const [host] = await startHosts(1);
  const { way, restart } = await startPair([host?.name ?? '']);
  const { sid } = await way.open();
  await join(way, sid);
  await restart('another secret, which is long enough too');
  for (let i = 0; i < 2; i += 1) {
    expect(await way.post(sid, '3')).toMatchObject({ status: 400, body: '{"code":1,"message":"Session ID unknown"}' });
  }
});
