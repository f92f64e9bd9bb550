/**
 * The data pipeline of the original library, on measured data: load, filter, transform, aggregate, format; then again
 * with other parameters.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
// In a project of your own: from 'handoffjs'.
import { Dag, Handoff, tasks } from '../../lib/index.ts';
import type { Measure } from './tasks.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
// The package vega-datasets contains the file beside its code.
const weather = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/weather.csv');

interface Parameters {
  readonly measure: Measure;
  readonly threshold: number;
  readonly operation: 'square' | 'sqrt' | 'log';
}

function pipeline(id: string, { measure, threshold, operation }: Parameters): Dag {
  return (
    new Dag(id)
      .add({ id: 'load', code: t.loadDays, extraArgs: [weather], cost: { cpu: 1, memory: 100 } })
      .add({
        id: 'filter',
        code: t.filterAbove,
        args: ['load'],
        extraArgs: [measure, threshold],
        cost: { cpu: 1, memory: 100 },
      })
      .add({
        id: 'transform',
        code: t.transform,
        args: ['filter'],
        extraArgs: [operation],
        cost: { cpu: 1, memory: 50 },
      })
      .add({ id: 'aggregate', code: t.aggregate, args: ['transform'], cost: { cpu: 1, memory: 50 } })
      // Takes the aggregated and the filtered values, and is pinned to the node "front".
      .add({ id: 'format', code: t.format, args: ['aggregate', 'filter'], node: 'front' })
  );
}

const handoff = await Handoff.start({
  nodes: [
    { name: 'front', capabilities: { cpu: 1, memory: 50 } },
    { name: 'back', capabilities: { cpu: 2, memory: 1000 } },
  ],
});
try {
  for (const [id, parameters] of [
    ['warm-days', { measure: 'temp_max', threshold: 25, operation: 'square' }],
    ['windy-days', { measure: 'wind', threshold: 5, operation: 'sqrt' }],
  ] as const) {
    const { results, allocations } = await handoff.execute(pipeline(id, parameters));
    console.log(`${id} (${parameters.operation} of ${parameters.measure} above ${parameters.threshold})`);
    console.log(results['format']);
    console.log('ran on:', allocations, '\n');
  }
} finally {
  await handoff.stop();
}
