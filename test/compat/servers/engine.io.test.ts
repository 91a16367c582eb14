import type { Connected } from '../../support/clients';
import { pollUrl, request } from '../../support/http';
import { startProxy, type Started } from '../../support/proxy';
import { Remote } from '../../support/remote';
import { sharedStore } from '../../support/stores';
import { tested } from '../../support/tested';
import { versionOf } from '../../support/versions';

const PATH = '/chat/live/';

const TRANSPORTS: [name: string, transports: Connected['transport'][]][] = [
  ['polling only', ['polling']],
  ['WebSocket only', ['websocket']],
  ['polling, then upgrade', ['polling', 'websocket']],
];

/** What the sids of a server's own hold: what means something in a URL, in JSON, in a payload, and to Redis. */
const MARKS: [name: string, mark: string][] = [
  ['spaces and plus signs', ' a + b '],
  ['percent signs', '%41%zz'],
  ['separators of a URL', '<&sid=x&?#;>'],
  ['slashes and dots', '../..//'],
  ['quotes and backslashes', '"\\\''],
  ['JSON', '{"sid":"x"}'],
  ['a length as of protocol 3', '5:0{}'],
  ['a pattern as of Redis', '*?[a-z]'],
  ['letters and signs of many scripts', 'é漢🚀'],
  ['control characters', '\u2028\x1e\0\r\n'],
  ['450 letters', 'x'.repeat(450)],
];

let hosts: string[];
let proxies: [Started, Started];
let clients: Remote;

beforeAll(async () => {
  const fixtures = Array.from({ length: 3 }, () => new Remote('engine-host.mjs'));
  const ports = await Promise.all(fixtures.map((fixture) => fixture.call<number>('start', { path: PATH })));
  hosts = ports.map((port) => `127.0.0.1:${port}`);
  clients = new Remote('engine-clients.mjs');
  const options = { ...await sharedStore(), path: PATH, hosts };
  proxies = [await startProxy(options), await startProxy(options)];
});

function connect({ url }: Started, transports: Connected['transport'][], mark: string): Promise<Connected> {
  return clients.call<Connected>('connect', { url, path: PATH, transports, query: { mark } });
}

it.each(TRANSPORTS)('exchanges text and binary up to 1 MB: %s', async (_, transports) => {
  for (const proxy of proxies) {
    const { key, host, transport } = await connect(proxy, transports, '');
    expect(transport).toBe(transports.at(-1));
    expect(hosts).toContain(host);
    await clients.call('exchange', key);
    expect(await clients.call('host', key)).toBe(host);
    await clients.call('close', key);
  }
  tested('Server', 'engine.io', versionOf('engine.io'));
});

describe.each(MARKS)('a sid with %s', (_, mark) => {
  it('leads both proxies to the host that has made it', async () => {
    const { key, sid, host } = await connect(proxies[0], ['polling'], mark);
    expect(sid.startsWith(mark + host)).toBe(true);
    // A host that did not know the sid would answer with 400.
    const post = await request(pollUrl(proxies[1].url, sid, PATH), { method: 'POST', body: '4hello' });
    expect(post).toMatchObject({ status: 200, body: 'ok' });
    await clients.call('close', key);
    tested('Server', 'engine.io', versionOf('engine.io'));
  });

  it('upgrades', async () => {
    const { key, sid, host, transport } = await connect(proxies[0], ['polling', 'websocket'], mark);
    expect(transport).toBe('websocket');
    expect(sid.startsWith(mark + host)).toBe(true);
    await clients.call('close', key);
    tested('Server', 'engine.io', versionOf('engine.io'));
  });
});
