/** What the warm-up of the call sites for user functions gains: see lib/workers/node/worker/invoke.ts. */
import { Worker } from 'node:worker_threads';
import { median } from './support/measure.ts';
import type { Row } from './support/report.ts';

/**
 * The same CPU-bound functions through the same call site in fresh threads, alternating: with the warm-up and without
 * it.
 */
export async function guard({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const times: Record<'on' | 'off', number[]> = { on: [], off: [] };
  for (let round = 0; round < rounds; round++) {
    for (const state of ['on', 'off'] as const) times[state].push(await inFreshThread(state));
  }
  const [on, off] = [median(times.on), median(times.off)];
  return [
    {
      group: 'guard',
      name: 'CPU-bound functions, called from the loop of a worker',
      unit: 'ms',
      ours: on,
      beside: off,
      what: 'guard off',
      ratio: off / on,
    },
  ];
}

function inFreshThread(state: 'on' | 'off'): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./support/guard-worker.ts', import.meta.url), { workerData: state });
    worker.once('message', resolve).once('error', reject);
  });
}
