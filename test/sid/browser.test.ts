import type { AccessEntry } from '../../src/serving/access';
import { Browser, startPages, type ClientVersion, type PageOptions } from '../support/chromium';
import { startHaproxy } from '../support/haproxy';
import { startHosts } from '../support/hosts';
import { startProxy } from '../support/proxy';
import { ownStore } from '../support/stores';
import { until } from '../support/until';

const WAYS: [name: string, options: PageOptions][] = [
  ['polling only', { transports: ['polling'] }],
  ['polling, then upgrade', { transports: ['polling', 'websocket'], upgraded: true }],
];

let browser: Browser;
let pages: string;

beforeAll(async () => {
  [browser, pages] = await Promise.all([Browser.start('blocked'), startPages()]);
});

// The balancer is another site than the page's: a browser that blocks third-party cookies sends it none.
it.each(([2, 3, 4] as ClientVersion[]).flatMap((version) => WAYS.map(([name, options]) => [version, name, options] as const)))(
  'keeps a session of client %i without a cookie, through two proxies that a balancer takes in turn: %s',
  async (version, _, options) => {
    const hosts = await startHosts(3, { version, ...(version === 2 ? { cookie: false } : { cors: { origin: pages } }) });
    const names = hosts.map(({ name }) => name);
    const proxies = await Promise.all([1, 2].map(() => startProxy({ hosts: names, store: ownStore(), balance: 'round-robin' })));
    const entries = proxies.map(({ proxy }) => {
      const own: AccessEntry[] = [];
      proxy.on('access', (entry) => void own.push(entry));
      return own;
    });
    const { url } = await startHaproxy(proxies.map(({ port }) => port));
    const page = await browser.openPage(pages, version);
    const { host, transport } = await page.connect(url, options);
    expect(transport).toBe(options.transports.at(-1));
    await page.exchange(100_000);
    await page.close();
    const followed = (): AccessEntry[][] => entries.map((own) => own.filter((entry) => entry.url.includes('sid=')));
    // A WebSocket is told of when it has ended.
    await until('both have had requests of the session', () => followed().every(({ length }) => length > 0));
    expect(new Set(followed().flat().map((entry) => entry.host))).toEqual(new Set([host]));
    expect(page.setCookies).toEqual([]);
    expect(await browser.cookies()).toBe(0);
  },
);
