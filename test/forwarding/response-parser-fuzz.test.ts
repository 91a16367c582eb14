import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { ResponseParser } from '../../src/forwarding/response-parser';
import { onCleanup } from '../support/cleanup';
import { Random } from '../support/random';

/** Ten minutes on demand: `FUZZ_SECONDS=600`. Without it so many seeds are run, for about five seconds. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const SEEDS = 60;
const SEED = Number(process.env.FUZZ_SEED ?? (SECONDS > 0 ? randomInt(1_000_000_007) : 1));
/** Of each seed. */
const RESPONSES = 400;

const MAX_HEAD_SIZE = 16_384;

interface Read {
  status: number;
  headers: string[];
  body: string;
}

const HEADERS = [
  'Content-Length: 5', 'Content-Length: 5', 'Content-Length: 0', 'Content-Length: 5, 5', 'Content-Length: +5',
  'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip', 'Connection: close', 'Connection: keep-alive', 'Keep-Alive: timeout=5',
  'Content-Length: 6', 'Content-Length: 05', 'Content-Length:5', 'Content-Length : 5', 'Content-Length: 0x5', 'Content_Length: 3',
  'Content-Length: 18446744073709551621', 'Transfer-Encoding: Chunked\t', 'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: xchunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding:\r\n chunked', 'Transfer-Encoding: \x0bchunked',
  'Connection: close, content-length', 'Upgrade: h2c', 'X-Folded: a\r\n b', ' X-Blank: a', 'X-\xe9: a', 'X', ': a',
  'X-Empty:', 'X-Spaces: \t a  b \t', 'X-Latin: \xe9', 'Set-Cookie: a=1', 'set-cookie: b=2', 'Trailer: X',
];
const STATUS_LINES = [
  'HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.1 404 Not Found', 'HTTP/1.0 200 OK', 'HTTP/1.1 204 No Content', 'HTTP/1.1 304 ',
  'HTTP/1.1 200', 'HTTP/1.1  200 OK', 'HTTP/1.1 200OK', 'HTTP/1.1 0200 OK', 'HTTP/1.1 99 OK', 'HTTP/1.2 200 OK', 'HTTP/2.0 200 OK',
  'http/1.1 200 OK', 'ICY 200 OK', 'HTTP/1.1 101 Switching Protocols', 'HTTP/1.1 205 Reset Content', 'HTTP/1.1 999 \xe9',
];
const BODIES = [
  'hello', 'hello', 'hello', '5\r\nhello\r\n0\r\n\r\n', '2;x=1\r\nhe\r\n3\r\nllo\r\n0\r\nX: 1\r\n\r\n', '', 'a body with no length',
  '0x5\r\nhello\r\n0\r\n\r\n', '+5\r\nhello\r\n0\r\n\r\n', '0_5\r\nhello\r\n0\r\n\r\n',
  '5;\nhello\r\n0\r\n\r\n', '00000000000000005\r\nhello\r\n0\r\n\r\n', '10000000000000005\r\nhello\r\n0\r\n\r\n',
  '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n', '5\r\nhelloo\r\n0\r\n\r\n', '5\r\nhello0\r\n\r\n', '-5\r\nhello\r\n0\r\n\r\n',
];
/**
 * What our parser takes and Node's does not: blanks behind the size of a chunk, as old servers write them, and an answer
 * behind an interim one of HTTP/1.0, after which Node expects the end of the connection.
 */
const TAKEN_BY_US = /^[\da-f]+[\t ]+[;\r]|^HTTP\/1\.0 1\d\d/im;
/** What is put where it may do harm. */
const HARM = [
  '\r', '\n', '\r\n', ' ', '\t', ':', ';', ',', '\0', '\x7f', '\xff', '0', 'f', '-', '+', '\r\n ', '\r\n\r\n', 'HTTP/1.1 200 OK\r\n',
];

/** A response that is well-formed, or nearly so. */
function makeResponse(random: Random): string {
  const interim = random.chance(12) ? 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n' : '';
  // Those that come first are well-formed.
  const pick = (list: readonly string[], usual: number): string =>
    random.pick(random.chance(75) ? list.slice(0, usual) : list);
  const headers = Array.from({ length: random.below(5) }, () => pick(HEADERS, 10));
  let bytes = `${interim}${[pick(STATUS_LINES, 7), ...headers].join('\r\n')}\r\n\r\n${pick(BODIES, 7)}`;
  for (let harm = random.below(3); harm > 0; harm -= 1) {
    const at = random.below(bytes.length + 1);
    const cut = random.below(3);
    bytes = bytes.slice(0, at) + (random.chance(25) ? '' : random.pick(HARM)) + bytes.slice(at + cut);
  }
  return bytes;
}

/** What our parser reads in it, given in pieces; `undefined` when it refuses it, or what follows it. */
function ours(bytes: Buffer, nextSize: () => number): Read | undefined {
  const read: Read & { isWhole: boolean } = { status: 0, headers: [], body: '', isWhole: false };
  const parser = new ResponseParser(MAX_HEAD_SIZE, {
    onHead: (status, _, headers) => Object.assign(read, { status, headers }),
    onBody: (chunk) => read.body += chunk.toString('latin1'),
    onEnd: () => read.isWhole = true,
  });
  parser.expect('GET');
  try {
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = at + nextSize();
      parser.write(bytes.subarray(at, end));
    }
    parser.end();
  } catch {
    return undefined;
  }
  const { isWhole, ...rest } = read;
  return isWhole ? rest : undefined;
}

/** What Node's own client reads from a server that sends these bytes; a message when it refuses them. */
async function nodes(port: number, index: number): Promise<Read | string> {
  const req = http.get({ port, host: '127.0.0.1', path: `/${index}`, agent: false, maxHeaderSize: MAX_HEAD_SIZE });
  try {
    const [res] = await once(req, 'response') as [http.IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of res) chunks.push(chunk as Buffer);
    return { status: res.statusCode ?? 0, headers: res.rawHeaders, body: Buffer.concat(chunks).toString('latin1') };
  } catch (error) {
    return String(error);
  }
}

/** @param responses by the number in the target. */
async function serve(responses: string[]): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request: Buffer) => {
      const index = Number(/^GET \/(\d+) /.exec(request.toString())?.[1]);
      socket.end(Buffer.from(responses[index] ?? '', 'latin1'));
    });
  });
  onCleanup(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

it(`takes no response that Node's parser refuses, and reads in it what that reads (from seed ${SEED})`, async () => {
  const responses: string[] = [];
  const port = await serve(responses);
  const duration = { isOver: false };
  const timer = setTimeout(() => (duration.isOver = true), SECONDS * 1000);
  onCleanup(() => clearTimeout(timer));
  let [taken, seed] = [0, SEED];
  for (; SECONDS > 0 ? !duration.isOver : seed < SEED + SEEDS; seed += 1) {
    const random = new Random(seed);
    for (let i = 0; i < RESPONSES; i += 1) responses[i] = makeResponse(random);
    for (const [index, bytes] of responses.entries()) {
      const read = ours(Buffer.from(bytes, 'latin1'), () => 1);
      if (read === undefined || TAKEN_BY_US.test(bytes)) continue;
      taken += 1;
      expect({ seed, bytes, read: ours(Buffer.from(bytes, 'latin1'), () => 1 + random.below(12)) }).toEqual({ seed, bytes, read });
      expect({ seed, bytes, read: await nodes(port, index) }).toEqual({ seed, bytes, read });
    }
  }
  // Else there would be nothing that was compared.
  expect(taken).toBeGreaterThan((seed - SEED) * RESPONSES / 8);
}, (SECONDS + 120) * 1000);
