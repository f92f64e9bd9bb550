import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { Handoff, tasks } from '../../lib/index.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const a = tasks<typeof import('../fixtures/actors.ts')>(new URL('../fixtures/actors.ts', import.meta.url));

// CHAOS=full: as many as it takes to see what grows.
const cycles = process.env['CHAOS'] === 'full' ? 1000 : 24;

it(`${cycles} starts and stops leave nothing behind`, async () => {
  const rejections: unknown[] = [];
  const warnings: Error[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('unhandledRejection', onRejection).on('warning', onWarning);
  const before = { resources: 0, listeners: 0, heap: 0 };
  for (let cycle = 0; cycle < cycles; cycle++) {
    await once(cycle);
    if (cycle === cycles >> 2) Object.assign(before, await measure());
  }
  const after = await measure();
  expect(rejections).toEqual([]);
  expect(warnings.map(String)).toEqual([]);
  expect(after.resources).toBeLessThanOrEqual(before.resources);
  expect(after.listeners).toBe(before.listeners);
  expect(after.heap - before.heap).toBeLessThan(4 * 2 ** 20);
  if (cycles > 100)
    process.stderr.write(
      `heap, MiB: ${(before.heap / 2 ** 20).toFixed(1)} after a quarter, ${(after.heap / 2 ** 20).toFixed(1)} in the end\n`,
    );
  process.off('unhandledRejection', onRejection).off('warning', onWarning);
}, 3_600_000);

/** One life: some work, a crash, an actor, a stop in the middle of things. */
async function once(cycle: number): Promise<void> {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 1 }] });
  await handoff.execute(dagOf({ id: 'x', code: t.one }, { id: 'y', code: t.double, args: ['x'] }));
  if (cycle % 4 === 1) await errorOf(handoff.execute(dagOf({ id: 'x', code: t.exit, extraArgs: [1], maxRetries: 0 })));
  if (cycle % 4 === 2) await (await handoff.spawn(a.Counter)).ask.add(1);
  if (cycle % 4 === 3) {
    const running = errorOf(handoff.execute(dagOf({ id: 'x', code: t.never })));
    await handoff.stop({ drain: false });
    expect((await running).code).toBe('STOPPED');
  }
  await handoff.stop();
}

async function measure(): Promise<{ resources: number; listeners: number; heap: number }> {
  for (let k = 0; k < 5; k++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    gc();
  }
  const names = [
    'exit',
    'beforeExit',
    'uncaughtException',
    'unhandledRejection',
    'warning',
    'SIGINT',
    'SIGTERM',
    'message',
  ] as const;
  return {
    resources: process.getActiveResourcesInfo().length,
    listeners: names.reduce((sum, name) => sum + process.listenerCount(name), 0),
    heap: process.memoryUsage().heapUsed,
  };
}
