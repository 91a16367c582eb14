import type { Browser, Locator } from 'playwright-core';
import { Dashboard, expectCleanliness, startChromium } from '../../support/dashboard';
import { startHosts, type HostProcess } from '../../support/hosts';
import { openClient, RedisProcess } from '../../support/redis';
import { standBefore, startMembers, type Stand } from '../../support/stand';
import { until } from '../../support/until';

let browser: Browser;
let redis: RedisProcess;
let hosts: HostProcess[];

beforeAll(async () => {
  browser = await startChromium();
  hosts = await startHosts(2);
});

beforeEach(async () => {
  redis = await RedisProcess.start();
});

const HOLDS = 'What you change holds at this proxy alone until Redis is back.';

const members = ({ page }: Dashboard): Locator => page.locator('#facts > div').filter({ hasText: /^Members/ });

/** Waits until the fact says so, and tells whether it looks well. */
async function standing(dashboard: Dashboard, text: string): Promise<string | null> {
  await members(dashboard).filter({ hasText: new RegExp(`^Members${text}$`) }).waitFor();
  return members(dashboard).locator('.mark').getAttribute('data-kind');
}

async function startTwo(): Promise<[Stand, Stand]> {
  const redisClient = await openClient(redis.url);
  return await startMembers(hosts, { redisClient, storeTimeout: 200 }, { redisClient }) as [Stand, Stand];
}

it('says that the members are those of before while Redis does not answer, and what becomes of changes', async () => {
  const [one] = await startTwo();
  const [host = ''] = one.names;
  const dashboard = await Dashboard.open(browser, one.admin);
  const { page } = dashboard;
  expect(await standing(dashboard, '2, in step')).toBe('good');
  expect(await page.locator('#fleet-problem').isVisible()).toBe(false);
  redis.freeze();
  expect(await standing(dashboard, '2 when last seen')).toBe('bad');
  const old = 'these are the members as they were last seen';
  await page.getByText(`Redis does not answer the fleet, or refuses it: ${old}. ${HOLDS}`).waitFor();
  expect(await page.locator('#fleet-note').textContent()).toBe('2 members when last seen');
  await page.locator('#members-body tr').nth(1).getByText('when last seen').waitFor();
  expect(await page.locator('#facts-title').textContent()).toBe('Fleet, when last seen');

  await page.getByRole('button', { name: `Drain ${host}` }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('It has 0 sessions at all members when they were last seen.').waitFor();
  await dialog.getByText('all members, once Redis is back').waitFor();
  await dialog.getByText('Redis does not answer the fleet: until it is back, this holds at this proxy alone.').waitFor();
  await dialog.getByRole('button', { name: 'Drain' }).click();
  await page.getByText(`${host} drains at this proxy alone, and at all members once Redis is back.`).waitFor();

  redis.thaw();
  expect(await standing(dashboard, '2, in step')).toBe('good');
  await page.locator('#fleet-problem').waitFor({ state: 'hidden' });
  expectCleanliness(dashboard, one.admin);
});

it('says that no member is known where Redis refuses the fleet', async () => {
  const root = await openClient(redis.url);
  await root.sendCommand(['ACL', 'SETUSER', 'proxy', 'on', '>secret', '~socket.io#*', '+@all', '-eval']);
  const redisClient = await openClient(redis.url.replace('//', '//proxy:secret@'));
  const stand = await standBefore(hosts, { redisClient, fleet: true });
  const [host = ''] = stand.names;
  await until('it is up', () => stand.proxy.hosts.every(({ state }) => state === 'up'));
  const dashboard = await Dashboard.open(browser, stand.admin);
  const { page } = dashboard;
  expect(await standing(dashboard, 'None known')).toBe('bad');
  await page.getByText(`Redis does not answer the fleet, or refuses it, and so this proxy knows of no member. ${HOLDS}`).waitFor();
  expect(await page.locator('#fleet-note').textContent()).toBe('no member known');
  expect(await page.locator('#members').isVisible()).toBe(false);
  // Figures of a fleet that nobody has seen would be this proxy's.
  for (const id of ['figures', 'facts-title', 'own']) expect(await page.locator(`#${id}`).isVisible()).toBe(false);
  await page.getByRole('button', { name: `Drain ${host}` }).click();
  await page.getByRole('dialog').getByText('It has 0 sessions that this proxy knows.').waitFor();
  await page.getByRole('dialog').getByText('all members, once Redis is back').waitFor();
  await page.getByRole('dialog').getByText('this proxy alone', { exact: true }).waitFor();
});
