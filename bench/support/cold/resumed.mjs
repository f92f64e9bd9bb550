/**
 * `node resumed.mjs JOURNAL`: a process of a durable run of many small functions, each after one of the layer before. It
 * says `begun` when half of them are recorded, `first <ms since the process started>` when the first function ran here,
 * and `ended <restored> <run>` at the end. In JavaScript, and over the package as shipped, so that loading it costs
 * nothing.
 */
import { Dag, Handoff, tasks } from '../../../dist/index.js';

const t = tasks(new URL('./tasks.mjs', import.meta.url));
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
  journal: { type: 'sqlite', path: process.argv[2] },
  orchestrate: false,
});
let ran = 0;
handoff.on('attempts', ({ functionIds, spans }) => {
  if (ran === 0) process.stdout.write(`first ${spans[0] - performance.timeOrigin}\n`);
  ran += functionIds.length;
});
const [known] = await handoff.runs();
const watching = setInterval(async () => {
  const [run] = await handoff.runs();
  if (run === undefined || run.done < (layers * width) / 2) return;
  clearInterval(watching);
  process.stdout.write('begun\n');
}, 10);
if (known !== undefined) clearInterval(watching);
const { stats } = await handoff.execute(dag, { runId: 'r', collect: 'sinks' });
clearInterval(watching);
process.stdout.write(`ended ${stats.restored} ${ran}\n`);
await handoff.stop();
