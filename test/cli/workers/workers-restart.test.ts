import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanup } from '../../support/cleanup';
import { handshake, pollUrl, request } from '../../support/http';
import { temporaryFolder } from '../../support/program';
import { isAlive } from '../../support/processes';
import { openClient, uniqueKeyPrefix } from '../../support/redis';
import { openWebSocket, startSessionHost, startSessionHosts, type SessionHost } from '../../support/session-host';
import { CERT } from '../../support/tls';
import { until } from '../../support/until';
import { startWorkers } from '../../support/workers';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
const FOLDER = join(__dirname, '../../fixtures/tls');

/** Clients that never rest: each request that fails is kept. */
class Load {
  readonly failures: string[] = [];
  readonly #running: Promise<unknown>[] = [];
  #stopped = false;

  /** Repeats what a client does, until the end. */
  run(client: () => Promise<{ status: number; body: string }>): this {
    this.#running.push(this.#repeat(client));
    return this;
  }

  async end(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #repeat(client: () => Promise<{ status: number; body: string }>): Promise<void> {
    while (!this.#stopped) {
      try {
        const { status, body } = await client();
        if (status !== 200) this.failures.push(`${status} ${body}`);
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }
}

/** Has a host hold polls and handshakes for a moment each, so that some are under way all the time. */
function holding(host: SessionHost): void {
  host.holdsHandshakes = true;
  const timer = setInterval(() => host.answer(), 50);
  onCleanup(() => clearInterval(timer));
}

/** New sessions, polls and posts, on connections of their own and on one that is kept. */
function startLoad(url: string, sids: readonly string[]): Load {
  const load = new Load();
  const { Agent } = url.startsWith('https:') ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  for (let i = 0; i < 2; i += 1) load.run(() => request(url + HANDSHAKE, { ca: CERT }));
  for (const [sid, options] of [...sids.map((each) => [each, {}] as const), [sids[0] ?? '', { agent }] as const]) {
    let polled = false;
    load.run(() => {
      polled = !polled;
      return request(pollUrl(url, sid), { ca: CERT, ...options, ...(polled ? {} : { method: 'POST', body: '4' }) });
    });
  }
  return load;
}

/** A client that has one connection, and keeps it. */
function keptConnection(url: string): { ask: () => Promise<{ status: number | undefined; closes: boolean }>; opened: number } {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  const connection = {
    opened: 0,
    ask: async () => {
      const req = http.get(url, { agent });
      const [res] = await once(req, 'response') as [http.IncomingMessage];
      if (!req.reusedSocket) connection.opened += 1;
      await once(res.resume(), 'end');
      return { status: res.statusCode, closes: res.headers.connection === 'close' };
    },
  };
  return connection;
}

describe('a worker that is killed', () => {
  it('is replaced, and fails no request but those that it was serving', async () => {
    const hosts = await startSessionHosts(2);
    hosts.forEach(holding);
    const { command, url } = await startWorkers(hosts.map(({ name }) => name));
    const sids = await Promise.all([0, 1].map(() => handshake(url)));
    const [victim = NaN, other = NaN] = command.workers;
    const load = startLoad(url, sids);
    await Promise.race(hosts.map((host) => once(host, 'poll')));
    process.kill(victim, 'SIGKILL');
    expect(await command.seen('worker-died')).toMatchObject([{ pid: victim, reason: 'SIGKILL', delay: 0 }]);
    const [started] = await command.seen('worker-started');
    await load.end();
    // As many as there are clients, each of which has one request under way.
    expect(load.failures.length).toBeLessThanOrEqual(2 + sids.length + 1);
    expect(load.failures.filter((failure) => !/ECONNRESET|socket hang up/.test(failure))).toEqual([]);
    expect(command.workers.sort()).toEqual([other, started?.pid].sort());
    const after = startLoad(url, sids);
    await Promise.race(hosts.map((host) => once(host, 'poll')));
    await after.end();
    expect(after.failures).toEqual([]);
  });

  it('leaves no client waiting, and is followed on the same port, also where all have died, later while they keep dying', async () => {
    const host = await startSessionHost();
    const script = join(temporaryFolder('forked-'), 'forked.cjs');
    // A timer begins with a turn of the event loop, a while before what is logged in it: no times tell how long it was.
    writeFileSync(script, `
      const cluster = require('node:cluster');
      const tell = (event) => require('node:fs').writeSync(1, JSON.stringify({ event }) + '\\n');
      const { setTimeout: start } = globalThis;
      if (cluster.isPrimary) globalThis.setTimeout = (then, ms, ...args) => start(() => {
        if (ms === 500) tell('waited');
        then(...args);
      }, ms);
      cluster.on('fork', () => tell('forked'));`);
    const env = { NODE_OPTIONS: `--require=${script}` };
    // An address of its own, and any port: while no worker is left, nobody else takes that there.
    const { command, url } = await startWorkers([host.name], ['--bind', '127.0.0.9'], undefined, env);
    const [victim = NaN, other = NaN] = command.workers;
    process.kill(victim, 'SIGSTOP');
    const outcomes = [0, 1, 2, 3].map(() => handshake(url).then(() => 'ok', String));
    // The frozen one is given a single connection, and the other one the rest.
    await until('the others are answered', () => host.sids.length === 3);
    process.kill(victim, 'SIGKILL');
    const [failed, ...others] = (await Promise.all(outcomes)).sort();
    expect(failed).toMatch(/ECONNRESET|socket hang up/);
    expect(others).toEqual(['ok', 'ok', 'ok']);
    await command.seen('worker-started');
    expect(command.workers).toContain(other);
    for (const pid of command.workers) process.kill(pid, 'SIGKILL');
    await command.seen('worker-started', 3);
    await handshake(url);
    await handshake(url);
    const died = command.eventsOf('worker-died');
    // Each has a count of its own.
    const deaths = died.map(({ delay, reason }) => `${String(reason)}: ${Number(delay)}`);
    expect(deaths.sort()).toEqual(['SIGKILL: 0', 'SIGKILL: 0', 'SIGKILL: 500']);
    const waits = command.events.map(({ event }) => event).filter((event) => event === 'waited' || event === 'forked');
    expect(waits).toEqual(['forked', 'forked', 'forked', 'forked', 'waited', 'forked']);
  });
});

describe('SIGUSR2', () => {
  const tls = ['--tls-cert', join(FOLDER, 'cert.pem'), '--tls-key', join(FOLDER, 'key.pem')];

  it('replaces every worker, one at a time, and fails no request by HTTPS meanwhile', async () => {
    const hosts = await startSessionHosts(2);
    hosts.forEach(holding);
    const { command, url } = await startWorkers(hosts.map(({ name }) => name), tls);
    const before = command.workers;
    await Promise.all([0, 1].map(() => request(url + HANDSHAKE, { ca: CERT })));
    const load = startLoad(url, hosts.flatMap((host) => host.sids));
    const counts = new Set<number>();
    command.signal('SIGUSR2');
    await until('all are replaced', () => {
      counts.add(command.workers.length);
      return command.eventsOf('restarted').length > 0;
    });
    await load.end();
    expect(load.failures).toEqual([]);
    expect([...counts].filter((count) => count !== 2 && count !== 3)).toEqual([]);
    expect(before.filter(isAlive)).toEqual([]);
    expect(command.workers).toHaveLength(2);
    expect(command.events.map(({ event }) => event)).toEqual(['up', 'up', 'listening', 'restarting', 'restarted']);
  });

  it('lets a connection that idles be used once more, by whatever its client asks for, before a worker ends', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    // One for each worker.
    const kept = [0, 1].map(() => keptConnection(url + HANDSHAKE));
    for (const connection of kept) expect((await connection.ask()).status).toBe(200);
    const before = command.workers;
    holding(host);
    const load = startLoad(url, host.sids.slice());
    command.signal('SIGUSR2');
    const asked = new Set<typeof kept[number]>();
    for (let left = kept.length - 1; left >= 0; left -= 1) {
      // As long as its client says nothing, an old one waits.
      await until('one lets go of its connection', async () => {
        for (const connection of kept.filter((each) => !asked.has(each))) {
          const { status, closes } = await connection.ask();
          expect(status).toBe(200);
          if (closes) asked.add(connection);
        }
        return asked.size === kept.length - left;
      });
      await until('it has ended', () => before.filter(isAlive).length === left);
    }
    await command.seen('restarted');
    for (const connection of kept) expect(connection.opened).toBe(1);
    await load.end();
    expect(load.failures).toEqual([]);
  });

  it('ends what is left when the drain timeout has passed', async () => {
    const host = await startSessionHost();
    const keyPrefix = uniqueKeyPrefix();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '300', '--key-prefix', keyPrefix]);
    const kept = [0, 1].map(() => keptConnection(url + HANDSHAKE));
    for (const connection of kept) await connection.ask();
    const sockets = [await openWebSocket(url), await openWebSocket(url)];
    const client = await openClient();
    const bound = (sid: string | undefined): Promise<string | null> => client.get(`${keyPrefix}${sid}`);
    const sids = host.sids.slice(-2);
    // What a host says over a WebSocket waits for no store.
    await until('both are stored', async () => (await Promise.all(sids.map(bound))).every((name) => name === host.name));
    const closed = sockets.map((socket) => once(socket, 'close'));
    command.signal('SIGUSR2');
    await command.seen('restarted');
    expect((await Promise.all(closed)).map(([code]) => code as unknown)).toEqual([1001, 1001]);
    // A worker that was killed would leave them.
    expect(await Promise.all(sids.map(bound))).toEqual([null, null]);
    for (const connection of kept) expect((await connection.ask()).status).toBe(200);
  });

  it('is told to wait while workers are being restarted, and followed by SIGTERM at any time, which ends all', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    // Two for each worker.
    const kept = [0, 1, 2, 3].map(() => keptConnection(url + HANDSHAKE));
    for (const connection of kept) await connection.ask();
    command.signal('SIGUSR2');
    await until('a worker lets go of its connections', async () => (await Promise.all(kept.slice(2).map(({ ask }) => ask())))
      .some(({ closes }) => closes));
    const { workers } = command;
    expect(workers).toHaveLength(3);
    command.signal('SIGUSR2');
    await command.seen('restart-failed');
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(workers.filter(isAlive)).toEqual([]);
  });
});
