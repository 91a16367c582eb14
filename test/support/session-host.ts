import { EventEmitter, once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type Proxy from '../../src';
import { onCleanup } from './cleanup';
import { ADDRESS } from './hosts';
import { startServer } from './http';
import { startProxy, type ProxyInstance, type Started } from './proxy';
import { until } from './until';

/**
 * A host in this process that opens sessions by polling and WebSocket, and holds polls. It emits `check`, `handshake`,
 * `upgrade`, and `poll` with its response.
 */
export class SessionHost extends EventEmitter {
  name = '';
  port = 0;
  /** The sids of the sessions that it has opened. */
  readonly sids: string[] = [];
  /** What it answers health checks with. */
  health: number | 'silence' = 400;
  /** It does not know any session that it has opened, as after a restart. */
  hasForgotten = false;
  /** It waits with the answers to handshakes by polling until `answer`. */
  holdsHandshakes = false;
  /** How long its sessions live, in ms. */
  readonly #lifetime: number;
  readonly #held: (() => void)[] = [];
  readonly #ended = new Set<string>();
  readonly #upgraded: Duplex[] = [];
  #server: Server | undefined;

  constructor(lifetime: number) {
    super();
    this.#lifetime = lifetime;
  }

  async start(where?: ListenOptions): Promise<this> {
    const { server, name, port } = await startServer((req, res) => this.#onRequest(req, res), {}, where);
    Object.assign(this, { name, port });
    this.#server = server;
    server.on('upgrade', (_, socket: Duplex) => {
      this.#upgraded.push(socket);
      this.emit('upgrade');
    });
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, req) => {
      onCleanup(() => socket.terminate());
      if (req.url?.includes('sid=')) return;
      socket.send(this.#open());
      const sid = this.sids.at(-1) ?? '';
      socket.once('close', () => this.#ended.add(sid));
    });
    return this;
  }

  get connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server?.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  /** Ends what it holds: polls, and handshakes. */
  answer(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  /** Takes no more connections, and ends those that it has. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.close();
    server.closeAllConnections();
    for (const socket of this.#upgraded.splice(0)) socket.destroy();
    await once(server, 'close');
  }

  #onRequest(req: IncomingMessage, res: ServerResponse): void {
    const url = req.url ?? '';
    if (!url.includes('transport=')) {
      if (this.health !== 'silence') res.writeHead(this.health).end();
      this.emit('check');
    } else if (!url.includes('sid=')) {
      if (this.holdsHandshakes) this.#held.push(() => res.end(this.#open()));
      else res.end(this.#open());
      this.emit('handshake');
    } else if (req.method === 'OPTIONS') {
      // So the package `cors` answers it, whatever the sid.
      res.writeHead(204).end();
    } else if (this.hasForgotten || this.#ended.has(sidOf(url))) {
      res.writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
    } else if (req.method === 'PUT') {
      // So Engine.IO answers it.
      res.writeHead(500).end();
    } else if (req.method === 'POST') {
      req.on('data', (body: Buffer) => {
        if (/^1(?::1)?$/.test(body.toString())) this.#ended.add(sidOf(url));
      }).on('end', () => res.end('ok'));
    } else {
      this.#held.push(() => res.end('2'));
      this.emit('poll', res);
    }
  }

  #open(): string {
    const sid = `${this.port}-${this.name.split(':')[0]}-${this.sids.length}`;
    this.sids.push(sid);
    return `0${JSON.stringify({ sid, pingInterval: this.#lifetime, pingTimeout: 0 })}`;
  }
}

const sidOf = (url: string): string => new URL(url, 'http://host').searchParams.get('sid') ?? '';

export function startSessionHost(lifetime = 45_000, where?: ListenOptions): Promise<SessionHost> {
  return new SessionHost(lifetime).start(where);
}

export function startSessionHosts(count: number, lifetime?: number, where?: ListenOptions): Promise<SessionHost[]> {
  return Promise.all(Array.from({ length: count }, () => startSessionHost(lifetime, where)));
}

/** Some that may be stopped: nobody else is given their ports. */
export function startMortalHosts(count: number): Promise<SessionHost[]> {
  return startSessionHosts(count, undefined, { host: ADDRESS });
}

/** Opens a WebSocket through a proxy, by a handshake where no sid is given; then it is open once its session is. */
export async function openWebSocket(url: string, sid?: string): Promise<WebSocket> {
  const query = `EIO=4&transport=websocket${sid === undefined ? '' : `&sid=${sid}`}`;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query}`);
  onCleanup(() => socket.terminate());
  socket.on('error', () => {});
  await once(socket, sid === undefined ? 'message' : 'open');
  return socket;
}

/** Of each host: sessions, WebSockets and requests. */
export const countsOf = (proxy: ProxyInstance): number[][] =>
  proxy.hosts.map(({ sessions, tunnels, requests }) => [sessions, tunnels, requests]);

/** A proxy before hosts, all of which are up. */
export async function before(hosts: readonly { readonly name: string }[], options: Proxy.PartialProxyOptions = {}): Promise<Started> {
  const started = await startProxy({ hosts: hosts.map(({ name }) => name), checkInterval: 20, ...options });
  await until('all are up', () => started.proxy.hosts.every(({ state }) => state === 'up'));
  return started;
}
