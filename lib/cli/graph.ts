/** `handoff graph <file>`: draws the DAG as SVG, or prints it for other tools. */
import { isRecord } from '../core/values.ts';
import { readFileSync } from 'node:fs';
import type { Dag } from '../dag/dag.ts';
import { type DrawOptions, toDot, toMermaid, toSvg } from '../dag/draw.ts';
import { formats } from './choices.ts';
import { describeError, ExitCode, UsageError } from './exit.ts';
import type { HandoffFlags } from './flags.ts';
import { loadDag } from './load.ts';
import { startHandoff } from './start.ts';
import { print } from './stdout.ts';

export interface GraphFlags extends HandoffFlags {
  readonly format: string;
  readonly plan?: boolean;
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
  const given = flags.allocations === undefined ? undefined : readAllocations(flags.allocations);
  const { dag } = await loadDag(file, args);
  const check = dag.validate();
  const allocations = flags.plan === true && check.ok ? await planned(dag, flags) : given;
  const options: DrawOptions = { legend: true, ...(allocations !== undefined && { allocations }) };
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
  if (check.ok) return ExitCode.done;
  process.stderr.write(`${describeError(check.error)}\n`);
  return ExitCode.wrongUsage;
}

/** @throws `UsageError` naming a flag that has no effect without `--plan` */
function refuseWithoutPlan({ format: _, plan: _p, allocations: _a, ...others }: GraphFlags): void {
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
