import { once } from 'node:events';
import type { Browser } from 'playwright-core';
import { Clients } from '../../support/clients';
import { Dashboard, startChromium } from '../../support/dashboard';
import { startHosts } from '../../support/hosts';
import { connect, startMembers, type Stand } from '../../support/stand';

let browser: Browser;
let clients: Clients;

beforeAll(async () => {
  clients = new Clients();
  browser = await startChromium();
});

const idOf = ({ proxy }: Stand): string => proxy.fleet.members[0]?.id ?? '';

const press = ({ page }: Dashboard, name: string): Promise<void> =>
  page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

it('ends a session whichever member carries it, and says so', async () => {
  const [one, other] = await startMembers(await startHosts(1), {}, {}) as [Stand, Stand];
  const [client] = await connect(clients, other, 1, { transports: ['websocket'] });
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  await page.getByLabel('sid').fill(client?.sid ?? '');
  await page.keyboard.press('Enter');
  await page.locator('#session').getByRole('button', { name: 'End session' }).click();
  await page.getByRole('dialog').getByText(/ This concerns whichever member carries it\.$/).waitFor();
  expect(await page.getByRole('dialog').getByText('Whom it concerns').isVisible()).toBe(false);
  const reconnected = once(clients, 'connect');
  await press(dashboard, 'End session');
  await reconnected;
  await page.getByText('The session is ended.').waitFor();
});

it('shows at once what an action has done, and whom a drain waits for', async () => {
  const [one, other] = await startMembers(await startHosts(1), {}, {}) as [Stand, Stand];
  const [host = ''] = one.names;
  await connect(clients, other, 1, { transports: ['websocket'] });
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  await dashboard.cell(host, 'Sessions', /^1$/);
  await page.getByRole('radio', { name: 'This proxy', exact: true }).check();
  // What the stream tells from here on does not arrive.
  await page.evaluate('ReadableStreamDefaultReader.prototype.read = () => new Promise(() => {})');
  await page.getByRole('button', { name: `Drain ${host}` }).click();
  await press(dashboard, 'Drain');
  await page.getByText(`${host} drains at all members.`).waitFor();
  expect(await dashboard.cell(host, 'State', /./)).toBe(`Drainingempty here; waits for ${idOf(other)}`);
  const detail = dashboard.row(host).locator('[data-label=State] .detail');
  expect(await detail.getAttribute('title')).toBe(`${idOf(other)}: something is left there`);
});
