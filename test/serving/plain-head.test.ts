import { plainHeadOf } from '../../src/serving/plain-head';

const MAX = 16_384;
const GET = 'GET /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\n';
const POST = 'POST /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\n';
const HOST = 'Host: a.example:80\r\n';

const isPlain = (text: string): boolean => plainHeadOf(text, MAX, undefined) !== undefined;

it('reads a poll', () => {
  const head = plainHeadOf(`${GET}${HOST}Accept: */*\r\nConnection: Keep-Alive\r\n\r\n`, MAX, undefined);
  expect(head).toMatchObject({ method: 'GET', url: '/socket.io/?EIO=4&transport=polling&sid=a', length: 0, size: GET.length + 59 });
  expect(head?.fields.content).toEqual({
    rawHeaders: ['Host', 'a.example:80', 'Accept', '*/*', 'Connection', 'Keep-Alive'], length: undefined,
    headers: Object.assign(Object.create(null), { host: 'a.example:80', accept: '*/*', connection: 'Keep-Alive' }) as object,
  });
});

it('reads a POST, and says where its body begins and how long it is', () => {
  const text = `${POST}${HOST}content-length: 4\r\n\r\n3\r\n\r\n`;
  const head = plainHeadOf(text, MAX, undefined);
  expect(head).toMatchObject({ method: 'POST', length: 4 });
  expect(text.slice(head?.size)).toBe('3\r\n\r\n');
});

it('reads the same fields once', () => {
  const first = plainHeadOf(`${GET}${HOST}\r\n`, MAX, undefined);
  const again = `${GET.replace('sid=a', 'sid=b')}${HOST}\r\n`;
  expect(plainHeadOf(again, MAX, first?.fields)?.fields).toBe(first?.fields);
  expect(plainHeadOf(`${GET}Host: b.example\r\n\r\n`, MAX, first?.fields)?.fields.content.headers.host).toBe('b.example');
});

it.each([
  ['no end', GET + HOST],
  ['no fields', `${GET}\r\n`],
  ['no Host', `${GET}Accept: */*\r\n\r\n`],
  ['two Hosts', `${GET}${HOST}host: b\r\n\r\n`],
  ['a malformed Host', `${GET}Host: a/b\r\n\r\n`],
  ['a name twice', `${GET}${HOST}Cookie: a=b\r\ncookie: c=d\r\n\r\n`],
  ['a folded line', `${GET}${HOST}X-A: b\r\n c\r\n\r\n`],
  ['a bare LF', `${GET}${HOST}X-A: b\nX-B: c\r\n\r\n`],
  ['a bare CR', `${GET}${HOST}X-A: b\rX-B: c\r\n\r\n`],
  ['a NUL', `${GET}${HOST}X-A: \0\r\n\r\n`],
  ['a byte beyond ASCII', `${GET}${HOST}X-A: \xe9\r\n\r\n`],
  ['a tab', `${GET}${HOST}X-A: a\tb\r\n\r\n`],
  ['an empty value', `${GET}${HOST}X-A:\r\n\r\n`],
  ['no space', `${GET}${HOST}X-A:b\r\n\r\n`],
  ['two spaces', `${GET}${HOST}X-A:  b\r\n\r\n`],
  ['a space at the end', `${GET}${HOST}X-A: b \r\n\r\n`],
  ['a space before the colon', `${GET}${HOST}X-A : b\r\n\r\n`],
  ['a line with no name', `${GET}${HOST}: b\r\n\r\n`],
  ['a name with an underscore', `${GET}${HOST}X_A: b\r\n\r\n`],
  ['a disguised name', `${GET}${HOST}x-forwarded_for: b\r\n\r\n`],
  ['Connection: close', `${GET}${HOST}Connection: close\r\n\r\n`],
  ['Connection with a list', `${GET}${HOST}Connection: keep-alive, x-a\r\n\r\n`],
  ['an upgrade', `${GET}${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
  ['Upgrade alone', `${GET}${HOST}Upgrade: websocket\r\n\r\n`],
  ['Expect', `${POST}${HOST}Content-Length: 1\r\nExpect: 100-continue\r\n\r\n3`],
  ['Transfer-Encoding', `${POST}${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', `${POST}${HOST}Content-Length: 1\r\ncontent-length: 1\r\n\r\n3`],
  ['a length with a sign', `${POST}${HOST}Content-Length: +1\r\n\r\n3`],
  ['a length with a zero ahead', `${POST}${HOST}Content-Length: 01\r\n\r\n3`],
  ['a list of lengths', `${POST}${HOST}Content-Length: 1, 1\r\n\r\n3`],
  ['a GET with a length', `${GET}${HOST}Content-Length: 0\r\n\r\n`],
  ['a POST with none', `${POST}${HOST}\r\n`],
  ['TE', `${GET}${HOST}TE: trailers\r\n\r\n`],
  ['Trailer', `${POST}${HOST}Content-Length: 1\r\nTrailer: x\r\n\r\n3`],
  ['Keep-Alive', `${GET}${HOST}Keep-Alive: timeout=5\r\n\r\n`],
  ['Proxy-Connection', `${GET}${HOST}Proxy-Connection: keep-alive\r\n\r\n`],
  ['another method', `OPTIONS /socket.io/?a HTTP/1.1\r\n${HOST}\r\n`],
  ['a method in lower case', `get /socket.io/?a HTTP/1.1\r\n${HOST}\r\n`],
  ['HTTP/1.0', `GET /socket.io/?a HTTP/1.0\r\n${HOST}\r\n`],
  ['two spaces before the version', `GET /socket.io/?a  HTTP/1.1\r\n${HOST}\r\n`],
  ['a space in the target', `GET /socket.io/?a b HTTP/1.1\r\n${HOST}\r\n`],
  ['a fragment', `GET /socket.io/?a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['a target beyond ASCII', `GET /socket.io/?\xe9 HTTP/1.1\r\n${HOST}\r\n`],
  ['a target in absolute form', `GET http://a.example/socket.io/?a HTTP/1.1\r\n${HOST}\r\n`],
  ['an empty line ahead', `\r\n${GET}${HOST}\r\n`],
  ['nothing', ''],
])('leaves a head with %s to Node', (_, text) => {
  expect(isPlain(text)).toBe(false);
});

it('leaves a head that is over the limit to Node', () => {
  const head = `${GET}${HOST}X-A: ${'a'.repeat(1000)}\r\n\r\n`;
  expect(plainHeadOf(head, head.length, undefined)).toBeDefined();
  expect(plainHeadOf(head, head.length - 1, undefined)).toBeUndefined();
});
