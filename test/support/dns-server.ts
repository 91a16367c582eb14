import { createSocket } from 'node:dgram';
import { getServers, setServers } from 'node:dns';
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { AUTHORITATIVE_ANSWER, decode, encode, TRUNCATED_RESPONSE, type Packet } from 'dns-packet';
import { onCleanup } from './cleanup';
import { somePort } from './program';

/** The most bytes of an answer over UDP. */
const MAX_UDP = 512;

const RCODES = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 };

/** A record, of the name that is asked for where it has none of its own, with a TTL of 1 s unless it has another. */
export type Entry = { name?: string; ttl?: number } & (
  | { type: 'A' | 'AAAA' | 'CNAME'; data: string }
  | { type: 'SRV'; data: { target: string; port: number; priority?: number; weight?: number } }
);

/** What the server answers for a name: records, an error's code, or nothing at all. */
export type Zone = Record<string, Entry[] | keyof typeof RCODES | 'silence'>;

export interface Query {
  name: string;
  type: string;
  transport: 'udp' | 'tcp';
}

/** A records of one name. */
export function addresses(all: string[], ttl = 1): Entry[] {
  return all.map((data) => ({ type: 'A', data, ttl }));
}

/** A DNS server over UDP and TCP, whose zone the test changes at will. It emits each query after its answer. */
export class DnsServer extends EventEmitter<{ query: [Query] }> {
  readonly queries: Query[] = [];
  zone: Zone;
  port = 0;

  constructor(zone: Zone) {
    super();
    this.zone = zone;
  }

  /** As `setServers()` of `node:dns` takes it. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#listen(somePort());
        return this;
      } catch (error) {
        // Both transports need the same port: if another process has it, try one more.
        if (tries === 5) throw error;
      }
    }
  }

  /** Resolves with the next query. */
  async asked(): Promise<Query> {
    const [query] = await once(this, 'query') as [Query];
    return query;
  }

  async #listen(port: number): Promise<void> {
    const sockets = new Set<net.Socket>();
    const tcp = net.createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      this.#serve(socket);
    }).listen(port, '127.0.0.1');
    await once(tcp, 'listening');
    onCleanup(() => {
      tcp.close();
      for (const socket of sockets) socket.destroy();
    });
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    onCleanup(() => udp.close());
    udp.on('message', (message, from) => this.#answer('udp', decode(message), (answer) => {
      const bytes = encode(answer);
      const fits = bytes.length <= MAX_UDP;
      udp.send(fits ? bytes : encode({ ...answer, flags: TRUNCATED_RESPONSE, answers: [] }), from.port, from.address);
    }));
    this.port = port;
  }

  /** Over TCP, each message follows its length in two bytes. */
  #serve(socket: net.Socket): void {
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE()) {
        const end = 2 + bytes.readUInt16BE();
        this.#answer('tcp', decode(bytes.subarray(2, end)), (answer) => {
          const message = encode(answer);
          socket.write(Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message]));
        });
        bytes = bytes.subarray(end);
      }
    });
  }

  #answer(transport: Query['transport'], { id, questions = [] }: Packet, send: (answer: Packet) => void): void {
    const [question] = questions;
    if (!question) throw new Error('a query without a question');
    const { name, type } = question;
    const found = this.zone[name.toLowerCase()] ?? 'NXDOMAIN';
    if (found !== 'silence') {
      const entries = typeof found === 'string' ? [] : found.filter((entry) => entry.type === type || entry.type === 'CNAME');
      const rcode = typeof found === 'string' ? RCODES[found] : 0;
      const answers = entries.map((entry) => ({ ttl: 1, name, ...entry }));
      send({ type: 'response', id, flags: AUTHORITATIVE_ANSWER | rcode, questions, answers });
    }
    const query = { name, type, transport };
    this.queries.push(query);
    this.emit('query', query);
  }
}

/** Starts a server, which this process asks until the test is over. */
export async function startDnsServer(zone: Zone = {}): Promise<DnsServer> {
  const server = await new DnsServer(zone).start();
  const before = getServers();
  onCleanup(() => setServers(before));
  setServers([server.address]);
  return server;
}
