import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { find } from '../../scripts/programs';
import { onCleanup } from './cleanup';
import type { Connected } from './clients';
import { startServer } from './http';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];

const ROOT = join(__dirname, '../..');

export type ClientVersion = 2 | 3 | 4;

/** The name under which a version of `socket.io-client` is installed. */
export const clientPackage = (version: ClientVersion): string => (version === 4 ? 'socket.io-client' : `socket.io-client-${version}`);

export interface PageOptions {
  transports: Connected['transport'][];
  /** Waits for the upgrade to WebSocket. */
  upgraded?: boolean;
  [option: string]: unknown;
}

/** Of Chromium's preference for third-party cookies: the values that hold in every window, and not in private ones alone. */
const COOKIE_CONTROLS = { allowed: 0, blocked: 1 } as const;

export type ThirdPartyCookies = keyof typeof COOKIE_CONTROLS;

/** Serves a page for each version of the client, and resolves with their origin, which is a site of its own. */
export async function startPages(): Promise<string> {
  const script = (file: string): [string, string] => ['text/javascript; charset=utf-8', readFileSync(join(ROOT, file), 'utf8')];
  const files = new Map([['/page.js', script('test/fixtures/page.js')]]);
  for (const version of [2, 3, 4] as const) {
    files.set(`/client-${version}.js`, script(`node_modules/${clientPackage(version)}/dist/socket.io.js`));
    files.set(pathOf(version), ['text/html', `<body><script src="client-${version}.js"></script><script src="page.js"></script>`]);
  }
  const { port } = await startServer(({ url = '' }, res) => {
    const [type, body] = files.get(url) ?? ['text/plain', ''];
    res.setHeader('Content-Type', type).end(body);
  });
  return `http://localhost:${port}`;
}

const pathOf = (version: ClientVersion): string => `/page-${version}`;

/** A page in the browser, and what was seen of cookies in the responses to its requests. */
export class ChatPage {
  readonly #page: Page;
  /** Values of `Set-Cookie`, in any response. */
  readonly setCookies: string[] = [];
  /** Why Chromium has refused cookies that a response would have set. */
  readonly refusals = new Set<string>();

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(context: BrowserContext, url: string): Promise<ChatPage> {
    const page = await context.newPage();
    onCleanup(() => page.close());
    const chat = new ChatPage(page);
    const session = await context.newCDPSession(page);
    const see = (headers: Record<string, string>): void => {
      for (const [name, value] of Object.entries(headers)) if (name.toLowerCase() === 'set-cookie') chat.setCookies.push(value);
    };
    // Only these have all headers: scripts and the page's own events are not shown `Set-Cookie`.
    session.on('Network.responseReceivedExtraInfo', ({ headers, blockedCookies }) => {
      see(headers);
      for (const { blockedReasons } of blockedCookies) for (const reason of blockedReasons) chat.refusals.add(reason);
    });
    session.on('Network.webSocketHandshakeResponseReceived', ({ response }) => see(response.headers));
    await session.send('Network.enable');
    await page.goto(url);
    return chat;
  }

  connect(url: string, options: PageOptions): Promise<Omit<Connected, 'key'>> {
    return this.#call('connect', { url, ...options });
  }

  /** Text and binary, small and of `size` bytes, there and back. */
  exchange(size: number): Promise<void> {
    return this.#call('exchange', size);
  }

  close(): Promise<void> {
    return this.#call('close');
  }

  #call<T>(method: string, ...args: unknown[]): Promise<T> {
    return this.#page.evaluate<T>(`chat.${method}(...${JSON.stringify(args)})`);
  }
}

/** Chromium, with a profile of its own. */
export class Browser {
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext) {
    this.#context = context;
  }

  static async start(thirdPartyCookies: ThirdPartyCookies): Promise<Browser> {
    const executablePath = find('chromium');
    if (executablePath === undefined) throw new Error('no chromium: see scripts/ensure-programs.mjs');
    const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
    onCleanup(() => rmSync(profile, { recursive: true, force: true, maxRetries: 10 }));
    mkdirSync(join(profile, 'Default'));
    const preferences = { profile: { cookie_controls_mode: COOKIE_CONTROLS[thirdPartyCookies] } };
    writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
    const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, chromiumSandbox: false });
    onCleanup(() => context.close());
    return new Browser(context);
  }

  get version(): string {
    return this.#context.browser()?.version() ?? '';
  }

  /** Opens the page of a version of the client, of those that `startPages` serves. */
  openPage(origin: string, version: ClientVersion): Promise<ChatPage> {
    return ChatPage.open(this.#context, `${origin}${pathOf(version)}`);
  }

  /** How many cookies it keeps, of any site. */
  async cookies(): Promise<number> {
    return (await this.#context.cookies()).length;
  }
}
