import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { onCleanup } from '../support/cleanup';
import { Clients, type ClientOptions } from '../support/clients';
import { request } from '../support/http';

const TRANSPORTS: [name: string, options: Partial<ClientOptions>, opened: string, used: string][] = [
  ['polling', { transports: ['polling'] }, 'polling', 'polling'],
  ['polling, then upgrade', { transports: ['polling', 'websocket'], upgraded: true }, 'polling', 'websocket'],
  ['WebSocket', { transports: ['websocket'] }, 'websocket', 'websocket'],
];

let clients: Clients;

beforeAll(() => {
  clients = new Clients();
});

/** `npm run demo`, less the build. */
class Demo {
  readonly pid: number;
  readonly lines: string[] = [];
  errors = '';
  url = '';
  readonly #child: ChildProcess;
  readonly #output: Interface;
  readonly #closed: Promise<void>;
  #over = false;

  /** @param detached gives it a process group of its own, as a shell does. */
  constructor(port: string, detached = false) {
    const child = this.#child = spawn(process.execPath, [join(__dirname, '../../demo/index.mjs')], {
      env: { ...process.env, PORT: port },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached,
    });
    this.pid = child.pid ?? NaN;
    this.#output = createInterface({ input: child.stdout });
    this.#output.on('line', (line) => this.lines.push(line));
    child.stderr.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString();
    });
    this.#closed = once(child, 'close').then(() => {
      this.#over = true;
    });
    onCleanup(async () => {
      const pids = this.#over ? [] : [this.pid, ...this.servers.map((server) => server.pid)];
      for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
      await this.#closed;
    });
  }

  static async start(detached = false): Promise<Demo> {
    const demo = new Demo('0', detached);
    const ready = await demo.line(/^open (http:\/\/localhost:\d+)$/);
    demo.url = ready[1] ?? '';
    return demo;
  }

  /** As it says itself, with the last process of each. */
  get servers(): { host: string; pid: number }[] {
    const pids = new Map<string, number>();
    for (const line of this.lines) {
      const match = /^server +(\S+) +pid (\d+)$/.exec(line);
      if (match) pids.set(match[1] ?? '', Number(match[2]));
    }
    return Array.from(pids, ([host, pid]) => ({ host, pid }));
  }

  get hosts(): string[] {
    return this.servers.map(({ host }) => host);
  }

  /** Waits until so many lines have matched, and resolves with the last of them. */
  async line(pattern: RegExp, count = 1): Promise<RegExpExecArray> {
    for (;;) {
      const matches = this.lines.map((line) => pattern.exec(line)).filter((match) => match !== null);
      const match = matches[count - 1];
      if (match) return match;
      await Promise.race([once(this.#output, 'line'), this.#closed]);
      if (this.#over) throw new Error(`the demo has ended: ${this.errors}`);
    }
  }

  async exit(): Promise<unknown> {
    const [code] = await once(this.#child, 'exit') as [number | null];
    return code;
  }

  /** Waits until it has ended, and everything else that could still write to its terminal. */
  closed(): Promise<void> {
    return this.#closed;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('while it runs', () => {
  let demo: Demo;

  beforeAll(async () => {
    demo = await Demo.start();
  });

  it('puts three servers, in processes of their own, behind the proxy', async () => {
    expect(new Set(demo.hosts).size).toBe(3);
    for (const { host, pid } of demo.servers) {
      await demo.line(new RegExp(`^up +${host}$`));
      expect(isAlive(pid)).toBe(true);
    }
  });

  it('serves a page that asks no other origin, and the script that it names', async () => {
    const page = await request(`${demo.url}/`);
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.body).not.toMatch(/\b(?:https?|wss?):|(?:src|href)="\/\/|url\(|@import/);

    const scripts = Array.from(page.body.matchAll(/<script src="([^"]+)"/g), (match) => match[1] ?? '');
    expect(scripts).toHaveLength(1);
    const script = await request(`${demo.url}${scripts[0] ?? ''}`);
    expect([script.status, script.headers['content-type']]).toEqual([200, 'text/javascript; charset=utf-8']);
    expect(script.body).toContain('Socket.IO v4');
  });

  it.each(TRANSPORTS)('shows a line with the host that answers: %s', async (_, options, opened, used) => {
    const { key, sid, host, transport } = await clients.connect({ url: demo.url, ...options });
    expect(transport).toBe(used);
    expect(demo.hosts).toContain(host);
    await demo.line(new RegExp(`^session +${sid.slice(0, 8)}… +${opened} +${host}$`));
    expect(await clients.host(key)).toBe(host);
    await clients.close(key);
  });

  it('stops the server that the page names, whose clients reach another, and starts it again', async () => {
    const options: Partial<ClientOptions> = { transports: ['websocket'], reconnection: true, reconnectionDelay: 1 };
    const { key, host } = await clients.connect({ url: demo.url, ...options });
    await demo.line(new RegExp(`^up +${host}$`));
    const reconnected = once(clients, 'connect');
    expect((await request(`${demo.url}/stop/${host}`, { method: 'POST' })).status).toBe(204);
    await demo.line(new RegExp(`^down +${host}`));
    await reconnected;
    const next = await clients.host(key);
    expect(demo.hosts.filter((other) => other !== host)).toContain(next);
    await demo.line(new RegExp(`^up +${host}$`), 2);
  });

  it('stops no server that it has not started', async () => {
    expect((await request(`${demo.url}/stop/127.0.0.1:1`, { method: 'POST' })).status).toBe(404);
  });
});

describe('when it ends', () => {
  it.each([
    ['Ctrl-C, which reaches the servers too', (demo: Demo) => process.kill(-demo.pid, 'SIGINT')],
    ['SIGTERM', (demo: Demo) => process.kill(demo.pid, 'SIGTERM')],
  ])('exits with 0 and leaves nothing behind, clients or not: %s', async (_, end) => {
    const demo = await Demo.start(true);
    await Promise.all(TRANSPORTS.map(([, options]) => clients.connect({ url: demo.url, ...options })));
    // Browsers keep a spare connection, on which they have not asked for anything yet: Node, up to 24, would wait for that for good.
    const spare = net.connect(Number(new URL(demo.url).port), 'localhost');
    onCleanup(() => spare.destroy());
    spare.on('error', () => {});
    await once(spare, 'connect');

    const exit = demo.exit();
    end(demo);
    expect(await exit).toBe(0);
    expect(demo.servers.filter(({ pid }) => isAlive(pid))).toEqual([]);
    await demo.closed();
    expect(demo.errors).toBe('');
  });

  it('takes its servers with it when it is killed', async () => {
    const demo = await Demo.start();
    process.kill(demo.pid, 'SIGKILL');
    await demo.closed();
  });

  it('says in one line that its port is taken, and exits with 1', async () => {
    const taken = net.createServer().listen(0, 'localhost');
    onCleanup(() => taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;

    const demo = new Demo(String(port));
    expect(await demo.exit()).toBe(1);
    await demo.closed();
    expect(demo.errors).toMatch(new RegExp(`^port ${port} is taken: .+\n$`));
    expect(demo.lines).toEqual([]);
  });

  it('says in one line that PORT is no port, and exits with 1', async () => {
    const demo = new Demo('http');
    expect(await demo.exit()).toBe(1);
    await demo.closed();
    expect(demo.errors).toMatch(/^.*port.*\n$/);
  });
});
