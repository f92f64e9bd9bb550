/**
 * A process of a durable run of many small functions, each after one of the layer before. `durable-worker.ts <journal>`
 * says `begun` when half of them are recorded, then `first <ms since the process started>` and, at the end, `ended
 * <restored> <run>`.
 */
import { Dag, Handoff, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
const [path] = process.argv.slice(2) as [string];
const [layers, width] = [100, 100];

const dag = new Dag('many');
for (let layer = 0; layer < layers; layer++) {
  for (let k = 0; k < width; k++)
    dag.add({
      id: `f${layer}_${k}`,
      code: t.computeAfter,
      args: layer === 0 ? [] : [`f${layer - 1}_${k}`],
      extraArgs: [20_000],
    });
}
const handoff = await Handoff.start({
  nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }],
  journal: { type: 'sqlite', path },
  orchestrate: false,
});
let ran = 0;
handoff.on('attempts', ({ functionIds }) => {
  if (ran === 0) process.stdout.write(`first ${performance.now()}\n`);
  ran += functionIds.length;
});
const watching = setInterval(async () => {
  const [run] = await handoff.runs();
  if (run !== undefined && run.done >= (layers * width) / 2) {
    clearInterval(watching);
    process.stdout.write('begun\n');
  }
}, 10);
const { stats } = await handoff.execute(dag, { runId: 'r', collect: 'sinks' });
clearInterval(watching);
process.stdout.write(`ended ${stats.restored} ${ran}\n`);
await handoff.stop();
