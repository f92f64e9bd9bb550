/** `handoff plan <file>`: prints the schedule of a DAG without running it. */
import { nameOf } from '../../dag/code.ts';
import { compile } from '../../dag/compile/compile.ts';
import type { Dag } from '../../dag/dag.ts';
import { type Gantt, toGantt } from '../../report/gantt.ts';
import { ganttSvg } from '../../report/gantt-svg.ts';
import type { PlanOptions } from '../../runtime/options/plan-options.ts';
import type { PlanResult } from '../../runtime/plan-preview.ts';
import { ExitCode } from '../exit.ts';
import type { HandoffFlags } from '../flags/flags.ts';
import { ganttText } from '../output/gantt-text.ts';
import { loadDag } from '../load.ts';
import { formatNumber, toJson, toNumber, toTable } from '../output/output.ts';
import { OutputFile } from '../output/output-file.ts';
import { printable } from '../output/printable.ts';
import { startHandoff } from '../start.ts';
import { print } from '../output/stdout.ts';

export interface PlanFlags extends HandoffFlags {
  readonly json?: boolean;
  readonly svg?: string;
  readonly budget?: string;
  readonly deadline?: string;
  readonly bandwidth?: string;
  readonly latency?: string;
}

const numbers = ['budget', 'deadline', 'bandwidth', 'latency'] as const satisfies readonly (keyof PlanFlags &
  keyof PlanOptions)[];

// For a terminal that does not report its width.
const defaultWidth = 80;

/** Prints the schedule of the DAG in a file. Resolves to the exit code. */
export async function plan(file: string, args: readonly string[], flags: PlanFlags): Promise<number> {
  const options = optionsOf(flags);
  const svg = flags.svg === undefined ? undefined : new OutputFile('--svg', flags.svg);
  try {
    return await planAndPrint(file, args, flags, options, svg);
  } finally {
    svg?.close();
  }
}

async function planAndPrint(
  file: string,
  args: readonly string[],
  flags: PlanFlags,
  options: PlanOptions,
  svg: OutputFile | undefined,
): Promise<number> {
  const { dag } = await loadDag(file, args);
  const handoff = await startHandoff(flags, 'orchestrator');
  let result: PlanResult;
  let nodes: string[];
  try {
    result = await handoff.plan(dag, options);
    nodes = Object.keys(await handoff.discoverNodes());
  } finally {
    await handoff.stop();
  }
  const gantt = ganttOf(dag, result, nodes);
  const ends = endsOf(result);
  if (flags.json === true) print(toJson(result));
  else printPlan(result, gantt, ends);
  await svg?.write(ganttSvg(gantt, { title: `Plan of ${dag.id}`, subtitle: ends }));
  return ExitCode.done;
}

function printPlan(result: PlanResult, gantt: Gantt, ends: string): void {
  const assumed = new Set(result.assumed);
  const rows = result.schedule.map(
    ({ functionId, node, start, finish }) =>
      [printable(functionId), printable(node), start, finish, assumed.has(functionId) ? 'assumed' : ''] as const,
  );
  const hasAssumed = assumed.size > 0;
  print(
    toTable(
      ['function', 'node', 'start ms', 'finish ms', ...(hasAssumed ? ['duration'] : [])],
      rows.map((row) => (hasAssumed ? row : row.slice(0, -1))),
    ),
  );
  if (rows.length > 0) print(`\n${ganttText(gantt, process.stdout.columns ?? defaultWidth)}`);
  print(`\n${ends}\ncritical path: ${result.criticalPath.map(printable).join(' -> ')}`);
}

/** @throws `UsageError` naming a flag with an invalid number */
function optionsOf(flags: PlanFlags): PlanOptions {
  const given = numbers.flatMap((name) => {
    const text = flags[name];
    if (text === undefined) return [];
    return [[name, toNumber(`--${name}`, text)] as const];
  });
  return Object.fromEntries(given);
}

function ganttOf(dag: Dag, { schedule, criticalPath }: PlanResult, nodes: readonly string[]): Gantt {
  const { size, entries, codes, code } = compile(dag);
  const names = new Map(entries.slice(0, size).map(({ id }, i) => [id, nameOf(codes[code[i]!]!)]));
  const critical = new Set(criticalPath);
  return toGantt(
    schedule.map(({ functionId, node, start, finish }) => ({
      id: functionId,
      name: names.get(functionId) ?? names.get(functionId.replace(/\[\d+\]$/, '')) ?? functionId,
      node,
      start,
      finish,
      isCritical: critical.has(functionId),
      hasFailed: false,
    })),
    nodes,
  );
}

function endsOf({ makespan, lowerBound, price, assumed, schedule }: PlanResult): string {
  const note =
    assumed.length === 0
      ? ''
      : `; ${assumed.length} of ${schedule.length} durations are unknown, and each is assumed to be 1 ms. ` +
        'Declare them (duration) or learn them (--cost-model).';
  return `makespan ${formatNumber(makespan)} ms, at least ${formatNumber(lowerBound)} ms on these nodes${price > 0 ? `, price ${formatNumber(price)}` : ''}${note}`;
}
