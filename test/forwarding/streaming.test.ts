import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { onCleanup } from '../support/cleanup';
import { handshake, pollUrl, request, startServer } from '../support/http';
import { startProxy, type Started } from '../support/proxy';
import { clientSid, storeOf } from '../support/stores';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
/** The name by which clients' sids call the host: see `storeOf`. */
const ALIAS = 'streaming.example:80';
const SID = clientSid('known', ALIAS);
const KNOWN = `${HANDSHAKE}&sid=${SID}`;
const BOUND = 65_536;

/** A proxy before one host, on which the sid `known` is bound. */
async function behind(handler: RequestListener): Promise<Started> {
  const { name } = await startServer((req, res) => {
    // Health checks have no query.
    if (req.url?.includes('?')) handler(req, res);
    else res.end();
  });
  const store = storeOf(name, ALIAS);
  await store.bind(SID, name, 60);
  return startProxy({ hosts: [name], store });
}

/** The next request that a host is given. */
function nextRequest(): { handler: RequestListener; given: Promise<[IncomingMessage, ServerResponse]> } {
  let give: (args: [IncomingMessage, ServerResponse]) => void;
  const given = new Promise<[IncomingMessage, ServerResponse]>((resolve) => (give = resolve));
  return { handler: (req, res) => give([req, res]), given };
}

function open(url: string, options: http.RequestOptions = {}): http.ClientRequest {
  const req = http.request(url, { agent: false, ...options });
  onCleanup(() => req.destroy());
  return req;
}

async function rest(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of message) text += String(chunk);
  return text;
}

/** An OPEN packet of a given size in bytes. */
/** What clients get of a handshake's answer. */
const passed = (body: string, sid: string): string => body.replace(`"${sid}"`, `"${clientSid(sid, ALIAS)}"`);

function openPacket(sid: string, size: number): string {
  const bare = JSON.stringify({ sid, upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, pad: '' });
  return `0${bare.slice(0, -2)}${'x'.repeat(size - bare.length - 1)}"}`;
}

it('passes the head of a response on before there is a body', async () => {
  const { handler, given } = nextRequest();
  const { url } = await behind(handler);
  const req = open(url + KNOWN);
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  req.end();
  const [, hostResponse] = await given;
  hostResponse.writeHead(200, { 'X-Early': 'yes' }).flushHeaders();
  const [res] = await responded;
  expect(res.headers['x-early']).toBe('yes');
  hostResponse.end('late');
  expect(await rest(res)).toBe('late');
});

describe('the first bytes of a response reach the client while the host holds back the rest', () => {
  it.each([
    ['a poll', 'GET', KNOWN, 200],
    ['the answer to a POST', 'POST', HANDSHAKE, 200],
    ['the client bundle', 'GET', '/socket.io/socket.io.js?v=1', 200],
    ['a handshake that the host refuses', 'GET', HANDSHAKE, 400],
  ])('%s', async (_, method, target, status) => {
    const { handler, given } = nextRequest();
    const { url } = await behind(handler);
    const req = open(url + target, { method });
    const responded = once(req, 'response') as Promise<[IncomingMessage]>;
    req.end();
    const [, hostRes] = await given;
    hostRes.writeHead(status).write('first');
    const [response] = await responded;
    expect(response.statusCode).toBe(status);
    expect(String((await once(response, 'data'))[0])).toBe('first');
    response.pause();
    const last = 'x'.repeat(BOUND + 1 - 'first'.length);
    hostRes.end(last);
    expect(await rest(response)).toBe(last);
  });

  it('a handshake whose Content-Length is over 64 KiB, as soon as its first packet is there', async () => {
    const { handler, given } = nextRequest();
    const { proxy, url } = await behind(handler);
    const told = once(proxy, 'session');
    const req = open(url + HANDSHAKE);
    const responded = once(req, 'response') as Promise<[IncomingMessage]>;
    req.end();
    const [, hostRes] = await given;
    const first = `${openPacket('large', 200)}\x1e`;
    hostRes.writeHead(200, { 'Content-Length': BOUND + 1 }).write(first.slice(0, 100));
    hostRes.write(first.slice(100));
    const [response] = await responded;
    expect(String((await once(response, 'data'))[0])).toBe(passed(first, 'large'));
    expect(await told).toMatchObject([{ sid: clientSid('large', ALIAS) }]);
    response.pause();
    const last = 'x'.repeat(BOUND + 1 - first.length);
    hostRes.end(last);
    expect(await rest(response)).toBe(last);
  });

  it('a handshake of unknown length, as soon as it is over 64 KiB', async () => {
    const { handler, given } = nextRequest();
    const { url } = await behind(handler);
    const req = open(url + HANDSHAKE);
    const responded = once(req, 'response') as Promise<[IncomingMessage]>;
    req.end();
    const [, hostRes] = await given;
    hostRes.write('x'.repeat(BOUND + 1));
    const [response] = await responded;
    let size = 0;
    while (size <= BOUND) size += ((await once(response, 'data')) as [Buffer])[0].length;
    response.pause();
    hostRes.end('last');
    expect(await rest(response)).toBe('last');
  });
});

it('passes the first bytes of a body on before the client has sent the rest', async () => {
  const { handler, given } = nextRequest();
  const { url } = await behind(handler);
  const req = open(url + KNOWN, { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } });
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  req.write('first');
  const [hostReq, hostRes] = await given;
  expect(String((await once(hostReq, 'data'))[0])).toBe('first');
  hostReq.pause();
  req.end('last');
  expect(await rest(hostReq)).toBe('last');
  hostRes.end();
  expect((await responded)[0].statusCode).toBe(200);
});

describe('a handshake response', () => {
  const FRAMINGS: [name: string, headers: (size: number) => http.OutgoingHttpHeaders][] = [
    ['with Content-Length', (size) => ({ 'Content-Length': size })],
    ['in chunks', () => ({ 'Transfer-Encoding': 'chunked' })],
  ];

  it.each(FRAMINGS)('of 64 KiB, %s, is bound', async (_, headers) => {
    const body = openPacket('long', BOUND);
    const { url, proxy } = await behind((_req, res) => res.writeHead(200, headers(body.length)).end(body));
    const bound = once(proxy, 'session');
    expect((await request(url + HANDSHAKE)).body).toBe(passed(body, 'long'));
    expect((await bound)[0]).toMatchObject({ sid: clientSid('long', ALIAS) });
    expect((await request(pollUrl(url, clientSid('long', ALIAS)))).status).toBe(200);
  });

  it.each(FRAMINGS)('of more than 64 KiB, %s, passes unbound and unchanged', async (_, headers) => {
    const body = openPacket('long', BOUND + 1);
    const { url } = await behind((_req, res) => res.writeHead(200, headers(body.length)).end(body));
    expect((await request(url + HANDSHAKE)).body).toBe(body);
    expect((await request(pollUrl(url, 'long'))).status).toBe(400);
  });

  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const json = (sid: string): string => openPacket(sid, 120);
  const SPLIT: [name: string, response: (body: string) => string][] = [
    ['with Content-Length', (body) => `Content-Length: ${body.length}\r\n\r\n${body}`],
    ['in chunks', (body) => [
      'Transfer-Encoding: chunked', '', '32', body.slice(0, 50), '46', body.slice(50), '0', '', '',
    ].join('\r\n')],
    ['that ends with the connection', (body) => `\r\n${body}`],
  ];

  it.each(SPLIT)('that is split at any byte, %s, is bound, and arrives unchanged', async (_, response) => {
    let at = 0;
    const full = (): string => `HTTP/1.1 200 OK\r\nX-Kept: é\r\n${response(json(`split-${1000 + at}`))}`;
    const { url, proxy } = await behind((req, res) => {
      // A poll's answer shows that the sid was bound.
      if (req.url?.includes('sid=')) {
        res.end();
        return;
      }
      const bytes = Buffer.from(full(), 'latin1');
      req.socket.setNoDelay(true);
      req.socket.write(bytes.subarray(0, at), () => void turns(2).then(() => req.socket.end(bytes.subarray(at))));
    });
    const bound: string[] = [];
    proxy.on('session', ({ sid }) => bound.push(sid));
    const length = full().length;
    for (at = 1; at < length; at += 1) {
      const { status, headers, body } = await request(url + HANDSHAKE);
      expect({ at, status, kept: headers['x-kept'], body })
        .toEqual({ at, status: 200, kept: 'é', body: passed(json(`split-${1000 + at}`), `split-${1000 + at}`) });
    }
    expect(bound).toEqual(Array.from({ length: length - 1 }, (__, i) => clientSid(`split-${1001 + i}`, ALIAS)));
    expect(await handshake(url).then((sid) => request(pollUrl(url, sid)))).toMatchObject({ status: 200 });
  });

  it.each([
    ['head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['body with Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0{"sid":"cut"'],
    ['chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n0{"sid":"cut"'],
    ['body after a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n0{"sid":"cut"}\r\n'],
  ])('that is cut in its %s is answered with 502, and not bound', async (_, bytes) => {
    const { url, proxy } = await behind((req) => req.socket.end(bytes));
    let sessions = 0;
    proxy.on('session', () => (sessions += 1));
    const reply = await request(url + HANDSHAKE);
    expect(reply).toMatchObject({ status: 502 });
    expect(reply.json()).toMatchObject({ code: 'HOST_FAILED' });
    expect(sessions).toBe(0);
  });
});

it.each([
  ['with Content-Length', { 'Content-Length': 100 }],
  ['in chunks', { 'Transfer-Encoding': 'chunked' }],
])('shows the client that a response, %s, was cut by its host', async (_, headers) => {
  const { handler, given } = nextRequest();
  const { url } = await behind(handler);
  const req = open(url + KNOWN);
  const responded = once(req, 'response') as Promise<[IncomingMessage]>;
  req.end();
  const [, hostRes] = await given;
  hostRes.writeHead(200, headers).write('first');
  const [response] = await responded;
  await once(response, 'data');
  const failed = once(response, 'error');
  hostRes.destroy();
  expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
});

describe('a client that goes away', () => {
  it.each([
    ['from a handshake', 'GET', HANDSHAKE, {}],
    ['from a poll', 'GET', KNOWN, {}],
    ['from a POST', 'POST', KNOWN, { 'Content-Length': '1' }],
    ['in the middle of an upload', 'POST', KNOWN, { 'Transfer-Encoding': 'chunked' }],
    ['in the middle of a large upload', 'POST', KNOWN, { 'Content-Length': '1000000' }],
  ])("%s ends the host's request", async (_, method, target, headers) => {
    const { handler, given } = nextRequest();
    const { url } = await behind(handler);
    const req = open(url + target, { method, headers });
    req.on('error', () => {});
    if (method === 'GET') req.end();
    else req.write('x');
    const [hostReq, hostRes] = await given;
    hostReq.on('error', () => {});
    const closed = once(hostRes, 'close');
    req.destroy();
    await closed;
    expect(hostRes.writableFinished).toBe(false);
  });

  it("in the middle of a response ends the host's response", async () => {
    const { handler, given } = nextRequest();
    const { url } = await behind(handler);
    const req = open(url + KNOWN).end();
    req.on('error', () => {});
    const responded = once(req, 'response');
    const [, hostRes] = await given;
    hostRes.write('first');
    await responded;
    const closed = once(hostRes, 'close');
    req.destroy();
    await closed;
    expect(hostRes.writableFinished).toBe(false);
  });
});
