import { once } from 'node:events';
import { Clients, TRANSPORTS } from '../../support/clients';
import { startProxy } from '../../support/proxy';
import { PythonFixture } from '../../support/python';
import { connect, returned } from '../../support/returning';

it.each(TRANSPORTS)('a client comes back when its session is ended, which its host sees: %s', async (_, options) => {
  const fixture = new PythonFixture('socketio_host.py');
  const name = `127.0.0.1:${await fixture.call<number>('start', {})}`;
  const { proxy, url } = await startProxy({ hosts: [name] });
  const clients = new Clients();
  const client = await connect(clients, url, options);
  // By itself it would see it after its ping interval and timeout only: 45 s, which no test waits for.
  const seen = once(fixture, 'disconnect');
  expect(await proxy.endSession(client.sid)).toBe('ended');
  await seen;
  await returned(clients, client);
  expect(await clients.host(client.key)).toBe(name);
  await clients.close(client.key);
});
