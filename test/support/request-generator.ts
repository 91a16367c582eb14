import type { Random } from './random';

/** What a client sends on one connection, and where its bytes are cut. */
export interface Sent {
  bytes: Buffer;
  cuts: number[];
}

const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE', 'post', 'CONNECT'];
const VERSIONS = ['HTTP/1.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/1.10', 'http/1.1', 'HTTP/1.1 '];
const NAMED = [
  'content-length', 'transfer-encoding', 'host', 'x-a', 'cookie', 'te', 'x-forwarded-for', 'content-type', 'upgrade',
  'content_length', '"content-length"', 'content-length;q=1', '', 'trailer', 'forwarded',
];
const BLANKS = ['', ' ', '  ', '\t', ' \t '];
const ODD_FIELDS = [
  'X_Forwarded_For: 6.6.6.6', 'x_real_ip: 6.6.6.6', 'X-Forwarded-For: 6.6.6.6', 'Forwarded: for=6.6.6.6', 'X_Forwarded-Host: evil',
  'Content_Length: 3', 'CONTENT_LENGTH: 0', 'Transfer_Encoding: chunked', 'transfer.encoding: chunked', 'X-Real-IP: 6.6.6.6',
  'X.Forwarded.For: 6.6.6.6', 'TE: trailers, chunked', 'Trailer: Content-Length, Host', 'Keep-Alive: timeout=5, content-length',
  'Proxy-Connection: content-length', 'Proxy-Connection: host, close', 'X-Latin: caf\xe9 \xff', 'X-Empty:', 'x-a: 1', 'X-A: 2',
  'Cookie: a=b', 'Content-Type: text/plain', 'Expect: 100-continue', 'Upgrade: h2c', 'X-Forwarded-Anything: 1', 'X-Under_score: kept',
];
const ODD_HOSTS = ['', 'Host: a\r\nHost: b', 'Host:', 'Host: b\r\nhost: b'];
const ODD_ENCODINGS = ['identity', 'gzip, chunked', 'chunked, chunked', 'chunked, x', 'xchunked', '\x0bchunked'];
/** Valid, and passed on or dropped; some of them twice or in another spelling. */
const VALID_FIELDS = [
  ...ODD_FIELDS.filter((field) => !/^(?:Expect|Upgrade|X-Empty|Proxy-Connection)/.test(field)),
  'X-Empty:', 'X-Empty: ', 'X-A:no space', 'X-A:  two', 'X-A: end ',
  'X-A: a\tb', 'Accept: text/plain', 'cookie: e=f', 'Connection: x-a', 'Connection: keep-alive, x-a', 'X-A: \xe9', 'x!: 1', 'X-A: ~!"#',
];
/** What only a lenient parser takes. */
const MALFORMED_FIELDS = [
  'X: a\x01b', 'X: a\0Content-Length: 3', 'X: a\x7f', 'Content-Length : 3', 'Transfer-Encoding : chunked', 'X: a\nY: b', 'X:\r\n folded',
  'Host : evil', 'X: a\rContent-Length: 3', 'Origin: a\x0bb',
];

/** Requests for one connection. `id` makes one that no other has. */
export function generate(random: Random, id: () => string, sid: string): Sent {
  let text = '';
  for (let count = 1 + random.below(4); count > 0; count -= 1) text += requestOf(random, id, sid);
  const bytes = Buffer.from(text, 'latin1');
  const cuts = random.chance(40) ? [] : Array.from({ length: 1 + random.below(5) }, () => random.below(bytes.length));
  return { bytes, cuts: cuts.sort((a, b) => a - b) };
}

/** A request of one piece that every server reads alike, unless it has a field that is not quite usual. */
export function generatePlain(random: Random, id: string, sid: string): Buffer {
  const body = random.chance(50) ? bodyOf(random, () => `${id}-in`).slice(0, 60_000) : undefined;
  const fields = ['Host: a.example', 'User-Agent: b/1', 'Accept: */*', 'Cookie: a=b; c=d', 'Origin: http://a.example'];
  if (body !== undefined) fields.push(`${cased(random, 'Content-Length')}: ${body.length}`);
  if (random.chance(50)) fields.push(`Connection: ${cased(random, 'keep-alive')}`);
  if (random.chance(40)) fields.push(random.pick(VALID_FIELDS));
  shuffle(random, fields);
  const more = random.pick(['', '&a="^`{|}\\', '&b=%41+', '&sidx=1']);
  const target = `/socket.io/?EIO=4&id=${id}${random.chance(80) ? `&sid=${sid}` : ''}${more}`;
  return Buffer.from(`${body === undefined ? 'GET' : 'POST'} ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body ?? ''}`, 'latin1');
}

function requestOf(random: Random, id: () => string, sid: string): string {
  const method = random.chance(65) ? 'POST' : random.pick(METHODS);
  const version = random.chance(95) ? 'HTTP/1.1' : random.pick(VERSIONS);
  const isUpgrade = random.chance(5);
  const host = random.chance(96) ? `${cased(random, 'Host')}: a.example` : random.pick(ODD_HOSTS);
  const fields = [host];
  const [framing, body] = isUpgrade && random.chance(70) ? ['', random.chance(50) ? hidden(random, id) : '']
    : framed(random, random.chance(method === 'POST' || method === 'PUT' || method === 'PATCH' ? 95 : 10) ? bodyOf(random, id) : '');
  fields.push(framing);
  if (random.chance(35)) fields.push(...connectionOf(random));
  for (let count = random.below(4); count > 0; count -= 1) {
    const field = random.pick(ODD_FIELDS);
    // A list of two is no upgrade to a WebSocket.
    if (!isUpgrade || field !== 'Upgrade: h2c') fields.push(field);
  }
  if (random.chance(4)) fields.push(random.pick(MALFORMED_FIELDS));
  if (isUpgrade) {
    fields.push(random.pick(['Connection: Upgrade', 'Connection: upgrade, x-a']));
    fields.push(random.pick(['Upgrade: websocket', 'Upgrade: WebSocket', 'Upgrade: h2c']));
  }
  if (random.chance(1)) fields.unshift('a:1\r\n'.repeat(990 + random.below(30)).trimEnd());
  shuffle(random, fields);
  return `${isUpgrade && random.chance(90) ? 'GET' : method} ${targetOf(random, id(), sid)} ${version}\r\n` +
    `${fields.filter((line) => line !== '').join('\r\n')}\r\n\r\n${body}`;
}

function targetOf(random: Random, id: string, sid: string): string {
  const path = `/socket.io/?EIO=4&id=${id}${random.chance(50) ? `&sid=${sid}` : ''}`;
  if (random.chance(92)) return path;
  return random.pick([
    `http://b.example${path}`, `HTTP://b.example:81${path}`, `https://[::1]:1${path}`, `http://u@b.example${path}`, `//b.example${path}`,
    `/socket.io/../admin?id=${id}`, `${path}#x`, `/other?id=${id}`, `${path}\xe9`,
  ]);
}

/** `Connection` in one to three fields. */
function connectionOf(random: Random): string[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const tokens = Array.from({ length: 1 + random.below(3) }, () => {
      const token = random.chance(50) ? random.pick(['keep-alive', 'keep-alive', 'x-b']) : random.pick(NAMED);
      return random.pick(BLANKS) + cased(random, token) + random.pick(BLANKS);
    });
    return `${cased(random, 'Connection')}:${random.pick(BLANKS)}${tokens.join(',')}`;
  });
}

/** A body, and the fields that frame it: mostly well. */
function framed(random: Random, body: string): [fields: string, body: string] {
  const { length } = body;
  if (body === '' && random.chance(70)) return ['', ''];
  if (random.chance(45)) return [`${cased(random, 'Content-Length')}: ${length}`, body];
  if (random.chance(70)) return [`${cased(random, 'Transfer-Encoding')}: ${cased(random, 'chunked')}`, inChunks(random, body)];
  return random.pick<() => [string, string]>([
    () => [`Content-Length: 0${length}`, body],
    () => [`Content-Length:\t${length} \t`, body],
    () => [`Content-Length: ${Math.max(0, length - 1 - random.below(80))}`, body],
    () => [`Content-Length: ${length + 1 + random.below(80)}`, body],
    () => [random.pick(['+', '-', '0x', ' 0, ', ';', '_']).replace(/^/, 'Content-Length: ') + String(length), body],
    () => [`Content-Length: ${length}, ${length}`, body],
    () => [`Content-Length: ${length}\r\nContent-Length: ${length}`, body],
    () => [`Content-Length: 0\r\nContent-Length: ${length}`, body],
    () => ['Content-Length:', body],
    () => ['Content-Length: 0', ''],
    () => [`Content-Length: ${length}\r\nTransfer-Encoding: chunked`, inChunks(random, body)],
    () => [`Transfer-Encoding: chunked\r\nContent-Length: ${random.below(9)}`, inChunks(random, body)],
    () => [`Transfer-Encoding: ${random.pick(ODD_ENCODINGS)}`, inChunks(random, body)],
    () => ['Transfer-Encoding:\r\n chunked', inChunks(random, body)],
    () => ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', inChunks(random, body)],
    () => [`Content_Length: ${length}`, body],
    () => [`Transfer_Encoding: chunked`, inChunks(random, body)],
  ])();
}

function inChunks(random: Random, body: string): string {
  let text = '';
  for (let at = 0; at < body.length;) {
    const size = 1 + random.below(Math.min(body.length - at, random.chance(50) ? 20 : 20_000));
    const digits = random.pick([size.toString(16), size.toString(16).toUpperCase(), `00${size.toString(16)}`]);
    text += `${digits}${random.chance(10) ? ';a=b' : ''}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  const trailers = random.chance(10) ? random.pick(['Content-Length: 5\r\n', 'Host: evil\r\n', 'X-Forwarded-For: 6.6.6.6\r\n']) : '';
  if (random.chance(3)) return text + random.pick(['0\n\n', 'x\r\n', '-1\r\n\r\n', '0x0\r\n\r\n', 'ffffffffffffffffff\r\n']);
  return `${text}${random.pick(['0', '000', '0;x'])}\r\n${trailers}\r\n`;
}

/** Plain, in bytes of all kinds, or such that servers that mistake its length find a request in it. */
function bodyOf(random: Random, id: () => string): string {
  const kind = random.below(10);
  const body = kind < 4 ? hidden(random, id) : kind < 5 ? hidden(random, id) + hidden(random, id)
    : kind < 7 ? Array.from({ length: 1 + random.below(60) }, () => String.fromCharCode(random.below(256))).join('') : '2probe';
  // Streamed, and not gathered.
  return random.chance(12) ? body + 'x'.repeat(16_385 + random.below(40_000)) + body : body;
}

function hidden(random: Random, id: () => string): string {
  const target = `/socket.io/?EIO=4&id=hidden-${id()}`;
  return random.pick([
    `GET ${target} HTTP/1.1\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n`,
    `POST ${target} HTTP/1.1\r\nHost: evil\r\nContent-Length: 400\r\n\r\n`,
    `POST ${target} HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n`,
    `0\r\n\r\nGET ${target} HTTP/1.1\r\nHost: evil\r\n\r\n`,
    `\r\nGET ${target} HTTP/1.1\r\nHost: evil\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ]);
}

function cased(random: Random, text: string): string {
  const kind = random.below(4);
  if (kind === 0) return text.toLowerCase();
  if (kind === 1) return text.toUpperCase();
  if (kind === 2) return text;
  return Array.from(text, (letter) => (random.chance(50) ? letter.toUpperCase() : letter.toLowerCase())).join('');
}

function shuffle(random: Random, items: string[]): void {
  for (let i = items.length - 1; i > 0; i -= 1) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j] ?? '', items[i] ?? ''];
  }
}
