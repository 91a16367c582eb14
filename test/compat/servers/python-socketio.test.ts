import { gunzipSync } from 'node:zlib';
import { Clients, type ClientOptions } from '../../support/clients';
import { pollUrl, request } from '../../support/http';
import { startProxy, type Started } from '../../support/proxy';
import { PythonFixture } from '../../support/python';
import { onSids, sharedStore } from '../../support/stores';
import { tested } from '../../support/tested';

const POLLING = '/socket.io/?EIO=4&transport=polling';

async function startFixtures(options: Record<string, unknown> = {}): Promise<{ fixture: PythonFixture; host: string }[]> {
  const fixtures = Array.from({ length: 3 }, () => new PythonFixture('socketio_host.py'));
  return Promise.all(fixtures.map(async (fixture) => {
    return { fixture, host: `127.0.0.1:${await fixture.call<number>('start', options)}` };
  }));
}

async function reportVersion(): Promise<void> {
  const [fixture] = fixtures;
  if (!fixture) throw new Error('no host');
  const versions = [await fixture.versionOf('python-socketio'), await fixture.versionOf('aiohttp')];
  tested('Server', 'python-socketio on aiohttp', versions.join(' on '));
}

let fixtures: PythonFixture[];
let hosts: string[];
let proxies: [Started, Started];

beforeAll(async () => {
  // So that the answer to a handshake is compressed, too.
  const started = await startFixtures({ compression_threshold: 0 });
  fixtures = started.map(({ fixture }) => fixture);
  hosts = started.map(({ host }) => host);
  const options = { ...await sharedStore(), hosts };
  proxies = [await startProxy(options), await startProxy(options)];
});

describe('a client of Socket.IO', () => {
  it.each<[name: string, size: number, options: Partial<ClientOptions>]>([
    // Of a POST, python-engineio 4.3 on aiohttp reads no more than what has arrived at once, with a proxy or without.
    ['polling only', 10_000, { transports: ['polling'] }],
    ['WebSocket only', 1_000_000, { transports: ['websocket'] }],
    ['polling, then upgrade', 1_000_000, { transports: ['polling', 'websocket'], upgraded: true }],
  ])('exchanges text and binary: %s, %i bytes', async (_, size, options) => {
    const clients = new Clients();
    for (const { url } of proxies) {
      const client = await clients.connect({ url, ...options });
      expect(client.transport).toBe(options.transports?.at(-1));
      expect(hosts).toContain(client.host);
      await clients.exchange(client.key, size);
      expect(await clients.host(client.key)).toBe(client.host);
      await clients.close(client.key);
    }
    await reportVersion();
  });
});

it('has a session whose handshake it has compressed, known to both proxies', async () => {
  const handshake = await request(`${proxies[0].url}${POLLING}`, { headers: { 'Accept-Encoding': 'gzip' } });
  // In the tier `sid`, the proxy asks for no encoding, since it changes the answer.
  expect(handshake.headers['content-encoding']).toBe(onSids ? undefined : 'gzip');
  const { sid } = JSON.parse((onSids ? handshake.bytes : gunzipSync(handshake.bytes)).toString().slice(1)) as { sid: string };
  // Joins the namespace through one, and calls the host through the other.
  for (const [{ url }, packet, answer] of [[proxies[0], '40', /^40\{"sid":/], [proxies[1], '420["host"]', /^430\["127/]] as const) {
    expect(await request(pollUrl(url, sid), { method: 'POST', body: packet })).toMatchObject({ status: 200, body: 'OK' });
    expect((await request(pollUrl(url, sid))).body).toMatch(answer);
  }
  await reportVersion();
});

it("takes the proxy's origin for its own, and refuses others", async () => {
  const { url } = proxies[0];
  const statusFor = async (Origin: string): Promise<number> => (await request(`${url}${POLLING}`, { headers: { Origin } })).status;
  expect(await statusFor(url)).toBe(200);
  expect(await statusFor('http://other.example')).toBe(400);
  await reportVersion();
});

describe('a browser whose page came by TLS that ends in front of the proxy', () => {
  const ORIGIN = 'https://chat.example';
  const headers = { Host: 'chat.example', Origin: ORIGIN, 'X-Forwarded-Proto': 'https' };

  it.each([
    ['is refused without trustProxy', {}, 400], ['is accepted with trustProxy', { trustProxy: true }, 200],
    ['is refused without xfwd, as the Host is the host\'s', { trustProxy: true, xfwd: false }, 400],
    ['is accepted without xfwd where Host and X-Forwarded-Proto pass', { trustProxy: true, xfwd: false, changeOrigin: false }, 200],
  ])('%s', async (_, options, status) => {
    const { url } = await startProxy({ hosts, ...options });
    const reply = await request(url + POLLING, { headers });
    expect(reply.status).toBe(status);
    if (status === 400) expect(reply.body).toContain(`${ORIGIN} is not an accepted origin`);
  });
});
