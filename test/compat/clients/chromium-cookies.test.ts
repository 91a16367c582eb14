import { Browser, clientPackage, startPages, type ChatPage, type ClientVersion } from '../../support/chromium';
import { startCookieBalancer } from '../../support/cookie-balancer';
import { startHosts } from '../../support/hosts';
import { startProxy } from '../../support/proxy';
import { tested } from '../../support/tested';
import { until } from '../../support/until';
import { versionOf } from '../../support/versions';

// The same page and hosts behind cookie affinity and behind the proxy: what chromium.test.ts shows would prove nothing
// if its browser sent third-party cookies after all, or if a session by polling needed no help to find its host.

/** As cookie affinity has to have it: a client that sends cookies to another site. */
const POLLING = { transports: ['polling' as const], withCredentials: true };

const VERSIONS: ClientVersion[] = [2, 3, 4];

let pages: string;
let names: string[];
let balancer: string;
let proxy: string;

beforeAll(async () => {
  pages = await startPages();
  const hosts = await startHosts(3, { cors: { origin: pages, credentials: true } });
  names = hosts.map(({ name }) => name);
  balancer = await startCookieBalancer(names);
  ({ url: proxy } = await startProxy({ hosts: names }));
});

/** Opens a session by polling, sends in it, and resolves with its host's name. */
async function converse(page: ChatPage, url: string): Promise<string> {
  const { host } = await page.connect(url, POLLING);
  await page.exchange(100_000);
  return host;
}

describe('where third-party cookies are blocked', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await Browser.start('blocked');
  });

  it.each(VERSIONS)('a session of client %i is lost by cookie affinity', async (version) => {
    const page = await browser.openPage(pages, version);
    await expect(converse(page, balancer)).rejects.toThrow(/xhr (?:poll|post) error|transport error/);
    // It was the cookie: the balancer has sent one, and the browser has not taken it, as it was told. It says so by the way.
    await until('the browser has told of a refusal', () => page.refusals.size > 0);
    expect(page.setCookies[0]).toMatch(/^HOST=host\d; path=\/; Secure; SameSite=None$/);
    expect([...page.refusals]).toEqual(['UserPreferences']);
    expect(await browser.cookies()).toBe(0);
  });

  it.each(VERSIONS)('a session of client %i is kept by the proxy', async (version) => {
    const page = await browser.openPage(pages, version);
    expect(names).toContain(await converse(page, proxy));
    expect(page.setCookies).toEqual([]);
    tested('Client', 'socket.io-client in Chromium', `${versionOf(clientPackage(version))} in ${browser.version}`);
  });
});

describe('where third-party cookies are allowed', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await Browser.start('allowed');
  });

  it.each(VERSIONS)('a session of client %i is kept by cookie affinity', async (version) => {
    const page = await browser.openPage(pages, version);
    expect(names).toContain(await converse(page, balancer));
    expect([...page.refusals]).toEqual([]);
    expect(await browser.cookies()).toBe(1);
  });
});
