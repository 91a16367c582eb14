import { Browser, clientPackage, startPages, type ChatPage, type ClientVersion, type PageOptions } from '../../support/chromium';
import { startHosts, type HostProcess, type Recorded } from '../../support/hosts';
import { startProxy } from '../../support/proxy';
import { hostSid, sharedStore } from '../../support/stores';
import { tested } from '../../support/tested';
import { versionOf } from '../../support/versions';

interface Way {
  name: string;
  options: PageOptions;
  /** The size of large messages, in bytes. */
  size: number;
  /** The kind of request that it must have made with its sid, and how often at least. */
  made: [kind: 'POST' | 'OPTIONS' | 'websocket', least: number];
}

const WAYS: Way[] = [
  { name: 'polling only', options: { transports: ['polling'] }, size: 1_000_000, made: ['POST', 5] },
  {
    name: 'polling, then upgrade',
    options: { transports: ['polling', 'websocket'], upgraded: true },
    size: 1_000_000,
    made: ['websocket', 1],
  },
  { name: 'WebSocket only', options: { transports: ['websocket'] }, size: 1_000_000, made: ['websocket', 0] },
];

/** By `<script>` and form, as clients before version 4 can: slowly. */
const JSONP: Way = { name: 'JSONP', options: { transports: ['polling'], forceJSONP: true }, size: 50_000, made: ['POST', 5] };

/** Before each request that has a header like this one, a browser asks by a preflight whether the page may send it. */
const PREFLIGHTS: Way = {
  name: 'polling with preflights',
  options: { transports: ['polling'], extraHeaders: { 'X-Chat': 'yes' } },
  size: 1_000_000,
  made: ['OPTIONS', 5],
};

const CASES: [version: ClientVersion, ways: Way[]][] = [
  [2, [...WAYS, JSONP]],
  [3, [...WAYS, JSONP]],
  [4, [...WAYS, PREFLIGHTS]],
];

let browser: Browser;
/** The origin of the pages, on localhost: to a browser that is another site than the proxy's 127.0.0.1. */
let pages: string;

beforeAll(async () => {
  [browser, pages] = await Promise.all([Browser.start('blocked'), startPages()]);
});

interface Arrived extends Recorded {
  host: string;
}

async function arrivedAt(hosts: HostProcess[]): Promise<Arrived[]> {
  const all = hosts.map(async (host) => (await host.recorded()).map((request) => ({ ...request, host: host.name })));
  return (await Promise.all(all)).flat();
}

/** No request and no response had a cookie, and the browser keeps none. */
async function expectNoCookies(page: ChatPage, requests: Recorded[]): Promise<void> {
  expect(requests.filter(({ cookie }) => cookie !== undefined)).toEqual([]);
  expect(page.setCookies).toEqual([]);
  expect(await browser.cookies()).toBe(0);
}

describe.each(CASES)('socket.io-client %i on a page of another site', (version, ways) => {
  let hosts: HostProcess[];
  let url: string;

  beforeAll(async () => {
    const cors = { origin: pages, allowedHeaders: ['X-Chat'] };
    // Version 2 lets any origin in, and sets a cookie, which nothing reads, where it is not told otherwise.
    hosts = await startHosts(3, { version, record: true, ...(version === 2 ? { cookie: false } : { cors }) });
    const names = hosts.map(({ name }) => name);
    ({ url } = await startProxy({ ...await sharedStore(), hosts: names }));
  });

  // What a session of a test before has sent when its page was closed.
  beforeEach(() => arrivedAt(hosts));

  it.each(ways)('keeps to one host without a cookie: $name', async ({ options, size, made: [kind, least] }) => {
    const page = await browser.openPage(pages, version);
    const { sid, host, transport } = await page.connect(url, options);
    expect(transport).toBe(options.transports.at(-1));
    await page.exchange(size);

    const requests = await arrivedAt(hosts);
    const followed = requests.filter((request) => request.url.includes(`sid=${hostSid(sid)}`));
    expect(followed.filter(({ method, upgrade }) => kind === (upgrade ?? method)).length).toBeGreaterThanOrEqual(least);
    expect(followed.filter((request) => request.host !== host)).toEqual([]);
    // The handshake's own preflight may be answered by any host.
    const handshakes = requests.filter(({ method, url: target }) => !target.includes('sid=') && method !== 'OPTIONS');
    expect(handshakes).toMatchObject([{ host }]);
    await expectNoCookies(page, requests);
    await page.close();
    tested('Client', 'socket.io-client in Chromium', `${versionOf(clientPackage(version))} in ${browser.version}`);
  });
});
