import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanup } from '../../support/cleanup';
import { Clients } from '../../support/clients';
import { startHosts } from '../../support/hosts';
import { exchangeBytes, handshake, pollUrl, request } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { isAlive } from '../../support/processes';
import { RedisProcess, sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { openWebSocket, SessionHost, startSessionHost, startSessionHosts } from '../../support/session-host';
import { until } from '../../support/until';
import { startWorkers, WorkersCommand } from '../../support/workers';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';

describe('two workers', () => {
  it('serve sessions together, follow SIGHUP, and tell that a host is drained when it is', async () => {
    const [old, added] = await startHosts(2);
    const path = join(temporaryFolder('config-'), 'proxy.json');
    const settings = { redis: sharedRedisUrl(), keyPrefix: uniqueKeyPrefix(), workers: 2, port: 0, bind: '127.0.0.1', log: 'json' };
    writeFileSync(path, JSON.stringify({ ...settings, hosts: [old?.name] }));
    const command = new WorkersCommand(['--config', path]);
    const url = await command.ready();
    expect(command.workers).toHaveLength(2);
    const clients = new Clients();
    // Workers tell from time to time what is under way in them: of this one nothing has been told yet.
    const { key, host } = await clients.connect({ url, transports: ['websocket'] });
    writeFileSync(path, JSON.stringify({ ...settings, hosts: [added?.name] }));
    command.signal('SIGHUP');
    await command.seen('up', 2);
    expect(command.eventsOf('reloaded')).toMatchObject([{ added: [added?.name], draining: [old?.name] }]);
    const recent = await Promise.all([0, 1, 2, 3].map(() => clients.connect({ url, transports: ['websocket'] })));
    expect([host, ...recent.map((client) => client.host)]).toEqual([old?.name, ...recent.map(() => added?.name)]);
    await clients.exchange(key, 1000);
    expect(command.eventsOf('drained')).toEqual([]);
    await clients.close(key);
    expect(await command.seen('drained')).toMatchObject([{ host: old?.name }]);
    // Connections go to one worker and the other in turn.
    const sids = [await handshake(url), await handshake(url), await handshake(url)];
    for (const sid of sids) {
      await request(pollUrl(url, sid), { method: 'POST', body: '40' });
      expect((await request(pollUrl(url, sid))).body).toMatch(/^40/);
    }
    expect((await clients.connect({ url, upgraded: true })).transport).toBe('websocket');
    expect(command.errors).toBe('');
  });

  it('have their hosts checked once, tell of one that a worker cannot reach, and end at once at a second signal', async () => {
    const [host, other] = await startSessionHosts(2) as [SessionHost, SessionHost];
    let checks = 0;
    for (const each of [host, other]) each.on('check', () => (checks += 1));
    const { command, url } = await startWorkers([host.name, other.name], ['--check-interval', '600000', '--drain-timeout', '60000']);
    await host.stop();
    await until('a handshake has been tried there', async () => {
      await handshake(url);
      return command.eventsOf('down').length > 0;
    });
    expect(command.eventsOf('down')).toMatchObject([{ host: host.name, reason: 'refused' }]);
    expect(checks).toBe(2);
    await openWebSocket(url);
    const { workers } = command;
    command.signal('SIGTERM');
    await command.seen('closing');
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    await until('they are gone', () => !workers.some(isAlive));
  });

  it('write one line for each change, and give a host that is back new sessions, also the one that had found it gone', async () => {
    const redis = await RedisProcess.start();
    // An address of its own: while the host is gone, nobody else takes its port there.
    const host = await new SessionHost(45_000).start({ host: '127.0.0.8' });
    const { command, url } = await startWorkers([host.name], ['--admin-port', '0', '--check-interval', '500'], redis.url);
    const [admin] = await command.seen('admin') as [{ url: string }];
    await redis.kill();
    await command.seen('degraded');
    // Each worker has found it out when it has answered, and the primary has heard so when they have answered it.
    for (let made = 0; made < 2; made += 1) await handshake(url);
    await request(`${admin.url}/metrics`);
    await redis.restart();
    await command.seen('recovered');
    await host.stop();
    // As a rule before the next check, which finds it well.
    await until('it is found gone', () => handshake(url).then(() => false, () => true));
    await command.seen('down');
    await host.start({ host: '127.0.0.8', port: host.port });
    await command.seen('up', 2);
    await until('both know', async () => {
      const sids = await Promise.all([0, 1, 2, 3].map(() => handshake(url).catch(() => undefined)));
      return sids.every((sid) => sid !== undefined);
    });
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(command.events.map(({ event }) => event))
      .toEqual(['admin', 'up', 'listening', 'degraded', 'recovered', 'down', 'up', 'closing', 'closed']);
    expect(command.eventsOf('listening')).toMatchObject([{ url, up: 1, hosts: 1, store: redis.url }]);
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

it('removes no host without force that is open: a worker may just have opened a session there', async () => {
  const [host, other] = await startSessionHosts(2) as [SessionHost, SessionHost];
  const { command } = await startWorkers([host.name, other.name], ['--admin-port', '0']);
  const [admin] = await command.seen('admin') as [{ url: string }];
  const path = `${admin.url}/api/hosts/${encodeURIComponent(host.name)}`;
  const open = await request(path, { method: 'DELETE' });
  expect([open.status, open.body]).toEqual([409, expect.stringContaining('a worker may just have opened sessions there')]);
  const headers = { 'Content-Type': 'application/json' };
  await request(path, { method: 'PATCH', body: '{"state":"draining"}', headers });
  expect((await request(`${path}?wait=drained`)).status).toBe(200);
  expect((await request(path, { method: 'DELETE' })).status).toBe(204);
});

describe('a signal', () => {
  it('lets what every worker has under way end, tells at once that it is not ready, and leaves no process', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000', '--admin-port', '0']);
    const [admin] = await command.seen('admin') as [{ url: string }];
    const sids = [await handshake(url), await handshake(url)];
    const held: Promise<{ body: string }>[] = [];
    for (const sid of sids) {
      const polls = once(host, 'poll');
      held.push(request(pollUrl(url, sid)));
      await polls;
    }
    expect((await request(`${admin.url}/readyz`)).status).toBe(200);
    const { workers } = command;
    command.signal('SIGINT');
    // A terminal sends it to the workers too.
    for (const pid of workers) process.kill(pid, 'SIGINT');
    await command.seen('closing');
    const { status, body } = await request(`${admin.url}/readyz`);
    expect([status, body]).toEqual([503, expect.stringContaining('"ready":false')]);
    expect((await request(`${admin.url}/healthz`)).status).toBe(200);
    await until('no connection is taken', async () => (await handshake(url).catch(String)).includes('ECONNREFUSED'));
    host.answer();
    expect((await Promise.all(held)).map((reply) => reply.body)).toEqual(['2', '2']);
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
});

describe('a signal, with --shutdown-delay', () => {
  it('lets the workers take new connections and sessions for so long, and a second one ends them at once', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--shutdown-delay', '60000', '--drain-timeout', '0', '--admin-port', '0']);
    const [admin] = await command.seen('admin') as [{ url: string }];
    const { workers } = command;
    command.signal('SIGTERM');
    expect(await command.seen('closing')).toMatchObject([{ signal: 'SIGTERM', shutdownDelay: 60_000, drainTimeout: 0 }]);
    expect((await request(`${admin.url}/readyz`)).status).toBe(503);
    await until('every worker closes its connections', async () => {
      const replies = [await request(url + HANDSHAKE), await request(url + HANDSHAKE)];
      expect(replies.map(({ status }) => status)).toEqual([200, 200]);
      return replies.every(({ headers }) => headers.connection === 'close');
    });
    expect(workers.every(isAlive)).toBe(true);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    await until('they are gone', () => !workers.some(isAlive));
  });

  it('kills no worker that keeps to it', async () => {
    const { command } = await startWorkers(['127.0.0.1:1'], ['--shutdown-delay', '2500', '--drain-timeout', '0']);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(command.eventsOf('worker-killed')).toEqual([]);
  });
});

it('kills a worker that is frozen when it is to end, and says so', async () => {
  const { command } = await startWorkers(['127.0.0.1:1'], ['--drain-timeout', '0']);
  const [frozen = NaN, other = NaN] = command.workers;
  process.kill(frozen, 'SIGSTOP');
  command.signal('SIGTERM');
  expect((await command.seen('worker-killed')).map(({ pid }) => pid)).toEqual([frozen]);
  expect(await command.ended()).toBe(0);
  expect([frozen, other].filter(isAlive)).toEqual([]);
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
it('drains the workers and lets them end when the primary is killed, which has passed on what they have to say', async () => {
  const host = await startSessionHost();
  const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000'], undefined, { DEBUG: '*' });
  const sid = await handshake(url);
  await until('it is there', () => command.errors.includes(`opened on ${host.name}`));
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
