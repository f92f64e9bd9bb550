/** Runs and functions in the form that the page receives. */
import type { FunctionDetail } from '../events/activity.ts';
import type { RunGraph } from '../events/run-graph.ts';
import { Outcome } from '../report/run-record.ts';
import type { FunctionView, RunView } from './protocol.ts';
import type { RunHistory } from './run-history.ts';
import type { Source } from './source.ts';

export function toRunView({ key, host, record, running, remaining, error }: RunHistory): RunView {
  const { graph, startedAt, endedAt, done, failed, skipped, retries, bytesFetched } = record;
  const total = record.total - skipped;
  const state = endedAt === undefined ? 'running' : error === null ? 'finished' : 'failed';
  return {
    key,
    runId: graph.runId,
    dagId: graph.dagId,
    host,
    state,
    startedAt: startedAt ?? 0,
    endedAt: endedAt ?? null,
    total,
    grown: graph.growth?.length ?? 0,
    // For functions done before the first event, only the end of the run shows how many there were.
    done: state === 'finished' ? total - failed : done,
    failed,
    running,
    retries,
    bytesFetched,
    remainingMs: remaining,
    error,
  };
}

/**
 * A function in its current state.
 *
 * @param i index into the run's graph
 */
export async function toFunctionView(
  run: RunHistory,
  i: number,
  source: Pick<Source, 'explain' | 'functionDetail'>,
): Promise<FunctionView> {
  const { graph } = run.record;
  const id = graph.ids[i]!;
  const ofRun = [run.host, graph.runId, id] as const;
  // Details that are no longer known are left out.
  const [detail, explained] = await Promise.all([
    source.functionDetail(...ofRun).catch(() => undefined),
    run.isOver ? undefined : source.explain(...ofRun).catch(() => undefined),
  ]);
  const view = recordedView(run, i, detail);
  const now = explained?.functions[0];
  return {
    ...view,
    ...(view.state === 'waiting' && now?.state === 'running' && { state: 'running', node: now.node ?? null }),
    explain: explained?.text ?? null,
  };
}

const outcomeNames = ['waiting', 'done', 'failed', 'skipped'] as const;

/** A function as the history knows it. */
export function recordedView(
  { record, tracks, notes, spared }: RunHistory,
  i: number,
  detail?: FunctionDetail,
): FunctionView {
  const { graph, outcome, begun, ended, attempts, bytes, track, startedAt = 0 } = record;
  const at = (time: number): number | null => (Number.isNaN(time) ? null : time - startedAt);
  const where = tracks[track[i]!];
  const isSpared = outcome[i] === Outcome.done && attempts[i] === 0 && spared.kindOf(i) !== undefined;
  const bytesOf = (id: string): number => bytes[record.index.get(id) ?? -1] ?? 0;
  const args = detail?.args ?? graph.deps[i]!.map((dep) => ({ result: graph.ids[dep]! }));
  return {
    id: graph.ids[i]!,
    name: graph.names[graph.code[i]!]!,
    module: detail?.module ?? null,
    state: isSpared ? spared.kindOf(i)! : outcomeNames[outcome[i]!]!,
    node: where?.node ?? spared.nodeOf(i) ?? null,
    thread: where?.thread ?? null,
    attempts: attempts[i]!,
    begun: at(begun[i]!),
    ended: at(ended[i]!),
    bytes: bytes[i]!,
    cost: graph.costs[graph.cost[i]!] ?? null,
    args: args.map((arg) => ('result' in arg ? { result: arg.result, bytes: bytesOf(arg.result) } : arg)),
    dependents: dependentsOf(graph)[i]!.map((dependent) => graph.ids[dependent]!),
    error: notes.errors.get(i) ?? null,
    explain: null,
  };
}

const known = new WeakMap<RunGraph, readonly (readonly number[])[]>();

/** For each function: those that take its result. Built on first access. */
function dependentsOf(graph: RunGraph): readonly (readonly number[])[] {
  const made = known.get(graph);
  if (made?.length === graph.ids.length) return made; // otherwise the run has grown
  const dependents: number[][] = graph.ids.map(() => []);
  graph.deps.forEach((deps, i) => {
    for (const dep of deps) dependents[dep]!.push(i);
  });
  known.set(graph, dependents);
  return dependents;
}
