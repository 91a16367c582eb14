import { ResponseParser } from '../../src/forwarding/response-parser';

const MAX_HEAD_SIZE = 1024;

interface Parsed {
  status: number;
  message: string;
  headers: string[];
  body: string;
  isWhole: boolean;
  parser: ResponseParser;
}

/** What a parser finds in pieces that come one after the other, and then the connection's end. */
function parse(pieces: (string | Buffer)[], { method = 'GET', hangsUp = false } = {}): Parsed {
  const parser = new ResponseParser(MAX_HEAD_SIZE, {
    onHead: (status, message, headers) => Object.assign(parsed, { status, message, headers }),
    onBody: (chunk) => parsed.body += chunk.toString('latin1'),
    onEnd: () => parsed.isWhole = true,
  });
  const parsed: Parsed = { status: 0, message: '', headers: [], body: '', isWhole: false, parser };
  parser.expect(method);
  for (const piece of pieces) parser.write(Buffer.from(piece as string, 'latin1'));
  if (hangsUp) parser.end();
  return parsed;
}

const response = (head: string[], body = ''): string => `${head.join('\r\n')}\r\n\r\n${body}`;

const OK = 'HTTP/1.1 200 OK';
const CHUNKED = [OK, 'Transfer-Encoding: chunked'];
/** Its head is as large as one may be. */
const fullHead = response([OK, 'Content-Length: 1', `A: ${'x'.repeat(MAX_HEAD_SIZE - 43)}`], 'a');
const INTERIM = response(['HTTP/1.1 100 Continue']) + response(['HTTP/1.1 199 Early Hints', 'Link: x']);

/** In one piece, in two, and byte by byte. */
const splits = (bytes: string): string[][] =>
  [[bytes], [bytes.slice(0, bytes.length / 2), bytes.slice(bytes.length / 2)], bytes.split('')];

it('reads status, message and headers as they were sent', () => {
  const head = ['HTTP/1.1 299 Tr\xe8s (bien)', 'A:1', 'a:\t 2 3 \t', 'B:', 'C: \xe9:', 'Content-Length: 0'];
  const { status, message, headers } = parse([response(head)]);
  expect([status, message]).toEqual([299, 'Tr\xe8s (bien)']);
  expect(headers).toEqual(['A', '1', 'a', '2 3', 'B', '', 'C', '\xe9:', 'Content-Length', '0']);
});

it('reads a status line without a message, and takes no other headers for those that frame the body', () => {
  const others = ['X-Fourteen-123: 1', 'X-Seventeen-45678: 1', 'X-Tencount: timeout=1, close'];
  const { message, body, isWhole, parser } = parse([response(['HTTP/1.1 200', ...others, 'Content-Length: 1'], 'a')]);
  expect([message, body, isWhole, parser.keepAlive, parser.idleTimeout]).toEqual(['', 'a', true, true, undefined]);
});

it('tells while the head is not whole, and keeps no connection before that', () => {
  const { parser } = parse([]);
  expect([parser.isInHead, parser.keepAlive]).toEqual([true, false]);
  parser.write(Buffer.from(`${OK}\r\nContent-Length: 1\r\n\r`));
  expect(parser.isInHead).toBe(true);
  parser.write(Buffer.from('\n'));
  expect([parser.isInHead, parser.keepAlive]).toEqual([false, true]);
});

describe('a body', () => {
  it.each<[name: string, bytes: string, body: string, method?: string]>([
    ['of known length', response([OK, 'Content-Length: 5'], 'a\r\nbc'), 'a\r\nbc'],
    ['of length 0', response([OK, 'content-length: 0']), ''],
    ['in chunks', response(CHUNKED, '1\r\na\r\nB;x="\xe9"\r\nbcdefghijkl\r\n0\r\n\r\n'), 'abcdefghijkl'],
    ['in chunks, with trailers', response(CHUNKED, '1\r\na\r\n000\r\nX: 1\r\nY: 2\r\n\r\n'), 'a'],
    ['that a HEAD has none of', response([OK, 'Content-Length: 5']), '', 'HEAD'],
    ['that a chunked HEAD has none of', response(CHUNKED), '', 'HEAD'],
    ['that 204 has none of', response(['HTTP/1.1 204 No Content']), ''],
    ['that 304 has none of', response(['HTTP/1.1 304 Not Modified', 'Content-Length: 5']), ''],
    ['behind a head of the largest size', fullHead, 'a'],
    ['behind a chunk line of the largest size', response(CHUNKED, `1;${'x'.repeat(4092)}\r\na\r\n0\r\n\r\n`), 'a'],
    ['before trailers of the largest size', response(CHUNKED, `1\r\na\r\n0\r\n${`A: ${'1'.repeat(29)}\r\n`.repeat(32)}\r\n`), 'a'],
    ['in chunks whose size is spelled with spaces', response(CHUNKED, '1 \t\r\na\r\n0\t;x\r\n\r\n'), 'a'],
    ['of the longest spelling of its length', response([OK, `Content-Length: ${'1'.padStart(15, '0')}`], 'a'), 'a'],
    ['behind interim responses', INTERIM.repeat(50) + response([OK, 'Content-Length: 1'], 'a'), 'a'],
  ])('%s is whole, in one piece, in two, and byte by byte', (_, bytes, body, method = 'GET') => {
    for (const pieces of splits(bytes)) expect(parse(pieces, { method })).toMatchObject({ body, isWhole: true });
  });

  it.each([
    ['of unknown length', response([OK], 'abc')],
    ['of unknown length, in HTTP/1.0', response(['HTTP/1.0 200 OK', 'Connection: keep-alive'], 'abc')],
  ])('%s ends with the connection', (_, bytes) => {
    expect(parse([bytes]).isWhole).toBe(false);
    const ended = parse([bytes], { hangsUp: true });
    expect(ended).toMatchObject({ body: 'abc', isWhole: true });
    expect(ended.parser.keepAlive).toBe(false);
  });
});

/** What is malformed, by the message of the error. */
const MALFORMED: [message: string, responses: [what: string, bytes: string][]][] = [
  ['the response has an invalid status line', [
    ['no status line', response(['HTTP/2 200 OK'])],
    ['a status line in lower case', response(['http/1.1 200 OK'])],
    ['a status of two digits', response(['HTTP/1.1 20 OK'])],
    ['status 099', response(['HTTP/1.1 099 OK'])],
    ['a version after the next', response(['HTTP/1.2 200 OK'])],
    ['a status of four digits', response(['HTTP/1.1 2000 OK'])],
    ['no space before its message', response(['HTTP/1.1 200OK'])],
    ['something before the version', response(['xHTTP/1.1 200 OK'])],
  ]],
  ['the host switched protocols without an upgrade request', [
    ['switched protocols', response(['HTTP/1.1 101 Switching Protocols', 'Upgrade: x'])],
  ]],
  ['the response has a malformed header', [
    ['a header without a colon', response([OK, 'nothing'])],
    ['a header without a name', response([OK, ': 1'])],
    ['a space before the colon', response([OK, 'A : 1'])],
    ['a folded header', response([OK, 'A: 1', ' 2'])],
  ]],
  ['the head of the response holds a forbidden character', [
    ['a NUL in a header', response([OK, 'A: \0'])],
    ['a lone CR in a header', response([OK, 'A: 1\rB: 2'])],
    ['a lone LF in a header', response([OK, 'A: 1\nB: 2'])],
    ['a DEL in a header', response([OK, 'A: \x7f'])],
    // Node's parser takes it for another encoding, and reads the chunks as the body.
    ['a tab behind an encoding', response([OK, 'A: 1\t', 'transfer-Encoding: chunked\t'], '1\r\na\r\n0\r\n\r\n')],
    ['a tab behind a length', response([OK, 'content-length: 1\t'], 'a')],
    ['a tab and a space behind an encoding', response([OK, 'Transfer-Encoding: chunked\t ', 'A: 1'], '0\r\n\r\n')],
  ]],
  [`the response's head is over ${MAX_HEAD_SIZE} bytes`, [
    ['a head that is too long', response([OK, `A: ${'x'.repeat(MAX_HEAD_SIZE)}`])],
    ['a head without an end', `${OK}\r\nA: ${'x'.repeat(MAX_HEAD_SIZE)}`],
  ]],
  ['more than 100 interim responses', [
    ['interim responses without end', response(['HTTP/1.1 100 Continue']).repeat(101)],
  ]],
  ['the response has an invalid or ambiguous Content-Length', [
    ['two lengths', response([OK, 'Content-Length: 1', 'Content-Length: 2'], 'ab')],
    ['one length twice', response([OK, 'Content-Length: 1, 1'], 'a')],
    ['a negative length', response([OK, 'Content-Length: -1'])],
    ['a length in hexadecimal', response([OK, 'Content-Length: 0x1'], 'a')],
    ['a length with a sign', response([OK, 'Content-Length: +1'], 'a')],
    ['an empty length', response([OK, 'Content-Length: '])],
    ['a length beyond any', response([OK, `Content-Length: ${'9'.repeat(17)}`])],
    ['a length and chunks', response([...CHUNKED, 'Content-Length: 1'], '1\r\na\r\n0\r\n\r\n')],
    ['a length of 16 digits', response([OK, `Content-Length: ${'1'.repeat(16)}`])],
  ]],
  ['unsupported Transfer-Encoding', [
    ['another encoding', response([OK, 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n')],
    ['chunked twice', response([...CHUNKED, 'Transfer-Encoding: chunked'], '0\r\n\r\n')],
  ]],
  ['a chunk has an invalid size', [
    ['a chunk without a size', response(CHUNKED, '\r\na\r\n')],
    ['a chunk with a sign', response(CHUNKED, '+1\r\na\r\n')],
    ['a chunk of hexadecimal notation', response(CHUNKED, '0x1\r\na\r\n')],
    ['a chunk beyond any', response(CHUNKED, `${'f'.repeat(13)}\r\n`)],
    ['a chunk with a space before its size', response(CHUNKED, ' 1\r\na\r\n')],
    ['a chunk with text behind its size', response(CHUNKED, '1 x\r\na\r\n')],
    ['an extension without a name', response(CHUNKED, '1;\r\na\r\n')],
    ['an extension with a malformed name', response(CHUNKED, '1;a:b\r\na\r\n')],
    ['an extension with a control character', response(CHUNKED, '1;a=\x01\r\na\r\n')],
    ['an extension with a lone CR', response(CHUNKED, '1;a="\r"\r\na\r\n')],
    ['an extension whose quotes have no end', response(CHUNKED, '1;a="b\r\na\r\n')],
  ]],
  ['a line between chunks is over 4096 bytes', [
    ['a chunk line that is too long', response(CHUNKED, `1;${'x'.repeat(5000)}\r\n`)],
    ['a chunk line without an end', response(CHUNKED, `1;${'x'.repeat(5000)}`)],
    ['a chunk line that is a byte too long', response(CHUNKED, `1;${'x'.repeat(4093)}\r\na\r\n0\r\n\r\n`)],
  ]],
  ['a line between chunks does not end with CRLF', [
    ['a chunk whose line ends with LF alone', response(CHUNKED, '1\na\r\n')],
    ['a chunk whose data ends with LF alone', response(CHUNKED, '1\r\na\n')],
  ]],
  ['a chunk or the body has a malformed end', [
    ['a chunk that is longer than its size by what could be a trailer', response(CHUNKED, '1\r\nax:b\r\n\r\n0\r\n\r\n')],
    ['a chunk that is longer than its size', response(CHUNKED, '1\r\nab\r\n')],
    ['a trailer that is none', response(CHUNKED, '0\r\nnothing\r\n\r\n')],
    ['trailers that are too long', response(CHUNKED, `0\r\n${'A: 12345\r\n'.repeat(MAX_HEAD_SIZE / 8 + 1)}\r\n`)],
    ['a trailer without a name', response(CHUNKED, '0\r\n: 1\r\n\r\n')],
    ['a trailer with a malformed name', response(CHUNKED, '0\r\nA b: 1\r\n\r\n')],
    ['a folded trailer', response(CHUNKED, '0\r\nA: 1\r\n b: 2\r\n\r\n')],
    ['a trailer with a control character', response(CHUNKED, '0\r\nA: \x01\r\n\r\n')],
    ['a trailer with a lone CR', response(CHUNKED, '0\r\nA: 1\rB: 2\r\n\r\n')],
    ['a length as trailer', response(CHUNKED, '0\r\ncontent-Length: 1\r\n\r\n')],
    ['an encoding as trailer', response(CHUNKED, '0\r\nTransfer-encoding: chunked\r\n\r\n')],
  ]],
];

describe.each(MALFORMED)('throws "%s" for', (message, responses) => {
  it.each(responses)('%s', (_, bytes) => {
    for (const pieces of splits(bytes)) expect(() => parse(pieces)).toThrow(message);
  });
});

it.each([
  ['in its head', `${OK}\r\nA: 1`],
  ['in its body', response([OK, 'Content-Length: 2'], 'a')],
  ['in a chunk', response(CHUNKED, '2\r\na')],
  ['before its last chunk', response(CHUNKED, '1\r\na\r\n')],
  ['in its trailers', response(CHUNKED, '0\r\nA: 1\r\n')],
  ['behind an interim response', response(['HTTP/1.1 100 Continue'])],
])('throws when the connection ends %s', (_, bytes) => {
  expect(() => parse([bytes], { hangsUp: true })).toThrow('the host closed the connection in mid-response');
});

describe('the connection', () => {
  it.each<[boolean, string[]]>([
    [true, [OK, 'Content-Length: 1']],
    [true, [OK, 'Content-Length: 1', 'Connection: Keep-Alive, X']],
    [false, [OK, 'Content-Length: 1', 'Connection: Close']],
    [false, [OK, 'Content-Length: 1', 'Connection: x', 'Connection: close ']],
    [false, [OK, 'Content-Length: 1', 'Connection: x, close, y']],
    [false, ['HTTP/1.0 200 OK', 'Content-Length: 1']],
    [true, ['HTTP/1.0 200 OK', 'Content-Length: 1', 'Connection: keep-alive']],
    [false, ['HTTP/1.0 200 OK', 'Transfer-Encoding: chunked', 'Connection: keep-alive']],
  ])('may carry another request: %s, after %j', (expected, head) => {
    expect(parse([response(head, '1')]).parser.keepAlive).toBe(expected);
  });

  it.each<[boolean, method: string, string[]]>([
    [true, 'HEAD', [OK, 'Content-Length: 0']], [false, 'HEAD', [OK, 'Content-Length: 5']], [false, 'HEAD', CHUNKED],
    [false, 'GET', ['HTTP/1.1 204 No Content']], [true, 'GET', ['HTTP/1.1 304 Not Modified', 'Content-Length: 0']],
    [false, 'GET', ['HTTP/1.1 304 Not Modified', 'Content-Length: 5']],
  ])('may carry another request (%s) after a response that has no body, where a faulty host could send one: %s %j', (...row) => {
    const [expected, method, head] = row;
    expect(parse([response(head)], { method }).parser.keepAlive).toBe(expected);
  });

  it('may end between responses', () => {
    expect(parse([response([OK, 'Content-Length: 1'], 'a')], { hangsUp: true }).isWhole).toBe(true);
  });

  it('may not, when more has come than one response', () => {
    const one = response([OK, 'Content-Length: 1'], 'a');
    const { body, isWhole, parser } = parse([one + one]);
    expect([body, isWhole, parser.keepAlive]).toEqual(['a', true, false]);
  });

  it.each<[string, number | undefined]>([
    ['timeout=5', 5000], ['max=100, timeout=72', 72_000], ['Timeout=1,max=3', 1000], ['timeout=x', undefined], ['xtimeout=5', undefined],
  ])('is kept as "Keep-Alive: %s" says', (value, expected) => {
    expect(parse([response([OK, 'Content-Length: 0', `Keep-Alive: ${value}`])]).parser.idleTimeout).toBe(expected);
  });

  it('has nothing to say between responses', () => {
    const { parser } = parse([response([OK, 'Content-Length: 0'])]);
    expect(() => parser.write(Buffer.from('HTTP'))).toThrow('the host sent bytes that belong to no response');
  });
});

it('allows each response of a connection its own trailers', () => {
  const { parser } = parse([]);
  for (let i = 0; i < 10; i += 1) {
    parser.expect('GET');
    parser.write(Buffer.from(response(CHUNKED, `0\r\nX: ${'x'.repeat(MAX_HEAD_SIZE / 2)}\r\n\r\n`)));
    expect(parser.keepAlive).toBe(true);
  }
});

it('says no more of a response without a body that was stopped at its head', () => {
  let ended = false;
  const parser: ResponseParser = new ResponseParser(MAX_HEAD_SIZE, {
    onHead: () => parser.stop(),
    onBody: () => {},
    onEnd: () => (ended = true),
  });
  parser.expect('GET');
  parser.write(Buffer.from(response([OK, 'Content-Length: 0'])));
  expect(ended).toBe(false);
});
