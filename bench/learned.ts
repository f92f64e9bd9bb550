/**
 * Learned costs: the same DAG without any knowledge of its functions, a second time with learned costs, and with given
 * durations. Also the makespan of each order in virtual time, without disturbances.
 */
import { compile } from '../lib/dag/compile/compile.ts';
import { reweigh } from '../lib/dag/compile/analysis.ts';
import type { CompiledDag } from '../lib/dag/compile/compiled-dag.ts';
import { Dag, type ExecuteOptions, Handoff, tasks } from '../lib/index.ts';
import { strategies } from '../lib/scheduling/allocation/strategy.ts';
import { runVirtually } from '../lib/scheduling/scheduler/growth/virtual-run.ts';
import { numbers } from './support/graphs.ts';
import { median } from './support/measure.ts';
import type { Row } from './support/report.ts';

const t = tasks<typeof import('./support/tasks.ts')>(new URL('./support/tasks.ts', import.meta.url));

const threads = 6;
const node = { name: 'n', capabilities: { cpu: threads }, threads };

interface Sleeper {
  readonly id: string;
  readonly args: readonly string[];
  readonly ms: number;
}

/** Functions of 1 to `longest` ms, most of them short, each after up to three of the `reach` before it. */
function sleepers(
  count: number,
  { seed, longest, reach }: { readonly seed: number; readonly longest: number; readonly reach: number },
): Sleeper[] {
  const random = numbers(seed);
  return Array.from({ length: count }, (_, i) => {
    const args = new Set<string>();
    for (let k = Math.floor(random() * 4); k > 0 && i > 0; k--)
      args.add(`f${Math.max(0, i - 1 - Math.floor(random() * reach))}`);
    return { id: `f${i}`, args: [...args], ms: Math.round(longest ** random()) };
  });
}

function toDag(all: readonly Sleeper[], isGiven: boolean): Dag {
  const dag = new Dag();
  for (const { id, args, ms } of all)
    dag.add({ id, code: t.sleepAfter, args: [...args], extraArgs: [ms], ...(isGiven && { duration: ms }) });
  return dag;
}

/** ms of a plan in virtual time, with the real durations of its functions. */
function makespan(plan: CompiledDag, all: readonly Sleeper[]): number {
  const settings = {
    maxRetries: 0,
    maxConcurrency: Infinity,
    keepGoing: false,
    kept: null,
    strategy: strategies['first-available'],
    assigned: null,
    codes: new Int32Array(plan.codes.length),
  };
  return runVirtually(plan, [{ ...node, speed: 1 }], settings, (i) => all[i]!.ms).makespan;
}

async function timed(
  handoff: Handoff,
  all: readonly Sleeper[],
  isGiven: boolean,
  options: ExecuteOptions = {},
): Promise<number> {
  return (await handoff.execute(toDag(all, isGiven), { collect: 'sinks', ...options })).stats.durationMs;
}

export async function learned({
  graphs,
  rounds,
}: {
  readonly graphs: number;
  readonly rounds: number;
}): Promise<Row[]> {
  const ways = { first: 0, second: 0, given: 0, plannedSecond: 0, plannedGiven: 0 };
  type Ways = typeof ways;
  const real: Ways = { ...ways };
  const virtual: Ways = { ...ways };
  for (let graph = 0; graph < graphs; graph++) {
    const all = sleepers(150, { seed: graph + 1, longest: 120, reach: 60 });
    const samples: Record<keyof Ways, number[]> = {
      first: [],
      second: [],
      given: [],
      plannedSecond: [],
      plannedGiven: [],
    };
    let learnt: Awaited<ReturnType<Handoff['costModel']>> | undefined;
    for (let round = 0; round < rounds; round++) {
      const handoff = await Handoff.start({ nodes: [node] }); // it knows nothing yet
      await handoff.execute(new Dag().add({ id: 'warm', code: t.noop }));
      samples.first.push(await timed(handoff, all, false));
      learnt = handoff.costModel();
      samples.second.push(await timed(handoff, all, false));
      samples.given.push(await timed(handoff, all, true));
      samples.plannedSecond.push(await timed(handoff, all, false, { allocationStrategy: 'time-optimized' }));
      samples.plannedGiven.push(await timed(handoff, all, true, { allocationStrategy: 'time-optimized' }));
      await handoff.stop();
    }
    for (const way of Object.keys(ways) as (keyof Ways)[]) real[way] += median(samples[way]);
    const plan = compile(toDag(all, false));
    const code = Object.values(learnt!.codes).find(({ functions }) => functions !== undefined)!;
    virtual.first += makespan(plan, all);
    virtual.second += makespan(
      reweigh(plan, (i) => code.functions![all[i]!.id]?.ms?.mean ?? code.ms!.mean),
      all,
    );
    virtual.given += makespan(compile(toDag(all, true)), all);
  }
  const row = (name: string, ours: number, given: number): Row => ({
    group: 'learned',
    name,
    unit: 'ms',
    ours: ours / graphs,
    beside: given / graphs,
    what: 'durations given',
    ratio: given / ours,
  });
  const goal = { ratioAtLeast: 0.97 };
  return [
    row('150 functions of 1 to 120 ms: first run, nothing known', real.first, real.given),
    { ...row('… second run, durations learned in the first', real.second, real.given), goal },
    { ...row("… 'time-optimized', learned in two runs", real.plannedSecond, real.plannedGiven), goal },
    row('the same in virtual time: first run', virtual.first, virtual.given),
    { ...row('… second run', virtual.second, virtual.given), goal },
  ];
}
