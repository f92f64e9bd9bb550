/** Finds the results of other runs that a run takes, and keeps them while it is under way. */
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import type { OtherResult } from '../../dag/compile/compiled-dag.ts';
import { type OtherResults, otherLost, Source } from '../../engine/results/other-results.ts';
import { encode } from '../../workers/store/encode.ts';
import { Payload } from '../../workers/store/payload.ts';
import type { ResultStore } from '../../workers/store/result-store.ts';
import { type ResultIndex, RunResults } from '../../workers/store/run-results.ts';

export interface SourceParts {
  readonly store: ResultStore;
  isUnderWay(runId: string): boolean;
  /** Finds a result in the journal; undefined without a journal. Resolves to undefined when that has no such run. */
  readonly fromJournal: ((other: OtherResult) => Promise<Source | undefined>) | undefined;
  /** Fetches a value from other hosts; undefined without a transport. Rejects with `NOT_FOUND` when none has it. */
  readonly fromHosts: ((runId: string, id: string) => Promise<unknown>) | undefined;
}

export class ResultSources {
  readonly #parts: SourceParts;
  readonly #found = new Map<OtherResult, Source>();
  readonly #pinned: RunResults[] = [];

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  /**
   * Finds results: in this process, in the journal, or on other hosts. Those of this process are kept from the call on.
   *
   * @throws `RESULT_LOST` when a result was not kept; `NOT_FOUND` when there is no such run or function;
   *   `INVALID_OPTION` when the other run has not ended
   */
  async take(others: readonly OtherResult[]): Promise<OtherResults> {
    const absent = others.filter((other) => !this.#takeHere(other));
    for (const other of absent) {
      const source = (await this.#parts.fromJournal?.(other)) ?? (await this.#fetch(other));
      if (source === undefined) throw this.#missing(other);
      this.#found.set(other, source);
    }
    return this.#found;
  }

  /** The run has ended. */
  release(): void {
    for (const results of this.#pinned.splice(0)) results.unpin();
  }

  #takeHere(other: OtherResult): boolean {
    const { store, isUnderWay } = this.#parts;
    const { runId, id } = other;
    if (isUnderWay(runId)) throw notEnded(other);
    const results = store.resultsOf(runId);
    if (results === undefined) return false;
    const index = results.index.indexOf(id);
    if (index < 0) throw noFunction(other, idsOf(results.index));
    if (!results.has(index)) return false;
    results.pin();
    this.#pinned.push(results);
    this.#found.set(other, new Source(results, index));
    return true;
  }

  async #fetch({ runId, id }: OtherResult): Promise<Source | undefined> {
    const { fromHosts } = this.#parts;
    if (fromHosts === undefined) return undefined;
    try {
      const value = await fromHosts(runId, id);
      const data = encode(value);
      return sourceOf(id, data === undefined ? value : new Payload(data));
    } catch (error) {
      if (isHandoffError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  #missing(other: OtherResult): HandoffError {
    const { runId, id } = other;
    if (this.#parts.store.hadRun(runId)) {
      const why = `it was not kept, its function has no result, or newer runs took its place. Let \`collect\` of that run name ${JSON.stringify(id)}, run it by execute(), which keeps results, and raise retainedRuns or retainedBytes if many runs end in between. Then run it again.`;
      return otherLost(other, why);
    }
    return new HandoffError(
      'NOT_FOUND',
      `This DAG takes the result of function ${JSON.stringify(id)} of run ${JSON.stringify(runId)}, and there is no such run. Check the id: execute() returns it as runId.`,
      { runId, functionId: id },
    );
  }
}

/** A source for a single result, a value or a `Payload`. */
function sourceOf(id: string, held: unknown): Source {
  const results = new RunResults({ size: 1, indexOf: (each) => (each === id ? 0 : -1), idOf: () => id });
  results.put(0, held);
  return new Source(results, 0);
}

function* idsOf(index: ResultIndex): Iterable<string> {
  for (let i = 0; i < index.size; i++) yield index.idOf(i);
}

/** The error for a function that a run does not have. */
export function noFunction({ runId, id }: OtherResult, ids: Iterable<string>): HandoffError {
  const hint = didYouMean(nearest(id, ids));
  return new HandoffError(
    'NOT_FOUND',
    `Run ${JSON.stringify(runId)} has no function ${JSON.stringify(id)} whose result this DAG could take, or it is inline and has none.${hint}`,
    { runId, functionId: id },
  );
}

/** The error for a run whose results may still change. */
export function notEnded({ runId, id }: OtherResult): HandoffError {
  return new HandoffError(
    'INVALID_OPTION',
    `This DAG takes the result of function ${JSON.stringify(id)} of run ${JSON.stringify(runId)}, which has not ended. Wait for its end first.`,
    { runId, functionId: id, option: 'resultOf' },
  );
}
