/** A run from the caller's side: its request, its results so far, and the promise of its end. */
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import type { Exit, Running, TreeNode } from '../workers/supervision/child.ts';
import type { Restored, RunSettings } from '../scheduling/scheduler/events.ts';
import type { RecordedGrowth } from '../scheduling/scheduler/growth/span.ts';
import { type Run, Status } from '../scheduling/scheduler/state.ts';
import type { ResultMemory } from '../workers/store/result-memory.ts';
import { RunResults } from '../workers/store/run-results.ts';
import { Literals } from './batches/literal-cache.ts';
import { withCode } from './graph-answers.ts';
import type { MapList } from './results/map-lists.ts';
import type { OtherResults } from './results/other-results.ts';
import type { ResolvedCode } from './module-resolver.ts';
import type { RunCache } from './cache/run-cache.ts';
import type { AnsweredGraph, RunRecorder } from './run-recorder.ts';
import type { AnswerWire } from '../workers/node/wire.ts';
import type { RunIds } from './run-ids.ts';
import type { Progress } from '../events/progress.ts';

/** What a resumed run begins with. */
export interface Beginning {
  /** Functions that are done. */
  readonly done: ReadonlyMap<number, Restored>;
  /** Those of their results that are needed: values, or `Payload`s. */
  readonly results: ReadonlyMap<number, unknown>;
  /** What the run has grown by. */
  readonly grown: readonly RecordedGrowth[];
  /** The code of the graphs among that, by the function that answered. */
  readonly codes: ReadonlyMap<number, ResolvedCode>;
  /** How many functions there are, without maps whose elements are known. */
  readonly functions: number;
}

export interface RunRequest {
  readonly runId: string;
  readonly plan: CompiledDag;
  readonly settings: RunSettings;
  readonly code: ResolvedCode;
  /** The results of other runs that the plan takes. */
  readonly others: OtherResults;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** Records the run in the journal; undefined for a run that is not durable. */
  readonly recorder?: RunRecorder | undefined;
  /** What it begins with, when an earlier process has recorded a part of it. */
  readonly beginning?: Beginning | undefined;
  /** Looks functions up in the cache; undefined for a run that does not use it. */
  readonly cache?: RunCache | undefined;
}

/** A graph that a function answered with, whose code is known. */
export interface CheckedAnswer extends AnsweredGraph {
  readonly code: ResolvedCode;
}

let lastSerial = 0;

export class ActiveRun implements Running {
  readonly id: string;
  readonly ids: RunIds;
  /** The serial number of a run of this host; never reused. */
  readonly serial = ++lastSerial;
  readonly request: RunRequest;
  readonly results: RunResults;
  readonly literals = new Literals();
  readonly startedAt = performance.now();
  /** Cost of its functions so far, by the prices of their nodes. */
  price = 0;
  /** Functions whose `function:ready` was published since their last failure. */
  readonly reportedReady = new Set<number>();
  /** Its code, with that of everything that it has grown by. */
  code: ResolvedCode;
  /** The graphs that its functions answered with, until they are part of the run. */
  readonly answers = new Map<number, AnswerWire>();
  /** Those that are checked, until they are part of the run. */
  readonly checked = new Map<number, CheckedAnswer>();
  /** The lists of its maps, while elements are sent. */
  readonly lists = new Map<number, MapList>();
  /** Results that are fetched for a caller, and whether the run needs them no longer. */
  readonly awaited = new Map<number, { isReleased: boolean }>();
  /** The scheduler's view; set when it is submitted. */
  run: Run | undefined;
  /** Resolves when every function is done; rejects with the run's error. */
  readonly ended: Promise<void>;
  readonly exited: Promise<Exit>;
  readonly #settle: { resolve(): void; reject(error: unknown): void };
  readonly #abort: (run: ActiveRun) => void;

  constructor(request: RunRequest, abort: (run: ActiveRun) => void, memory?: ResultMemory) {
    const { plan, runId } = request;
    this.id = runId;
    this.ids = { runId, dagId: plan.dagId };
    this.request = request;
    this.code = request.code;
    const currentPlan = (): CompiledDag => this.plan;
    const index = {
      get size() {
        return currentPlan().size;
      },
      indexOf: (id: string) => currentPlan().indexOf(id),
      idOf: (i: number) => currentPlan().entries[i]!.id,
    };
    this.results = new RunResults(index, memory);
    this.results.pin();
    this.#abort = abort;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#settle = { resolve, reject };
    this.exited = promise.then(
      (): Exit => ({ reason: 'normal' }),
      (error: unknown): Exit => ({ reason: 'error', error }),
    );
  }

  /** A graph that a function answered with has become part of the run, and so has its code. Undefined for a map. */
  takeChecked(i: number, codes: Int32Array): CheckedAnswer | undefined {
    const checked = this.checked.get(i);
    if (checked === undefined) return undefined;
    this.checked.delete(i);
    this.takeCode(checked.code, codes);
    return checked;
  }

  /** @param codes the numbers of all codes of the plan, as it has grown */
  takeCode(added: ResolvedCode, codes: Int32Array): void {
    this.code = withCode(this.code, added, codes);
  }

  /** The plan with everything that the run has grown by. */
  get plan(): CompiledDag {
    return this.run?.plan ?? this.request.plan;
  }

  finish(): void {
    this.#settle.resolve();
  }

  fail(error: unknown): void {
    this.#settle.reject(error);
  }

  /** Aborts the run. Resolves when none of its functions runs any more. */
  async stop(): Promise<void> {
    this.#abort(this);
    await this.exited;
  }

  report(): void {
    const { onProgress } = this.request;
    if (onProgress === undefined) return;
    const run = this.run!;
    const { plan } = run;
    let running = 0;
    // a function with a copy counts once
    for (const { id, contest, functions, size, done } of run.batches)
      if (contest === null || run.batch[functions[done]!] === id) running += size - done;
    try {
      const owners = run.growth?.byOwner.keys() ?? [];
      let [total, unfinished] = [plan.size - run.skipped, run.unfinished];
      for (const owner of owners) {
        total--; // a map is not one of the functions that run
        if (run.status[owner] === Status.open) unfinished--;
      }
      onProgress({ ...this.ids, done: total - unfinished, running, total });
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      }); // an error of a listener must not affect the run
    }
  }

  inspect(): Omit<TreeNode, 'id' | 'restarts' | 'state'> {
    const { size } = this.plan;
    return {
      kind: 'worker',
      info: { dagId: this.ids.dagId, functions: size, unfinished: this.run?.unfinished ?? size },
    };
  }
}

/** Finds a run by its id, or the newest run of a DAG. */
export function findRun(runs: ReadonlyMap<string, ActiveRun>, name: string): ActiveRun | undefined {
  return runs.get(name) ?? [...runs.values()].findLast(({ ids }) => ids.dagId === name);
}
