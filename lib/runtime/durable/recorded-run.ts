/** A run as its journal has it: its functions, as far as it has grown, and the results that were kept. */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { compile as compileDag } from '../../dag/compile/compile.ts';
import { Dag, type DagJson } from '../../dag/dag.ts';
import type { GraphAnswer } from '../../dag/expansion-answer.ts';
import { HandoffError } from '../../core/errors.ts';
import { type CompiledAnswer, shapeOf, answerOf } from '../../engine/graph-answers.ts';
import type { ResolvedCode } from '../../engine/module-resolver.ts';
import { fromBytes } from '../../engine/results/stored-values.ts';
import type { Block } from '../../journal/blocks.ts';
import { type LostGraph, withoutLost, withoutSuperseded } from '../../journal/discarding.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Discarded, RecordedResult, StoredValue } from '../../journal/record.ts';
import type { RunHistory } from '../../journal/replay.ts';
import { partsOf, regrown } from '../../scheduling/scheduler/growth/regrown.ts';
import type { RecordedGrowth } from '../../scheduling/scheduler/growth/span.ts';
import type { Run } from '../../scheduling/scheduler/state.ts';
import type { AnswerWire } from '../../workers/node/wire.ts';
import { Payload } from '../../workers/store/payload.ts';

/** Checks and compiles a graph. */
export type CompileGraph = (graph: DagJson) => CompiledAnswer | Promise<CompiledAnswer>;

export interface RecordedRun {
  /** Without what was discarded. */
  readonly history: RunHistory;
  /** What of the recorded growth is of no use any more, to be recorded in this order. */
  readonly discarded: readonly Discarded[];
  /** Functions whose graphs are not kept, damaged or gone. They run again. */
  readonly lost: readonly LostGraph[];
  readonly grown: readonly RecordedGrowth[];
  /** The code of the graphs, by the function that answered. */
  readonly codes: ReadonlyMap<number, ResolvedCode>;
  /** The hash of each module of the graphs. */
  readonly modules: Readonly<Record<string, string>>;
  /** Its functions, none of which is done. */
  readonly run: Run;
}

/**
 * Reads what a run has grown by.
 *
 * @param kept which results the run keeps to its end: 1 for each function of the DAG; null for all
 * @throws `JOURNAL_FAILED` when the journal fails; what `compile` throws
 */
export async function readGrowth(
  journal: Journal,
  runId: string,
  recorded: RunHistory,
  plan: CompiledDag,
  kept: Uint8Array | null,
  compile: CompileGraph,
): Promise<RecordedRun> {
  const current = withoutSuperseded(recorded);
  const graphs = new Map<StoredValue, AnswerWire>();
  for (const { graph } of current.history.grown) {
    if (graph === undefined) continue;
    const wire = await readGraph(journal, graph);
    if (wire !== undefined) graphs.set(graph, wire);
  }
  const isLost = ({ graph }: Block): boolean => graph !== undefined && !graphs.has(graph);
  const { history, discarded, lost } = withoutLost(current, isLost);
  const grown: RecordedGrowth[] = [];
  const codes = new Map<number, ResolvedCode>();
  let modules: Readonly<Record<string, string>> = {};
  for (const { owner, count, graph } of history.grown) {
    if (graph === undefined) {
      grown.push({ owner, count });
      continue;
    }
    const answer = answerOf(graphs.get(graph)!);
    const compiled = compile(answer.dag);
    const { plan: own, code, modules: added } = compiled instanceof Promise ? await compiled : compiled;
    if (own.size !== count) throw otherGraph(runId);
    grown.push({ owner, answer: { plan: own, shape: shapeOf(answer, own), codes: code.codes } });
    codes.set(owner, code);
    modules = { ...modules, ...added };
  }
  return { history, discarded, lost, grown, codes, modules, run: regrown(plan, grown, kept) };
}

/** For those who read a run that does not go on. */
export function withoutCode(graph: DagJson): CompiledAnswer {
  const plan = compileDag(Dag.fromJSON(graph));
  const code = { codes: new Int32Array(plan.codes.length), predicates: new Map(), usesContext: false };
  return { plan, code, modules: {} };
}

/** How many functions a run has, without maps whose elements are known. */
export function countOf({ size }: CompiledDag, grown: readonly RecordedGrowth[]): number {
  return grown.reduce((sum, each) => sum + ('answer' in each ? each.answer.plan.size : each.count - 1), size);
}

/** The ids of functions of a run without a recorded result, elements of maps and functions of graphs included. */
export async function unfinished(journal: Journal, runId: string, log: RunHistory): Promise<Record<string, string[]>> {
  const plan = compileDag(Dag.fromJSON(log.submitted.dag));
  const { history, run } = await readGrowth(journal, runId, log, plan, null, withoutCode);
  const idsOf = (is: (i: number) => boolean): string[] =>
    run.plan.entries.flatMap((entry, i) => (is(i) ? entry.id : []));
  return {
    [history.ended?.outcome === 'finished' ? 'skipped' : 'not finished']: idsOf(
      (i) => !history.finished.has(i) && partsOf(run, i) === undefined,
    ),
    'in doubt': idsOf((i) => history.inDoubt.has(i)),
  };
}

/** A recorded result: a value, or a `Payload`; undefined when its bytes were not kept, or are gone. */
export async function readResult(
  journal: Journal,
  result: RecordedResult,
): Promise<{ readonly value: unknown } | undefined> {
  if (result.kind === 'plain') return { value: result.value };
  const bytes =
    result.kind === 'inline' ? result.bytes : result.kind === 'blob' && (await journal.getBlob(result.hash));
  return bytes ? { value: fromBytes(bytes) } : undefined;
}

async function readGraph(journal: Journal, graph: StoredValue): Promise<AnswerWire | undefined> {
  const read = await readResult(journal, graph);
  if (read === undefined) return undefined;
  return read.value instanceof Payload ? { data: read.value.data } : { graph: read.value as GraphAnswer };
}

function otherGraph(runId: string): HandoffError {
  return new HandoffError(
    'JOURNAL_FAILED',
    `A graph of run ${JSON.stringify(runId)} has another number of functions than its journal says. Update Handoff, or run the DAG again under another runId.`,
    { runId },
  );
}
