import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { onCleanup } from '../../support/cleanup';
import { Clients, type Connected } from '../../support/clients';
import { Dashboard, expectCleanliness, startChromium } from '../../support/dashboard';
import { Relay } from '../../support/relay';
import { connect, startStand } from '../../support/stand';
import { until } from '../../support/until';

/** With SCREENSHOTS=1 the charts are given time to fill, in ms, and the picture in docs/ is replaced. */
const SCREENSHOTS = process.env.SCREENSHOTS === '1';
const FILL = SCREENSHOTS ? 27_000 : 0;
const PICTURE = join(__dirname, '../../../docs/dashboard.png');

const TOKEN = 'a-token-of-sixteen-or-more';

let browser: Browser;
let clients: Clients;

beforeAll(async () => {
  clients = new Clients();
  browser = await startChromium();
});

/** Keeps clients busy, in rounds, until it is told to stop. @param timesOn how often those of a host exchange in a round. */
function exchange(connected: Connected[], timesOn: (host: string) => number = () => 1): () => Promise<void> {
  let going = true;
  const turn = async ({ key, host }: Connected): Promise<void> => {
    for (let times = timesOn(host); going && times > 0; times -= 1) await clients.exchange(key, 2000);
  };
  const rounds = async (): Promise<void> => {
    while (going) await Promise.all(connected.map(turn));
  };
  const over = rounds();
  const stop = async (): Promise<void> => {
    going = false;
    await over;
  };
  onCleanup(stop);
  return stop;
}

/** How many pixels of a chart have a colour, about. */
function pixels(page: Page, chart: number, variable: string): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.querySelectorAll('#charts canvas')[${chart}];
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = 'var(${variable})';
    const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    probe.remove();
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] > 150 && wanted.every((value, i) => Math.abs(value - data[at + i]) < 24)) found += 1;
    }
    return found;
  })()`);
}

it('shows hosts, their sessions and what passes, in numbers and in charts', async () => {
  const stand = await startStand(3);
  const connected = [
    ...await connect(clients, stand, 9, { transports: ['polling', 'websocket'], upgraded: true }),
    ...await connect(clients, stand, 6, { transports: ['polling'] }),
  ];
  const dashboard = await Dashboard.open(browser, stand.admin);
  await dashboard.is('Live');
  // Each host at a pace of its own: of lines that lie upon each other only the last is seen.
  const stop = exchange(connected.slice(-6), (host) => 1 + stand.names.indexOf(host));
  for (const host of stand.names) {
    const report = stand.proxy.hosts.find((status) => status.host === host);
    expect(report?.sessions).toBe(5);
    expect(await dashboard.cell(host, 'Health', /Up/)).toBe('Up');
    await dashboard.cell(host, 'Sessions', /^5$/);
    await dashboard.cell(host, 'Tunnels', new RegExp(`^${report?.tunnels}$`));
    await dashboard.cell(host, 'Share / due', /^33 % \/ 33 %$/);
    await dashboard.cell(host, 'Requests/s', /[1-9]/);
    await dashboard.cell(host, 'Latency', /\d ms/);
    await dashboard.cell(host, 'Received/s', /[1-9].* [kM]?B/);
  }
  await dashboard.page.locator('#facts', { hasText: 'Sessions15' }).waitFor();
  for (const title of ['Sessions', 'Requests a second', 'Latency of handshakes and POSTs']) {
    const chart = dashboard.page.getByRole('img', { name: title });
    // In a second in which a host has answered nothing it has none.
    await until(`${title} has a figure for each host`, async () => {
      const label = await chart.getAttribute('aria-label') ?? '';
      return stand.names.every((host) => new RegExp(`${host} [\\d.]+`).test(label));
    });
  }
  await until('each host has a line', async () => (await pixels(dashboard.page, 1, '--host-0')) > 0 &&
    (await pixels(dashboard.page, 1, '--host-1')) > 0 && (await pixels(dashboard.page, 1, '--host-2')) > 0);
  await stop();
  expectCleanliness(dashboard, stand.admin);
});

it('shows at a glance which hosts serve, leave and fail', async () => {
  const stand = await startStand(4);
  const { proxy, names: [first = '', , leaving = '', failing = ''] } = stand;
  proxy.setWeight(first, 2);
  const websockets = await connect(clients, stand, 30, { transports: ['websocket'] });
  const polls = await connect(clients, stand, 10, { transports: ['polling'] });
  const stop = exchange(polls.filter(({ host }) => host !== failing).slice(0, 4));
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await dashboard.is('Live');
  await page.waitForTimeout(FILL);
  await stand.hosts[3]?.kill();
  await dashboard.cell(failing, 'Health', /^Down/);
  proxy.drainHost(leaving, { deadline: 300_000 });
  expect(await dashboard.cell(leaving, 'State', /^Draining/)).toMatch(/^Drainingmoves in (?:5:00|[34]:[0-5]\d)$/);
  await dashboard.cell(first, 'Share / due', / 67 %$/);
  await page.getByLabel('sid').fill(websockets.find(({ host }) => host === first)?.sid ?? '');
  await page.keyboard.press('Enter');
  await page.getByText(`It goes to ${first}.`).waitFor();
  await page.waitForTimeout(FILL);
  await page.getByLabel('sid').blur();
  await page.evaluate('scrollTo(0, 0)');
  const picture = await page.screenshot();
  if (SCREENSHOTS) writeFileSync(PICTURE, picture);
  await stop();
  expectCleanliness(dashboard, stand.admin);
}, 2 * FILL + 90_000);

it('tells where a session goes and ends it, whereupon its client makes a new one', async () => {
  const stand = await startStand(2);
  const [client] = await connect(clients, stand, 1, { transports: ['websocket'] });
  if (!client) throw new Error('no client');
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await page.getByLabel('sid').fill(client.sid);
  await page.keyboard.press('Enter');
  const answer = page.locator('#session');
  await answer.getByText(`It goes to ${client.host}.`).waitFor();
  await answer.getByText('It is carried by a WebSocket.').waitFor();
  await answer.getByRole('button', { name: 'End session' }).click();
  const reconnected = once(clients, 'connect');
  await page.getByRole('dialog').getByRole('button', { name: 'End session' }).click();
  await reconnected;
  expect(stand.hosts.map(({ name }) => name)).toContain(await clients.host(client.key));
  await answer.getByText('The session is ended.').waitFor();
  await page.getByRole('button', { name: 'Look up' }).click();
  await answer.getByText('It has ended: its client has left, or it was ended here.').waitFor();
  await page.getByLabel('sid').fill('"><img src=x>/../é%');
  await page.keyboard.press('Enter');
  await answer.getByText('This proxy has never seen it').waitFor();
  expectCleanliness(dashboard, stand.admin);
});

it('rebalances, shows how far it is, and stops', async () => {
  const stand = await startStand(2);
  const { proxy } = stand;
  const [full = '', empty = ''] = stand.names;
  proxy.drainHost(empty);
  await connect(clients, stand, 10, { transports: ['websocket'] });
  proxy.undrainHost(empty);
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  const status = page.locator('#rebalance-status');
  await status.getByText('Hosts are up to 100 % off their shares of sessions.').waitFor();
  await page.getByLabel('Sessions a minute').fill('1');
  await page.getByRole('button', { name: 'Start' }).click();
  await status.getByText(/^\d moved, about \d to go/).waitFor();
  expect(proxy.rebalanceStatus.running).toBe(true);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('button', { name: 'Start' }).waitFor();
  // The button may also be back for the figures of before the start.
  await until('it has stopped', () => !proxy.rebalanceStatus.running);
  await page.getByLabel('Sessions a minute').fill('6000');
  await page.keyboard.press('Enter');
  await status.getByText(/The last rebalance has moved \d+ sessions\./).waitFor();
  await dashboard.event(/rebalanced/).first().waitFor();
  for (const host of [full, empty]) await dashboard.cell(host, 'Sessions', /^[456]$/);
  expectCleanliness(dashboard, stand.admin);
});

it('reconnects by itself when it is cut off, and shows no event twice', async () => {
  const stand = await startStand(2);
  const [host = ''] = stand.names;
  stand.proxy.drainHost(host);
  const relay = await Relay.start(Number(new URL(stand.admin).port));
  const dashboard = await Dashboard.open(browser, `http://127.0.0.1:${relay.port}`);
  await dashboard.is('Live');
  stand.proxy.undrainHost(host);
  await dashboard.event(/undrained/).waitFor();
  const before = await dashboard.page.locator('#events li').count();
  const { target } = relay;
  // Nobody listens on port 1.
  relay.target = 1;
  relay.cut();
  await dashboard.is('Reconnecting');
  await dashboard.page.locator('#countdown', { hasText: /in \d s: .+\(figures of / }).waitFor();
  stand.proxy.setWeight(host, 7);
  stand.proxy.drainHost(host);
  relay.target = target;
  await dashboard.is('Live');
  await dashboard.cell(host, 'State', /^Drained/);
  expect(await dashboard.page.locator('#events li').count()).toBeGreaterThan(before);
  expect(await dashboard.event(/undrained/).count()).toBe(1);
  expect(await dashboard.page.getByLabel(`Weight of ${host}`, { exact: true }).inputValue()).toBe('7');
  expectCleanliness(dashboard, dashboard.page.url());
});

it('shows nothing any more once a token is asked for, and another proxy once that is given', async () => {
  const [open, closed] = [await startStand(1), await startStand(1, TOKEN)];
  const relay = await Relay.start(Number(new URL(open.admin).port));
  const dashboard = await Dashboard.open(browser, `http://127.0.0.1:${relay.port}`);
  const { page } = dashboard;
  const shown = (): Promise<boolean[]> => Promise.all(['#board', '#facts', '#ready'].map((id) => page.locator(id).isVisible()));
  await dashboard.cell(open.names[0] ?? '', 'Health', /^Up$/);
  expect(await shown()).toEqual([true, true, true]);
  relay.target = Number(new URL(closed.admin).port);
  relay.cut();
  await dashboard.is('A token is needed');
  expect(await shown()).toEqual([false, false, false]);
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await dashboard.cell(closed.names[0] ?? '', 'Health', /^Up$/);
  expect(await shown()).toEqual([true, true, true]);
  expect(await dashboard.row(open.names[0] ?? '').count()).toBe(0);
  expectCleanliness(dashboard, page.url());
});

it('tries a token that is given while another one is being refused', async () => {
  const stand = await startStand(1, TOKEN);
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await dashboard.is('A token is needed');
  const asked = page.waitForRequest('**/api/events');
  let answer = (): void => {};
  const given = new Promise<void>((resolve) => (answer = resolve));
  await page.route('**/api/events', async (route) => {
    await given;
    await route.continue();
  }, { times: 1 });
  await page.keyboard.type('the-wrong-token-of-all');
  await page.keyboard.press('Enter');
  await asked;
  await page.getByLabel('Token').fill(TOKEN);
  await page.keyboard.press('Enter');
  answer();
  await dashboard.cell(stand.names[0] ?? '', 'Health', /^Up$/);
});

it('asks for the token, keeps it for the tab, and never puts it into a URL', async () => {
  const stand = await startStand(1, TOKEN);
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await dashboard.is('A token is needed');
  expect(await page.getByRole('table').count()).toBe(0);
  expect(await dashboard.focused()).toBe('Token');
  await page.keyboard.type('the-wrong-token-of-all');
  await page.keyboard.press('Enter');
  await page.getByText('The server does not take this token.').waitFor();
  // Only then is it ready for another one.
  await dashboard.is('A token is needed');
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await dashboard.cell(stand.names[0] ?? '', 'Health', /^Up$/);
  await page.reload();
  await dashboard.cell(stand.names[0] ?? '', 'Health', /^Up$/);
  expect([page.url(), ...dashboard.requests].filter((url) => url.includes(TOKEN) || url.includes('?'))).toEqual([]);
  expect(await page.evaluate('[localStorage.length, document.cookie]')).toEqual([0, '']);
  await page.getByRole('button', { name: 'Forget the token' }).click();
  await dashboard.is('A token is needed');
  expectCleanliness(dashboard, stand.admin);
});
