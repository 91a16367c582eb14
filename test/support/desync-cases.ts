/** One request of those with which proxies and servers have been set at odds, or one that clients really send. */
export interface DesyncCase {
  readonly name: string;
  /** In latin1. `@@` stands for the two digits of the case. */
  readonly bytes: string;
  /** What is there is no whole request, for some of those who read it: the client ends its side, and sends nothing behind. */
  readonly isCut?: boolean;
  /** What harms in the bytes that reach a host, although a host may read one request there. */
  readonly harm?: RegExp;
}

const TARGET = '/socket.io/?EIO=4&transport=polling&sid=desync&id=c@@-it';
const HIDDEN = 'GET /socket.io/?EIO=4&transport=polling&sid=desync&id=c@@-hidden HTTP/1.1\r\nHost: evil\r\n\r\n';
const LENGTH = HIDDEN.length;
/** A body that ends after five bytes by one framing, and after the hidden request by the other. */
const IN_CHUNKS = `0\r\n\r\n${HIDDEN}`;

/** Neither a line's end nor anything that a field may hold. */
const CONTROL = /[^\t\r\n -\xff]/;

const head = (first: string, fields: readonly string[]): string => `${[first, ...fields].join('\r\n')}\r\n\r\n`;
const get = (...fields: string[]): string => head(`GET ${TARGET} HTTP/1.1`, ['Host: a.example', ...fields]);
const post = (fields: readonly string[], body: string): string =>
  head(`POST ${TARGET} HTTP/1.1`, ['Host: a.example', 'Content-Type: text/plain;charset=UTF-8', ...fields]) + body;
/** A POST whose chunks hide a request from those who do not see that they are chunks, and the other way round. */
const encoded = (...fields: string[]): string => post([...fields, `Content-Length: ${IN_CHUNKS.length}`], IN_CHUNKS);
const chunked = (body: string): string => post(['Transfer-Encoding: chunked'], body);
const target = (text: string, method = 'GET'): string => head(`${method} ${text} HTTP/1.1`, ['Host: a.example', 'X-Id: id=c@@-it']);
const version = (text: string): string => head(`GET ${TARGET}${text}`, ['Host: a.example']);

const LINES: readonly DesyncCase[] = [
  { name: 'a field on two lines (obs-fold)', bytes: get('X-A: a', ' b') },
  { name: '`Content-Length` on two lines (obs-fold)', bytes: post(['Content-Length:', ` ${LENGTH}`], HIDDEN) },
  { name: 'a bare CR in a field', bytes: get('X-A: a\rContent-Length: 3') },
  { name: 'a bare CR as line end', bytes: get('X-A: a\rX-B: b\rTransfer-Encoding: chunked') },
  { name: 'a bare LF as line end', bytes: get('X-A: a\nX-B: b') },
  { name: 'bare LFs alone', bytes: get().replaceAll('\r\n', '\n') },
  { name: 'a bare LF before `Content-Length`', bytes: post([`X-A: a\nContent-Length: ${LENGTH}`], HIDDEN) },
  { name: 'a space before the colon', bytes: post([`Content-Length : ${LENGTH}`], HIDDEN) },
  { name: 'a space before the first field', bytes: get().replace('\r\nHost', '\r\n X-A: a\r\nHost') },
  { name: 'NUL in a field', bytes: get('X-A: a\0b'), harm: CONTROL },
  { name: 'a control character in a field', bytes: get('X-A: a\x01b'), harm: CONTROL },
  { name: 'a line without colon', bytes: get('X-A') },
  { name: 'a field without name', bytes: get(': a') },
];

const LENGTHS: readonly DesyncCase[] = [
  { name: '`Content-Length` twice, equal', bytes: post([`Content-Length: ${LENGTH}`, `Content-Length: ${LENGTH}`], HIDDEN) },
  { name: '`Content-Length` twice, different', bytes: post(['Content-Length: 0', `Content-Length: ${LENGTH}`], HIDDEN) },
  { name: '`Content-Length` with a sign', bytes: post([`Content-Length: +${LENGTH}`], HIDDEN) },
  { name: 'a negative `Content-Length`', bytes: post([`Content-Length: -${LENGTH}`], HIDDEN) },
  { name: '`Content-Length` with a space within', bytes: post([`Content-Length: 0 ${LENGTH}`], HIDDEN) },
  { name: '`Content-Length` as a list', bytes: post([`Content-Length: ${LENGTH}, ${LENGTH}`], HIDDEN) },
  { name: '`Content-Length` in hexadecimal', bytes: post([`Content-Length: 0x${LENGTH.toString(16)}`], HIDDEN) },
  { name: '`Content-Length` with zeros before', bytes: post([`Content-Length: 000${LENGTH}`], HIDDEN) },
  { name: '`Content-Length` over 64 bits', bytes: post(['Content-Length: 18446744073709551617'], 'a') },
  { name: 'an empty `Content-Length`', bytes: post(['Content-Length:'], HIDDEN) },
  { name: 'GET with a body', bytes: `${get(`Content-Length: ${LENGTH}`)}${HIDDEN}` },
  { name: 'GET with a body in chunks', bytes: `${get('Transfer-Encoding: chunked')}${LENGTH.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n` },
  { name: 'GET with chunks that hold nothing', bytes: `${get('Transfer-Encoding: chunked')}0\r\n\r\n` },
  { name: 'POST without any framing', bytes: post([], '') },
];

const ENCODINGS: readonly DesyncCase[] = [
  { name: '`Content-Length` and `Transfer-Encoding`', bytes: encoded('Transfer-Encoding: chunked') },
  { name: '`Transfer-Encoding: chunked, identity`', bytes: encoded('Transfer-Encoding: chunked, identity') },
  { name: '`Transfer-Encoding: identity`', bytes: encoded('Transfer-Encoding: identity') },
  { name: '`Transfer-Encoding: xchunked`', bytes: encoded('Transfer-Encoding: xchunked') },
  { name: '`Transfer-Encoding: Chunked` and a tab', bytes: post(['Transfer-Encoding: Chunked\t'], '3\r\nabc\r\n0\r\n\r\n') },
  { name: '`Transfer-Encoding: \\x0bchunked`', bytes: encoded('Transfer-Encoding: \x0bchunked') },
  { name: '`Transfer-Encoding` twice', bytes: encoded('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') },
  { name: '`Transfer-Encoding : chunked`', bytes: encoded('Transfer-Encoding : chunked') },
  { name: '`Transfer-Encoding` on two lines', bytes: encoded('Transfer-Encoding:', ' chunked') },
  { name: '`Transfer-Encoding: gzip, chunked`', bytes: post(['Transfer-Encoding: gzip, chunked'], '3\r\nabc\r\n0\r\n\r\n') },
  {
    name: '`Transfer-Encoding` in HTTP/1.0',
    bytes: encoded('Connection: keep-alive', 'Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0'),
  },
  { name: '`Transfer_Encoding: chunked`', bytes: post(['Transfer_Encoding: chunked', 'Content-Length: 3'], 'abc'), harm: /r_encoding/i },
];

const CHUNKS: readonly DesyncCase[] = [
  { name: 'trailers that frame', bytes: chunked('3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n'), harm: /content-length: 9/i },
  { name: 'trailers that name a client', bytes: chunked('3\r\nabc\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'), harm: /6\.6\.6\.6/ },
  { name: 'an extension of a chunk', bytes: chunked('3;x=y\r\nabc\r\n0\r\n\r\n'), harm: /;x=y/ },
  { name: 'an extension with a bare LF', bytes: chunked('3;x\nabc\r\n0\r\n\r\n'), isCut: true },
  { name: 'a chunk size with `0x`', bytes: chunked('0x3\r\nabc\r\n0\r\n\r\n'), isCut: true },
  { name: 'a chunk size with an underscore', bytes: chunked('0_3\r\nabc\r\n0\r\n\r\n'), isCut: true },
  { name: 'a chunk size with a sign', bytes: chunked('+3\r\nabc\r\n0\r\n\r\n'), isCut: true },
  { name: 'a negative chunk size', bytes: chunked('-3\r\nabc\r\n0\r\n\r\n'), isCut: true },
  { name: 'a chunk size over 64 bits', bytes: chunked('10000000000000003\r\nabc\r\n0\r\n\r\n'), isCut: true },
  { name: 'a chunk longer than its size', bytes: chunked('3\r\nabcde\r\n0\r\n\r\n'), isCut: true },
  { name: 'chunks that end with bare LFs', bytes: chunked('3\nabc\n0\n\n'), isCut: true },
  { name: 'chunks without the last CRLF', bytes: chunked('3\r\nabc\r\n0\r\n'), isCut: true },
  { name: 'a body shorter than its length', bytes: post(['Content-Length: 10'], 'abc'), isCut: true },
];

const HOSTS: readonly DesyncCase[] = [
  { name: '`Host` twice', bytes: get('Host: evil') },
  { name: 'no `Host`', bytes: head(`GET ${TARGET} HTTP/1.1`, ['X-A: a']) },
  { name: 'an empty `Host`', bytes: head(`GET ${TARGET} HTTP/1.1`, ['Host:']) },
  { name: '`Host` with a space', bytes: head(`GET ${TARGET} HTTP/1.1`, ['Host: a.example evil']), harm: /host: a\.example evil/i },
  { name: '`Host` with a path', bytes: head(`GET ${TARGET} HTTP/1.1`, ['Host: a.example/evil']), harm: /host: a\.example\/evil/i },
];

const CONNECTIONS: readonly DesyncCase[] = [
  {
    name: '`Connection` that names `Content-Length`',
    bytes: post(['Connection: keep-alive, Content-Length', `Content-Length: ${LENGTH}`], HIDDEN),
  },
  { name: '`Connection` that names `Host`', bytes: get('Connection: keep-alive, Host') },
  {
    name: '`Connection` that names `X-Forwarded-For`', bytes: get('Connection: keep-alive, X-Forwarded-For'),
    harm: /^(?![^]*\r\nx-forwarded-for:)/i,
  },
  { name: '`Upgrade: h2c`', bytes: get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA'), harm: /h2c/ },
  { name: '`Expect: 100-continue`', bytes: post(['Expect: 100-continue', 'Content-Length: 3'], 'abc'), harm: /\r\nexpect/i },
  { name: '`Expect` with another value', bytes: post(['Expect: x', 'Content-Length: 3'], 'abc'), harm: /\r\nexpect/i },
];

const FIELDS: readonly DesyncCase[] = [
  { name: '`Content_Length`', bytes: post(['Content_Length: 0', 'Content-Length: 3'], 'abc'), harm: /content_length/i },
  { name: '`X_Forwarded_For`', bytes: get('X_Forwarded_For: 6.6.6.6'), harm: /6\.6\.6\.6/ },
  { name: '`X-Forwarded-For`', bytes: get('X-Forwarded-For: 6.6.6.6'), harm: /6\.6\.6\.6/ },
  { name: '1,001 fields', bytes: get(...Array.from({ length: 1000 }, () => 'a: b')) },
  { name: 'a head of 40 KB', bytes: get(...Array.from({ length: 8 }, (_, i) => `X-${i}: ${'a'.repeat(5000)}`)) },
  { name: 'bytes over 127 in a field', bytes: get('X-A: caf\xe9 \xff') },
  { name: 'bytes over 127 in a name', bytes: get('X-\xe9: a'), harm: /\r\nX-\xe9/i },
];

const TARGETS: readonly DesyncCase[] = [
  { name: 'HTTP/0.9', bytes: `GET ${TARGET}\r\n` },
  { name: 'HTTP/1.0 without `Host`', bytes: head(`GET ${TARGET} HTTP/1.0`, ['Connection: keep-alive']) },
  { name: 'HTTP/1.2', bytes: version(' HTTP/1.2') },
  { name: 'HTTP/2.0', bytes: version(' HTTP/2.0') },
  { name: '`http/1.1`', bytes: version(' http/1.1') },
  { name: 'two spaces before the version', bytes: version('  HTTP/1.1') },
  { name: 'a method in lower case', bytes: target(TARGET, 'get') },
  { name: 'an unknown method', bytes: target(TARGET, 'FOO') },
  { name: 'CONNECT', bytes: target('a.example:443', 'CONNECT') },
  { name: 'TRACE', bytes: target(TARGET, 'TRACE') },
  { name: 'a target in absolute form', bytes: target(`http://a.example${TARGET}`), harm: /GET http/ },
  { name: 'a target in absolute form, with another host', bytes: target(`http://b.example${TARGET}`), harm: /GET http/ },
  { name: 'a target in absolute form, with user information', bytes: target(`http://u:p@a.example${TARGET}`), harm: /u:p@/ },
  { name: 'a target in authority form', bytes: target('a.example:80') },
  { name: '`#` in the target', bytes: target(`${TARGET}#a`), harm: /#/ },
  { name: '`..` in the target', bytes: target('/socket.io/../admin?id=c@@-it'), harm: /admin/ },
  { name: 'encoded dots in the target', bytes: target('/socket.io/%2e%2e/admin?id=c@@-it'), harm: /admin/ },
  { name: 'an encoded slash in the target', bytes: target('/socket.io/..%2fadmin?id=c@@-it'), harm: /admin/ },
  { name: 'bytes over 127 in the target', bytes: target(`${TARGET}\xe9`), harm: /it\xe9/ },
  { name: 'a tab in the target', bytes: target(`${TARGET}\ta`), harm: /\t/ },
];

/** In the order of the table of docs/security.md. */
export const DESYNC_CASES: readonly DesyncCase[] =
  [...LINES, ...LENGTHS, ...ENCODINGS, ...CHUNKS, ...HOSTS, ...CONNECTIONS, ...FIELDS, ...TARGETS];

const POLLING = 'transport=polling';
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36';
const polling = (query: string, ...fields: string[]): string =>
  head(`GET /socket.io/?EIO=${query}&id=c@@-it HTTP/1.1`, fields);
const sending = (query: string, body: string, ...fields: string[]): string =>
  head(`POST /socket.io/?EIO=${query}&sid=desync&id=c@@-it HTTP/1.1`, [...fields, `Content-Length: ${body.length}`]) + body;

/** Heads as clients of Engine.IO write them. */
export const REAL_CASES: readonly DesyncCase[] = [
  {
    name: 'socket.io-client 2 on Node.js, a handshake',
    bytes: polling(
      `3&${POLLING}&t=PfBqmZ4&b64=1`, 'User-Agent: node-XMLHttpRequest', 'Accept: */*', 'Host: a.example:4000', 'Connection: close',
    ),
  },
  {
    name: 'socket.io-client 2 on Node.js, a POST',
    bytes: sending(
      `3&${POLLING}&t=PfBqmZ5&b64=1`, '6:42["a"]', 'User-Agent: node-XMLHttpRequest', 'Accept: */*', 'Host: a.example:4000',
      'Content-type: text/plain;charset=UTF-8', 'Connection: close',
    ),
  },
  {
    name: 'socket.io-client 3 on Node.js, a poll',
    bytes: polling(
      `4&${POLLING}&t=NVc0&b64=1&sid=desync`, 'User-Agent: node-XMLHttpRequest', 'Accept: */*', 'Host: a.example', 'Connection: close',
    ),
  },
  {
    name: 'socket.io-client 4 on Node.js, a POST',
    bytes: sending(
      `4&${POLLING}&t=ovx2`, '40', 'User-Agent: node-XMLHttpRequest', 'Accept: */*', 'Content-type: text/plain;charset=UTF-8',
      'Host: a.example', 'Connection: keep-alive',
    ),
  },
  {
    name: 'socket.io-client 4 by fetch of Node.js',
    bytes: polling(
      `4&${POLLING}&t=ovx3&sid=desync`, 'host: a.example', 'connection: keep-alive', 'accept: */*', 'accept-language: *',
      'sec-fetch-mode: cors', 'user-agent: node', 'accept-encoding: gzip, deflate',
    ),
  },
  {
    name: 'python-socketio with requests',
    bytes: polling(
      `4&${POLLING}&t=1764000000.123`, 'Host: a.example', 'User-Agent: python-requests/2.32.3', 'Accept-Encoding: gzip, deflate',
      'Accept: */*', 'Connection: keep-alive',
    ),
  },
  {
    name: 'python-socketio with aiohttp, a POST',
    bytes: sending(
      `4&${POLLING}`, '40', 'Host: a.example', 'Content-Type: text/plain', 'Accept: */*', 'Accept-Encoding: gzip, deflate',
      'User-Agent: Python/3.11 aiohttp/3.8.4',
    ),
  },
  {
    name: 'Chrome, a poll', bytes: polling(
      `4&${POLLING}&t=pabc&sid=desync`, 'Host: a.example', 'Connection: keep-alive', 'sec-ch-ua-platform: "Linux"',
      `User-Agent: ${AGENT}`, 'Accept: */*', 'sec-ch-ua: "Chromium";v="141", "Not?A_Brand";v="8"', 'sec-ch-ua-mobile: ?0',
      'Origin: https://b.example', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty',
      'Referer: https://b.example/', 'Accept-Encoding: gzip, deflate, br, zstd', 'Accept-Language: en-US,en;q=0.9', 'Cookie: a=b; c="d"',
    ),
  },
  {
    name: 'Chrome, a preflight', bytes: polling(
      `4&${POLLING}&t=pabd&sid=desync`, 'Host: a.example', 'Connection: keep-alive', 'Accept: */*', 'Access-Control-Request-Method: POST',
      'Access-Control-Request-Headers: content-type,x-token', 'Origin: https://b.example', `User-Agent: ${AGENT}`,
    ).replace('GET', 'OPTIONS'),
  },
  {
    name: 'Firefox, a POST', bytes: sending(
      `4&${POLLING}&t=pabe`, '42["a"]', 'Host: a.example',
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
      'Accept: */*', 'Accept-Language: en-US,en;q=0.5', 'Accept-Encoding: gzip, deflate, br, zstd',
      'Content-type: text/plain;charset=UTF-8', 'Origin: https://b.example', 'DNT: 1', 'Connection: keep-alive',
      'Referer: https://b.example/', 'Priority: u=4', 'Pragma: no-cache', 'Cache-Control: no-cache',
    ),
  },
  {
    name: 'Safari, a poll', bytes: polling(
      `4&${POLLING}&t=pabf&sid=desync`, 'Host: a.example', 'Accept: */*', 'Origin: https://b.example', 'Connection: keep-alive',
      'User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
      'Referer: https://b.example/', 'Accept-Language: en-GB,en;q=0.9', 'Accept-Encoding: gzip, deflate, br',
    ),
  },
  {
    name: 'Chrome, a WebSocket', bytes: polling(
      '4&transport=websocket&sid=desync', 'Host: a.example', 'Connection: Upgrade', 'Pragma: no-cache', 'Cache-Control: no-cache',
      `User-Agent: ${AGENT}`, 'Upgrade: websocket', 'Origin: https://b.example', 'Sec-WebSocket-Version: 13',
      'Accept-Encoding: gzip, deflate, br', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
    ),
  },
  {
    name: 'socket.io-client-java with OkHttp, a POST', bytes: sending(
      `4&${POLLING}`, '40', 'Accept: */*', 'Content-Type: text/plain;charset=UTF-8', 'Host: a.example', 'Connection: Keep-Alive',
      'Accept-Encoding: gzip', 'User-Agent: okhttp/3.12.12',
    ),
  },
  {
    name: 'curl, a POST in chunks', bytes: head(`POST ${TARGET} HTTP/1.1`, [
      'Host: a.example', 'User-Agent: curl/8.5.0', 'Accept: */*', 'Transfer-Encoding: chunked', 'Content-Type: text/plain',
    ]) + '2\r\n40\r\n0\r\n\r\n',
  },
];
