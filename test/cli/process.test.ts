import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Proxy } from '../../src';
import { onCleanup } from '../support/cleanup';
import { Clients } from '../support/clients';
import { Command, startCommand } from '../support/command';
import { startHost, startHosts } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { openClient, RedisProcess, uniqueKeyPrefix, sharedRedisUrl } from '../support/redis';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

async function startServer(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('a proxy on its own', () => {
  it('tells what its memory means, then of each host, then that it is ready, and proxies sessions', async () => {
    const [host, other] = await startHosts(2);
    const { command, url } = await startCommand(['--hosts', `${host?.name},127.0.0.1:1,${other?.name}`]);
    expect(command.lines).toHaveLength(5);
    expect(command.lines[0]).toBe('no --redis is given: bindings are in the memory of this process, and sessions end with it');
    expect(command.lines.slice(1, 4).sort())
      .toEqual([`${host?.name} is up`, `${other?.name} is up`, 'warn: 127.0.0.1:1 is down: refused'].sort());
    expect(command.lines[4]).toBe(`listening on ${url}: 2 of 3 hosts up, bindings in memory`);
    const clients = new Clients();
    const { key, transport } = await clients.connect({ url, upgraded: true });
    expect(transport).toBe('websocket');
    await clients.exchange(key, 1000);
    expect(command.errors).toBe('');
  });

  it('listens on all interfaces where it is not told which', async () => {
    const command = new Command(['--hosts', '127.0.0.1:1', '--port', '0']);
    const line = await command.line(/^listening on http:\/\/(?:\[::\]|0\.0\.0\.0):\d+: 0 of 1/);
    const port = /:(\d+):/.exec(line)?.[1];
    expect((await request(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`)).status).toBe(503);
  });

  it('ends with a line and 1 when the port is taken', async () => {
    const port = await startServer();
    const command = new Command(['--hosts', '127.0.0.1:1', '--bind', '127.0.0.1', '--port', String(port)]);
    expect(await command.ended()).toBe(1);
    expect(command.errors).toBe(
      `socket.io-proxy2: port ${port} of 127.0.0.1 is taken: another process listens there (EADDRINUSE)\n`,
    );
  });

  it('ends with a line and 1 when the address is not its own', async () => {
    const command = new Command(['--hosts', '127.0.0.1:1', '--bind', '192.0.2.1', '--port', '0']);
    expect(await command.ended()).toBe(1);
    expect(command.errors).toMatch(/^socket\.io-proxy2: it cannot listen on port 0 of 192\.0\.2\.1: listen EADDRNOTAVAIL.+\n$/);
  });
});

describe('the log', () => {
  it('tells in JSON of each change, with fields', async () => {
    const host = await startHost();
    const { command, url } = await startCommand(['--log', 'json', '--hosts', host.name, '--check-interval', '50']);
    const port = host.port;
    await host.kill();
    await command.line(/"down"/);
    await startHost({ port });
    await command.line(/"up"/, command.lines.length);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(0);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
    // A check of it may have been cut.
    const reason = expect.stringMatching(/^(?:refused|failing)$/) as string;
    const common = { time, message: expect.any(String) as string };
    expect(command.events).toEqual([
      { ...common, level: 'info', event: 'store', store: 'memory' },
      { ...common, level: 'info', event: 'up', host: host.name },
      { ...common, level: 'info', event: 'listening', url, up: 1, hosts: 1, store: 'memory' },
      { ...common, level: 'warn', event: 'down', host: host.name, reason },
      { ...common, level: 'info', event: 'up', host: host.name },
      { ...common, level: 'info', event: 'closing', signal: 'SIGINT', drainTimeout: 10_000 },
      { ...common, level: 'info', event: 'closed' },
    ]);
  });

  it('is no reason to end when nobody reads it any more', async () => {
    const host = await startHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--check-interval', '20']);
    command.closeOutput();
    const works = (): Promise<boolean> => handshake(url).then(() => true, () => false);
    await host.kill();
    await until('the host is down', async () => !await works());
    await startHost({ port: host.port });
    // Two lines have been written to nobody by then.
    await until('the host is up', works);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
  });
});

it.each([
  ['stdout', '--help', 0], ['stdout', '--version', 0], ['stderr', '--hlep', 2],
] as const)('ends without a word where nobody reads %s', async (output, arg, exitCode) => {
  const command = new Command([arg]);
  command.closeOutput(output);
  expect(await command.ended()).toBe(exitCode);
  expect([command.output, command.errors]).toEqual(['', '']);
});

describe('Redis', () => {
  it('holds the bindings, as the library has them', async () => {
    const host = await startHost();
    const keyPrefix = uniqueKeyPrefix();
    const { command, url } = await startCommand(['--hosts', host.name, '--key-prefix', keyPrefix], {
      env: { SOCKETIO_PROXY_REDIS: sharedRedisUrl() },
    });
    expect(command.lines.at(-1)).toBe(`listening on ${url}: 1 of 1 hosts up, bindings in ${sharedRedisUrl()}`);
    const sid = await handshake(url);
    const client = await openClient();
    expect(await client.get(keyPrefix + sid)).toBe(host.name);
  });

  it('may be down at the start, which a line tells, and come later', async () => {
    const redis = await RedisProcess.start();
    await redis.kill();
    const host = await startHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--redis', redis.url]);
    await command.line(/^warn: the store fails: .*ECONNREFUSED/);
    const sid = await handshake(url);
    await redis.restart();
    await command.line(/^the store works again$/);
    const client = await openClient(redis.url);
    await until('the binding is stored', async () => await client.get(`socket.io#${sid}`) === host.name);
  });
});

describe('a signal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s lets a held poll and a WebSocket end, and opens no session', async (signal) => {
    const host = await startHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--drain-timeout', '60000']);
    const sid = await handshake(url);
    await request(pollUrl(url, sid), { method: 'POST', body: '40' });
    await request(pollUrl(url, sid));
    const polls = once(host, 'poll');
    const held = request(pollUrl(url, sid));
    await polls;
    const clients = new Clients();
    const { key } = await clients.connect({ url, transports: ['websocket'] });

    command.signal(signal);
    await command.line(new RegExp(`^${signal}: draining for up to 60000 ms$`));
    // A connection that the system has taken, and the command not yet, is reset when it listens no longer.
    await expect(handshake(url)).rejects.toThrow(/ECONNREFUSED|ECONNRESET|CLOSING/);
    await clients.exchange(key, 1000);
    await host.call('broadcast', 'news', 1);
    expect((await held).body).toBe('42["news",1]');
    await clients.close(key);
    expect(await command.ended()).toBe(0);
    expect(command.lines.at(-1)).toBe('closed');
  });

  it.each(['1', '2'])('tells the admin server at once that it is not ready, with --workers %s', async (workers) => {
    const host = await startHost();
    const redis = ['--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];
    const args = ['--hosts', host.name, '--bind', '127.0.0.1', '--port', '0', '--admin-port', '0', '--drain-timeout', '60000'];
    const command = new WorkersCommand([...args, '--workers', workers, ...redis]);
    const url = await command.ready();
    const admin = /http:\S+/.exec(await command.line(/admin server/))?.[0] ?? '';
    const clients = new Clients();
    const { key } = await clients.connect({ url, transports: ['websocket'] });
    expect((await request(`${admin}/readyz`)).status).toBe(200);
    command.signal('SIGTERM');
    await command.line(/draining/);
    const { status, body } = await request(`${admin}/readyz`);
    expect([status, body]).toEqual([503, expect.stringContaining('"ready":false')]);
    // It goes on for what is under way.
    expect((await request(`${admin}/healthz`)).status).toBe(200);
    await clients.exchange(key, 1000);
    await clients.close(key);
    expect(await command.ended()).toBe(0);
  });

  it('ends what is left after the drain timeout', async () => {
    const host = await startHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--drain-timeout', '100']);
    const clients = new Clients();
    await clients.connect({ url, transports: ['websocket'] });
    const disconnected = once(clients, 'disconnect');
    command.signal('SIGTERM');
    await disconnected;
    expect(await command.ended()).toBe(0);
  });

  /** Comes as soon as the command's own code runs. */
  const early = (...signals: string[]): NodeJS.ProcessEnv => {
    const script = join(temporaryFolder('signal-'), 'early.cjs');
    writeFileSync(script, `Object.defineProperty(process, 'title', {
      set: () => ${JSON.stringify(signals)}.forEach((signal) => process.kill(process.pid, signal)),
    });`);
    return { NODE_OPTIONS: `--require=${script}` };
  };

  it.each([
    [['SIGHUP'], /^settings are read again$/], [['SIGUSR2'], /^warn: no worker is restarted/],
  ])('%j waits for the start', async (signals, line) => {
    const host = await startHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--admin-port', '0'], { env: early(...signals) });
    await command.line(line);
    await handshake(url);
  });

  it.each([
    [['SIGTERM'], 0], [['SIGHUP', 'SIGTERM', 'SIGHUP'], 0], [['SIGTERM', 'SIGINT'], 130],
  ])('%j ends it while it starts', async (signals, exitCode) => {
    const host = await startHost();
    const args = ['--bind', '127.0.0.1', '--port', '0', '--hosts', host.name, '--admin-port', '0'];
    for (const more of [[], ['--redis', sharedRedisUrl()], ['--redis', sharedRedisUrl(), '--workers', '2']]) {
      const command = new WorkersCommand([...args, ...more], { env: early(...signals) });
      expect(await command.ended()).toBe(exitCode);
      expect(command.errors).toBe('');
    }
  });

  it('that is the second one ends it at once', async () => {
    const host = await startHost();
    const { command, url } = await startCommand(['--hosts', host.name, '--drain-timeout', '60000']);
    await new Clients().connect({ url, transports: ['websocket'] });
    command.signal('SIGTERM');
    await command.line(/draining/);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
  });

  it('that comes twice at once, as through npx, counts once', async () => {
    const host = await startHost();
    const script = join(temporaryFolder('signal-'), 'twice.cjs');
    // By itself: to whom it is sent twice it may come once, or the second time when it counts as another.
    writeFileSync(script, "process.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));");
    const env = { NODE_OPTIONS: `--require=${script}` };
    const { command, url } = await startCommand(['--hosts', host.name, '--drain-timeout', '60000'], { env });
    const clients = new Clients();
    const { key } = await clients.connect({ url, transports: ['websocket'] });
    command.signal('SIGINT');
    await command.line(/draining/);
    await clients.exchange(key, 1000);
    await clients.close(key);
    expect(await command.ended()).toBe(0);
    expect(command.lines.filter((line) => line.includes('draining'))).toHaveLength(1);
  });
});

it('shares sessions with a proxy of the library', async () => {
  const [host, other] = await startHosts(2);
  const hosts = [host?.name ?? '', other?.name ?? ''];
  const keyPrefix = uniqueKeyPrefix();
  const { url } = await startCommand(['--hosts', hosts.join(','), '--redis', sharedRedisUrl(), '--key-prefix', keyPrefix]);
  const proxy = new Proxy({ redisClient: await openClient(), hosts, keyPrefix });
  onCleanup(() => proxy.close());
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.server.address() as AddressInfo;
  const sid = await handshake(`http://127.0.0.1:${port}`);
  expect((await request(pollUrl(url, sid), { method: 'POST', body: '40' })).body).toBe('ok');
});
