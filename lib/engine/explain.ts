/** Describes in words what the scheduler waits for. */
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import { HandoffError } from '../core/errors.ts';
import type { Importing } from '../workers/node/thread-messages.ts';
import { idsOf, nameOfRun, type RunIds } from './run-ids.ts';
import { explain as explainFunction } from '../scheduling/scheduler/explain.ts';
import { type Run, type State, Status } from '../scheduling/scheduler/state.ts';
import { describeWait, type FunctionExplanation, importWords, type LinkOf } from './wait-text.ts';

export interface Explanation {
  readonly runId: string;
  readonly dagId: string;
  /** The whole explanation, one line per statement. */
  readonly text: string;
  /**
   * The requested function. For a run: the functions that run or wait for something other than results, at most 100 per
   * state.
   */
  readonly functions: readonly FunctionExplanation[];
}

// Limit per state.
const maxFunctions = 100;

/**
 * What a run or one of its functions waits for.
 *
 * @param name the id of a run
 * @throws `NOT_FOUND` when there is no such run or function
 */
export function explain(state: State, name: string, functionId: string | undefined, linkOf: LinkOf): Explanation {
  if (functionId === undefined) return explainRun(state, runUnderWay(state, name), linkOf);
  const { run, index } = runningFunction(state, name, functionId);
  return explainOne(state, run, index, linkOf);
}

/**
 * A function of a run that has not ended.
 *
 * @throws `NOT_FOUND` when there is no such run or function
 */
export function runningFunction(state: State, name: string, functionId: string): { run: Run; index: number } {
  const run = runUnderWay(state, name);
  const index = run.plan.indexOf(functionId);
  if (index < 0) throw noSuchFunction(idsOf(run), functionId);
  return { run, index };
}

function runUnderWay({ runs }: State, name: string): Run {
  const run = runs.get(name);
  if (run !== undefined) return run;
  const text = `No run with the id ${JSON.stringify(name)} is under way, and none of a DAG with that id.`;
  throw new HandoffError('NOT_FOUND', text, { dagId: name });
}

/** Explains a run that cannot start before a module is imported. */
export function explainImport(
  ids: RunIds,
  plan: CompiledDag,
  functionId: string | undefined,
  importing: Importing,
): Explanation {
  if (functionId !== undefined && plan.indexOf(functionId) < 0) throw noSuchFunction(ids, functionId);
  const text = `${functionId ?? `Run ${ids.dagId}`} ${importWords(importing)}.`;
  return {
    ...ids,
    text,
    functions: functionId === undefined ? [] : [{ functionId, state: 'import', functions: [], text }],
  };
}

export function noSuchFunction(ids: RunIds, functionId: string): HandoffError {
  return new HandoffError(
    'NOT_FOUND',
    `The ${nameOfRun(ids)} has no function ${JSON.stringify(functionId)}, or it is inline and runs as part of others.`,
    { ...ids, functionId },
  );
}

function explainOne(state: State, run: Run, i: number, linkOf: LinkOf): Explanation {
  const explained = describeWait(run, i, explainFunction(state, run, i, performance.now()), linkOf);
  return { ...idsOf(run), text: explained.text, functions: [explained] };
}

function explainRun(state: State, run: Run, linkOf: LinkOf): Explanation {
  const { plan, status } = run;
  const counts = new Map<number, number>();
  for (let i = 0; i < plan.size; i++) counts.set(status[i]!, (counts.get(status[i]!) ?? 0) + 1);
  const listed: Record<number, number> = {};
  const functions: FunctionExplanation[] = [];
  for (const i of plan.byRank) {
    const at = status[i]!;
    if (at === Status.done || at === Status.waiting || at === Status.unreachable || at === Status.skipped) continue;
    listed[at] = (listed[at] ?? 0) + 1;
    if (listed[at] <= maxFunctions)
      functions.push(describeWait(run, i, explainFunction(state, run, i, performance.now()), linkOf));
  }
  const count = (which: number, words: string): string[] =>
    counts.has(which) ? [`${counts.get(which)} ${words}`] : [];
  const summary = [
    ...count(Status.done, 'done'),
    ...count(Status.dispatched, 'with threads'),
    ...count(Status.ready, 'ready to start'),
    ...count(Status.delayed, 'waiting to be tried again'),
    ...count(Status.waiting, 'waiting for results of others'),
    ...count(Status.growing, 'waiting for their lists'),
    ...count(Status.open, 'maps with elements under way'),
    ...count(Status.skipped, 'skipped'),
    ...count(Status.failed, 'failed'),
    ...count(Status.unreachable, 'given up, as what they need has failed'),
  ];
  const ending = run.outcome === undefined ? '' : ' It is ending, and starts nothing more.';
  const lines = [
    `Run ${plan.dagId}: of ${plan.size} functions, ${summary.join(', ')}.${ending}`,
    ...functions.map(({ text }) => text),
  ];
  return { ...idsOf(run), text: lines.join('\n'), functions };
}
