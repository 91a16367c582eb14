import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { contrast, distance, linear, seen, VISIONS, type Rgb } from '../../support/colours';
import { Dashboard, expectCleanliness, startChromium } from '../../support/dashboard';
import { startStand, type Stand } from '../../support/stand';

const PAGE = join(__dirname, '../../../src/admin/page');

let browser: Browser;

beforeAll(async () => {
  browser = await startChromium();
});

describe.each(['light', 'dark'] as const)('the %s scheme', (colorScheme) => {
  let stand: Stand;

  beforeAll(async () => {
    stand = await startStand(2);
  });

  it('never scrolls sideways on a phone of 360 px, and opens its dialogs whole', async () => {
    const options = { colorScheme, viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const dashboard = await Dashboard.open(browser, stand.admin, options);
    const { page } = dashboard;
    const host = stand.names[0] ?? '';
    await dashboard.cell(host, 'Health', /Up/);
    const widest = (): Promise<number> => page.evaluate('Math.max(document.documentElement.scrollWidth, visualViewport.width)');
    expect(await widest()).toBe(360);
    for (const name of [`Drain ${host}`, `Remove ${host}`, 'Add a host']) {
      await page.getByRole('button', { name }).click();
      const box = await page.getByRole('dialog').boundingBox();
      expect(box?.x).toBeGreaterThanOrEqual(0);
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(360);
      await page.getByRole('button', { name: 'Cancel' }).click();
    }
    await page.getByLabel('sid').fill('x'.repeat(500));
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('This proxy has never seen it').waitFor();
    expect(await widest()).toBe(360);
    expectCleanliness(dashboard, stand.admin);
  });

  it('has text and lines that stand out, and colours of hosts that all people can tell apart', async () => {
    const { page } = await Dashboard.open(browser, stand.admin, { colorScheme });
    const colours = new Map(await page.evaluate<[string, string][]>(`(() => {
      const style = getComputedStyle(document.documentElement);
      const names = ['page', 'panel', 'hover', 'text', 'muted', 'good', 'leaving', 'bad', 'accent', 'on-accent'];
      for (let at = 0; at < 5; at += 1) names.push('host-' + at);
      return names.map((name) => [name, style.getPropertyValue('--' + name).trim()]);
    })()`));
    const colour = (name: string): Rgb => linear(colours.get(name) ?? '');
    for (const ground of ['page', 'panel', 'hover']) {
      for (const text of ['text', 'muted', 'bad']) expect(contrast(colour(text), colour(ground))).toBeGreaterThanOrEqual(4.5);
      for (const shape of ['good', 'leaving', 'accent']) expect(contrast(colour(shape), colour(ground))).toBeGreaterThanOrEqual(3);
    }
    expect(contrast(colour('on-accent'), colour('accent'))).toBeGreaterThanOrEqual(4.5);
    const hosts = [0, 1, 2, 3, 4].map((at) => colour(`host-${at}`));
    for (const [at, host] of hosts.entries()) {
      expect(contrast(host, colour('panel'))).toBeGreaterThanOrEqual(3);
      for (const other of hosts.slice(at + 1)) {
        const apart = Object.values(VISIONS).map((vision) => distance(seen(host, vision), seen(other, vision)));
        expect(Math.min(...apart)).toBeGreaterThanOrEqual(0.12);
      }
    }
  });
});

it('gives 25 hosts lines that differ, in charts and beside their names', async () => {
  const { page } = await Dashboard.open(browser, (await startStand(1)).admin);
  const lines = await page.evaluate<[string, string][]>(`(async () => {
    const { keepSlots, slotOf, paintSwatch } = await import('/page/slots.js');
    const { DASH_PATTERNS } = await import('/page/colours.js');
    const names = Array.from({ length: 25 }, (_, at) => 'host-' + at);
    keepSlots(names);
    return names.map((name) => {
      const swatch = paintSwatch(document.body.appendChild(document.createElement('span')), name);
      const { color, backgroundImage } = getComputedStyle(swatch);
      const { colour, dash } = slotOf(name);
      return [color + backgroundImage, colour + DASH_PATTERNS[dash].join()];
    });
  })()`);
  expect(lines).toHaveLength(25);
  for (const which of [0, 1] as const) expect(new Set(lines.map((line) => line[which])).size).toBe(25);
});

it('has figures of any size on the axes of its charts', async () => {
  const stand = await startStand(1);
  const { page } = await Dashboard.open(browser, stand.admin);
  const figures = page.evaluate<string[]>(
    "import('/page/format.js').then(({ brief }) => [0, 0.25, 999, 1000, 150_000, 1_250_000, 2e9].map(brief))",
  );
  expect(await figures).toEqual(['0', '0.25', '999', '1K', '150K', '1.25M', '2B']);
});

it('makes no HTML of text', () => {
  const scripts = readdirSync(PAGE).filter((file) => file.endsWith('.js'));
  expect(scripts).toContain('app.js');
  for (const file of scripts) {
    const text = readFileSync(join(PAGE, file), 'utf8');
    const found = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function/.exec(text);
    expect([file, found?.[0]]).toEqual([file, undefined]);
  }
});
