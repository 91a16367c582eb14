import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { ResponseParser } from '../../src/forwarding/response-parser';
import { onCleanup } from '../support/cleanup';

/** Seeds of the runs: the same responses each time. */
const SEEDS = [1, 2, 3, 4];
const RESPONSES = 400;

const MAX_HEAD_SIZE = 16_384;

interface Read {
  status: number;
  headers: string[];
  body: string;
}

/** mulberry32: small, and good enough to spread over a grammar. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const HEADERS = [
  'Content-Length: 5', 'Content-Length: 5', 'Content-Length: 0', 'Content-Length: 5, 5', 'Content-Length: +5',
  'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip', 'Connection: close', 'Connection: keep-alive', 'Keep-Alive: timeout=5',
  'X-Empty:', 'X-Spaces: \t a  b \t', 'X-Latin: \xe9', 'Set-Cookie: a=1', 'set-cookie: b=2', 'Trailer: X',
];
const STATUS_LINES = [
  'HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.1 404 Not Found', 'HTTP/1.0 200 OK', 'HTTP/1.1 204 No Content', 'HTTP/1.1 304 ',
  'HTTP/1.1 200',
];
const BODIES = ['hello', 'hello', '5\r\nhello\r\n0\r\n\r\n', '2;x=1\r\nhe\r\n3\r\nllo\r\n0\r\nX: 1\r\n\r\n', '', 'a body with no length'];
/** What is put where it may do harm. */
const HARM = [
  '\r', '\n', '\r\n', ' ', '\t', ':', ';', ',', '\0', '\x7f', '\xff', '0', 'f', '-', '+', '\r\n ', '\r\n\r\n', 'HTTP/1.1 200 OK\r\n',
];

/** A response that is well-formed, or nearly so. */
function makeResponse(random: (below: number) => number): string {
  const pick = (list: readonly string[]): string => list[random(list.length)] ?? '';
  const interim = random(8) === 0 ? 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n' : '';
  const headers = Array.from({ length: random(5) }, () => pick(HEADERS));
  let bytes = `${interim}${[pick(STATUS_LINES), ...headers].join('\r\n')}\r\n\r\n${pick(BODIES)}`;
  for (let harm = random(3); harm > 0; harm -= 1) {
    const at = random(bytes.length + 1);
    const cut = random(3);
    bytes = bytes.slice(0, at) + (random(4) === 0 ? '' : pick(HARM)) + bytes.slice(at + cut);
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

async function serve(responses: readonly string[]): Promise<number> {
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

it.each(SEEDS)("takes no response that Node's parser refuses, and reads in it what that reads (seed %i)", async (seed) => {
  const random = generator(seed);
  const responses = Array.from({ length: RESPONSES }, () => makeResponse(random));
  const port = await serve(responses);
  let taken = 0;
  for (const [index, bytes] of responses.entries()) {
    const read = ours(Buffer.from(bytes, 'latin1'), () => 1);
    if (read === undefined) continue;
    taken += 1;
    expect({ bytes, read: ours(Buffer.from(bytes, 'latin1'), () => 1 + random(12)) }).toEqual({ bytes, read });
    expect({ bytes, read: await nodes(port, index) }).toEqual({ bytes, read });
  }
  // Else there would be nothing that was compared.
  expect(taken).toBeGreaterThan(RESPONSES / 8);
});
