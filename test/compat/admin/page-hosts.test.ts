import type { Browser } from 'playwright-core';
import { Clients } from '../../support/clients';
import { Dashboard, expectCleanliness, startChromium } from '../../support/dashboard';
import { startHost } from '../../support/hosts';
import { connect, startStand } from '../../support/stand';

let browser: Browser;
let clients: Clients;

beforeAll(async () => {
  clients = new Clients();
  browser = await startChromium();
});

it('drains and undrains by the keyboard alone, each with a confirmation', async () => {
  const stand = await startStand(2);
  const [host = '', other = ''] = stand.names;
  const isDraining = (): boolean | undefined => stand.proxy.hosts[0]?.draining;
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  const dialog = page.getByRole('dialog', { name: `Drain ${host}?` });
  await dashboard.is('Live');

  await dashboard.tabTo(`Drain ${host}`);
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  expect(await dashboard.focused()).toBe(`Drain ${host}`);
  expect(isDraining()).toBe(false);

  await page.keyboard.press('Enter');
  await dashboard.tabTo('stay for as long as they live');
  await page.keyboard.press('ArrowDown');
  expect(await dashboard.focused()).toBe('are moved');
  await dashboard.tabTo('after');
  await page.keyboard.type('9');
  await dashboard.tabTo('Drain');
  await page.keyboard.press('Enter');
  expect(await dashboard.cell(host, 'State', /Drained/)).toBe('Drainedempty');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await dashboard.event(/draining/).waitFor();
  expect(isDraining()).toBe(true);
  const routed = await connect(clients, stand, 3, { transports: ['polling'] });
  expect(routed.map((client) => client.host)).toEqual([other, other, other]);

  expect(await dashboard.focused()).toBe(`Undrain ${host}`);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: `Undrain ${host}?` }).waitFor();
  expect(isDraining()).toBe(true);
  await dashboard.tabTo('Undrain');
  await page.keyboard.press('Enter');
  await dashboard.cell(host, 'State', /^Active$/);
  expect(isDraining()).toBe(false);
  expectCleanliness(dashboard, stand.admin);
});

it('sends what a dialog asks for once, also where it was closed and opened again at once', async () => {
  const stand = await startStand(1);
  const [host = ''] = stand.names;
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await dashboard.is('Live');
  const patches: string[] = [];
  page.on('request', (request) => {
    if (request.method() === 'PATCH') patches.push(request.url());
  });
  const button = page.getByRole('button', { name: `Drain ${host}` });
  await button.evaluate((drain: { click: () => void; ownerDocument: { querySelector: (query: string) => { close: () => void } } }) => {
    drain.click();
    drain.ownerDocument.querySelector('#drain-dialog').close();
    drain.click();
  });
  await page.getByRole('dialog', { name: `Drain ${host}?` }).getByRole('button', { name: 'Drain' }).click();
  await dashboard.cell(host, 'State', /Drained/);
  expect(patches).toHaveLength(1);
  expectCleanliness(dashboard, stand.admin);
});

it('drains with a deadline, after which sessions are moved', async () => {
  const stand = await startStand(2);
  const [host = '', other = ''] = stand.names;
  const connected = await connect(clients, stand, 4, { transports: ['websocket'] });
  const moving = connected.filter((client) => client.host === host);
  expect(moving).toHaveLength(2);
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await page.getByRole('button', { name: `Drain ${host}` }).click();
  await page.getByLabel('are moved').check();
  await page.getByLabel('after').fill('3600');
  await page.getByLabel('Unit of time').selectOption('seconds');
  await page.getByRole('spinbutton', { name: 'a second' }).fill('50');
  await page.getByRole('button', { name: 'Drain', exact: true }).click();
  expect(await dashboard.cell(host, 'State', /moves/)).toMatch(/^Drainingmoves in (?:1:00:00|59:\d\d)$/);
  stand.proxy.drainHost(host, { deadline: 0, movesPerSecond: 50 });
  await dashboard.cell(host, 'State', /^Drainedempty$/);
  // What one asks before it has heard that it is moved is lost.
  for (const { key } of moving) expect(await clients.answered(key)).toBe(other);
  await dashboard.cell(other, 'Sessions', /^4$/);
});

it('changes a weight when Enter is pressed, and not before', async () => {
  const stand = await startStand(2);
  const [host = '', other = ''] = stand.names;
  const weight = (): number | undefined => stand.proxy.hosts[0]?.weight;
  const dashboard = await Dashboard.open(browser, stand.admin);
  const field = dashboard.page.getByLabel(`Weight of ${host}`, { exact: true });
  await dashboard.is('Live');
  await field.fill('3');
  await dashboard.page.getByLabel('sid').focus();
  await dashboard.page.getByRole('button', { name: `Set the weight of ${host}` }).waitFor();
  await field.focus();
  await field.press('Escape');
  expect(await field.inputValue()).toBe('1');
  await field.fill('3');
  expect(weight()).toBe(1);
  await field.press('Enter');
  await dashboard.page.getByText(`${host} has weight 3.`).waitFor();
  expect(weight()).toBe(3);
  await dashboard.cell(other, 'Share / due', /25 %$/);
});

it('adds a host, shows that it is up and how it dies, and removes it', async () => {
  const stand = await startStand(1);
  const added = await startHost();
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  await page.getByRole('button', { name: 'Add a host' }).click();
  await page.keyboard.type('no host at all');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByRole('alert').filter({ hasText: /no host at all/ }).waitFor();
  await page.getByLabel('Host', { exact: true }).fill(added.name);
  await page.keyboard.press('Enter');
  await dashboard.cell(added.name, 'Health', /^Up$/);
  await added.kill();
  await dashboard.cell(added.name, 'Health', /^Down(?:refused|errors)$/);
  const event = dashboard.event(/down/).first();
  expect(await event.textContent()).toMatch(new RegExp(`^\\d\\d:\\d\\d:\\d\\ddown${added.name} is down: \\w+(?: .+)?$`));
  expect(await page.locator('#events li').first().textContent()).toBe(await event.textContent());
  await page.getByRole('button', { name: `Remove ${added.name}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await dashboard.row(added.name).waitFor({ state: 'detached' });
  expect(stand.proxy.hosts.map(({ host }) => host)).toEqual(stand.names);
  expectCleanliness(dashboard, stand.admin);
});

it('removes a host that has sessions only when it is told so twice', async () => {
  const stand = await startStand(2);
  const connected = await connect(clients, stand, 2, { transports: ['websocket'] });
  const host = connected[0]?.host ?? '';
  const dashboard = await Dashboard.open(browser, stand.admin);
  const dialog = dashboard.page.getByRole('dialog', { name: `Remove ${host}?` });
  await dashboard.page.getByRole('button', { name: `Remove ${host}` }).click();
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await dialog.getByRole('alert').filter({ hasText: /session/ }).waitFor();
  expect(stand.proxy.hosts).toHaveLength(2);
  await dialog.getByRole('button', { name: 'Remove it all the same' }).click();
  await dashboard.row(host).waitFor({ state: 'detached' });
  expect(stand.proxy.hosts).toHaveLength(1);
});
