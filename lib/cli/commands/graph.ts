/** `handoff graph <file>`: draws the DAG as SVG, or prints it for other tools. */
import { isRecord } from '../../core/values.ts';
import { readFileSync } from 'node:fs';
import type { Dag } from '../../dag/dag.ts';
import { type DrawOptions, toDot, toMermaid, toSvg } from '../../dag/draw.ts';
import { formats } from '../flags/choices.ts';
import { drawnRun } from '../../report/run-graph-drawing.ts';
import { describeError, ExitCode, UsageError } from '../exit.ts';
import type { HandoffFlags } from '../flags/flags.ts';
import { loadDag } from '../load.ts';
import { startHandoff } from '../start.ts';
import { print } from '../output/stdout.ts';
import { readTraceFile } from '../trace-input.ts';

export interface GraphFlags extends HandoffFlags {
  readonly format: string;
  readonly plan?: boolean;
  readonly run?: boolean;
  readonly allocations?: string;
}

/** Prints the DAG of a file. An invalid DAG is drawn as far as possible, and the exit code reports it. */
export async function graph(file: string, args: readonly string[], flags: GraphFlags): Promise<number> {
  const { format } = flags;
  if (!formats.includes(format as (typeof formats)[number]))
    throw new UsageError(`--format: ${JSON.stringify(format)} is not a format. Formats: ${formats.join(', ')}.`);
  if (flags.plan === true && flags.allocations !== undefined)
    throw new UsageError('--plan and --allocations both assign colours to nodes. Give either.');
  if (flags.plan !== true) refuseWithoutPlan(flags);
  if (flags.run === true) return graphOfRun(file, args, flags);
  const given = flags.allocations === undefined ? undefined : readAllocations(flags.allocations);
  const { dag } = await loadDag(file, args);
  const check = dag.validate();
  const allocations = flags.plan === true && check.ok ? await planned(dag, flags) : given;
  await draw(dag, format, { legend: true, ...(allocations !== undefined && { allocations }) });
  if (check.ok) return ExitCode.done;
  process.stderr.write(`${describeError(check.error)}\n`);
  return ExitCode.wrongUsage;
}

/** Prints what a traced run became. */
async function graphOfRun(file: string, args: readonly string[], flags: GraphFlags): Promise<number> {
  if (flags.plan === true || flags.allocations !== undefined || args.length > 0)
    throw new UsageError('--run draws a run that has ended. Leave out --plan, --allocations and arguments.');
  const { dagId, graph: functions, gantt } = readTraceFile(file);
  if (functions.length === 0)
    throw new UsageError(`${file} has no graph. Write it again with handoff run pipeline.ts --trace FILE.`);
  const ran = new Map(gantt.rows.flatMap(({ node, bars }) => bars.map(({ id }) => [id, node] as const)));
  const { dag, skipped, allocations } = drawnRun(dagId, functions, ran);
  await draw(dag, flags.format, { legend: true, skipped, allocations });
  return ExitCode.done;
}

async function draw(dag: Dag, format: string, options: DrawOptions): Promise<void> {
  const { allocations } = options;
  switch (format as (typeof formats)[number]) {
    case 'mermaid':
      print(toMermaid(dag, options));
      break;
    case 'dot':
      print(toDot(dag, options));
      break;
    case 'svg':
      print(await toSvg(dag, options));
      break;
    case 'json':
      print(JSON.stringify(allocations === undefined ? dag : { ...dag.toJSON(), allocations }, null, 2));
      break;
  }
}

/** @throws `UsageError` naming a flag that has no effect without `--plan` */
function refuseWithoutPlan({ format: _, plan: _p, allocations: _a, run: _r, ...others }: GraphFlags): void {
  const [useless] = Object.keys(others);
  if (useless !== undefined)
    throw new UsageError(
      `--${useless.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} has no effect without --plan. Add --plan.`,
    );
}

async function planned(dag: Dag, flags: GraphFlags): Promise<Readonly<Record<string, string>>> {
  const handoff = await startHandoff(flags, 'orchestrator');
  try {
    return (await handoff.plan(dag)).allocations;
  } finally {
    await handoff.stop();
  }
}

/** Node names by function id: the file itself, or `allocations` of a result or summary. */
function readAllocations(file: string): Readonly<Record<string, string>> {
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--allocations: ${file} cannot be read: ${(error as Error).message}.`);
  }
  const record = isRecord(read) && isRecord(read['allocations']) ? read['allocations'] : read;
  if (isRecord(record) && Object.values(record).every((node) => typeof node === 'string'))
    return record as Readonly<Record<string, string>>;
  throw new UsageError(
    `--allocations: ${file} has no allocations. Expected node names by function id, such as { "load": "a" }. ` +
      'Write them with handoff run pipeline.ts --summary FILE.',
  );
}
