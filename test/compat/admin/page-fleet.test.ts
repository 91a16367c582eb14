import type { Browser, Locator } from 'playwright-core';
import { Clients } from '../../support/clients';
import { Dashboard, expectCleanliness, startChromium } from '../../support/dashboard';
import { startHosts } from '../../support/hosts';
import { openClient, RedisProcess } from '../../support/redis';
import { connect, startMembers, startStand, type Stand } from '../../support/stand';
import { until } from '../../support/until';

const MEMBERS = '{socket.io-fleet}:members';

let browser: Browser;
let clients: Clients;
let marks = 0;

beforeAll(async () => {
  clients = new Clients();
  browser = await startChromium();
});

const idOf = ({ proxy }: Stand): string => proxy.fleet.members[0]?.id ?? '';

const memberRow = ({ page }: Dashboard, id: string): Locator => page.locator('#members-body tr').filter({ hasText: id });

const figures = ({ page }: Dashboard, of: 'Fleet' | 'This proxy'): Locator => page.getByRole('radio', { name: of, exact: true });

const scope = ({ page }: Dashboard, name: RegExp): Locator => page.getByRole('dialog').getByRole('radio', { name });

const press = ({ page }: Dashboard, name: string): Promise<void> =>
  page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

const fact = ({ page }: Dashboard, list: 'facts' | 'own-facts', text: string): Promise<void> =>
  page.locator(`#${list} > div`).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();

/** What an action has changed of a host, and where. */
const at = <T>(members: Stand[], host: string, valueOf: (status: Stand['proxy']['hosts'][number]) => T): (T | undefined)[] =>
  members.map(({ proxy }) => proxy.hosts.filter((status) => status.host === host).map(valueOf)[0]);

async function becomesAt<T>(what: string, read: () => T[], expected: T[]): Promise<void> {
  await until(what, () => JSON.stringify(read()) === JSON.stringify(expected));
}

/** Resolves once the others know all that the first has told so far. Hosts are listed for that which are down. */
async function heard([one, ...others]: Stand[]): Promise<void> {
  const mark = `127.0.0.1:${marks += 1}`;
  one?.proxy.addHost(mark);
  await until('the others have heard', () => others.every(({ proxy }) => proxy.hosts.some(({ host }) => host === mark)));
}

it('shows the members and what they have, and which of them is this proxy', async () => {
  const [one, other] = await startMembers(await startHosts(1), {}, {}) as [Stand, Stand];
  const gone = idOf(other);
  await connect(clients, other, 3, { transports: ['websocket'] });
  const dashboard = await Dashboard.open(browser, one.admin);
  for (const [stand, sessions] of [[one, 0], [other, 3]] as const) {
    const row = memberRow(dashboard, idOf(stand));
    const cell = (label: string): Locator => row.locator(`[data-label="${label}"]`);
    await cell('Sessions').filter({ hasText: new RegExp(`^${sessions}$`) }).waitFor();
    await cell('State').filter({ hasText: /^Ready$/ }).waitFor();
    await cell('Seen').filter({ hasText: /^(?:just now|\d+ s ago)$/ }).waitFor();
    expect(await cell('Workers').textContent()).toBe('1');
    expect(await cell('Version').textContent()).toMatch(/^\d+\.\d+\.\d+/);
    expect(await row.getByText('this proxy').count()).toBe(stand === one ? 1 : 0);
  }
  await fact(dashboard, 'facts', 'Members2, in step');
  await dashboard.page.getByText('2 members, all in step').waitFor();
  await other.proxy.close();
  await memberRow(dashboard, gone).waitFor({ state: 'detached' });
  expectCleanliness(dashboard, one.admin);
});

it('says in words which member disagrees and in what, or is behind, and shows those first', async () => {
  const redis = await RedisProcess.start();
  const redisClient = await openClient(redis.url);
  const hosts = await startHosts(1);
  const other = { hosts: ['127.0.0.1:1'], path: '/other/', checkPath: '/socket.io/' };
  const [one, well, odd] = await startMembers(hosts, { redisClient }, { redisClient }, { redisClient, ...other }) as [Stand, Stand, Stand];
  const dashboard = await Dashboard.open(browser, one.admin);
  const states = (id: string): Locator => memberRow(dashboard, id).locator('[data-label="State"]');
  await states(idOf(odd)).getByText('It has other hosts and path.').waitFor();
  await states(idOf(odd)).getByText('Disagrees', { exact: true }).waitFor();
  await states(idOf(one)).filter({ hasText: /^Ready$/ }).waitFor();
  await fact(dashboard, 'facts', 'Members2 of 3 in step');
  const rows = dashboard.page.locator('#members-body tr');
  for (const [place, stand] of [one, odd, well].entries()) await rows.nth(place).filter({ hasText: idOf(stand) }).waitFor();

  one.proxy.setWeight(hosts[0]?.name ?? '', 2);
  await until('it is set', () => one.proxy.fleet.revision !== undefined);
  // As a member leaves it that shows itself seldom, and has stalled before the change.
  const [time = '', ...record] = (await redisClient.hGet(MEMBERS, idOf(one)) ?? '').split(' ');
  const stalled = { ...JSON.parse(record.join(' ')) as object, interval: 20_000, revision: '' };
  await redisClient.hSet(MEMBERS, 'stalled', `${Number(time) - 20_000} ${JSON.stringify(stalled)}`);
  await states('stalled').getByText('Behind', { exact: true }).waitFor();
  await states(idOf(one)).filter({ hasText: /^Ready$/ }).waitFor();
  const note = `4 members, not ready: ${idOf(odd)}; disagrees: ${idOf(odd)} (hosts and path); behind: stalled`;
  await dashboard.page.getByText(note).waitFor();
  await fact(dashboard, 'facts', 'Members2 of 4 in step');
  expectCleanliness(dashboard, one.admin);
});

it('shows the figures of the fleet or of this proxy, as it is told, and keeps to that', async () => {
  const [one, other] = await startMembers(await startHosts(1), {}, {}) as [Stand, Stand];
  const [host = ''] = one.names;
  await connect(clients, one, 2, { transports: ['websocket'] });
  await connect(clients, other, 3, { transports: ['websocket'] });
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  const chart = (title: string): Promise<void> => page.getByRole('img', { name: title }).waitFor();
  const check = async (sessions: number, own: boolean): Promise<void> => {
    await dashboard.cell(host, 'Sessions', new RegExp(`^${sessions}$`));
    await dashboard.cell(host, 'Tunnels', new RegExp(`^${sessions}$`));
    await dashboard.cell(host, own ? 'Requests/s' : 'Requests/s, this proxy', /\d/);
    await fact(dashboard, 'facts', `Sessions${sessions}`);
    await chart(`Sessions${own ? '' : ', of the fleet'}, the last minute. At present: ${host} ${sessions}.`);
    await chart(`Latency of handshakes and POSTs${own ? '' : ', of this proxy'}, the last minute`);
    expect(await page.getByRole('columnheader', { name: 'Latency this proxy' }).count()).toBe(own ? 0 : 1);
    expect(await page.locator('#own').isVisible()).toBe(!own);
  };
  await check(5, false);
  await fact(dashboard, 'facts', 'Workers2');
  await fact(dashboard, 'own-facts', 'StoreWorks');
  await figures(dashboard, 'Fleet').press('ArrowRight');
  expect(await dashboard.focused()).toBe('This proxy');
  await check(2, true);
  await fact(dashboard, 'facts', 'Workers1');
  await page.reload();
  await check(2, true);
  await figures(dashboard, 'This proxy').press('ArrowLeft');
  await check(5, false);
  expectCleanliness(dashboard, one.admin);
});

it('says how many members see a host down where they differ', async () => {
  const down = { checkStatus: '599' };
  const [one, second, third] = await startMembers(await startHosts(1), {}, down, {}) as [Stand, Stand, Stand];
  const [host = ''] = one.names;
  const dashboard = await Dashboard.open(browser, one.admin);
  expect(await dashboard.cell(host, 'Health', /1 of 3/)).toBe('Partly up1 of 3 sees it down');
  await fact(dashboard, 'facts', 'Hosts up1 of 1, 1 partly');
  await figures(dashboard, 'This proxy').check();
  expect(await dashboard.cell(host, 'Health', /^Up/)).toBe('Up1 of 3 sees it down');
  await fact(dashboard, 'facts', 'Hosts up1 of 1');
  await third.proxy.close();
  await dashboard.cell(host, 'Health', /^Up1 of 2 sees it down$/);
  await figures(dashboard, 'Fleet').check();
  await fact(dashboard, 'facts', 'Hosts up0 of 1, 1 partly');
  await figures(dashboard, 'This proxy').check();
  await second.proxy.close();
  await dashboard.cell(host, 'Health', /^Up$/);
});

it('drains, undrains, weighs, adds and removes at all members unless it is told otherwise', async () => {
  const hosts = await startHosts(3);
  const members = await startMembers(hosts.slice(0, 2), {}, {}) as [Stand, Stand];
  const [one] = members;
  const [host = '', , added = ''] = hosts.map(({ name }) => name);
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  const draining = (): (boolean | undefined)[] => at(members, host, (status) => status.draining);
  const weights = (name: string) => (): (number | undefined)[] => at(members, name, ({ weight }) => weight);
  const clickOn = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click();
  const alone = new RegExp(`^this proxy alone \\(${idOf(one)}\\)$`);

  await clickOn(`Drain ${host}`);
  expect(await scope(dashboard, /^all 2 members$/).isChecked()).toBe(true);
  await press(dashboard, 'Drain');
  await page.getByText(`${host} drains at all members.`).waitFor();
  await becomesAt('all drain', draining, [true, true]);
  await dashboard.cell(host, 'State', /^Drainedempty$/);
  await clickOn(`Undrain ${host}`);
  await scope(dashboard, alone).check();
  await page.getByText('This lasts until it restarts, or until somebody changes the same for all.').waitFor();
  await press(dashboard, 'Undrain');
  await page.getByText(`${host} is active again at this proxy alone.`).waitFor();
  await heard(members);
  expect(draining()).toEqual([false, true]);

  const weigh = async (weight: string): Promise<void> => {
    await page.getByLabel(`Weight of ${host}`, { exact: true }).fill(weight);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: `Set the weight of ${host}?` }).waitFor();
    // Enter by mistake does no harm.
    expect(await dashboard.focused()).toBe('Cancel');
  };
  await weigh('3');
  await page.keyboard.press('Escape');
  expect(await page.getByLabel(`Weight of ${host}`, { exact: true }).inputValue()).toBe('3');
  expect(weights(host)()).toEqual([1, 1]);
  await weigh('5');
  await press(dashboard, 'Set');
  await becomesAt('all weigh', weights(host), [5, 5]);
  await weigh('7');
  await scope(dashboard, alone).check();
  await press(dashboard, 'Set');
  await page.getByText(`${host} has weight 7 at this proxy alone.`).waitFor();
  await heard(members);
  expect(weights(host)()).toEqual([7, 5]);

  await clickOn('Add a host');
  await page.getByLabel('Host', { exact: true }).fill(added);
  await scope(dashboard, alone).check();
  await press(dashboard, 'Add');
  await page.getByText(`${added} is added at this proxy alone.`).waitFor();
  await clickOn(`Remove ${host}`);
  await press(dashboard, 'Remove');
  await becomesAt('none has it', weights(host), [undefined, undefined]);
  await heard(members);
  expect(weights(added)()).toEqual([1, undefined]);
  expectCleanliness(dashboard, one.admin);
});

it('counts the sessions of those whom a removal concerns, and asks anew for others', async () => {
  const members = await startMembers(await startHosts(2), {}, {}) as [Stand, Stand];
  const [one, other] = members;
  const sessions = await connect(clients, other, 2, { transports: ['websocket'] });
  const host = sessions[0]?.host ?? '';
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  const dialog = page.getByRole('dialog');
  await dashboard.cell(host, 'Sessions', /^1$/);
  await page.getByRole('button', { name: `Remove ${host}` }).click();
  await dialog.getByText('It has 1 session at all members.').waitFor();
  await press(dashboard, 'Remove');
  await dialog.getByRole('button', { name: 'Remove it all the same' }).waitFor();
  await scope(dashboard, /^this proxy alone/).check();
  await dialog.getByText('It has no sessions.').waitFor();
  await press(dashboard, 'Remove');
  await dashboard.row(host).waitFor({ state: 'detached' });
  await heard(members);
  expect(at(members, host, () => true)).toEqual([undefined, true]);
});

it('begins and stops a rebalance at all members, or at this proxy alone', async () => {
  const members = await startMembers(await startHosts(2), {}, {}) as [Stand, Stand];
  const [one] = members;
  const [full = '', empty = ''] = one.names;
  await until('both are up', () => members.every(({ proxy }) => proxy.hosts.every(({ state }) => state === 'up')));
  one.proxy.drainHost(empty);
  await becomesAt('all drain', () => at(members, empty, ({ draining }) => draining), [true, true]);
  for (const member of members) await connect(clients, member, 6, { transports: ['websocket'] });
  one.proxy.undrainHost(empty);
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  await dashboard.cell(full, 'Sessions', /^12$/);
  const running = async (): Promise<boolean[]> => Promise.all(members.map(async ({ admin }) => (
    (await (await fetch(`${admin}/api/rebalance`)).json() as { running: boolean }).running
  )));
  const becomes = (expected: boolean[]): Promise<unknown> =>
    until(`the rebalances run: ${expected.join()}`, async () => (await running()).join() === expected.join());
  const ask = async (button: 'Start' | 'Stop', alone: boolean): Promise<void> => {
    await page.locator(`#rebalance-${button.toLowerCase()}`).click();
    if (alone) await scope(dashboard, /^this proxy alone/).check();
    await press(dashboard, button);
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await heard(members);
  };
  await page.getByLabel('Sessions a minute').fill('1');
  await ask('Start', true);
  await becomes([true, false]);
  await page.getByText('0 moved by this proxy, about 6 to go.').waitFor();
  await ask('Stop', true);
  await becomes([false, false]);
  await ask('Start', false);
  await becomes([true, true]);
  await ask('Stop', true);
  await becomes([false, true]);
  await ask('Start', false);
  await becomes([true, true]);
  await ask('Stop', false);
  await becomes([false, false]);
  expectCleanliness(dashboard, one.admin);
});

it.each(['light', 'dark'] as const)('never scrolls sideways on a phone in the %s scheme', async (colorScheme) => {
  const [one] = await startMembers(await startHosts(1), {}, { path: '/other/' }) as [Stand];
  const [host = ''] = one.names;
  const options = { colorScheme, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
  const dashboard = await Dashboard.open(browser, one.admin, options);
  const { page } = dashboard;
  await page.locator('#members-body').getByText('Disagrees').waitFor();
  expect(await page.evaluate('Math.max(document.documentElement.scrollWidth, visualViewport.width)')).toBe(360);
  for (const name of [`Drain ${host}`, `Remove ${host}`, 'Add a host']) {
    await page.getByRole('button', { name }).click();
    await scope(dashboard, /^this proxy alone/).check();
    const { x = -1, y = -1, width = 0, height = 0 } = await page.getByRole('dialog').boundingBox() ?? {};
    expect([x >= 0, y >= 0, x + width <= 360, y + height <= 740]).toEqual([true, true, true, true]);
    await press(dashboard, 'Cancel');
  }
  expectCleanliness(dashboard, one.admin);
});

it('shows nothing of a fleet where there is none, and asks for no scope', async () => {
  const stand = await startStand(1);
  const [host = ''] = stand.names;
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await dashboard.cell(host, 'Health', /^Up$/);
  const shown = ['fleet', 'figures', 'own', 'facts-title'].map((id) => page.locator(`#${id}`).isVisible());
  expect(await Promise.all(shown)).toEqual([false, false, false, false]);
  expect(await page.locator('#facts dt').allTextContents()).toEqual([
    'Up for', 'Workers', 'Store', 'Hosts up', 'Sessions', 'Tunnels', 'Polls held', 'Requests/s', 'Sent/s', 'Received/s',
    'Queued', 'Refused',
  ]);
  expect(await page.locator('.own-tag:visible').count()).toBe(0);
  const changes: string[] = [];
  page.on('request', (request) => {
    if (request.method() !== 'GET') changes.push(request.url());
  });
  await page.getByLabel(`Weight of ${host}`, { exact: true }).fill('4');
  await page.keyboard.press('Enter');
  await page.getByText(`${host} has weight 4.`).waitFor();
  await page.getByRole('button', { name: `Drain ${host}` }).click();
  expect(await page.getByRole('dialog').getByText('Whom it concerns').isVisible()).toBe(false);
  await press(dashboard, 'Drain');
  await page.getByText(`${host} drains.`).waitFor();
  expect(changes.map((url) => new URL(url).search)).toEqual(['', '']);
  expectCleanliness(dashboard, stand.admin);
});
