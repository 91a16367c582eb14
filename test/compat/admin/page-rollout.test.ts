import type { Browser } from 'playwright-core';
import { Clients } from '../../support/clients';
import { Dashboard, expectCleanliness, startChromium } from '../../support/dashboard';
import { startHosts } from '../../support/hosts';
import { connect, startMembers, type Stand } from '../../support/stand';
import { until } from '../../support/until';

let browser: Browser;
let clients: Clients;

beforeAll(async () => {
  clients = new Clients();
  browser = await startChromium();
});

const roll = ({ admin }: Stand, hosts: string[]): Promise<unknown> => fetch(`${admin}/api/rollout`, {
  method: 'POST', body: JSON.stringify({ hosts }), headers: { 'Content-Type': 'application/json' },
});

it('shows a rollout at every member: what it replaces, whom it waits for, and whether the old hosts drain', async () => {
  const hosts = await startHosts(2);
  const [old = '', fresh = ''] = hosts.map(({ name }) => name);
  const strict = { checkStatus: '599' };
  const [one, other] = await startMembers(hosts.slice(0, 1), {}, strict) as [Stand, Stand];
  const [, id] = one.proxy.fleet.members.map((member) => member.id);
  const pages = [await Dashboard.open(browser, one.admin), await Dashboard.open(browser, other.admin)] as const;
  const [{ page }, second] = pages;
  for (const dashboard of pages) await dashboard.cell(old, 'Health', /./);
  expect(await page.locator('#rollout').isVisible()).toBe(false);
  const [client] = await connect(clients, one, 1, { transports: ['websocket'] });
  await roll(one, [fresh]);
  for (const each of pages) await each.page.getByText(`Replaces ${old} by ${fresh}.`).waitFor();
  await page.getByText('Waits until 1 new host is up at all members. Then the old ones drain.').waitFor();
  await page.getByText(`${fresh} is not up yet at ${id}`, { exact: true }).waitFor();
  await second.page.getByText(`${fresh} is not up yet at this proxy`, { exact: true }).waitFor();
  await other.proxy.close();
  await page.getByText('The old host drains, and no new session goes there.').waitFor();
  expect(await page.locator('#rollout-waits li').count()).toBe(0);
  await page.locator('#events li').filter({ hasText: /^[\d:]+rolloutthe rollout of .+: new sessions no longer go to / }).waitFor();
  await one.proxy.endSession(client?.sid ?? '');
  await page.locator('#rollout').waitFor({ state: 'hidden' });
  expectCleanliness(pages[0], one.admin);
});

it('is stopped for all members, once it is confirmed', async () => {
  const members = await startMembers(await startHosts(1), {}, {}) as [Stand, Stand];
  const [one, other] = members;
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  await roll(other, ['127.0.0.1:1']);
  await page.getByRole('button', { name: 'Stop the rollout' }).click();
  const dialog = page.getByRole('dialog', { name: 'Stop the rollout?' });
  await dialog.getByText('The old hosts stay as they are. New hosts stay. This concerns all members.').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  expect(await page.locator('#rollout').isVisible()).toBe(true);
  await page.getByRole('button', { name: 'Stop the rollout' }).click();
  await dialog.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByText('The rollout is stopped.').waitFor();
  await page.locator('#rollout').waitFor({ state: 'hidden' });
  await until('the other knows', async () => await (await fetch(`${other.admin}/api/rollout`)).json() === null);
  expectCleanliness(dashboard, one.admin);
});
