/**
 * Runs that outlive their process. Loaded only with a journal.
 *
 * ```
 *   execute, submit ──► journal: queued ──claim──► running ──► finished, failed, cancelled
 *                                  ▲                  │
 *                                  └── release, or the owner dies ──► claimed by the next
 * ```
 */
import { textOf } from '../../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import { compile } from '../../dag/compile/compile.ts';
import type { CompiledDag, OtherResult } from '../../dag/compile/compiled-dag.ts';
import { Dag, type DagJson, sharedJsonOf } from '../../dag/dag.ts';
import { ValueDag } from '../../dag/value-dag.ts';
import { RunResults, setKey } from '../../workers/store/run-results.ts';
import { locate, missing } from '../../workers/code/locate.ts';
import type { RunIds } from '../../engine/run-ids.ts';
import { decodeChunk, encodeChunk } from '../../journal/codec.ts';
import {
  type Claim,
  hasEnded,
  type Journal,
  type RunFilter,
  type RunState,
  type RunSummaryRow,
} from '../../journal/journal.ts';
import { doubtOfLost } from '../../journal/doubt.ts';
import type { RecordedOptions, RunRecord, Submitted } from '../../journal/record.ts';
import { replay, type RunHistory } from '../../journal/replay.ts';
import { compositeOf } from '../../engine/graph-answers.ts';
import { otherLost, Source } from '../../engine/results/other-results.ts';
import { partsOf } from '../../scheduling/scheduler/growth/regrown.ts';
import { Status } from '../../scheduling/scheduler/state.ts';
import { cancelledError, DurableRun, inDoubtError, recordedError, refuseOtherDag } from './durable-run.ts';
import { type ExecuteOptions, keptOf } from '../options/execute-options.ts';
import { readGrowth, readResult, type RecordedRun, withoutCode } from './recorded-run.ts';
import { noFunction, notEnded } from '../values/result-sources.ts';
import type { ExecuteResult, RunStats } from '../run-result.ts';

/** A durable run, here or in another process. */
export interface RunHandle {
  readonly runId: string;
  readonly dagId: string;
  /** Resolves when the run has ended, wherever it runs. Rejects with its error. */
  result(): Promise<ExecuteResult>;
  /** Cancels the run. Resolves to false when it has ended. */
  cancel(): Promise<boolean>;
  status(): Promise<RunSummary>;
}

export type RunSummary = RunSummaryRow;
export type { RunFilter, RunState };

/** How many runs that others have submitted are under way here at once. */
const maxTakenRuns = 64;

export interface DurableParts {
  readonly journal: Journal;
  readonly maxResultBytes: number;
  /** Whether to take up runs without a living owner. */
  readonly orchestrate: boolean;
  /** Compiles a DAG for a run here. Throws when no node could run it. */
  compile(dag: Dag): CompiledDag;
  /** Runs a DAG of which this process has become the owner. */
  start(asked: Asked, durable: DurableRun): Promise<ExecuteResult>;
  /** Ends a run of this process. */
  abort(runId: string, reason: HandoffError): void;
  closing(): boolean;
}

/** A run that was asked for. */
export interface Asked {
  readonly ids: RunIds;
  readonly dag: Dag;
  readonly plan: CompiledDag;
  readonly options: ExecuteOptions;
  /** Whether results are kept for `getResult` after the end of the run. */
  readonly retained: boolean;
}

/** The log of a run, and the position of its next chunk. */
interface Log {
  readonly history: RunHistory;
  readonly position: number;
}

/** What a run begins with, and the chunk that it is recorded as. */
interface Submission {
  readonly submitted: Submitted;
  readonly chunk: Uint8Array;
}

/** Where a recorded result is. */
interface Located {
  /** Without any result. */
  readonly results: RunResults;
  readonly index: number;
  readonly finished: RunHistory['finished'];
}

interface Here {
  readonly json: DagJson;
  readonly ids: RunIds;
  readonly ended: Promise<ExecuteResult>;
}

export class DurableRuns {
  readonly #parts: DurableParts;
  /** The runs that are under way in this process, by id. */
  readonly #here = new Map<string, Here>();
  /** Runs that could not begin here, such as for a missing module. They are left to others. */
  readonly #skipped = new Set<string>();
  /** `resume` has asked for these runs. They go on here once the process that had them counts as gone. */
  readonly #wanted = new Map<string, RunIds>();
  /** Called when something in the journal may have changed. */
  readonly #waiters = new Set<() => void>();
  readonly #unwatch: () => void;
  #taking: Promise<void> | undefined;
  /** Whether a run may have appeared since the journal was last looked through. */
  #isDue = false;
  #ends = 0;

  constructor(parts: DurableParts) {
    this.#parts = parts;
    this.#unwatch = parts.journal.watch(() => this.#onChange());
    void this.#compact();
    if (parts.orchestrate) this.#takeUp();
  }

  /** Runs a DAG, resumes it, or gives its recorded outcome. */
  async execute(asked: Asked): Promise<ExecuteResult> {
    const { ids, dag } = asked;
    const json = recordedDag(dag);
    const here = this.#here.get(ids.runId);
    if (here !== undefined) {
      refuseOtherDag(here.json, json, ids.runId);
      return here.ended;
    }
    return this.#enter(json, ids, () => this.#executeOrWait(json, asked));
  }

  /** Records a DAG, which then runs here or in another process. */
  async submit(ids: RunIds, dag: Dag, options: ExecuteOptions): Promise<RunHandle> {
    const submitted = { type: 'submitted', dag: recordedDag(dag), options: recordable(options) } as const;
    if (!(await this.#record(encodeSubmission(submitted), ids, compile(dag))))
      refuseOtherDag((await this.#history(ids.runId)).submitted.dag, submitted.dag, ids.runId);
    if (this.#parts.orchestrate) this.#takeUp();
    return this.#handle(ids);
  }

  /** @throws `NOT_FOUND` when the journal has no such run */
  async attach(runId: string): Promise<RunHandle> {
    const { dagId } = await this.#find(runId);
    return this.#handle({ runId, dagId });
  }

  async list(filter: RunFilter): Promise<RunSummaryRow[]> {
    return this.#parts.journal.list(filter);
  }

  /** @throws `NOT_FOUND` when the journal has no such run */
  async cancel(runId: string): Promise<boolean> {
    const { journal } = this.#parts;
    const { state, dagId } = await this.#find(runId);
    if (hasEnded(state) || !(await journal.cancel(runId))) return false;
    const here = this.#here.get(runId);
    if (here !== undefined) {
      this.#parts.abort(runId, cancelledError(here.ids));
      await here.ended.catch(() => {});
      return true;
    }
    const claim = await journal.claim(runId);
    if (claim === undefined) return true; // its owner ends it
    const history = await this.#history(runId);
    await new DurableRun(journal, claim, history, 0).failed(cancelledError({ runId, dagId }));
    this.#wake();
    return true;
  }

  /**
   * Continues a run here, unless another process runs it. One that has ended goes on with what a person decided about its
   * functions.
   *
   * @param retry functions that run again although they may have taken effect
   * @param results results of such functions
   * @throws `NOT_FOUND` when the run has no such function; `INVALID_OPTION` when a function is a map;
   *   `FUNCTION_IN_DOUBT` when the graph of a function is lost that must not run again, and nothing is decided about it
   */
  async resume(runId: string, retry: readonly string[], results: ReadonlyMap<string, unknown>): Promise<RunHandle> {
    const { dagId } = await this.#find(runId);
    const history = await this.#history(runId);
    const { run, discarded, lost } = await this.#structure(runId, history, 'all');
    const indexOf = (id: string): number => {
      const i = run.plan.indexOf(id);
      if (i >= 0 && run.plan.maps?.has(i) === true) throw isMap(runId, id);
      if (i >= 0) return i;
      throw new HandoffError('NOT_FOUND', `Run ${JSON.stringify(runId)} has no function ${JSON.stringify(id)}.`, {
        runId,
        functionId: id,
      });
    };
    const decided = [
      ...retry.map((id) => ({ type: 'decided', function: indexOf(id) }) as const),
      ...[...results].map(
        ([id, value]) => ({ type: 'decided', function: indexOf(id), value: { kind: 'plain', value } }) as const,
      ),
    ];
    // What is discarded below takes the doubt with it.
    const isDecided = new Set(decided.map(({ function: i }) => i));
    const doubt = doubtOfLost(
      run.plan,
      lost.filter(({ owner }) => !isDecided.has(owner)),
    );
    if (doubt !== undefined) throw inDoubtError(run.plan, doubt, runId);
    const isReopened = await this.#parts.journal.reopen(
      runId,
      encodeChunk([...discarded, ...decided, { type: 'reopened' }]),
    );
    // The run that has just ended here may not have been cleared away yet.
    if (isReopened) await this.#here.get(runId)?.ended.catch(() => {});
    this.#skipped.delete(runId);
    if (!this.#here.has(runId)) {
      this.#wanted.set(runId, { runId, dagId });
      await this.#take({ runId, dagId });
    }
    return this.#handle({ runId, dagId });
  }

  /** Ends what waits for other processes, and resolves when no run of the journal is under way in this one. */
  async drained(): Promise<void> {
    this.#unwatch();
    this.#wake();
    await this.#taking;
    await Promise.allSettled([...this.#here.values()].map(({ ended }) => ended));
  }

  /** Closes the journal. Call it after `drained`. */
  async close(): Promise<void> {
    await this.#parts.journal.close();
  }

  #handle(ids: RunIds): RunHandle {
    return {
      ...ids,
      result: () => this.#result(ids),
      cancel: () => this.cancel(ids.runId),
      status: () => this.#find(ids.runId),
    };
  }

  async #find(runId: string): Promise<RunSummaryRow> {
    const row = await this.#parts.journal.find(runId);
    if (row !== undefined) return row;
    throw notInJournal(runId);
  }

  /** Keeps a run among those of this process while it is under way. */
  #enter(json: DagJson, ids: RunIds, work: () => Promise<ExecuteResult>): Promise<ExecuteResult> {
    const ended = work().finally(() => {
      this.#here.delete(ids.runId);
      if (this.#parts.orchestrate && !this.#parts.closing()) this.#takeUp(); // there may be room for another run
      if (++this.#ends % 100 === 0) void this.#compact();
    });
    ended.catch(() => {});
    this.#here.set(ids.runId, { json, ids, ended });
    this.#wake(); // callers that wait for this run find it here
    return ended;
  }

  async #executeOrWait(json: DagJson, asked: Asked): Promise<ExecuteResult> {
    const { ids, plan, options } = asked;
    const submitted = { type: 'submitted', dag: json, options: recordable(options) } as const;
    const chunk = encodeSubmission(submitted);
    const isNew = await this.#record(chunk, ids, plan);
    let log: Log | undefined = isNew
      ? { history: replay([submitted]), position: 1 }
      : await this.#log(ids.runId, { submitted, chunk });
    if (log === undefined) throw notInJournal(ids.runId); // it was deleted in the meantime
    if (log.history.submitted !== submitted) refuseOtherDag(log.history.submitted.dag, json, ids.runId);
    for (;;) {
      const change = this.#nextChange();
      const result = await this.#own(asked, log);
      if (result !== undefined) return result;
      log = undefined; // another process works on it
      const { state } = await this.#find(ids.runId);
      if (hasEnded(state)) return this.#recorded(ids, options);
      await change;
      if (this.#parts.closing()) throw stopped(ids);
    }
  }

  /**
   * Runs a run here, unless another process does.
   *
   * @param known the log as it was read before
   */
  async #own(asked: Asked, known?: Log): Promise<ExecuteResult | undefined> {
    const claim = await this.#parts.journal.claim(asked.ids.runId);
    return claim && this.#runClaimed(asked, claim, known);
  }

  /** Runs a run that this process owns. */
  async #runClaimed(asked: Asked, claim: Claim, known?: Log): Promise<ExecuteResult> {
    const { journal, maxResultBytes, start } = this.#parts;
    const { ids } = asked;
    const { history } = claim.position === known?.position ? known : (await this.#log(ids.runId))!;
    const durable = new DurableRun(journal, claim, history, maxResultBytes);
    try {
      if (await journal.isCancelled(ids.runId)) throw cancelledError(ids);
      return await start(asked, durable);
    } catch (error) {
      await durable.failed(error).catch(() => {}); // the error of the run says more
      throw error;
    }
  }

  /**
   * Records a run, unless there is one of this id. The results of other runs that it takes must be recorded, too, so that
   * every process finds them.
   *
   * @throws `RESULT_LOST`, `NOT_FOUND`, `INVALID_OPTION` for the result of another run
   */
  async #record(chunk: Uint8Array, { runId, dagId }: RunIds, plan: CompiledDag): Promise<boolean> {
    if (plan.others.length > 0 && (await this.#parts.journal.find(runId)) === undefined)
      for (const other of plan.others) if ((await this.#locate(other)) === undefined) throw notRecorded(other);
    return this.#parts.journal.submit({ runId, dagId, functions: plan.size }, chunk);
  }

  /**
   * Undefined when there is no such run.
   *
   * @param expected the submission that the log may begin with. Then it is not decoded, which takes long for a large DAG
   */
  async #log(runId: string, expected?: Submission): Promise<Log | undefined> {
    const chunks = await this.#parts.journal.read(runId);
    if (chunks.length === 0) return undefined;
    const isExpected = expected !== undefined && Buffer.compare(chunks[0]!, expected.chunk) === 0;
    const history = isExpected ? historyOf(runId, chunks, [expected.submitted]) : historyOf(runId, chunks);
    return { history, position: chunks.length };
  }

  async #history(runId: string): Promise<RunHistory> {
    const log = await this.#log(runId);
    if (log !== undefined) return log.history;
    throw notInJournal(runId);
  }

  /** Waits for the end of a run, wherever it runs. */
  async #result(ids: RunIds): Promise<ExecuteResult> {
    return this.#here.get(ids.runId)?.ended ?? this.#resultElsewhere(ids);
  }

  /** Waits for the end of a run that another process runs, or that this one takes up later. */
  async #resultElsewhere(ids: RunIds): Promise<ExecuteResult> {
    for (;;) {
      const change = this.#nextChange();
      const here = this.#here.get(ids.runId);
      if (here !== undefined) return here.ended;
      const { state } = await this.#find(ids.runId);
      if (hasEnded(state)) return this.#recorded(ids, {});
      await change;
      if (this.#parts.closing()) throw stopped(ids);
    }
  }

  /** The outcome of a run that has ended. */
  async #recorded(ids: RunIds, { collect }: ExecuteOptions): Promise<ExecuteResult> {
    const log = await this.#history(ids.runId);
    const { ended, submitted } = log;
    if (ended!.outcome !== 'finished') throw recordedError(log);
    const structure = await this.#structure(ids.runId, log, collect ?? submitted.options.collect);
    const { history, lost, run } = structure;
    const { plan, settings } = run;
    const isKept = (i: number): boolean => settings.kept === null || settings.kept[i] === 1;
    const results = emptyResults(structure);
    const allocations: Record<string, string> = {};
    for (const { owner } of lost) if (isKept(owner)) throw notKept(ids, plan.entries[owner]!.id);
    for (const [i, { node, value }] of history.finished) {
      if (node !== '') setKey(allocations, plan.entries[i]!.id, node);
      if (!isKept(i)) continue;
      const read = await readResult(this.#parts.journal, value);
      if (read === undefined) throw notKept(ids, plan.entries[i]!.id);
      results.put(i, read.value);
    }
    return {
      ...ids,
      results: results.toRecord(settings.kept),
      allocations,
      stats: ended!.stats as unknown as RunStats,
    };
  }

  /**
   * A recorded result, for another run.
   *
   * @returns undefined when there is no such run
   * @throws `RESULT_LOST` when the result was not kept; `NOT_FOUND` when there is no such function; `INVALID_OPTION` when
   *   the run has not ended; `JOURNAL_FAILED`
   */
  async resultOf(other: OtherResult): Promise<Source | undefined> {
    const located = await this.#locate(other);
    if (located === undefined) return undefined;
    const { results, index, finished } = located;
    for (const i of results.holders(index)) {
      const read = await readResult(this.#parts.journal, finished.get(i)!.value);
      if (read === undefined) throw otherLost(other, notInJournalText);
      results.put(i, read.value);
    }
    return new Source(results, index);
  }

  /** Where a result is recorded, and the results that it consists of. Reads none of them. */
  async #locate(other: OtherResult): Promise<Located | undefined> {
    const log = await this.#log(other.runId);
    if (log === undefined) return undefined;
    if (log.history.ended === undefined) throw notEnded(other);
    const structure = await this.#structure(other.runId, log.history, 'all');
    const { plan } = structure.run;
    const { finished } = structure.history;
    const index = plan.indexOf(other.id);
    if (index < 0)
      throw noFunction(
        other,
        plan.entries.map(({ id }) => id),
      );
    const results = emptyResults(structure);
    const isRecorded = (i: number): boolean => (finished.get(i)?.value.kind ?? 'none') !== 'none';
    if (![...results.holders(index)].every(isRecorded)) throw otherLost(other, notInJournalText);
    return { results, index, finished };
  }

  /** The functions of a run, as far as it had grown. */
  async #structure(runId: string, history: RunHistory, collect: ExecuteOptions['collect']): Promise<RecordedRun> {
    const plan = compile(Dag.fromJSON(history.submitted.dag));
    return readGrowth(this.#parts.journal, runId, history, plan, keptOf(plan, collect), withoutCode);
  }

  /** Resolves at the next sign of a change in the journal, or at once when this Handoff stops. */
  #nextChange(): Promise<void> {
    if (this.#parts.closing()) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        resolve();
      };
      this.#waiters.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #onChange(): void {
    this.#wake();
    if (this.#parts.closing()) return;
    if (this.#here.size > 0) void this.#endCancelled();
    if (this.#parts.orchestrate || this.#wanted.size > 0) this.#takeUp();
  }

  async #endCancelled(): Promise<void> {
    for (const { ids } of [...this.#here.values()])
      if (await this.#parts.journal.isCancelled(ids.runId).catch(() => false))
        this.#parts.abort(ids.runId, cancelledError(ids));
  }

  /** Takes up runs without a living owner. */
  #takeUp(): void {
    this.#isDue = true;
    this.#taking ??= this.#takeWhileDue()
      .catch(() => {}) // the journal fails; the next change tries again
      .finally(() => (this.#taking = undefined));
  }

  async #takeWhileDue(): Promise<void> {
    while (this.#isDue && !this.#parts.closing()) {
      this.#isDue = false;
      await this.#takeAll();
    }
  }

  async #takeAll(): Promise<void> {
    const { journal, closing, orchestrate } = this.#parts;
    for (const ids of this.#wanted.values()) {
      const state = (await journal.find(ids.runId))?.state;
      if (state === undefined || hasEnded(state) || this.#skipped.has(ids.runId)) this.#wanted.delete(ids.runId);
      else if (!closing() && !this.#here.has(ids.runId)) await this.#take(ids);
    }
    if (!orchestrate) return;
    for (const state of ['orphaned', 'queued'] as const) {
      const rows = await journal.list({ state, limit: maxTakenRuns + this.#here.size + this.#skipped.size });
      for (const { runId, dagId } of rows.toReversed()) {
        if (closing() || this.#here.size >= maxTakenRuns) return;
        if (!this.#here.has(runId) && !this.#skipped.has(runId)) await this.#take({ runId, dagId });
      }
    }
  }

  /** @throws `JOURNAL_FAILED` when the journal cannot be read or written now */
  async #take(ids: RunIds): Promise<void> {
    const { journal } = this.#parts;
    const { runId } = ids;
    const chunks = await journal.read(runId);
    const asked = this.#readable(ids, chunks);
    if (asked === undefined) return void this.#skipped.add(runId);
    const claim = await journal.claim(runId);
    if (claim === undefined) return; // another process has it; should that die, the run is taken up then
    if (this.#here.has(runId)) return journal.release(claim); // it was asked for in the meantime
    this.#wanted.delete(runId);
    this.#enter(asked.json, ids, () => this.#runClaimed(asked, claim)).catch((error: unknown) => {
      const isTakenAgain = isHandoffError(error, 'FENCED') || isHandoffError(error, 'JOURNAL_FAILED');
      if (!isTakenAgain) this.#skipped.add(runId);
    });
  }

  /** What a submission asks for; undefined when it cannot be read or run here. */
  #readable(ids: RunIds, chunks: readonly Uint8Array[]): (Asked & { readonly json: DagJson }) | undefined {
    try {
      const { dag: json, options } = historyOf(ids.runId, chunks).submitted;
      const dag = Dag.fromJSON(json);
      const plan = this.#parts.compile(dag);
      if (!hasModules(plan)) return undefined;
      return { ids, dag, plan, options: options as ExecuteOptions, retained: true, json };
    } catch {
      return undefined;
    }
  }

  async #compact(): Promise<void> {
    await this.#parts.journal.compact().catch(() => {}); // tried again after more runs
  }
}

/** @throws `JOURNAL_FAILED` when a record is damaged */
/** @param first the records of the first chunk, if they are known */
function historyOf(runId: string, chunks: readonly Uint8Array[], first?: readonly RunRecord[]): RunHistory {
  const recordsOf = (chunk: Uint8Array, at: number): readonly RunRecord[] =>
    at === 0 && first !== undefined ? first : decodeChunk(chunk, `run ${JSON.stringify(runId)}, position ${at}`);
  return replay(chunks.flatMap(recordsOf));
}

/** Results for the functions of a recorded run that has ended. Those that consist of others are there once these are. */
function emptyResults({ run, history, grown }: RecordedRun): RunResults {
  const { plan, status } = run;
  const results = new RunResults({
    size: run.growth?.size ?? plan.size,
    indexOf: (id) => plan.indexOf(id),
    idOf: (i) => plan.entries[i]!.id,
  });
  results.grow(plan.size);
  // In a run that has finished, what has no result was skipped.
  for (let i = 0; i < plan.size && history.ended!.outcome === 'finished'; i++)
    if (!history.finished.has(i) && partsOf(run, i) === undefined) status[i] = Status.skipped;
  for (const { owner } of grown) results.gather(owner, compositeOf(run, owner));
  return results;
}

/** Whether this process has every module of a DAG. */
function hasModules({ codes, predicates }: CompiledDag): boolean {
  return [...codes, ...predicates].every((code) => {
    if ('source' in code) return true;
    try {
      return missing(code.module, locate(code.module)) === undefined;
    } catch {
      return false;
    }
  });
}

/** @throws `NOT_SERIALIZABLE` when an argument cannot be recorded */
function encodeSubmission(submitted: Submitted): Uint8Array {
  try {
    return encodeChunk([submitted]);
  } catch (cause) {
    const culprit = submitted.dag.functions.find((spec) => {
      try {
        encodeChunk([{ ...submitted, dag: { id: '', functions: [spec] } }]);
        return false;
      } catch {
        return true;
      }
    });
    throw new HandoffError(
      'NOT_SERIALIZABLE',
      `Function ${JSON.stringify(culprit?.id)} cannot be recorded in the journal: ${textOf(cause)}. Its arguments must be data, not shared memory; or run it with durable: false.`,
      { ...(culprit !== undefined && { functionId: culprit.id }), cause },
    );
  }
}

/** A DAG as it is recorded, with the names of its outputs. */
function recordedDag(dag: Dag): DagJson {
  const json = sharedJsonOf(dag);
  return dag instanceof ValueDag ? { ...json, outputs: dag.outputIds } : json;
}

/** The options that are data. */
function recordable(options: ExecuteOptions): RecordedOptions {
  const { maxRetries, maxResultLosses, maxConcurrency, maxFunctions, timeout, collect, failurePolicy, deadline } =
    options;
  const { allocationStrategy: strategy, cache, inDoubt } = options;
  const all = {
    maxRetries,
    maxResultLosses,
    maxConcurrency,
    maxFunctions,
    timeout,
    collect,
    failurePolicy,
    deadline,
    cache,
    inDoubt,
  };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(typeof strategy === 'string' ? [...given, ['allocationStrategy', strategy]] : given);
}

const notInJournalText =
  'its function has no result, or the journal does not have it (maxResultBytes). Run its DAG again under another runId.';

function notRecorded({ runId, id }: OtherResult): HandoffError {
  return new HandoffError(
    'NOT_FOUND',
    `This DAG takes the result of function ${JSON.stringify(id)} of run ${JSON.stringify(runId)}, and the journal has no such run. A recorded run takes only results of recorded runs: check the id, or run this DAG with durable: false.`,
    { runId, functionId: id },
  );
}

function isMap(runId: string, functionId: string): HandoffError {
  return new HandoffError(
    'INVALID_OPTION',
    `Function ${JSON.stringify(functionId)} of run ${JSON.stringify(runId)} is a map, which does not run itself. Name its elements instead, such as ${JSON.stringify(`${functionId}[0]`)}.`,
    { runId, functionId },
  );
}

function notInJournal(runId: string): HandoffError {
  return new HandoffError(
    'NOT_FOUND',
    `The journal has no run ${JSON.stringify(runId)}. Check the id: handoff.runs() lists all runs.`,
    { runId },
  );
}

function stopped(ids: RunIds): HandoffError {
  return new HandoffError(
    'STOPPED',
    'This Handoff was stopped while it waited for a run of another process. That run goes on; attach to it from another Handoff.',
    {
      ...ids,
    },
  );
}

function notKept(ids: RunIds, functionId: string): HandoffError {
  return new HandoffError(
    'RESULT_LOST',
    `The result of function ${JSON.stringify(functionId)} of run ${JSON.stringify(ids.runId)} was not kept, or is gone from the journal. Run the DAG again under another runId.`,
    { ...ids, functionId },
  );
}
