import { once } from 'node:events';
import WebSocket, { type ClientOptions } from 'ws';
import { onCleanup } from './cleanup';
import { request, type Reply, type RequestOptions } from './http';
import { startProxy } from './proxy';
import { sharedStore } from './stores';

/** How a client reaches the server in the tests of the protocols. Each case has the same outcome either way. */
export const WAYS = ['directly', 'through two proxies'] as const;

/** What a client sees of a response. */
export type Seen = Pick<Reply, 'status' | 'body'> & { type: string | undefined };

/** The answer to a handshake. */
export interface Opened {
  sid: string;
  upgrades: string[];
  pingInterval: number;
  pingTimeout: number;
  maxPayload: number;
}

/** The way to a server, that of each request being the next of its origins. */
export class Way {
  readonly #ports: readonly number[];
  readonly #path: string;
  #turn = 0;

  constructor(ports: readonly number[], path: string) {
    this.#ports = ports;
    this.#path = path;
  }

  /** The URL of the next request. */
  url(query: string): string {
    const port = this.#ports[this.#turn++ % this.#ports.length];
    return `http://127.0.0.1:${port}${this.#path}?${query}`;
  }

  async ask(query: string, options?: RequestOptions): Promise<Seen> {
    const { status, headers, body } = await request(this.url(query), options);
    return { status, body, type: headers['content-type'] };
  }

  async open(): Promise<Opened> {
    const { body } = await this.ask('EIO=4&transport=polling');
    return JSON.parse(body.slice(1)) as Opened;
  }

  poll(sid: string): Promise<Seen> {
    return this.ask(pollingOf(sid));
  }

  post(sid: string, body: string | Buffer, headers = {}): Promise<Seen> {
    return this.ask(pollingOf(sid), { method: 'POST', body, headers });
  }

  /** A WebSocket, open or not yet. */
  socket(query: string, options?: ClientOptions): Wire {
    return new Wire(this.url(query).replace('http:', 'ws:'), options);
  }

  /** A WebSocket of a session of its own, whose handshake has been read. */
  async openSocket(): Promise<Wire> {
    const wire = this.socket('EIO=4&transport=websocket');
    await wire.next();
    return wire;
  }

  /** A WebSocket of a session that has polled until now. */
  upgrade(sid: string): Wire {
    return this.socket(`EIO=4&transport=websocket&sid=${encodeURIComponent(sid)}`);
  }
}

/** The messages of a WebSocket, read one by one: a string is text, a Buffer binary. */
export class Wire {
  readonly #socket: WebSocket;
  readonly #messages: AsyncIterator<string | Buffer, undefined>;
  /** How it ends, in words: the status of a refusal, or the code of the server's close. */
  readonly end: Promise<string>;

  constructor(url: string, options?: ClientOptions) {
    this.#socket = new WebSocket(url, options);
    onCleanup(() => this.#socket.terminate());
    this.#messages = messagesOf(this.#socket);
    // A refusal, and an end in the middle of the handshake, are told as errors too.
    this.#socket.on('error', () => {});
    this.end = new Promise((resolve) => {
      this.#socket.once('unexpected-response', (_, { statusCode }) => {
        resolve(`refused with ${statusCode}`);
        // Who reads a refusal has to end it.
        this.#socket.terminate();
      });
      this.#socket.once('close', (code) => resolve(`closed with ${code}`));
    });
  }

  async opened(): Promise<this> {
    if (this.#socket.readyState === WebSocket.CONNECTING) await once(this.#socket, 'open');
    return this;
  }

  /** The next message, or `undefined` once it is closed. */
  async next(): Promise<string | Buffer | undefined> {
    const result = await this.#messages.next();
    return result.done === true ? undefined : result.value;
  }

  /** So many messages. */
  async several(count: number): Promise<(string | Buffer | undefined)[]> {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** All messages until it is closed. */
  async rest(): Promise<(string | Buffer)[]> {
    const messages = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) messages.push(next);
    return messages;
  }

  send(...messages: (string | Buffer)[]): void {
    for (const message of messages) this.#socket.send(message);
  }

  /** Sends it, and resolves with the next message. */
  ask(...messages: (string | Buffer)[]): Promise<string | Buffer | undefined> {
    this.send(...messages);
    return this.next();
  }

  close(code = 1000): void {
    this.#socket.close(code);
  }
}

/** The ways to the first of the hosts itself, and to all of them through two proxies that share a store. */
export async function startWays(ports: readonly number[], path = '/socket.io/'): Promise<Record<(typeof WAYS)[number], Way>> {
  const hosts = ports.map((port) => `127.0.0.1:${port}`);
  const options = { ...await sharedStore(), path, hosts };
  const proxies = [await startProxy(options), await startProxy(options)];
  return {
    directly: new Way(ports.slice(0, 1), path),
    'through two proxies': new Way(proxies.map(({ port }) => port), path),
  };
}

/** The query of a poll. */
export const pollingOf = (sid: string): string => `EIO=4&transport=polling&sid=${encodeURIComponent(sid)}`;

/** Listens at once, so that no message is lost. */
function messagesOf(socket: WebSocket): AsyncIterator<string | Buffer, undefined> {
  const arrived: (string | Buffer)[] = [];
  let wake = (): void => {};
  socket.on('message', (data: Buffer, isBinary) => {
    arrived.push(isBinary ? data : data.toString());
    wake();
  });
  socket.once('close', () => wake());
  return (async function* () {
    for (;;) {
      while (arrived.length > 0) yield arrived.shift() ?? '';
      if (socket.readyState === WebSocket.CLOSED) return undefined;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  })();
}
