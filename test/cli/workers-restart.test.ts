import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onCleanup } from '../support/cleanup';
import { startHosts } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { isAlive } from '../support/processes';
import { openClient, uniqueKeyPrefix } from '../support/redis';
import { openWebSocket, startSessionHost, startSessionHosts, type SessionHost } from '../support/session-host';
import { CERT } from '../support/tls';
import { until } from '../support/until';
import { startWorkers } from '../support/workers';

const FOLDER = join(__dirname, '../fixtures/tls');

/** Clients that never rest: each request that fails is kept. */
class Load {
  requests = 0;
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
      this.requests += 1;
    }
  }
}

/** Answers the polls that a host holds, again and again. */
function answering(host: SessionHost): void {
  const timer = setInterval(() => host.answer(), 50);
  onCleanup(() => clearInterval(timer));
}

/** New sessions, polls that are held and posts, on connections of their own and on one that is kept. */
function startLoad(url: string, sids: readonly string[]): Load {
  const load = new Load();
  const { Agent } = url.startsWith('https:') ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onCleanup(() => agent.destroy());
  const handshakeUrl = `${url}/socket.io/?EIO=4&transport=polling`;
  const [ca, post] = [CERT, { method: 'POST', body: '4', ca: CERT }];
  load.run(() => request(handshakeUrl, { ca })).run(() => request(handshakeUrl, { ca }));
  for (const sid of sids) {
    load.run(() => request(pollUrl(url, sid), { ca }));
    load.run(() => request(pollUrl(url, sid), post));
  }
  return load.run(() => request(pollUrl(url, sids[0] ?? ''), { ...post, agent }));
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

async function pidOfNext(command: { seen: (name: string, count?: number) => Promise<Record<string, unknown>[]> }, count: number):
Promise<number> {
  return Number((await command.seen('worker-started', count)).at(-1)?.pid);
}

describe('a worker that is killed', () => {
  it('is replaced, and its sessions go on through the other', async () => {
    const hosts = await startSessionHosts(2);
    hosts.forEach(answering);
    const { command, url } = await startWorkers(hosts.map(({ name }) => name));
    const sids = await Promise.all([0, 1, 2, 3].map(() => handshake(url)));
    const [victim = NaN, other = NaN] = command.workers;
    process.kill(victim, 'SIGKILL');
    expect(await command.seen('worker-died')).toMatchObject([{ pid: victim, reason: 'SIGKILL', delay: 0 }]);
    // Till the next is there, all requests come to the other.
    for (const sid of sids) expect((await request(pollUrl(url, sid), { method: 'POST', body: '4' })).body).toBe('ok');
    const started = await pidOfNext(command, 1);
    expect(command.workers.sort()).toEqual([other, started].sort());
    const load = startLoad(url, sids);
    await Promise.race(hosts.map((host) => once(host, 'poll')));
    await load.end();
    expect(load.failures).toEqual([]);
  });

  it('fails no request but those that it was serving', async () => {
    const hosts = await startSessionHosts(2);
    hosts.forEach(answering);
    const { command, url } = await startWorkers(hosts.map(({ name }) => name));
    const sids = await Promise.all([0, 1, 2, 3].map(() => handshake(url)));
    const load = startLoad(url, sids);
    process.kill(command.workers[0] ?? NaN, 'SIGKILL');
    await command.seen('worker-started');
    await load.end();
    // As many as there are clients, each of which has one request under way.
    expect(load.failures.length).toBeLessThanOrEqual(2 + 2 * sids.length + 1);
    expect(load.failures.filter((failure) => !/ECONNRESET|socket hang up/.test(failure))).toEqual([]);
    const after = startLoad(url, sids);
    await Promise.race(hosts.map((host) => once(host, 'poll')));
    await after.end();
    expect(after.failures).toEqual([]);
  });

  it('leaves no client waiting whose connection it had not taken yet', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name]);
    const [victim = NaN] = command.workers;
    process.kill(victim, 'SIGSTOP');
    const outcomes = [0, 1, 2, 3].map(() => handshake(url).then(() => 'ok', String));
    // The frozen one is given a single connection, and the other one the rest.
    await until('the others are answered', () => host.sids.length === 3);
    process.kill(victim, 'SIGKILL');
    const [failed, ...others] = (await Promise.all(outcomes)).sort();
    expect(failed).toMatch(/ECONNRESET|socket hang up/);
    expect(others).toEqual(['ok', 'ok', 'ok']);
  });

  it('is followed on the same port, also where any would do and all have died', async () => {
    const host = await startSessionHost();
    // An address of its own: while no worker is left, nobody else takes the port there.
    const { command, url } = await startWorkers([host.name], ['--bind', '127.0.0.9']);
    for (let deaths = 2; deaths <= 4; deaths += 2) {
      for (const pid of command.workers) process.kill(pid, 'SIGKILL');
      await command.seen('worker-started', deaths);
      await handshake(url);
      await handshake(url);
    }
    expect(command.eventsOf('worker-died').map(({ reason }) => reason)).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL']);
  });

  it('waits longer each time while it keeps dying', async () => {
    const host = await startSessionHost();
    const { command } = await startWorkers([host.name]);
    let [victim = NaN] = command.workers;
    for (let deaths = 1; deaths <= 3; deaths += 1) {
      const since = performance.now();
      process.kill(victim, 'SIGKILL');
      victim = await pidOfNext(command, deaths);
      const delay = Number(command.eventsOf('worker-died').at(-1)?.delay);
      expect(performance.now() - since).toBeGreaterThanOrEqual(delay - 1);
    }
    expect(command.eventsOf('worker-died').map(({ delay }) => delay)).toEqual([0, 500, 1000]);
    // The other one has a count of its own.
    process.kill(command.workers.find((pid) => pid !== victim) ?? NaN, 'SIGKILL');
    expect((await command.seen('worker-died', 4)).at(-1)).toMatchObject({ delay: 0 });
  });
});

describe('SIGUSR2', () => {
  const tls = ['--tls-cert', join(FOLDER, 'cert.pem'), '--tls-key', join(FOLDER, 'key.pem')];

  it.each([['HTTP', []], ['HTTPS', tls]])('replaces every worker, and fails no request by %s meanwhile', async (_, args) => {
    const hosts = await startSessionHosts(2);
    hosts.forEach(answering);
    const { command, url } = await startWorkers(hosts.map(({ name }) => name), args);
    const before = command.workers;
    await Promise.all([0, 1, 2, 3].map(() => request(`${url}/socket.io/?EIO=4&transport=polling`, { ca: CERT })));
    const sids = hosts.flatMap((host) => host.sids);
    const load = startLoad(url, sids);
    command.signal('SIGUSR2');
    await command.seen('restarted');
    await until('many have been answered', () => load.requests > 100, 20_000);
    await load.end();
    expect(load.failures).toEqual([]);
    expect(before.filter(isAlive)).toEqual([]);
    expect(command.workers).toHaveLength(2);
    expect(command.events.map(({ event }) => event)).toEqual(['up', 'up', 'listening', 'restarting', 'restarted']);
  });

  it('lets a connection that idles be used once more, by whatever its client asks for, before a worker ends', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    const handshakeUrl = `${url}/socket.io/?EIO=4&transport=polling`;
    // One for each worker.
    const kept = [0, 1].map(() => keptConnection(handshakeUrl));
    for (const connection of kept) expect((await connection.ask()).status).toBe(200);
    const before = command.workers;
    const old = (): number => before.filter(isAlive).length;
    command.signal('SIGUSR2');
    const asked = new Set<typeof kept[number]>();
    while (asked.size < kept.length) {
      // As long as its client says nothing, an old one waits.
      await expect(until('one has ended', () => old() < kept.length - asked.size, 700)).rejects.toThrow('not within');
      for (const connection of kept) {
        if (asked.has(connection)) continue;
        const { status, closes } = await connection.ask();
        expect(status).toBe(200);
        if (closes) asked.add(connection);
      }
      await until('it has ended', () => old() === kept.length - asked.size);
    }
    await command.seen('restarted');
    for (const connection of kept) expect(connection.opened).toBe(1);
  });

  it('ends what is left when the drain timeout has passed', async () => {
    const host = await startSessionHost();
    const keyPrefix = uniqueKeyPrefix();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '300', '--key-prefix', keyPrefix]);
    const kept = [0, 1].map(() => keptConnection(`${url}/socket.io/?EIO=4&transport=polling`));
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
    await Promise.all(closed);
    // A worker that was killed would leave them.
    expect(await Promise.all(sids.map(bound))).toEqual([null, null]);
    for (const connection of kept) expect((await connection.ask()).status).toBe(200);
  });

  it('is followed by SIGTERM at any time, which ends all', async () => {
    const host = await startSessionHost();
    const { command, url } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    // Two for each worker.
    const kept = [0, 1, 2, 3].map(() => keptConnection(`${url}/socket.io/?EIO=4&transport=polling`));
    for (const connection of kept) await connection.ask();
    command.signal('SIGUSR2');
    await until('a worker lets go of its connections', async () => (await Promise.all(kept.slice(2).map(({ ask }) => ask())))
      .some(({ closes }) => closes), 20_000);
    const { workers } = command;
    expect(workers).toHaveLength(3);
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(0);
    expect(workers.filter(isAlive)).toEqual([]);
  });

  it('has as many workers serve all the time, and one more at most', async () => {
    const [host] = await startHosts(1);
    const { command } = await startWorkers([host?.name ?? '']);
    const counts = new Set<number>();
    command.signal('SIGUSR2');
    while (command.eventsOf('restarted').length === 0) {
      counts.add(command.workers.length);
      await sleep(5);
    }
    expect([...counts].filter((count) => count !== 2 && count !== 3)).toEqual([]);
  });

  it('is told to wait while workers are being restarted, and ends nothing where there is one', async () => {
    const host = await startSessionHost();
    const { command, url: openUrl } = await startWorkers([host.name], ['--drain-timeout', '60000']);
    // A worker ends with its WebSocket, and till then the restart is not over.
    const sockets = [await openWebSocket(openUrl), await openWebSocket(openUrl)];
    command.signal('SIGUSR2');
    await command.seen('restarting');
    command.signal('SIGUSR2');
    await command.seen('restart-failed');
    for (const socket of sockets) socket.terminate();
    await command.seen('restarted');
    const { command: single, url } = await startWorkers([host.name], ['--workers', '1']);
    single.signal('SIGUSR2');
    expect(await single.seen('restart-failed')).toHaveLength(1);
    await handshake(url);
    expect(single.workers).toEqual([]);
  });
});
