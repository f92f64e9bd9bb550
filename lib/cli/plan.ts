/** `handoff plan <file>`: what would happen. */
import { ExitCode } from './exit.ts';
import type { HandoffFlags } from './flags.ts';
import { loadDag } from './load.ts';
import { formatNumber, print, toJson, toTable } from './output.ts';
import { startHandoff } from './start.ts';

export interface PlanFlags extends HandoffFlags {
  readonly json?: boolean;
}

/** Prints the schedule of the DAG of a file; resolves to the exit code. */
export async function plan(file: string, args: readonly string[], flags: PlanFlags): Promise<number> {
  const { dag } = await loadDag(file, args);
  const handoff = await startHandoff(flags, 'orchestrator');
  try {
    const result = await handoff.plan(dag);
    if (flags.json === true) {
      print(toJson(result));
      return ExitCode.done;
    }
    const rows = result.schedule.map(({ functionId, node, start, finish }) => [functionId, node, start, finish] as const);
    print(toTable(['function', 'node', 'start ms', 'finish ms'], rows));
    print(`\nmakespan ${formatNumber(result.makespan)} ms, at least ${formatNumber(result.lowerBound)} ms on these nodes\ncritical path: ${result.criticalPath.join(' -> ')}`);
    return ExitCode.done;
  } finally {
    await handoff.stop();
  }
}
