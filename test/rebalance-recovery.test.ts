import { io, type Socket } from 'socket.io-client';
import { onCleanup } from './support/cleanup';
import { Clients } from './support/clients';
import { examplePath, Script } from './support/examples';
import { startProxy, type ProxyInstance, type Started } from './support/proxy';
import { RedisProcess } from './support/redis';
import { until } from './support/until';

/** How many clients there are, half of them by each transport. */
const CLIENTS = 32;

/** How often something is broadcast, in ms. */
const INTERVAL = 5;

/** How long clients stay away, in ms. */
const AWAY = 1000;

/** Servers with connection state recovery, as they stand in examples/: their names. */
async function startServers(count: number): Promise<string[]> {
  const redis = await RedisProcess.start();
  return Promise.all(Array.from({ length: count }, async () => {
    const script = new Script([examplePath('recovery/server.mjs')], { PORT: '0', REDIS_URL: redis.url });
    const line = await script.line(/^listening on port \d+$/);
    return `127.0.0.1:${line.replace(/\D/g, '')}`;
  }));
}

/**
 * Has a server broadcast numbers, one after the other, past the proxy: when clients are cut off, and while they are
 * away. Not when one comes back: the adapter may lose or repeat what is broadcast in the very moment in which it
 * restores a client's state, with a proxy or without.
 */
class Speaker {
  said = 0;
  readonly #socket: Socket;
  readonly #saying: NodeJS.Timeout;

  constructor(host: string, away: ReadonlyMap<number, number>) {
    this.#socket = io(`http://${host}`, { transports: ['websocket'], forceNew: true });
    onCleanup(() => this.stop());
    this.#saying = setInterval(() => {
      const isOneDue = [...away.values()].some((since) => performance.now() - since > AWAY / 2);
      if (!this.#socket.connected || isOneDue) return;
      this.#socket.emit('say', String(this.said));
      this.said += 1;
    }, INTERVAL);
  }

  stop(): void {
    clearInterval(this.#saying);
    this.#socket.close();
  }

  /** Says no more, and resolves with all that was said. */
  async end(): Promise<string[]> {
    clearInterval(this.#saying);
    const last = new Promise<void>((resolve) => {
      this.#socket.on('said', (text) => {
        if (text === String(this.said - 1)) resolve();
      });
    });
    this.#socket.emit('say', String(this.said));
    this.said += 1;
    await last;
    return Array.from({ length: this.said }, (_, i) => String(i));
  }
}

interface Cast extends Started {
  hosts: string[];
  clients: Clients;
  keys: number[];
  speaker: Speaker;
  /** How often clients were cut off. */
  cuts: () => number;
}

/** Clients of a proxy before three hosts, the last of which has none, while numbers are broadcast. */
async function start(): Promise<Cast> {
  const hosts = await startServers(3);
  const [speaking = '', , empty = ''] = hosts;
  const started = await startProxy({ hosts, balance: 'round-robin' });
  started.proxy.setWeight(empty, 0);
  const clients = new Clients();
  let cut = 0;
  const away = new Map<number, number>();
  clients.on('connect', ({ key }: { key: number }) => away.delete(key));
  clients.on('disconnect', ({ key }: { key: number }) => {
    cut += 1;
    away.set(key, performance.now());
  });
  const options = { url: started.url, reconnection: true, reconnectionDelay: AWAY, randomizationFactor: 0 };
  const keys: number[] = [];
  // Of each transport, every second client on each host.
  for (let i = 0; i < CLIENTS; i += 1) {
    const transports = [i % 4 < 2 ? 'polling' : 'websocket'];
    keys.push((await clients.call<{ key: number }>('join', { ...options, transports })).key);
  }
  expect(started.proxy.hosts.map(({ sessions }) => sessions)).toEqual([CLIENTS / 2, CLIENTS / 2, 0]);
  started.proxy.setWeight(empty, 1);
  return { ...started, hosts, clients, keys, cuts: () => cut, speaker: new Speaker(speaking, away) };
}

/** Resolves with how many have come back. Each that has was recovered, and each has heard everything once, in order. */
async function allHaveHeard({ clients, keys, speaker, cuts }: Cast): Promise<number> {
  await until('all have come back', async () => {
    const states = await Promise.all(keys.map((key) => clients.state(key)));
    return states.every(({ connected }) => connected);
  });
  const said = await speaker.end();
  await until('all have heard the last', async () => {
    const states = await Promise.all(keys.map((key) => clients.state(key)));
    return states.every(({ heard }) => heard.at(-1) === said.at(-1));
  });
  const states = await Promise.all(keys.map((key) => clients.state(key)));
  for (const { heard } of states) expect(heard).toEqual(said);
  const back = states.filter(({ recovered }) => recovered).length;
  expect(back).toBe(cuts());
  return back;
}

const counted = (proxy: ProxyInstance): number => proxy.hosts.reduce((sum, { sessions }) => sum + sessions, 0);

describe('clients whose state is recovered, while messages are broadcast, miss none and hear none twice', () => {
  it('when they are moved to an empty host', async () => {
    const cast = await start();
    const over = new Promise<number>((resolve) => cast.proxy.once('rebalanced', resolve));
    await until('some were heard', async () => (await cast.clients.state(cast.keys[0] ?? 0)).heard.length > 20);
    cast.proxy.rebalance({ perMinute: 1200 });
    const moved = await over;
    expect(moved).toBeGreaterThanOrEqual(8);
    expect(await allHaveHeard(cast)).toBe(moved);
    expect(counted(cast.proxy)).toBe(CLIENTS);
  });

  it('when they are moved from a host that is drained', async () => {
    const cast = await start();
    const [, drained = ''] = cast.hosts;
    await until('some were heard', async () => (await cast.clients.state(cast.keys[0] ?? 0)).heard.length > 20);
    const over = new Promise((resolve) => cast.proxy.once('drained', resolve));
    cast.proxy.drainHost(drained, { deadline: 100, movesPerSecond: 30 });
    expect(await over).toBe(drained);
    expect(await allHaveHeard(cast)).toBe(CLIENTS / 2);
    expect(cast.proxy.hosts[1]?.sessions).toBe(0);
    expect(counted(cast.proxy)).toBe(CLIENTS);
  });
});
