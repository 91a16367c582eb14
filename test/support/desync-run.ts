import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { onCleanup } from './cleanup';
import type { DesyncCase } from './desync-cases';
import { closeWithTest } from './http';
import { readByNode, type ReadRequest } from './node-reader';
import { StrictReader } from './strict-reader';
import { until } from './until';

/** How many polls come one after the other before a client ends a request that is not whole. */
const OVERTAKERS = 3;

/** What a host was sent on one connection, as it came. */
interface Recorded {
  bytes: Buffer;
  isOpen: boolean;
}

/** A host that records each connection, answers one request on it with the request's id, and closes it. */
export interface DesyncHost {
  readonly port: number;
  readonly connections: readonly Recorded[];
}

/** Where cases are sent. */
export interface DesyncTarget {
  readonly port: number;
  /** What stands behind, at the end. */
  readonly host: DesyncHost;
  /** Each connection begins with a plain poll, and waits: the fast path serves no connection's first request. */
  readonly pollsFirst: boolean;
}

/** What became of a case. */
export interface Outcome {
  /** A status where no host was sent anything; else one of {@link BECAME}. */
  readonly text: string;
  /** What hosts were sent, by connection. */
  readonly forwarded: readonly Buffer[];
  /** What the client got. */
  readonly answer: string;
}

/** As docs/security.md explains them. */
export const BECAME = {
  one: 'one request', passed: '**passed on**', two: '**two requests**', smuggled: '**smuggled**', cut: 'cut',
} as const;

/** What two readers find in the bytes of a connection. */
export interface ReadTwice {
  node: ReadRequest[];
  strict: ReadRequest[];
  /** One of them refuses the bytes. */
  isFaulty: boolean;
}

export async function startDesyncHost(): Promise<DesyncHost> {
  const connections: Recorded[] = [];
  const answer: http.RequestListener = (req, res) => {
    const id = /[?&]id=([\w-]+)/.exec(req.url ?? '')?.[1];
    res.setHeader('Connection', 'close');
    req.resume().on('end', () => res.end(id === undefined ? '0{"sid":"desync"}' : `<${id}>`)).on('error', () => {});
  };
  // Node itself would answer an odd `Expect`, and keep the connection.
  const server = http.createServer(answer).on('checkExpectation', answer);
  // A proxy adds some to those that a client may send.
  server.maxHeadersCount = 1100;
  server.on('connection', (socket: Socket) => {
    const recorded: Recorded = { bytes: Buffer.alloc(0), isOpen: true };
    connections.push(recorded);
    socket.on('data', (chunk: Buffer) => (recorded.bytes = Buffer.concat([recorded.bytes, chunk])));
    socket.on('close', () => (recorded.isOpen = false)).on('error', () => {});
  });
  closeWithTest(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, connections };
}

/** The bytes of a case as they are sent. */
export function bytesOf({ bytes }: DesyncCase, index: number): string {
  return bytes.replaceAll('@@', String(index).padStart(2, '0'));
}

/**
 * Sends all cases, each on a connection of its own, and tells what became of each.
 *
 * @param isFollowed a poll comes behind each, in the same piece unless `pollsFirst`, and ends the connection.
 */
export async function runCases(
  cases: readonly DesyncCase[], { port, host, pollsFirst }: DesyncTarget, isFollowed: boolean,
): Promise<Outcome[]> {
  const before = host.connections.length;
  const answers = await Promise.all(cases.map((each, i) => {
    const bytes = bytesOf(each, i);
    const id = /id=(c\d\d)-it/.exec(bytes)?.[1] ?? '';
    return new Client(port).converse(bytes, { id, isCut: each.isCut === true, pollsFirst, isFollowed });
  }));
  await until('what was forwarded has ended', () => host.connections.every(({ isOpen }) => !isOpen));
  const came = host.connections.slice(before).map(({ bytes }) => bytes);
  return Promise.all(answers.map(async (answer, i) => {
    const own = new RegExp(`id=c${String(i).padStart(2, '0')}-(?:it|hidden)`);
    const forwarded = came.filter((bytes) => own.test(bytes.toString('latin1')));
    return { text: await judge(forwarded, answer, cases[i]?.harm), forwarded, answer };
  }));
}

interface Conversation {
  readonly id: string;
  readonly isCut: boolean;
  readonly pollsFirst: boolean;
  readonly isFollowed: boolean;
}

/** One connection. Its waits end with the connection, too. */
class Client {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  readonly #port: number;
  #text = '';
  #arrived = (): void => {};

  constructor(port: number) {
    this.#port = port;
    const socket = this.#socket = net.connect({ port, host: '127.0.0.1' });
    onCleanup(() => socket.destroy());
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {}).on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#arrived();
    });
  }

  /** @returns what comes back until the last request is answered. */
  async converse(bytes: string, { id, isCut, pollsFirst, isFollowed }: Conversation): Promise<string> {
    if (pollsFirst) {
      this.#socket.write(pollOf(`${id}-first`, ''));
      await this.#answered(`${id}-first`);
      this.#text = '';
    }
    const hasNext = isFollowed && !isCut;
    const next = hasNext ? pollOf(`${id}-end`, 'Connection: close\r\n') : '';
    // The fast path serves no request that does not come alone.
    if (pollsFirst && hasNext) {
      this.#socket.write(bytes, 'latin1');
      await Promise.race([this.#answered(`${id}-it`), this.#overtaken(id)]);
      this.#socket.write(next);
    } else {
      this.#socket.write(bytes + next, 'latin1');
    }
    const answered = this.#answered(hasNext ? `${id}-end` : `${id}-it`);
    if (isCut) {
      await Promise.race([answered, this.#overtaken(id)]);
      this.#socket.end();
    }
    await answered;
    this.#socket.destroy();
    return this.#text;
  }

  /** Others who came later are answered: as much as will be has been forwarded. */
  async #overtaken(id: string): Promise<void> {
    for (let i = 0; i < OVERTAKERS; i += 1) {
      const other = new Client(this.#port);
      other.#socket.write(pollOf(`${id}-other`, ''));
      await other.#answered(`${id}-other`);
      other.#socket.destroy();
    }
  }

  async #answered(id: string): Promise<void> {
    const arrived = new Promise<void>((resolve) => {
      this.#arrived = () => this.#text.includes(`<${id}>`) && resolve();
    });
    await Promise.race([arrived, this.#closed]);
  }
}

function pollOf(id: string, fields: string): string {
  return `GET /socket.io/?EIO=4&transport=polling&sid=desync&id=${id} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`;
}

export async function readTwice(bytes: Buffer): Promise<ReadTwice> {
  const strict: ReadRequest[] = [];
  const faults: string[] = [];
  const reader = new StrictReader({ onRequest: (request) => strict.push(request), onFault: (fault) => faults.push(fault) });
  reader.write(bytes);
  reader.end();
  const { requests, isBroken } = await readByNode(bytes, false);
  return { node: requests, strict, isFaulty: faults.length > 0 || isBroken };
}

async function judge(forwarded: readonly Buffer[], answer: string, harm: RegExp | undefined): Promise<string> {
  if (forwarded.length === 0) return /^HTTP\/1\.[01] (?!100 )(\d+)/m.exec(answer)?.[1] ?? BECAME.cut;
  const read = await Promise.all(forwarded.map((bytes) => readTwice(bytes)));
  // Whoever forwards has meant each connection for one request, because the host closes it.
  if (read.some(({ node, strict }) => Math.max(node.length, strict.length) > 1)) return BECAME.smuggled;
  if (forwarded.length > 1) return BECAME.two;
  const isHarmed = harm !== undefined && forwarded.some((bytes) => harm.test(bytes.toString('latin1')));
  const isFaulty = read.some(({ node, strict, isFaulty: isRefused }) => isRefused || node.length !== 1 || strict.length !== 1);
  if (isHarmed || isFaulty) return BECAME.passed;
  return read.every(({ node, strict }) => node[0]?.isWhole === true && strict[0]?.isWhole === true) ? BECAME.one : BECAME.cut;
}
