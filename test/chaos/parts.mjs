import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';
import { Remote } from './remote.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** How long after a fault a part's refusals are still the fault's, in ms: its clients and their polls lag behind. */
export const AFTERMATH = 3000;

/** One process of the run: it is started, killed and frozen, and says whether it can be counted on. */
class Part {
  /** When it was last anything but well, by `performance.now()`; `Infinity` while it is. */
  troubledAt = -Infinity;
  /** Since when it has had one trouble after the other, by `performance.now()`. */
  troubledSince = -Infinity;

  get well() {
    return this.troubledAt !== Infinity;
  }

  /** It was well all through the last `ms`. */
  wasWell(ms) {
    return performance.now() - this.troubledAt > ms;
  }

  async trouble(fault) {
    if (this.wasWell(AFTERMATH)) this.troubledSince = performance.now();
    this.troubledAt = Infinity;
    try {
      await fault();
    } finally {
      this.troubledAt = performance.now();
    }
  }
}

class RemotePart extends Part {
  remote;
  port = 0;
  #path;
  #options;
  #onStart;

  constructor(path, options, onStart = () => {}) {
    super();
    this.#path = here(path);
    this.#options = options;
    this.#onStart = onStart;
  }

  async start() {
    this.remote = new Remote(this.#path, ['--expose-gc']);
    this.#onStart(this.remote);
    // The same port each time: it stands in the others' configuration.
    this.port = await this.remote.call('start', { ...this.#options, port: this.port });
    return this;
  }

  kill() {
    return this.remote.kill();
  }

  signal(signal) {
    this.remote.signal(signal);
  }
}

export class HostPart extends RemotePart {
  /** When it was last not in the list of each proxy, by `performance.now()`; `Infinity` while it is not. */
  unlistedAt = -Infinity;

  constructor(redisUrl, onStart) {
    super('./host.mjs', { redisUrl }, onStart);
  }

  get name() {
    return `127.0.0.1:${this.port}`;
  }

  /** Each proxy listed it all through the last `ms`. */
  wasListed(ms) {
    return performance.now() - this.unlistedAt > ms;
  }
}

export class ProxyPart extends RemotePart {
  /** When it last ended, by `performance.now()`. */
  endedAt = -Infinity;

  constructor(options) {
    super('../fixtures/proxy.mjs', options);
  }

  async start() {
    await super.start();
    this.atStart = await this.remote.call('usage');
    return this;
  }

  kill() {
    this.endedAt = performance.now();
    return super.kill();
  }

  close() {
    this.endedAt = performance.now();
    return this.remote.call('close');
  }
}

export class RedisPart extends Part {
  port;
  #child;
  #dir = mkdtempSync(join(tmpdir(), 'chaos-redis-'));

  async start() {
    this.port ??= await freePort();
    this.#child = spawn('redis-server', [
      '--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#dir,
    ], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const chunk of this.#child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      if (chunk.includes('Ready to accept connections')) break;
    }
    this.#child.stdout.resume();
    return this;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async kill() {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  signal(signal) {
    this.#child.kill(signal);
  }

  /** Loses what the members of a fleet have written. */
  async forgetFleet() {
    const client = createClient({ url: this.url });
    client.on('error', () => {});
    await client.connect();
    await client.del(['{socket.io-fleet}:members', '{socket.io-fleet}:state:socket.io#']);
    client.destroy();
  }

  async end() {
    await this.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
