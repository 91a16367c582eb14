import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from '../support/cleanup';
import { Clients } from '../support/clients';
import { Command } from '../support/command';
import { startHost, startHosts } from '../support/hosts';
import { exchangeBytes, handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { isAlive } from '../support/processes';
import { RedisProcess, sharedRedisUrl, uniqueKeyPrefix } from '../support/redis';
import { openWebSocket, startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { startWorkers, WorkersCommand } from '../support/workers';

describe('two workers', () => {
  it('serve sessions together, whichever of them a request reaches', async () => {
    const hosts = await startHosts(2);
    const { command, url } = await startWorkers(hosts.map(({ name }) => name));
    expect(command.workers).toHaveLength(2);
    // Connections go to one worker and the other in turn.
    const sids = [await handshake(url), await handshake(url), await handshake(url)];
    for (const sid of sids) {
      await request(pollUrl(url, sid), { method: 'POST', body: '40' });
      expect((await request(pollUrl(url, sid))).body).toMatch(/^40/);
    }
    const clients = new Clients();
    const { key } = await clients.connect({ url, upgraded: true });
    await clients.exchange(key, 1000);
    expect(command.errors).toBe('');
  });

  it('write one line for each change, and are ready when all of them listen', async () => {
    const host = await startHost();
    const { command, url } = await startWorkers([host.name], ['--check-interval', '50']);
    await host.kill();
    await command.seen('down');
    await startHost({ port: host.port });
    await command.seen('up', 2);
    await handshake(url);
    await handshake(url);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(command.events.map(({ event }) => event)).toEqual(['up', 'listening', 'down', 'up', 'closing', 'closed']);
    expect(command.events[1]).toMatchObject({ url, up: 1, hosts: 1, store: sharedRedisUrl() });
  });

  it('have their hosts checked once, and not by each', async () => {
    const host = await startSessionHost();
    const since = performance.now();
    await startWorkers([host.name], ['--check-interval', '100']);
    for (let checks = 1; checks < 10; checks += 1) await once(host, 'check');
    // There is a pause of 100 ms before each but the first ones; several that check would take half as long.
    expect(performance.now() - since).toBeGreaterThan(750);
  });

  it('tell of a host that one of them cannot reach before its next check', async () => {
    const [host, other] = await startHosts(2);
    const { command, url } = await startWorkers([host?.name ?? '', other?.name ?? ''], ['--check-interval', '60000']);
    await host?.kill();
    await until('a handshake has been tried there', async () => {
      await handshake(url);
      return command.eventsOf('down').length > 0;
    });
    expect(command.eventsOf('down')).toMatchObject([{ host: host?.name, reason: 'refused' }]);
  });

  it('give a host that is back new sessions again, also the one that had found it gone', async () => {
    const host = await startHost();
    const { command, url } = await startWorkers([host.name], ['--check-interval', '1000']);
    await host.kill();
    // As a rule before the next check, which finds it well.
    await expect(handshake(url)).rejects.toThrow('503');
    await startHost({ port: host.port });
    await command.seen('up', 2);
    await until('both know', async () => {
      const sids = await Promise.all([0, 1, 2, 3].map(() => handshake(url).catch(() => undefined)));
      return sids.every((sid) => sid !== undefined);
    });
  });

  it('tell once that the store fails and that it works again', async () => {
    const [redis, host] = await Promise.all([RedisProcess.start(), startHost()]);
    const { command, url } = await startWorkers([host.name], ['--admin-port', '0'], redis.url);
    const [admin] = await command.seen('admin') as [{ url: string }];
    await redis.kill();
    await command.seen('degraded');
    // Each worker has found it out when it has answered, and the primary has heard so when they have answered it.
    for (let made = 0; made < 2; made += 1) await handshake(url);
    await request(`${admin.url}/metrics`);
    await redis.restart();
    await command.seen('recovered');
    command.signal('SIGTERM');
    await command.ended();
    expect(command.events.map(({ event }) => event))
      .toEqual(['admin', 'up', 'listening', 'degraded', 'recovered', 'closing', 'closed']);
  });

  it('are refused where bindings are in memory', async () => {
    const command = new Command(['--hosts', '127.0.0.1:1', '--workers', '2']);
    expect(await command.ended()).toBe(2);
    expect(command.errors).toBe('socket.io-proxy2: --workers: 2 workers need --redis, ' +
      'as in memory each would know only the sessions of its own\n');
  });

  it('end with one line and 1 when the port is taken', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanup(() => server.close());
    const { port } = server.address() as AddressInfo;
    const command = new WorkersCommand(['--hosts', '127.0.0.1:1', '--redis', sharedRedisUrl(), '--workers', '2',
      '--bind', '127.0.0.1', '--port', String(port)]);
    expect(await command.ended()).toBe(1);
    expect(command.errors).toBe(
      `socket.io-proxy2: port ${port} of 127.0.0.1 is taken: another process listens there (EADDRINUSE)\n`,
    );
    expect(command.output).not.toContain('has ended');
    expect(command.workers).toEqual([]);
  });
});

it('starts as many workers as there are processors for max', async () => {
  const { command } = await startWorkers(['127.0.0.1:1'], ['--workers', 'max']);
  const processors = availableParallelism();
  // A single one needs no process of its own.
  expect(command.workers).toHaveLength(processors === 1 ? 0 : processors);
});

describe('a signal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s lets what every worker has under way end, and leaves no process', async (signal) => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    const sids = [await handshake(url), await handshake(url)];
    const held: Promise<{ body: string }>[] = [];
    for (const sid of sids) {
      const polls = once(host, 'poll');
      held.push(request(pollUrl(url, sid)));
      await polls;
    }
    const { workers } = command;
    command.signal(signal);
    // A terminal sends it to the workers too.
    for (const pid of workers) process.kill(pid, signal);
    await command.seen('closing');
    await until('no connection is taken', async () => (await handshake(url).catch(String)).includes('ECONNREFUSED'));
    host.answer();
    expect((await Promise.all(held)).map(({ body }) => body)).toEqual(['2', '2']);
    expect(await command.ended()).toBe(0);
    expect(workers.filter(isAlive)).toEqual([]);
  });

  it('leaves no client waiting whose connection no worker takes any more', async () => {
    const host = await startSessionHost();
    const script = join(temporaryFolder('closed-'), 'closed.cjs');
    // A connection that the primary closes may be one that Node would still send to a worker, which then fails.
    writeFileSync(script, `
      require('node:cluster').on('listening', ({ process }) => {
        const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
          const { _handle: handle } = server;
          server.close(() => process.send({}, handle));
        });
      });`);
    const env = { NODE_OPTIONS: `--require=${script}` };
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000', '--admin-port', '0'], undefined, env);
    const [admin] = await command.seen('admin');
    // As long as it is open, the command goes on.
    const socket = await openWebSocket(url);
    const { workers } = command;
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    command.signal('SIGTERM');
    await command.seen('closing');
    const bytes = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const clients = [0, 1, 2, 3].map(() => exchangeBytes(Number(new URL(url).port), bytes));
    // By then the primary has them, and has sent one to each worker, after the word that it is to close.
    await request(`${String(admin?.url)}/healthz`);
    for (const pid of workers) process.kill(pid, 'SIGCONT');
    await Promise.all(clients);
    socket.terminate();
    expect(await command.ended()).toBe(0);
    expect(command.errors).toBe('');
  });

  it('that is the second one ends the workers at once', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    await openWebSocket(url);
    const { workers } = command;
    command.signal('SIGTERM');
    await command.seen('closing');
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    await until('they are gone', () => !workers.some(isAlive));
  });

  it('SIGHUP changes the hosts of every worker', async () => {
    const [old, added] = await startHosts(2);
    const path = join(temporaryFolder('config-'), 'proxy.json');
    writeFileSync(path, JSON.stringify({ hosts: [old?.name], redis: sharedRedisUrl(), workers: 2, port: 0, log: 'json' }));
    const command = new WorkersCommand(['--config', path, '--bind', '127.0.0.1']);
    const url = await command.ready();
    const clients = new Clients();
    const { key, host } = await clients.connect({ url, transports: ['websocket'] });
    expect(host).toBe(old?.name);
    writeFileSync(path, JSON.stringify({ hosts: [added?.name], redis: sharedRedisUrl(), workers: 2, port: 0, log: 'json' }));
    command.signal('SIGHUP');
    await command.seen('up', 2);
    const recent = await Promise.all([0, 1, 2, 3].map(() => clients.connect({ url, transports: ['websocket'] })));
    expect(recent.map((client) => client.host)).toEqual(recent.map(() => added?.name));
    await clients.exchange(key, 1000);
    expect(command.eventsOf('reloaded')).toMatchObject([{ added: [added?.name], draining: [old?.name] }]);
    await clients.close(key);
    expect(await command.seen('drained')).toMatchObject([{ host: old?.name }]);
  });
});

it('tells that a host is drained when it is, whatever a worker has opened just before', async () => {
  const [old, added] = [await startSessionHost(), await startSessionHost()];
  const path = join(temporaryFolder('config-'), 'proxy.json');
  const settings = { redis: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix(), workers: 2, port: 0, bind: '127.0.0.1', log: 'json' };
  writeFileSync(path, JSON.stringify({ ...settings, hosts: [old.name] }));
  const command = new WorkersCommand(['--config', path]);
  const url = await command.ready();
  writeFileSync(path, JSON.stringify({ ...settings, hosts: [added.name] }));
  // Workers tell from time to time what is under way in them, and a connection reaches one or the other.
  const socket = await openWebSocket(url);
  command.signal('SIGHUP');
  await command.seen('up', 2);
  expect(command.eventsOf('drained')).toEqual([]);
  const closed = once(socket, 'close');
  socket.close();
  await closed;
  expect(await command.seen('drained')).toMatchObject([{ host: old.name }]);
});

it('lets workers end as always when the primary is killed that has just started them', async () => {
  const script = join(temporaryFolder('killed-'), 'killed.cjs');
  // A worker has the command's output as its fourth descriptor.
  writeFileSync(script, `
    const tell = (fd, message) => require('node:fs').writeSync(fd, JSON.stringify(message) + '\\n');
    const cluster = require('node:cluster');
    if (cluster.isWorker) process.on('exit', (code) => tell(4, { event: 'ended', code }));
    cluster.on('fork', ({ process: { pid } }) => {
      tell(1, { event: 'forked', pid });
      process.kill(process.pid, 'SIGKILL');
    });`);
  const args = ['--hosts', '127.0.0.1:1', '--port', '0', '--log', 'json', '--workers', '2', '--redis', sharedRedisUrl()];
  const command = new WorkersCommand(args, { env: { NODE_OPTIONS: `--require=${script}` } });
  expect(await command.ended()).toBe('SIGKILL');
  const [forked, ...others] = command.eventsOf('forked');
  expect(others).toEqual([]);
  // A process lets go of its output a moment before it is gone.
  await until('the worker is gone', () => !isAlive(Number(forked?.pid)));
  expect(command.eventsOf('ended').map(({ code }) => code)).toEqual([0, 0]);
});

// What they have to say then is no reason to end otherwise.
it.each([undefined, '*'])('drains the workers and lets them end when the primary is killed, with DEBUG=%s', async (DEBUG) => {
  const host = await startSessionHost();
  const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000'], undefined, { DEBUG });
  const sid = await handshake(url);
  const polls = once(host, 'poll');
  const held = request(pollUrl(url, sid));
  await polls;
  const { workers } = command;
  command.signal('SIGKILL');
  // The worker that holds nothing ends at once, the other when its poll is answered.
  onCleanup(() => workers.filter(isAlive).forEach((pid) => process.kill(pid, 'SIGKILL')));
  await until('one has ended', () => workers.filter(isAlive).length === 1);
  host.answer();
  expect((await held).body).toBe('2');
  await until('both have ended', () => !workers.some(isAlive));
});
