import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type net from 'node:net';
import WebSocket, { WebSocketServer } from 'ws';
import type Proxy from '../../src';
import { MemoryStore, type SessionStore } from '../../src';
import { onCleanup } from './cleanup';
import { pollUrl, request, startServer, type Reply } from './http';
import type { Started } from './proxy';
import { before } from './session-host';

export const SID = 'user-1';
/** How long sessions live, in ms. */
export const LIFETIME = 45_000;

/** A host whose sessions get the sid that the handshake asks for. */
export interface NamedHost {
  name: string;
  /** The sids of its sessions that are alive. */
  alive: Set<string>;
  /** What was posted. */
  posted: string[];
  /** What it answers to a question by PUT that it would not answer by itself. */
  onPut: ((socket: net.Socket) => void) | undefined;
}

const queryOf = ({ url }: IncomingMessage): URLSearchParams => new URL(url ?? '', 'http://host').searchParams;

async function startNamedHost(): Promise<NamedHost> {
  const host: NamedHost = { name: '', alive: new Set(), posted: [], onPut: undefined };
  const { name, server } = await startServer((req, res) => {
    const query = queryOf(req);
    const sid = query.get('sid');
    if (req.method === 'PUT' && host.onPut) {
      if (res.socket) host.onPut(res.socket);
      return;
    }
    let body = '';
    req.setEncoding('latin1').on('data', (chunk: string) => (body += chunk)).on('end', () => {
      if (sid === null) {
        const opened = query.get('as');
        if (opened !== null) host.alive.add(opened);
        res.end(`0${JSON.stringify({ sid: opened, pingInterval: LIFETIME, pingTimeout: 0 })}`);
      } else if (!host.alive.has(sid)) {
        res.writeHead(400).end('{"code":1,"message":"Session ID unknown"}');
      } else if (req.method === 'PUT') {
        res.writeHead(500).end();
      } else {
        if (body === '1' || body === '1:1') host.alive.delete(sid);
        else host.posted.push(body);
        res.end('ok');
      }
    });
  });
  const sockets = new WebSocketServer({
    server,
    verifyClient: ({ req }: { req: IncomingMessage }, answer: (isTaken: boolean, status?: number) => void) => {
      const sid = queryOf(req).get('sid');
      answer(sid === null || host.alive.has(sid), 400);
    },
  });
  sockets.on('connection', (socket, req) => {
    onCleanup(() => socket.terminate());
    const sid = queryOf(req).get('as');
    if (sid === null) return;
    host.alive.add(sid);
    socket.on('close', () => host.alive.delete(sid));
    socket.send(`0${JSON.stringify({ sid, pingInterval: LIFETIME, pingTimeout: 0 })}`);
  });
  return Object.assign(host, { name });
}

/** One proxy's way to a store that all share. */
export class Way implements SessionStore {
  readonly inner: MemoryStore;
  /** What is awaited before a call is passed on. */
  hold: ((call: string, sid: string) => Promise<unknown> | undefined) | undefined;
  fails = false;
  #tell: { failed: (error: Error) => void; ready: () => void } | undefined;

  constructor(inner: MemoryStore) {
    this.inner = inner;
  }

  async #pass<T>(name: string, sid: string, call: () => Promise<T>): Promise<T> {
    if (this.fails) throw new Error('the store fails');
    await this.hold?.(name, sid);
    return call();
  }

  bind = (sid: string, host: string, ttl: number): Promise<void> => this.#pass('bind', sid, () => this.inner.bind(sid, host, ttl));
  find = (sid: string, ttl: number): Promise<string | undefined> => this.#pass('find', sid, () => this.inner.find(sid, ttl));
  unbind = (sid: string): Promise<void> => this.#pass('unbind', sid, () => this.inner.unbind(sid));
  inspect = (sid: string): ReturnType<MemoryStore['inspect']> => this.#pass('inspect', sid, () => this.inner.inspect(sid));
  claim = (sid: string, host: string, ttl: number, over?: string): Promise<string> =>
    this.#pass('claim', sid, () => this.inner.claim(sid, host, ttl, over));

  release = (sid: string, host: string, expiresIn: number): Promise<void> =>
    this.#pass('release', sid, () => this.inner.release(sid, host, expiresIn));

  watch(failed: (error: Error) => void, ready: () => void): void {
    this.#tell = { failed, ready };
  }

  fail(): void {
    this.fails = true;
    this.#tell?.failed(new Error('the connection is lost'));
  }

  recover(): void {
    this.fails = false;
    this.#tell?.ready();
  }
}

export interface Member extends Started {
  way: Way;
  duplicates: string[][];
}

/** Three hosts, and proxies before them that share a store. */
export interface Contest {
  inner: MemoryStore;
  hosts: [NamedHost, NamedHost, NamedHost];
  startMember: (options?: Partial<Proxy.PartialProxyOptions>) => Promise<Member>;
}

/** New sessions go to the host that the handshake names. Nobody checks hosts once they are up. */
export const OPTIONS: Partial<Proxy.PartialProxyOptions> = {
  balance: (_hosts, { url }) => new URL(url ?? '', 'http://proxy').searchParams.get('to') ?? '', checkInterval: 3_600_000,
};

export async function startContest(): Promise<Contest> {
  const inner = new MemoryStore();
  const hosts: Contest['hosts'] = [await startNamedHost(), await startNamedHost(), await startNamedHost()];
  const startMember: Contest['startMember'] = async (options) => {
    const way = new Way(inner);
    const started = await before(hosts, { ...OPTIONS, store: way, ...options });
    const duplicates: string[][] = [];
    started.proxy.on('duplicate', (...names) => duplicates.push(names));
    return { ...started, way, duplicates };
  };
  return { inner, hosts, startMember };
}

export const open = (url: string, { name }: NamedHost, sid = SID): Promise<Reply> =>
  request(`${url}/socket.io/?EIO=4&transport=polling&as=${sid}&to=${name}`);
export const post = (url: string, body: string): Promise<Reply> => request(pollUrl(url, SID), { method: 'POST', body });

/** Opens a WebSocket, or fails to as is expected. */
export async function upgrade(url: string, query: string, event = 'message'): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&${query}`);
  onCleanup(() => socket.terminate());
  socket.on('error', () => {});
  await once(socket, event);
  return socket;
}
