/**
 * How smoothly the dashboard's timeline moves with 100,000 functions: frames per second while a mouse drags it, in
 * headless Chromium.
 */
import { existsSync } from 'node:fs';
import { chromium, type Page } from 'playwright-core';
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { quantile } from './support/measure.ts';
import type { Row } from './support/report.ts';

const executablePath = '/usr/bin/chromium';
const functions = 100_000;

export async function page({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  if (!existsSync(executablePath)) {
    console.warn(`The page was not measured: there is no ${executablePath}.`);
    return [];
  }
  const handoff = await Handoff.start({
    nodes: ['a', 'b', 'c', 'd'].map((name) => ({ name, capabilities: { cpu: 2 }, threads: 2 })),
    dashboard: { port: 0 },
  });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    await handoff.execute(mixed(), { collect: [] });
    const opened = await browser.newPage({ viewport: { width: 1600, height: 900 } });
    await opened.goto(handoff.dashboard!.url);
    await opened.locator('[role=progressbar][aria-valuenow="100"]').waitFor();
    await opened.getByText('100,000 of 100,000').waitFor();
    await opened.locator('.legend li').nth(3).waitFor();
    const rows = await frameRows(opened, 'all of it in sight', rounds);
    const box = (await opened.locator('canvas').boundingBox())!;
    await opened.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    for (let i = 0; i < 10; i++) await opened.mouse.wheel(0, -200);
    return [...rows, ...(await frameRows(opened, 'a fiftieth in sight', rounds))];
  } finally {
    await browser.close();
    await handoff.stop();
  }
}

/** Four names, so that neighbours have different colours. */
function mixed(): Dag {
  const t = tasks<typeof import('./support/tasks.ts')>(new URL('./support/tasks.ts', import.meta.url));
  const dag = new Dag('mixed');
  for (let i = 0; i < functions / 4; i++) {
    dag
      .add({ id: `noop ${i}`, code: t.noop })
      .add({ id: `add ${i}`, code: t.add })
      .add({ id: `increment ${i}`, code: t.increment });
    dag.add({ id: `compute ${i}`, code: t.compute, extraArgs: [200] });
  }
  return dag;
}

/** Drags back and forth. Each step waits until the browser has processed it, as a hand would. */
async function frameRows(opened: Page, name: string, rounds: number): Promise<Row[]> {
  const box = (await opened.locator('canvas').boundingBox())!;
  const middle = box.y + box.height / 2;
  const drag = async (steps: number): Promise<void> => {
    await opened.mouse.move(box.x + box.width / 2, middle);
    await opened.mouse.down();
    for (let i = 1; i <= steps; i++)
      await opened.mouse.move(box.x + box.width / 2 + Math.sin(i / 8) * box.width * 0.35, middle);
    await opened.mouse.up();
  };
  await drag(30);
  await opened.evaluate(
    'globalThis.frames_ = []; (function next(at) { frames_.push(at); globalThis.going_ = requestAnimationFrame(next); })(performance.now())',
  );
  await drag(rounds * 30);
  const at = (await opened.evaluate('cancelAnimationFrame(going_), frames_')) as readonly number[];
  // The first difference belongs to the clock, not to a frame.
  const took = at.slice(2).map((time, i) => time - at[i + 1]!);
  const rows = (
    [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const
  ).map(([part, share]): Row => ({
    group: 'page',
    name: `${functions.toLocaleString('en')} functions, ${name}: panning, ${part} of ${took.length} frames`,
    unit: 'frames/s',
    ours: 1000 / quantile(took, share),
    goal: { atLeast: 30 },
  }));
  return rows;
}
