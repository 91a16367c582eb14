import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core';
import { find } from '../../scripts/programs';
import { onCleanup } from './cleanup';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];

/** An answer that refuses is an error to the console, too, but no defect of the page. */
const REFUSAL = /^Failed to load resource: the server responded with a status of 4\d\d /;

/** How the page says it when a connection is cut under a request, or none can be made. */
const CUT = /^Failed to load resource: net::ERR_(?:INCOMPLETE_CHUNKED_ENCODING|CONNECTION_\w+|EMPTY_RESPONSE)$/;

export async function startChromium(): Promise<Browser> {
  const executablePath = find('chromium');
  if (executablePath === undefined) throw new Error('no chromium: see scripts/ensure-programs.mjs');
  const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
  onCleanup(() => browser.close());
  return browser;
}

/** The dashboard in a browser, with all that it has asked for and complained of. */
export class Dashboard {
  readonly page: Page;
  /** URLs of all requests. */
  readonly requests: string[] = [];
  /** Errors and warnings, among them what the Content-Security-Policy has refused. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(60_000);
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('pageerror', (error) => this.complaints.push(error.stack ?? error.message));
    page.on('console', (message) => {
      const text = message.text();
      if (/error|warning/.test(message.type()) && !REFUSAL.test(text) && !CUT.test(text)) this.complaints.push(text);
    });
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Dashboard> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 840 }, ...options });
    onCleanup(() => context.close());
    const dashboard = new Dashboard(await context.newPage());
    await dashboard.page.goto(url);
    return dashboard;
  }

  /** Waits until the connection is as that. */
  async is(state: 'Live' | 'Reconnecting' | 'A token is needed'): Promise<void> {
    await this.page.locator('#connection', { hasText: state }).waitFor();
  }

  /** The row of a host. */
  row(host: string): Locator {
    return this.page.getByRole('row').filter({ has: this.page.getByRole('rowheader', { name: host, exact: true }) });
  }

  /** Waits until a cell of a host's row matches, and resolves with its text. */
  async cell(host: string, label: string, pattern: RegExp): Promise<string> {
    const cell = this.row(host).locator(`[data-label="${label}"]`).filter({ hasText: pattern });
    await cell.waitFor();
    return await cell.textContent() ?? '';
  }

  /** Presses Tab until what has the focus is so named. */
  async tabTo(name: string): Promise<void> {
    for (let presses = 0; presses < 100; presses += 1) {
      await this.page.keyboard.press('Tab');
      if (await this.focused() === name) return;
    }
    throw new Error(`Tab does not lead to '${name}'`);
  }

  /** The name of what has the focus. */
  focused(): Promise<string> {
    return this.page.evaluate(`(({ activeElement: { ariaLabel, labels, textContent } }) => (
      ariaLabel ?? (labels?.length ? labels[0] : { textContent }).textContent.trim()
    ))(document)`);
  }

  /** The newest of the events. */
  event(pattern: RegExp): Locator {
    return this.page.locator('#events li').filter({ hasText: pattern });
  }
}

/** It has complained of nothing, and asked for nothing from elsewhere. */
export function expectCleanliness({ complaints, requests }: Dashboard, url: string): void {
  expect(complaints).toEqual([]);
  expect([...new Set(requests.map((request) => new URL(request).origin))]).toEqual([new URL(url).origin]);
}
