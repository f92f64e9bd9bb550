/**
 * Prefetch for planned runs: a result is sent to the host of its consumer as soon as it exists, because the plan
 * already fixes where the consumer runs.
 */
import type { NodeLink } from '../../workers/node/node-link.ts';
import type { LargeResult } from '../../scheduling/scheduler/events.ts';
import { type Batch, type State, Status } from '../../scheduling/scheduler/state.ts';
import { Payload } from '../../workers/store/payload.ts';
import type { ActiveRun } from '../active-run.ts';

/**
 * @param large new large results of a batch
 * @param bring fetches a result to this host
 */
export function sendAhead(
  state: State,
  nodes: ReadonlyMap<string, NodeLink>,
  active: ActiveRun,
  { run, functions, thread }: Batch,
  large: readonly LargeResult[],
  bring: (i: number) => void,
): void {
  const { outOffset, outs } = run.plan;
  for (const { index } of large) {
    const i = functions[index]!;
    const held = active.results.exists(i) ? active.results.held(i) : undefined;
    if (run.status[i] !== Status.done || !(held instanceof Payload)) continue;
    const there = new Set([thread.node.host]);
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) {
      const bound = run.assigned![outs[k]!]!;
      const node = bound < 0 ? undefined : state.nodes[bound]!;
      if (node === undefined || !node.up || there.has(node.host)) continue;
      there.add(node.host);
      if (node.host === 0) bring(i);
      else nodes.get(node.name)!.prefetch?.(held.data, active.serial);
    }
  }
}
