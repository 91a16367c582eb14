import { startOperated, TOKEN, type Operated } from '../support/admin';
import { exchangeBytes, request, type Reply } from '../support/http';

/** Before a host that is down, without a token and with one: for tests that change nothing there. */
let plain: Operated;
let guarded: Operated;

beforeAll(async () => {
  plain = await startOperated();
  guarded = await startOperated({ admin: { token: TOKEN } });
});

const codeOf = ({ body }: Reply): unknown => (JSON.parse(body) as { code: unknown }).code;

describe('Host', () => {
  it('may be an address, localhost, or one that is allowed', async () => {
    const { ask } = await startOperated({ admin: { allowedHosts: ['Admin.Example'] } });
    for (const host of [
      '127.0.0.1', '127.0.0.1:80', '192.0.2.1:8080', '[::1]', '[::1]:80', 'localhost', 'LocalHost:1', 'admin.example', 'ADMIN.example:81',
    ]) expect([host, (await ask('GET /api/hosts', undefined, { headers: { Host: host } })).status]).toEqual([host, 200]);
  });

  it.each([
    'evil.example', 'localhost.evil.example', 'sub.localhost', 'admin.example', '127.0.0.1.evil.example', '127.1', '0x7f.1',
    '[evil.example]', '[127.0.0.1]', '::1', '127.0.0.1:80:80', '127.0.0.1:port', 'evil.example@127.0.0.1',
  ])('must not be %j', async (host) => {
    const { ask } = plain;
    for (const path of ['/', '/healthz', '/api/hosts', '/page/app.js', '/nowhere']) {
      const reply = await ask(`GET ${path}`, undefined, { headers: { Host: host } });
      expect([reply.status, codeOf(reply)]).toEqual([403, 'HOST_REFUSED']);
    }
  });

  it.each([
    ['none', 'GET /api/hosts HTTP/1.0\r\n\r\n'],
    ['nothing', 'GET /api/hosts HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'],
    ['two', 'GET /api/hosts HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'],
    ['one in the target', 'GET http://evil.example/api/hosts HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'],
  ])('must not be %s', async (_, bytes) => {
    const { adminPort } = plain;
    expect(await exchangeBytes(adminPort, bytes)).toMatch(/^HTTP\/1\.1 403 .*"code":"HOST_REFUSED"/s);
  });
});

describe('Origin', () => {
  it.each(['GET /api/hosts', 'POST /api/rebalance', 'GET /healthz', 'GET /'])('must be our own: %s', async (what) => {
    const { ask, adminPort } = plain;
    const status = async (origin: string): Promise<number> => (await ask(what, undefined, { headers: { Origin: origin } })).status;
    for (const origin of [
      'http://evil.example', 'null', '', `http://127.0.0.1:${adminPort + 1}`, 'http://127.0.0.1', `http://localhost:${adminPort}`,
      `ftp://127.0.0.1:${adminPort}`, `http://127.0.0.1:${adminPort}/`, `http://127.0.0.1:${adminPort}.evil.example`,
    ]) expect([origin, await status(origin)]).toEqual([origin, 403]);
    // The second where something in front speaks TLS.
    for (const scheme of ['http', 'https']) expect(await status(`${scheme}://127.0.0.1:${adminPort}`)).toBeLessThan(300);
  });

  it('gets no CORS headers, whatever it is', async () => {
    const { ask, adminPort } = plain;
    for (const origin of ['http://evil.example', `http://127.0.0.1:${adminPort}`]) {
      for (const method of ['GET', 'OPTIONS']) {
        const headers = { Origin: origin, 'Access-Control-Request-Method': 'DELETE' };
        const reply = await ask(`${method} /api/hosts`, undefined, { headers });
        expect(Object.keys(reply.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    }
  });
});

describe('Sec-Fetch-Site', () => {
  it.each([
    ['same-origin', 'cors', 'GET /api/hosts', 200],
    ['none', 'navigate', 'GET /metrics', 200],
    ['cross-site', 'no-cors', 'GET /api/hosts', 403],
    ['same-site', 'cors', 'POST /api/rebalance', 403],
    ['cross-site', 'navigate', 'GET /api/hosts', 403],
    ['cross-site', 'no-cors', 'GET /page/app.js', 403],
    ['cross-site', 'no-cors', 'GET /', 403],
    ['cross-site', 'navigate', 'POST /', 403],
    // Somebody follows a link.
    ['cross-site', 'navigate', 'GET /', 200],
  ])('%s (%s): %s is answered with %d', async (site, mode, what, status) => {
    const { ask } = plain;
    const headers = { 'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': mode };
    expect((await ask(what, undefined, { headers })).status).toBe(status);
  });
});

describe('the token', () => {
  it.each([
    ['is missing', undefined],
    ['is wrong', `Bearer ${TOKEN}!`],
    ['is wrong', `Bearer ${TOKEN.slice(0, -1)}`],
    ['is wrong', `Bearer ${TOKEN.toUpperCase()}`],
    ['is of another scheme', `Basic ${TOKEN}`],
    ['has no scheme', TOKEN],
    ['is two', `Bearer ${TOKEN} ${TOKEN}`],
  ])('%s: %s', async (_, authorization) => {
    const { admin } = guarded;
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    for (const path of ['/api/hosts', '/metrics', '/openapi.json', '/api/events', '/nowhere']) {
      const reply = await request(`${admin}${path}`, { headers });
      expect([reply.status, codeOf(reply), reply.headers['www-authenticate']]).toEqual([401, 'UNAUTHORIZED', 'Bearer']);
    }
  });

  it('is not looked for in the URL', async () => {
    const { admin } = guarded;
    expect((await request(`${admin}/api/hosts?token=${TOKEN}&access_token=${TOKEN}`)).status).toBe(401);
  });

  it.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER  ${TOKEN}`])('is taken from %j', async (authorization) => {
    const { admin } = guarded;
    expect((await request(`${admin}/api/hosts`, { headers: { Authorization: authorization } })).status).toBe(200);
  });

  it.each(['/', '/page/app.js', '/uplot/uPlot.min.css', '/healthz'])('is not needed for %s', async (path) => {
    const { admin } = guarded;
    expect((await request(`${admin}${path}`)).status).toBe(200);
  });

  it('is needed before anything is changed', async () => {
    const { admin, proxy } = guarded;
    const { status } = await request(`${admin}/api/hosts`, { method: 'POST', body: '{"host":"127.0.0.1:2"}' });
    expect([status, proxy.hosts.length]).toEqual([401, 1]);
  });
});

describe('every answer', () => {
  const HEADERS = {
    'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  };

  it.each([
    ['GET /healthz', 'no-store'],
    ['GET /readyz', 'no-store'],
    ['GET /api/hosts', 'no-store'],
    ['GET /metrics', 'no-store'],
    ['GET /openapi.json', 'no-store'],
    ['GET /nowhere', 'no-store'],
    ['PUT /api/hosts', 'no-store'],
    ['DELETE /api/rebalance', 'no-store'],
    ['POST /api/hosts', 'no-store'],
    ['HEAD /api/events', 'no-store'],
    ['GET /', 'no-cache'],
    ['GET /page/app.js', 'no-cache'],
    ['GET /uplot/uPlot.esm.js', 'no-cache'],
  ])('has the headers that keep others out: %s', async (what, cache) => {
    const { ask } = plain;
    expect((await ask(what)).headers).toMatchObject({ ...HEADERS, 'cache-control': cache });
  });

  it.each([
    ['what is no HTTP', 'hello\r\n\r\n', 400],
    ['a head that is too large', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('has them too where it refuses %s', async (_, bytes, status) => {
    const { adminPort } = plain;
    const text = await exchangeBytes(adminPort, bytes);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    for (const [name, value] of Object.entries(HEADERS)) expect(text.toLowerCase()).toContain(`${name}: ${value}`);
    expect(text).toMatch(/\{"code":"MALFORMED","message":"[\w ]+"\}$/);
  });

  it('to HEAD is that to GET, without the body', async () => {
    const { ask } = plain;
    for (const path of ['/', '/healthz', '/readyz', '/api/rebalance', '/nowhere']) {
      const [head, get] = [await ask(`HEAD ${path}`), await ask(`GET ${path}`)];
      expect(head.body).toBe('');
      for (const { headers } of [head, get]) delete headers.date;
      expect([head.status, head.headers]).toEqual([get.status, get.headers]);
    }
  });
});

describe('a body', () => {
  const LARGE = 'x'.repeat(16 * 1024 + 1);

  it.each([
    ['a length', { 'Content-Length': String(LARGE.length) }],
    ['chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('that is too large is refused, and its connection closed: by %s', async (_, headers) => {
    const { ask } = plain;
    const reply = await ask('POST /api/hosts', LARGE, { headers });
    expect([reply.status, codeOf(reply), reply.headers.connection]).toEqual([413, 'BODY_TOO_LARGE', 'close']);
  });

  it('that never ends is not waited for', async () => {
    const { adminPort } = plain;
    const head = 'POST /api/hosts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n';
    const text = await exchangeBytes(adminPort, head);
    expect(text).toMatch(/^HTTP\/1\.1 413 .*\r\nConnection: close\r\n/s);
  });

  it('that is as large as it may be is read', async () => {
    const { ask } = await startOperated();
    const body = `{"host":"127.0.0.1:2"${' '.repeat(16 * 1024 - 22)}}`;
    expect(Buffer.byteLength(body)).toBe(16 * 1024);
    expect((await ask('POST /api/hosts', body)).status).toBe(201);
    expect((await ask('POST /api/hosts', `${body} `)).status).toBe(413);
  });

  it.each([
    ['no JSON', '{'],
    ['no UTF-8', Buffer.from('{"host":"127.0.0.1:2"}\xff', 'latin1')],
    ['no object', '"127.0.0.1:2"'],
    ['an array', '[]'],
    ['nothing', 'null'],
    ['a key that is not known', '{"host":"127.0.0.1:2","__proto__":1}'],
  ])('that is %s is refused', async (_, body) => {
    const { admin, proxy } = plain;
    const reply = await request(`${admin}/api/hosts`, { method: 'POST', body });
    expect([reply.status, codeOf(reply)]).toEqual([422, 'INVALID']);
    expect(proxy.hosts).toHaveLength(1);
  });

  it('that nobody wants does not keep the answer away', async () => {
    const { ask } = plain;
    const reply = await ask('PUT /api/hosts', 'x'.repeat(1_000_000));
    expect([reply.status, reply.headers.connection]).toEqual([405, 'close']);
  });
});

describe('the page', () => {
  it.each([
    '/page/..%2fopenapi.json', '/page/../server.ts', '/page/%2e%2e/server.ts', '/page/..%5cserver.ts', '/page/', '/page',
    '/page/index.html/', '/uplot/../package.json', '/uplot/uPlot.cjs.js', '/uplot/package.json', '/page/app.js%00', '/page/constructor',
  ])('has no file but its own: %s', async (path) => {
    const { adminPort } = plain;
    // As it stands: a client would tidy it.
    const text = await exchangeBytes(adminPort, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 404 .*"code":"NOT_FOUND"/s);
  });

  it('is sent again only where it has changed', async () => {
    const { ask } = plain;
    const { headers: { etag = '' } } = await ask('GET /page/app.js');
    const status = async (tags: string): Promise<number> =>
      (await ask('GET /page/app.js', undefined, { headers: { 'If-None-Match': tags } })).status;
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) expect([tags, await status(tags)]).toEqual([tags, 304]);
    for (const tags of ['"other"', etag.replaceAll('"', ''), '']) expect([tags, await status(tags)]).toEqual([tags, 200]);
  });
});
