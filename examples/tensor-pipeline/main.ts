/**
 * Two computations traced by jax, each cut into stages that run as a DAG, and compared with the whole computation on
 * this thread.
 *
 *   --nodes 3   three nodes in this process
 *   --hosts 2   a node in this process and one in another
 *   --runs N    how many times each runs
 *   --across N  how many patches of a photograph are side by side
 *   --points N  how many numbers a wave has
 */
import { createHash, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { jit, makeJaxpr, numpy as np } from '@jax-js/jax';
// In a project of your own: from 'handoffjs'.
import { type FunctionSpec, Handoff, type NodeOptions, tasks } from '../../lib/index.ts';
import { type ChildHost, startHost } from '../distributed-image-processing/hosts.ts';
import { unlikeness, waves } from './computations.ts';
import { type IsCut, split, type Stage, toDag } from './split.ts';
import { photographs, ramps } from './tasks.ts';
import { type Tensor, toArray, toTensor } from './tensor.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

interface Computation {
  readonly name: string;
  readonly compute: (...args: np.Array[]) => np.Array;
  /** The same arguments twice: for this thread, and as a function of the DAG. */
  readonly load: () => Tensor[] | Promise<Tensor[]>;
  readonly inputs: Omit<FunctionSpec, 'id'>;
  readonly isCut: IsCut;
  readonly traits?: (stage: Stage) => Partial<FunctionSpec>;
}

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1' },
    hosts: { type: 'string', default: '1' },
    runs: { type: 'string', default: '5' },
    across: { type: 'string', default: '40' },
    points: { type: 'string', default: '1000000' },
  },
});
// Each stage claims a cpu. Functions that only pass tensors on claim nothing, and have an extra thread.
const node = (name: string, cpu: number): NodeOptions => ({ name, capabilities: { cpu }, threads: cpu + 1 });
const nodes = { 1: [node('here', 2)], 3: [node('here', 1), node('left', 1), node('right', 1)] }[values.nodes];
const runs = Number(values.runs);
const across = Number(values.across);
const points = Number(values.points);
if (
  nodes === undefined ||
  !['1', '2'].includes(values.hosts) ||
  !Number.isInteger(runs) ||
  runs < 1 ||
  !Number.isInteger(across) ||
  across < 2 ||
  !Number.isInteger(points) ||
  points < 1
) {
  console.error(
    '--nodes is 1 or 3, --hosts is 1 or 2, --runs and --points are whole numbers from 1, --across one from 2.',
  );
  process.exit(2);
}

const names = [
  'acanthus-mollis',
  'airplane-from-above',
  'allium-oreophilum',
  'black-canyon',
  'french-alpine-landscape',
  'nagasaki-boats',
];
const computations: Computation[] = [
  {
    name: 'waves',
    compute: waves,
    load: () => ramps(points),
    inputs: { code: t.ramps, extraArgs: [points], type: 'inline' },
    isCut: ({ primitive }) => primitive === 'cos' || primitive === 'sin',
  },
  {
    name: 'unlikeness',
    compute: (patches, basis) => unlikeness(patches!, basis!, names.length),
    load: () => photographs(names, across),
    inputs: { code: t.photographs, extraArgs: [names, across], node: 'here' },
    // Cut after the points are distributed to the photographs, and where the many distances of each have been reduced
    // to a few.
    isCut: ({ primitive, params }) => primitive === 'split' || (primitive === 'reduce' && params['op'] === 'Min'),
    // The distribution stays with the stage before it; the table is needed here.
    traits: ({ args: [first], expression: { lines } }) => {
      const { primitive } = lines.at(-1)!;
      return primitive === 'split'
        ? { node: { collocatedWith: first!.stage }, cost: {} }
        : primitive === 'concatenate'
          ? { node: 'here' }
          : {};
    },
  },
];

let there: ChildHost | undefined;
let handoff: Handoff | undefined;
try {
  const secret = randomBytes(32).toString('hex');
  if (values.hosts === '2') there = await startHost('there', 'cpu=1', secret);
  // Results are read once, so none are kept after their run.
  handoff = await Handoff.start(
    there === undefined
      ? { nodes, retainedBytes: 0 }
      : { nodes: [node('here', 1)], retainedBytes: 0, transport: { type: 'tcp', join: [there.address], secret } },
  );
  for (const computation of computations) await show(handoff, computation);
} finally {
  await handoff?.stop();
  await there?.stop();
}

async function show(on: Handoff, { name, compute, load, inputs, isCut, traits }: Computation): Promise<void> {
  const { jaxpr } = makeJaxpr(compute)(...(await load()).map(toArray));
  const { stages, outputs } = split(jaxpr.jaxpr.flatten().simplify(), isCut);
  const { stage, entry } = outputs[0]!;
  const dag = toDag(name, stages, inputs, traits);

  const whole = jit(compute);
  const unsplit = await repeat(async () => toTensor(whole(...(await load()).map(toArray))));
  const stored = new Map<string, number>();
  on.on('result:stored', ({ functionId, bytes }) => stored.set(functionId, bytes));
  const parts = await repeat(() => on.execute(dag, { collect: [stage] }));
  on.off('result:stored');

  const { results, allocations } = parts.last;
  console.log(`\n${name}: ${stages.length} stages`);
  for (const { id, args, expression } of stages)
    console.log(
      `  ${id.padEnd(16)} ${allocations[id]!.padEnd(6)} ${String(expression.lines.length).padStart(2)} operations on ${args.map((arg) => `${arg.stage}[${arg.entry}]`).join(', ')}`,
    );
  const edges = Object.keys(allocations)
    .filter((id) => id.startsWith('serialize:'))
    .map((from) => ({ from, to: `de${from}` }));
  const crossing = edges.filter(({ from, to }) => allocations[from] !== allocations[to]);
  const bytes = crossing.reduce((sum, { from }) => sum + stored.get(from)!, 0);
  console.log(
    `Handed on: ${edges.length} tensors, ${crossing.length} of them encoded for another node: ${(bytes / 1e6).toFixed(1)} MB`,
  );
  console.log(`Result:    ${compare(results[stage][entry], unsplit.last)}`);
  const speedUp = (unsplit.ms / parts.ms).toFixed(2);
  console.log(
    `Time:      ${unsplit.ms.toFixed(0)} ms as a whole on this thread, ${parts.ms.toFixed(0)} ms in stages (median of ${runs}): ${speedUp} times as fast`,
  );
  console.log(`Memory:    ${parts.memory[0]} MB after the first run, ${parts.memory.at(-1)} MB after the last`);
}

/** The result of the last of `runs`, after one run in which expressions are compiled. */
async function repeat<Value>(
  fn: () => Promise<Value>,
): Promise<{ readonly last: Value; readonly ms: number; readonly memory: number[] }> {
  let last = await fn();
  const times: number[] = [];
  const memory: number[] = [];
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    last = await fn();
    times.push(performance.now() - begun);
    memory.push(Math.round(process.memoryUsage.rss() / 1e6));
  }
  return { last, ms: times.sort((a, b) => a - b)[runs >> 1]!, memory };
}

function compare(result: Tensor, expected: Tensor): string {
  let difference = 0;
  for (const [i, value] of result.data.entries())
    difference = Math.max(difference, Math.abs(value - expected.data[i]!));
  const digest = createHash('sha256')
    .update(new Uint8Array(result.data.buffer, result.data.byteOffset, result.data.byteLength))
    .digest('hex')
    .slice(0, 16);
  return `${result.shape.join(' × ')} numbers, sha256 ${digest}…, ${difference === 0 ? 'the same to the bit as unsplit' : `no further than ${difference} from unsplit`}`;
}
