import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addresses, DnsServer, type Entry } from '../support/dns-server';
import { handshake, pollUrl, request } from '../support/http';
import { lastingPort, temporaryFolder } from '../support/program';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { startReloadable } from '../support/reloadable';
import { openWebSocket, SessionHost, startSessionHosts } from '../support/session-host';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

const NAME = 'chat.example.test';

/** The command, which asks this DNS server in place of the system's. */
function start(server: DnsServer, discover: string, args: readonly string[]): WorkersCommand {
  const script = join(temporaryFolder('dns-'), 'servers.cjs');
  writeFileSync(script, `require('node:dns').setServers(['${server.address}']);`);
  const common = ['--bind', '127.0.0.1', '--port', '0', '--log', 'json', '--check-interval', '100', '--redis', sharedRedisUrl()];
  return new WorkersCommand(['--discover', discover, ...common, ...args], { env: { NODE_OPTIONS: `--require=${script}` } });
}

const service = (port: number): Entry => ({ type: 'SRV', data: { target: 'localhost', port } });

it('finds the hosts of one process by SRV records', async () => {
  const hosts = await startSessionHosts(2);
  const server = await new DnsServer({ [NAME]: hosts.map(({ port }) => service(port)) }).start();
  const keyPrefix = uniqueKeyPrefix();
  const command = start(server, `dns+srv:${NAME}`, ['--key-prefix', keyPrefix]);
  const url = await command.ready();
  const names = hosts.map(({ port }) => `localhost:${port}`);
  expect(command.eventsOf('listening')).toMatchObject([{ up: 2, hosts: 2 }]);
  expect(command.eventsOf('up').map(({ host }) => host).sort()).toEqual([...names].sort());
  const sid = await handshake(url);
  const client = await openClient();
  expect(names).toContain(await client.get(`${keyPrefix}${sid}`));
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
});

it('has workers follow DNS, which may be dead from the start on and between', async () => {
  // Hosts that share a port, as pods do. Of sessions by polling nothing is left soon.
  const port = lastingPort();
  const pods = await Promise.all([1, 2, 3].map((i) => new SessionHost(500).start({ host: `127.0.0.${i}`, port })));
  const [first, second, third] = pods as [SessionHost, SessionHost, SessionHost];
  const server = await new DnsServer({ [NAME]: 'SERVFAIL' }).start();
  const keyPrefix = uniqueKeyPrefix();
  const other = await startReloadable({ hosts: [first.name], redis: sharedRedisUrl(), keyPrefix });
  const sid = await handshake(other.url);
  const command = start(server, `dns:${NAME}:${port}`, ['--workers', '2', '--key-expiry', '1', '--key-prefix', keyPrefix]);
  const hostsOf = (event: string): unknown[] => command.eventsOf(event).map(({ host }) => host);

  // It is ready without a host, and refuses sessions that it may come to know with 503.
  const url = await command.ready();
  const posted = async (to: string): Promise<unknown> => (await request(pollUrl(url, to), { method: 'POST', body: '4' })).body;
  expect(command.eventsOf('undiscovered')).toMatchObject([{ error: `queryA ESERVFAIL ${NAME}` }]);
  expect(command.eventsOf('listening')).toMatchObject([{ up: 0, hosts: 0 }]);
  expect((await request(pollUrl(url, sid))).json()).toEqual({ code: 'NO_HOST', message: 'No host is up' });
  expect((await request(pollUrl(url, 'unknown'))).json()).toEqual({ code: 1, message: 'Session ID unknown' });
  server.zone = { [NAME]: addresses(['127.0.0.1']) };
  await command.seen('up');
  await until('workers know it too', async () => await posted(sid) === 'ok');

  // A host that vanishes keeps its sessions, also while DNS is dead, and leaves with the last.
  const socket = await openWebSocket(url);
  server.zone = { [NAME]: addresses(['127.0.0.2']) };
  await command.seen('up', 2);
  await until('the second alone has new sessions', async () => {
    const before = second.sids.length;
    // One of them may not know yet that it is up.
    for (let i = 0; i < 4; i += 1) await handshake(url).catch(() => {});
    return second.sids.length === before + 4;
  });
  server.zone = { [NAME]: 'SERVFAIL' };
  await command.seen('undiscovered', 2);
  await handshake(url);
  expect([socket.readyState, hostsOf('removed')]).toEqual([socket.OPEN, []]);
  socket.close();
  await command.seen('removed');
  expect([hostsOf('drained'), hostsOf('removed'), hostsOf('up')]).toEqual([[first.name], [first.name], [first.name, second.name]]);
  expect(command.eventsOf('undiscovered')).toHaveLength(2);

  // A host that workers have lost leaves at once.
  server.zone = { [NAME]: addresses(['127.0.0.2', '127.0.0.3']) };
  await until('the third is up', () => hostsOf('up').includes(third.name));
  await second.stop();
  await command.seen('down');
  server.zone = { [NAME]: addresses(['127.0.0.3'], 60) };
  expect((await command.seen('removed', 2)).at(-1)).toMatchObject({ host: second.name });

  // DNS is asked at once for the host of a session that another proxy has opened there.
  server.zone = { [NAME]: addresses(['127.0.0.1', '127.0.0.3'], 60) };
  const late = await handshake(other.url);
  await until('it may be asked again', async () => await posted(late) === 'ok');
  expect(hostsOf('added').at(-1)).toBe(first.name);
  expect(command.errors).toBe('');
});
