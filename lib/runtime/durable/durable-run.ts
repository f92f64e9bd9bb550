/** A run of which this process is the owner: what it begins with, and what is recorded of it. */
import { isDeepStrictEqual } from 'node:util';
import { fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import type { CallPart, CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { DagJson } from '../../dag/dag.ts';
import type { Beginning } from '../../engine/active-run.ts';
import type { RunIds } from '../../engine/run-ids.ts';
import { RunRecorder } from '../../engine/run-recorder.ts';
import { lineageOf } from '../../scheduling/scheduler/growth/regrown.ts';
import { encodeChunk } from '../../journal/codec.ts';
import { type Doubt, doubtOf, doubtOfLost } from '../../journal/doubt.ts';
import type { Claim, Journal } from '../../journal/journal.ts';
import type { RunHistory } from '../../journal/replay.ts';
import { toRestore, toRestored } from '../../journal/restore.ts';
import { type CompileGraph, countOf, readGrowth, readResult, type RecordedRun } from './recorded-run.ts';
import type { RunStats } from '../run-result.ts';

/** What a run of this process begins with, and what records it. */
export interface Begun {
  /** Undefined when nothing of it is recorded. */
  readonly beginning: Beginning | undefined;
  readonly recorder: RunRecorder;
}

/** How a run is taken up. */
export interface TakeUp {
  readonly plan: CompiledDag;
  /** The hash of each module, with everything that it imports. */
  readonly modules: Readonly<Record<string, string>>;
  /** Which results the run keeps to its end: 1 for each; null for all. */
  readonly kept: Uint8Array | null;
  /** Whether functions that are in doubt run again. */
  readonly mayRetry: boolean;
  /** Checks and compiles the graphs that functions had answered with. */
  readonly compile: CompileGraph;
  /** Called when the journal fails, or another process takes over the run. */
  readonly onFailure: (error: unknown) => void;
}

export class DurableRun {
  readonly #journal: Journal;
  readonly #claim: Claim;
  readonly #history: RunHistory;
  readonly #maxResultBytes: number;
  #recorder: RunRecorder | undefined;
  #hasFailed = false;

  constructor(journal: Journal, claim: Claim, history: RunHistory, maxResultBytes: number) {
    this.#journal = journal;
    this.#claim = claim;
    this.#history = history;
    this.#maxResultBytes = maxResultBytes;
  }

  /**
   * Takes the run up where it stood, grown as it had grown.
   *
   * @throws `RUN_CONFLICT` when the code has changed since; `FUNCTION_IN_DOUBT` when a function that is not idempotent
   *   may have taken effect; `JOURNAL_FAILED`
   */
  async begin({ plan, modules, kept, mayRetry, compile, onFailure }: TakeUp): Promise<Begun> {
    const { runId } = this.#claim;
    const recorded = await readGrowth(this.#journal, runId, this.#history, plan, kept, compile);
    const { owned, finished } = recorded.history;
    const { run, grown } = recorded;
    const all = { ...modules, ...recorded.modules };
    if (owned !== undefined) refuseOtherCode(run.plan, owned.modules, all, runId);
    const doubt = mayRetry ? undefined : doubtOfLost(run.plan, recorded.lost);
    if (doubt !== undefined) throw inDoubtError(run.plan, doubt, runId);
    const { done, results } = await this.#restore(recorded, mayRetry);
    await this.#append([...recorded.discarded, { type: 'owned', owner: this.#journal.owner, modules: all }]);
    const functions = countOf(plan, grown);
    this.#recorder = new RunRecorder({
      journal: this.#journal,
      claim: this.#claim,
      run,
      modules: all,
      functions,
      maxResultBytes: this.#maxResultBytes,
      done,
      cached: done.filter((i) => finished.get(i)!.isCached).length,
      onFailure: (error) => {
        this.#hasFailed = true;
        onFailure(error);
      },
    });
    const beginning = {
      done: new Map(done.map((i) => [i, toRestored(finished.get(i)!, !results.has(i))])),
      results,
      grown,
      codes: recorded.codes,
      functions,
    };
    return { beginning: done.length + grown.length > 0 ? beginning : undefined, recorder: this.#recorder };
  }

  /**
   * The functions that are done, and the results of theirs that are needed. Other results are not read.
   *
   * @throws `FUNCTION_IN_DOUBT` when a function would have to run again that must not
   */
  async #restore(
    { run, history }: RecordedRun,
    mayRetry: boolean,
  ): Promise<{ readonly done: readonly number[]; readonly results: ReadonlyMap<number, unknown> }> {
    const { plan, settings } = run;
    const { finished } = history;
    const results = new Map<number, unknown>();
    const lost = new Set<number>();
    for (;;) {
      const { done, needed } = toRestore(
        lineageOf(run),
        (i) => finished.has(i),
        (i) => finished.get(i)!.value.kind !== 'none' && !lost.has(i),
        settings.kept,
      );
      const doubt = mayRetry ? undefined : doubtOf(history, plan, new Set(done));
      if (doubt !== undefined) throw inDoubtError(plan, doubt, this.#claim.runId);
      const lostBefore = lost.size;
      for (const i of needed) {
        if (results.has(i)) continue;
        const read = await readResult(this.#journal, finished.get(i)!.value);
        if (read === undefined) lost.add(i);
        else results.set(i, read.value);
      }
      if (lost.size === lostBefore) return { done, results };
    }
  }

  /** Records that the run has succeeded. */
  async finished(stats: RunStats): Promise<void> {
    await this.#recorder!.end({ type: 'ended', outcome: 'finished', stats: { ...stats } });
  }

  /**
   * Records that the run has failed. A run that could not begin, or was stopped with its process, goes back to the queue
   * instead.
   */
  async failed(error: unknown): Promise<void> {
    if (this.#hasFailed || isHandoffError(error, 'FENCED') || isHandoffError(error, 'JOURNAL_FAILED')) return;
    const isFinal =
      this.#recorder !== undefined ||
      isHandoffError(error, 'FUNCTION_IN_DOUBT') ||
      isHandoffError(error, 'ABORTED') ||
      (isOtherGone(error) && takesOthers(this.#history.submitted.dag));
    if (!isFinal || isHandoffError(error, 'STOPPED')) {
      await this.#recorder?.flush(); // what was done so far does not run again
      return this.#journal.release(this.#claim);
    }
    const outcome = isHandoffError(error, 'ABORTED') ? 'cancelled' : 'failed';
    const ended = { type: 'ended', outcome, error: toErrorWire(error) } as const;
    if (this.#recorder !== undefined) await this.#recorder.end(ended);
    else await this.#journal.append(this.#claim, encodeChunk([ended]), { state: outcome });
  }

  async #append(records: Parameters<typeof encodeChunk>[0]): Promise<void> {
    await this.#journal.append(this.#claim, encodeChunk(records), {});
  }
}

/** Whether a run of a DAG that takes results of other runs cannot begin anywhere: one of them is gone from the journal. */
function isOtherGone(error: unknown): boolean {
  return isHandoffError(error, 'RESULT_LOST') || isHandoffError(error, 'NOT_FOUND');
}

function takesOthers({ functions }: DagJson): boolean {
  return functions.some(({ args = [] }) => args.some((arg) => typeof arg === 'object' && 'resultOf' in arg));
}

/** @throws `RUN_CONFLICT` when the DAGs differ, naming the first function that does */
export function refuseOtherDag(recorded: DagJson, given: DagJson, runId: string): void {
  const [old, now] = [recorded.functions, given.functions];
  for (let at = 0; at < Math.max(old.length, now.length); at++) {
    if (isDeepStrictEqual(old[at], now[at])) continue;
    const id = now[at]?.id ?? old[at]!.id;
    const how = old[at] === undefined ? 'is new' : now[at] === undefined ? 'is missing now' : 'is not what it was';
    throw conflict(runId, id, `function ${JSON.stringify(id)} ${how}`);
  }
}

function refuseOtherCode(
  plan: CompiledDag,
  old: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
  runId: string,
): void {
  const changed = plan.codes.findIndex((code) => !('source' in code) && old[code.module] !== now[code.module]);
  if (changed < 0) return;
  const code = plan.codes[changed] as { readonly module: string };
  const { id } = plan.entries[functionWith(plan, changed)]!;
  throw conflict(runId, id, `the code of function ${JSON.stringify(id)} (${code.module}) has changed`);
}

/** A function that runs a code, itself or as part of its call. */
function functionWith({ code, calls }: CompiledDag, wanted: number): number {
  const i = code.indexOf(wanted);
  if (i >= 0) return i;
  const runs = (part: CallPart): boolean =>
    (part.kind === 'call' && part.code === wanted) ||
    ((part.kind === 'call' || part.kind === 'list') && part.parts.some(runs));
  return [...calls].find(([, parts]) => parts.some(runs))![0];
}

function conflict(runId: string, functionId: string, why: string): HandoffError {
  return new HandoffError(
    'RUN_CONFLICT',
    `The journal has a run ${JSON.stringify(runId)} of another DAG: ${why}. Give this run another runId, or run the DAG as it was.`,
    { runId, functionId },
  );
}

/** The error of a run that cannot go on before a person has decided about a function. */
export function inDoubtError(
  plan: CompiledDag,
  { function: i, node, hasEnded, isInside }: Doubt,
  runId: string,
): HandoffError {
  const { id } = plan.entries[i]!;
  const place = node === '' ? '' : ` on node ${JSON.stringify(node)}`;
  if (isInside === true)
    return new HandoffError(
      'FUNCTION_IN_DOUBT',
      `Function ${JSON.stringify(id)} of run ${JSON.stringify(runId)} answered with a graph, which is lost. A function of that graph is not idempotent, and had started${place}. ` +
        `It may have taken effect, so ${JSON.stringify(id)} does not run again. Find out, then decide: \`handoff resume ${runId} --retry ${id}\` or \`--result ${id}=JSON\`.`,
      { runId, functionId: id, node },
    );
  const [what, why] = hasEnded ? ['has ended', 'Its result is lost'] : ['had started', 'It may have taken effect'];
  return new HandoffError(
    'FUNCTION_IN_DOUBT',
    `Function ${JSON.stringify(id)} is not idempotent, and ${what}${place} when the process of run ${JSON.stringify(runId)} died. ` +
      `${why}, so it does not run again. Find out, then decide: \`handoff resume ${runId} --retry ${id}\` or \`--result ${id}=JSON\`.`,
    { runId, functionId: id, node },
  );
}

/** The error of a run that was cancelled by `cancel`. */
export function cancelledError({ runId, dagId }: RunIds): HandoffError {
  return new HandoffError('ABORTED', `The run ${JSON.stringify(runId)} was cancelled.`, { runId, dagId });
}

/** The error of a run that has failed, as it was recorded. */
export function recordedError({ ended }: RunHistory): unknown {
  return fromErrorWire(ended!.error!);
}
