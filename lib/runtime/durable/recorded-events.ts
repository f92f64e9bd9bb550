/**
 * A recorded run as events, as views of runs take them: the attempts that were recorded with their times. A function that
 * is done without one is restored on the node where it ran, or cached.
 */
import { fromErrorWire } from '../../core/error-wire.ts';
import { type HandoffError, isHandoffError } from '../../core/errors.ts';
import { compile } from '../../dag/compile/compile.ts';
import { Dag } from '../../dag/dag.ts';
import { graphAt } from '../../engine/grown-graph.ts';
import type { EventOf, HandoffEvent } from '../../events/events.ts';
import type { FeedEvent } from '../../events/feed.ts';
import { toRunGraph } from '../../events/run-graph.ts';
import { type AttemptTimes, attemptTimes, only } from '../../journal/attempt-times.ts';
import { decodeChunk } from '../../journal/codec.ts';
import { hasEnded, type Journal, type RunSummaryRow } from '../../journal/journal.ts';
import { replay } from '../../journal/replay.ts';
import { partsOf } from '../../scheduling/scheduler/growth/regrown.ts';
import { readGrowth, type RecordedRun, withoutCode } from './recorded-run.ts';

/** The limits of what is read for a view of many runs. */
const maxRuns = 50;
const maxFunctions = 100_000;

/**
 * The events of the newest runs of a journal that have ended, run by run. A run that cannot be read is left out.
 *
 * @param isKnown whether the view has a run already, by its id
 * @throws `JOURNAL_FAILED` when the journal cannot be read
 */
export async function* recordedRuns(
  journal: Journal,
  isKnown: (runId: string) => boolean,
): AsyncGenerator<readonly FeedEvent[]> {
  let functions = 0;
  for (const row of await journal.list({ limit: maxRuns })) {
    if (!hasEnded(row.state) || isKnown(row.runId)) continue;
    if (functions + row.functions > maxFunctions) continue;
    functions += row.functions;
    const events = await recordedEvents(journal, row).catch(() => undefined);
    if (events !== undefined) yield events;
    await new Promise(setImmediate); // other work goes first
  }
}

/**
 * The events of one recorded run.
 *
 * @throws `JOURNAL_FAILED` when it cannot be read, or a record is damaged
 */
export async function recordedEvents(journal: Journal, row: RunSummaryRow): Promise<readonly FeedEvent[]> {
  const { runId, dagId, submittedAt, endedAt = submittedAt } = row;
  const chunks = await journal.read(runId);
  const records = chunks.flatMap((chunk, at) => decodeChunk(chunk, `run ${JSON.stringify(runId)}, position ${at}`));
  const log = replay(records);
  const plan = compile(Dag.fromJSON(log.submitted.dag));
  const recorded = await readGrowth(journal, runId, log, plan, null, withoutCode);
  const { history } = recorded;
  const host = history.owned?.owner ?? row.owner ?? 'journal';
  const ofRun = { at: endedAt, runId, dagId };
  const attempts = attemptEvents(attemptTimes([...records, ...recorded.discarded], plan.size), recorded, ofRun);
  const events: HandoffEvent[] = [...functionEvents(recorded, attempts, ofRun)];
  const { ended } = history;
  const durationMs = endedAt - submittedAt;
  const ofEnd = { at: endedAt, runId, dagId, durationMs };
  if (ended?.outcome === 'finished') {
    const retries = Number(ended.stats?.['retries'] ?? 0);
    events.push({ ...ofEnd, type: 'run:finished', functions: row.functions, retries });
  } else if (ended !== undefined) {
    const error = fromErrorWire(ended.error!);
    events.push(...failures(error, ofEnd), { ...ofEnd, type: 'run:failed', error });
  }
  const started = { type: 'run:started', at: submittedAt, runId, dagId, functions: plan.size } as const;
  return [{ host, graph: toRunGraph(plan, runId), event: started }, ...events.map((event) => ({ host, event }))];
}

/** Attempts whose results are recorded, and those that failed. */
function attemptEvents(
  times: readonly AttemptTimes[],
  { run, history }: RecordedRun,
  of: OfRun,
): EventOf<'attempts'>[] {
  const owners = new Set(history.grown.map(({ owner }) => owner));
  const counts = new Map<number, number>();
  const nextOf = (i: number): number => {
    const attempt = (counts.get(i) ?? 0) + 1;
    counts.set(i, attempt);
    return attempt;
  };
  return times.map((each) => {
    const known = only(each, (i, hasFailed) => hasFailed || history.finished.has(i) || owners.has(i));
    const { node, thread, functions, spans, failed } = known;
    const functionIds = functions.map((i) => run.plan.entries[i]!.id);
    const bytes = functions.map(() => 0);
    return {
      ...of,
      type: 'attempts',
      node,
      thread,
      functionIds,
      attempts: functions.map(nextOf),
      spans,
      bytes,
      failed,
    };
  });
}

interface OfRun {
  readonly at: number;
  readonly runId: string;
  readonly dagId: string;
}

/** What the run has grown by, and how each function has ended. */
function* functionEvents(
  { run, grown, history }: RecordedRun,
  attempts: readonly EventOf<'attempts'>[],
  of: OfRun,
): Generator<HandoffEvent> {
  const { entries, size } = run.plan;
  const idOf = (i: number): string => entries[i]!.id;
  const total = grown.reduce((sum, each) => sum + countOf(each), 0);
  let base = size - total;
  for (const each of grown) {
    const count = countOf(each);
    yield { ...of, type: 'run:grown', functionId: idOf(each.owner), count, ...graphAt(run, each.owner, base, count) };
    base += count;
  }
  yield* attempts;
  const succeeded = new Set(attempts.flatMap(succeededIn));
  const restored = (functionId: string, node: string): HandoffEvent[] =>
    succeeded.has(functionId) ? [] : [{ ...of, type: 'function:restored', functionId, node }];
  for (const each of grown) if ('answer' in each) yield* restored(idOf(each.owner), '');
  for (const [i, { node, isCached }] of history.finished)
    if (isCached) yield { ...of, type: 'function:cached', functionId: idOf(i) };
    else yield* restored(idOf(i), node);
  if (history.ended?.outcome !== 'finished') return;
  // In a run that has finished, what has no result was skipped.
  for (let i = 0; i < size; i++)
    if (!history.finished.has(i) && partsOf(run, i) === undefined)
      yield { ...of, type: 'function:skipped', functionId: idOf(i) };
}

function succeededIn({ functionIds, failed }: EventOf<'attempts'>): string[] {
  const hasFailed = new Set(failed);
  return functionIds.filter((_, at) => !hasFailed.has(at));
}

function countOf(growth: RecordedRun['grown'][number]): number {
  return 'answer' in growth ? growth.answer.plan.size : growth.count;
}

/** The functions that the error of a run is about. */
function failures(error: unknown, of: OfRun): HandoffEvent[] {
  if (!isHandoffError(error)) return [];
  const all: readonly HandoffError[] = error.failures ?? [error];
  return all.flatMap((each) => {
    const { functionId, node = '', attempts: attempt = 1, cause = each } = each;
    return functionId === undefined
      ? []
      : [{ ...of, type: 'function:failed', functionId, node, attempt, error: cause }];
  });
}
