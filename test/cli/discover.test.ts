import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Clients } from '../support/clients';
import { addresses, DnsServer, type Entry } from '../support/dns-server';
import { startCommand } from '../support/command';
import { startHost, startHostOnSomePort, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { openClient, sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

const NAME = 'chat.example.test';

/** Hosts that share a port, at 127.0.0.1 and the addresses after it, as pods do. */
async function startPods(count: number): Promise<{ pods: HostProcess[]; names: string[]; discover: string }> {
  // Its port is hardly ever taken at the other addresses, where nobody else listens.
  const first = await startHostOnSomePort({ address: '127.0.0.1' });
  const { port } = first;
  const others = Array.from({ length: count - 1 }, (_, i) => startHost({ address: `127.0.0.${i + 2}`, port }));
  const pods = [first, ...await Promise.all(others)];
  return { pods, names: pods.map(({ name }) => name), discover: `dns:${NAME}:${port}` };
}

/** The command, which asks this DNS server in place of the system's. */
function start(server: DnsServer, discover: string, args: readonly string[]): WorkersCommand {
  const script = join(temporaryFolder('dns-'), 'servers.cjs');
  writeFileSync(script, `require('node:dns').setServers(['${server.address}']);`);
  const common = ['--bind', '127.0.0.1', '--port', '0', '--log', 'json', '--check-interval', '100', '--redis', sharedRedisUrl()];
  return new WorkersCommand(['--discover', discover, ...common, ...args], { env: { NODE_OPTIONS: `--require=${script}` } });
}

const service = (port: number): Entry => ({ type: 'SRV', data: { target: 'localhost', port } });

/** Of events of one kind, in their order, the hosts. */
const hostsOf = (command: WorkersCommand, event: string): unknown[] => command.eventsOf(event).map(({ host }) => host);

describe.each(['1', '2'])('--discover with --workers %s', (workers) => {
  it('lets hosts join, drain and leave with DNS, and goes on while that is dead', async () => {
    const { names, discover } = await startPods(2);
    const [first = '', second = ''] = names;
    const server = await new DnsServer({ [NAME]: addresses(['127.0.0.1']) }).start();
    const args = ['--workers', workers, '--key-expiry', '1', '--key-prefix', uniqueKeyPrefix()];
    const command = start(server, discover, args);
    const url = await command.ready();
    expect(command.eventsOf('listening')).toMatchObject([{ up: 1, hosts: 1 }]);
    const clients = new Clients();
    const { key, host } = await clients.connect({ url, transports: ['websocket'] });
    expect(host).toBe(first);

    server.zone = { [NAME]: addresses(['127.0.0.2']) };
    await until('the second is up', () => hostsOf(command, 'up').includes(second), 20_000);
    await until('it alone has new sessions', async () => {
      const client = await clients.connect({ url, transports: ['websocket'] });
      await clients.close(client.key);
      return client.host === second;
    });
    await clients.exchange(key, 1000);

    server.zone = { [NAME]: 'SERVFAIL' };
    expect(await command.seen('undiscovered')).toMatchObject([{ error: `queryA ESERVFAIL ${NAME}` }]);
    await clients.exchange(key, 1000);
    expect((await clients.connect({ url, transports: ['websocket'] })).host).toBe(second);
    expect(hostsOf(command, 'removed')).toEqual([]);

    await clients.close(key);
    await command.seen('removed');
    expect([hostsOf(command, 'drained'), hostsOf(command, 'removed')]).toEqual([[first], [first]]);
    expect(command.eventsOf('undiscovered')).toHaveLength(1);
    expect(command.errors).toBe('');
  });

  it('follows SRV records', async () => {
    const address = '127.0.0.1';
    const [first, second] = await Promise.all([startHost({ address }), startHost({ address })]);
    const server = await new DnsServer({ [NAME]: [service(first.port), service(second.port)] }).start();
    const keyPrefix = uniqueKeyPrefix();
    const command = start(server, `dns+srv:${NAME}`, ['--workers', workers, '--key-prefix', keyPrefix]);
    const url = await command.ready();
    const names = [first, second].map(({ port }) => `localhost:${port}`);
    expect(command.eventsOf('listening')).toMatchObject([{ up: 2, hosts: 2 }]);
    expect(hostsOf(command, 'up').sort()).toEqual([...names].sort());
    const sid = await handshake(url);
    const client = await openClient();
    expect(names).toContain(await client.get(`${keyPrefix}${sid}`));
    expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
  });

  it('asks DNS at once for the host of a session that another proxy has opened there', async () => {
    const { names, discover } = await startPods(2);
    const server = await new DnsServer({ [NAME]: addresses(['127.0.0.1'], 60) }).start();
    const args = ['--key-prefix', uniqueKeyPrefix()];
    const late = start(server, discover, ['--workers', workers, ...args]);
    const lateUrl = await late.ready();
    server.zone = { [NAME]: addresses(['127.0.0.2'], 60) };
    const sid = await handshake(await start(server, discover, args).ready());
    await until('a second', () => performance.now() - (server.queries[0]?.at ?? 0) > 1100);
    expect((await request(pollUrl(lateUrl, sid), { method: 'POST', body: '40' })).body).toBe('ok');
    await late.seen('added');
    expect(hostsOf(late, 'added')).toContain(names[1]);
  });

  it('is ready without a host while DNS is down, and refuses sessions that it may come to know with 503', async () => {
    const { names, discover } = await startPods(1);
    const server = await new DnsServer({ [NAME]: 'SERVFAIL' }).start();
    const keyPrefix = uniqueKeyPrefix();
    const other = await startCommand(['--hosts', names[0] ?? '', '--redis', sharedRedisUrl(), '--key-prefix', keyPrefix]);
    const sid = await handshake(other.url);
    const command = start(server, discover, ['--workers', workers, '--key-prefix', keyPrefix]);
    const url = await command.ready();
    expect(command.eventsOf('undiscovered')).toHaveLength(1);
    expect(command.eventsOf('listening')).toMatchObject([{ up: 0, hosts: 0 }]);
    expect((await request(pollUrl(url, sid))).json()).toEqual({ code: 'NO_HOST', message: 'No host is up' });
    expect((await request(pollUrl(url, 'unknown'))).json()).toEqual({ code: 1, message: 'Session ID unknown' });
    server.zone = { [NAME]: addresses(['127.0.0.1']) };
    await command.seen('up');
    await until('workers know it too', async () => (await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body === 'ok');
    await handshake(url);
  });
});

it('lets a host that workers have lost leave at once, with DNS', async () => {
  const { pods, names, discover } = await startPods(2);
  const server = await new DnsServer({ [NAME]: addresses(['127.0.0.1', '127.0.0.2']) }).start();
  const command = start(server, discover, ['--workers', '2', '--key-prefix', uniqueKeyPrefix()]);
  const url = await command.ready();
  await handshake(url);
  await pods[0]?.kill();
  await command.seen('down');
  const asked = once(server, 'query');
  server.zone = { [NAME]: addresses(['127.0.0.2']) };
  await asked;
  expect(await command.seen('removed')).toMatchObject([{ host: names[0] }]);
});
