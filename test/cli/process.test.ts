import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Proxy } from '../../src';
import { onCleanup } from '../support/cleanup';
import { Clients } from '../support/clients';
import { Command, startCommand } from '../support/command';
import { startHosts, type HostProcess } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { temporaryFolder } from '../support/program';
import { openClient, RedisProcess, uniqueKeyPrefix, sharedRedisUrl } from '../support/redis';
import { openWebSocket, SessionHost, startSessionHost } from '../support/session-host';
import { until } from '../support/until';
import { WorkersCommand } from '../support/workers';

const FILES = join(__dirname, '../fixtures/tls');
const TLS = ['--tls-cert', join(FILES, 'cert.pem'), '--tls-key', join(FILES, 'key.pem')];

let clients: Clients;
let hosts: [HostProcess, HostProcess];
let names: string[];
/** In this process. */
let own: SessionHost;
beforeAll(async () => {
  clients = new Clients();
  hosts = await startHosts(2) as typeof hosts;
  names = hosts.map(({ name }) => name);
  own = await startSessionHost();
});

/** A host that can be stopped and started again: at an address where nobody else takes its port meanwhile. */
const startOnItsOwn = (port?: number): Promise<SessionHost> => new SessionHost(45_000).start({ host: '127.0.0.7', port });

describe('a proxy on its own', () => {
  it('tells what its memory means, then of each host, then that it is ready, and proxies sessions', async () => {
    const { command, url } = await startCommand(['--hosts', `${names[0]},127.0.0.1:1,${names[1]}`]);
    expect(command.lines).toHaveLength(5);
    expect(command.lines[0]).toBe('no --redis: bindings are kept in memory, and sessions end with this process');
    expect(command.lines.slice(1, 4).sort())
      .toEqual([`${names[0]} is up`, `${names[1]} is up`, 'warn: 127.0.0.1:1 is down: refused'].sort());
    expect(command.lines[4]).toBe(`listening on ${url}: 2 of 3 hosts up, bindings in memory`);
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

  it('ends with a line and 1 when the port is taken, and when the address is not its own', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanup(() => server.close());
    const { port } = server.address() as AddressInfo;
    const taken = new Command(['--hosts', '127.0.0.1:1', '--bind', '127.0.0.1', '--port', String(port)]);
    const foreign = new Command(['--hosts', '127.0.0.1:1', '--bind', '192.0.2.1', '--port', '0']);
    expect([await taken.ended(), await foreign.ended()]).toEqual([1, 1]);
    expect(taken.errors).toBe(
      `socket.io-proxy2: port ${port} of 127.0.0.1 is taken: another process listens there (EADDRINUSE)\n`,
    );
    expect(foreign.errors).toMatch(/^socket\.io-proxy2: cannot listen on port 0 of 192\.0\.2\.1: listen EADDRNOTAVAIL.+\n$/);
  });
});

describe('the log', () => {
  it('tells in JSON of each change, with fields', async () => {
    const host = await startOnItsOwn();
    const { command, url } = await startCommand(['--log', 'json', '--hosts', host.name, '--check-interval', '50']);
    await host.stop();
    await command.line(/"down"/);
    await startOnItsOwn(host.port);
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
    const host = await startOnItsOwn();
    const { command, url } = await startCommand(['--hosts', host.name, '--check-interval', '20']);
    command.closeOutput();
    const works = (): Promise<boolean> => handshake(url).then(() => true, () => false);
    await host.stop();
    await until('the host is down', async () => !await works());
    await startOnItsOwn(host.port);
    // Two lines have been written to nobody by then.
    await until('the host is up', works);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
  });
});

it('ends without a word where nobody reads it', async () => {
  const ends = async (output: 'stdout' | 'stderr', arg: string): Promise<unknown[]> => {
    const command = new Command([arg]);
    command.closeOutput(output);
    return [await command.ended(), command.output, command.errors];
  };
  expect(await Promise.all([ends('stdout', '--help'), ends('stderr', '--hlep')])).toEqual([[0, '', ''], [2, '', '']]);
});

describe('Redis', () => {
  it('holds the bindings, as the library has them, with which it shares sessions', async () => {
    const keyPrefix = uniqueKeyPrefix();
    const { command, url } = await startCommand(['--hosts', own.name, '--key-prefix', keyPrefix], {
      env: { SOCKETIO_PROXY_REDIS: sharedRedisUrl() },
    });
    expect(command.lines.at(-1)).toBe(`listening on ${url}: 1 of 1 hosts up, bindings in ${sharedRedisUrl()}`);
    const sid = await handshake(url);
    const client = await openClient();
    expect(await client.get(keyPrefix + sid)).toBe(own.name);
    const proxy = new Proxy({ redisClient: client, hosts: [own.name], keyPrefix });
    onCleanup(() => proxy.close());
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.server.address() as AddressInfo;
    const other = await handshake(`http://127.0.0.1:${port}`);
    expect((await request(pollUrl(url, other), { method: 'POST', body: '40' })).body).toBe('ok');
  });

  it('may be down at the start, which a line tells, and come later', async () => {
    const redis = await RedisProcess.start();
    await redis.kill();
    const { command, url } = await startCommand(['--hosts', own.name, '--redis', redis.url]);
    await command.line(/^warn: the store fails: .*ECONNREFUSED/);
    const sid = await handshake(url);
    await redis.restart();
    await command.line(/^the store works again$/);
    const client = await openClient(redis.url);
    await until('the binding is stored', async () => await client.get(`socket.io#${sid}`) === own.name);
  });
});

describe('a signal', () => {
  it('lets a held poll and a WebSocket end, opens no session, and tells at once that it is not ready', async () => {
    const [host] = hosts;
    const { command, url } = await startCommand(['--hosts', host.name, '--drain-timeout', '60000', '--admin-port', '0']);
    const admin = /http:\S+/.exec(await command.line(/admin server/))?.[0] ?? '';
    const sid = await handshake(url);
    await request(pollUrl(url, sid), { method: 'POST', body: '40' });
    await request(pollUrl(url, sid));
    const polls = once(host, 'poll');
    const held = request(pollUrl(url, sid));
    await polls;
    const { key } = await clients.connect({ url, transports: ['websocket'] });
    expect((await request(`${admin}/readyz`)).status).toBe(200);

    command.signal('SIGTERM');
    await command.line(/^SIGTERM: draining for up to 60000 ms$/);
    const { status, body } = await request(`${admin}/readyz`);
    expect([status, body]).toEqual([503, expect.stringContaining('"ready":false')]);
    // It goes on for what is under way.
    expect((await request(`${admin}/healthz`)).status).toBe(200);
    // A connection that the system has taken, and the command not yet, is reset when it listens no longer.
    await expect(handshake(url)).rejects.toThrow(/ECONNREFUSED|ECONNRESET|CLOSING/);
    await clients.exchange(key, 1000);
    await host.call('broadcast', 'news', 1);
    expect((await held).body).toBe('42["news",1]');
    await clients.close(key);
    expect(await command.ended()).toBe(0);
    expect(command.lines.at(-1)).toBe('closed');
  });

  it('ends what is left after the drain timeout', async () => {
    const { command, url } = await startCommand(['--hosts', own.name, '--drain-timeout', '100']);
    const closed = once(await openWebSocket(url), 'close');
    command.signal('SIGTERM');
    await closed;
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

  it('that asks for something else waits for the start', async () => {
    const { command, url } = await startCommand(['--hosts', own.name, '--admin-port', '0'], { env: early('SIGHUP', 'SIGUSR2') });
    await command.line(/^settings are read again$/);
    await command.line(/^warn: no worker is restarted/);
    await handshake(url);
  });

  const redis = ['--redis', sharedRedisUrl()];
  const workers = [...redis, '--workers', '2'];

  it.each([
    ['SIGTERM', 0, []], ['SIGTERM', 0, redis], ['SIGTERM', 0, workers],
    ['SIGHUP SIGTERM SIGHUP', 0, workers], ['SIGTERM SIGINT', 130, workers],
  ])('%s ends it while it starts, with %d: %j', async (signals, exitCode, more) => {
    const args = ['--bind', '127.0.0.1', '--port', '0', '--hosts', own.name, '--admin-port', '0'];
    const command = new WorkersCommand([...args, ...more], { env: early(...signals.split(' ')) });
    expect(await command.ended()).toBe(exitCode);
    expect(command.errors).toBe('');
  });

  it.each([
    ['http', []], ['https', TLS],
  ])('lets it take new sessions for --shutdown-delay, over %s', async (_, tls) => {
    const delay = ['--shutdown-delay', '60000'];
    const { command, url } = await startCommand(['--hosts', own.name, ...delay, ...tls]);
    command.signal('SIGTERM');
    await command.line(/^SIGTERM: taking new sessions for 60000 ms, then draining for up to 10000 ms$/);
    const { status, headers } = await request(`${url}/socket.io/?EIO=4&transport=polling`, { rejectUnauthorized: false });
    expect([status, headers.connection]).toEqual([200, 'close']);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
  });

  it.each([
    ['http', []], ['https', TLS],
  ])('drains it when --shutdown-delay is over, over %s', async (_, tls) => {
    const { command, url } = await startCommand(['--hosts', own.name, '--shutdown-delay', '50', '--drain-timeout', '60000', ...tls]);
    const options = { rejectUnauthorized: false };
    const opened = await request(`${url}/socket.io/?EIO=4&transport=polling`, options);
    const { sid } = JSON.parse(opened.body.slice(1)) as { sid: string };
    const [poll] = [request(pollUrl(url, sid), options), await once(own, 'poll')];
    command.signal('SIGTERM');
    await until('it takes no connection', () =>
      request(url, options).then(() => false, (error: unknown) => String(error).includes('ECONNREFUSED')));
    own.answer();
    expect((await poll).headers.connection).toBe('close');
    expect(await command.ended()).toBe(0);
    expect(command.lines.at(-1)).toBe('closed');
  });

  it('that is the second one ends it at once', async () => {
    const { command, url } = await startCommand(['--hosts', own.name, '--drain-timeout', '60000']);
    await openWebSocket(url);
    command.signal('SIGTERM');
    await command.line(/draining/);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
  });

  it('that comes twice at once, as through npx, counts once', async () => {
    const script = join(temporaryFolder('signal-'), 'twice.cjs');
    // By itself: to whom it is sent twice it may come once, or the second time when it counts as another.
    writeFileSync(script, "process.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));");
    const env = { NODE_OPTIONS: `--require=${script}` };
    const { command, url } = await startCommand(['--hosts', own.name, '--drain-timeout', '60000'], { env });
    const socket = await openWebSocket(url);
    command.signal('SIGINT');
    await command.line(/draining/);
    socket.terminate();
    expect(await command.ended()).toBe(0);
    expect(command.lines.filter((line) => line.includes('draining'))).toHaveLength(1);
  });
});
