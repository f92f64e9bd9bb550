/** The results of other runs that a run takes. They stay where they are, and are kept until the run has ended. */
import { HandoffError } from '../../core/errors.ts';
import type { OtherResult } from '../../dag/compile/compiled-dag.ts';
import type { PayloadData } from '../../workers/store/payload.ts';
import type { RunResults } from '../../workers/store/run-results.ts';

/** Where the result of another run is, for one run that takes it. */
export class Source {
  readonly results: RunResults;
  /** The position of its function among these. */
  readonly index: number;
  readonly #own = new WeakMap<PayloadData, PayloadData>();

  constructor(results: RunResults, index: number) {
    this.results = results;
    this.index = index;
  }

  /**
   * The same data, not copied, under an identity of this run: other hosts knew the original by a reference that has ended
   * with the run that made it.
   */
  ownOf(data: PayloadData): PayloadData {
    let own = this.#own.get(data);
    if (own === undefined) this.#own.set(data, (own = { ...data }));
    return own;
  }
}

/** By what the plan calls them; complete before the run begins. */
export type OtherResults = ReadonlyMap<OtherResult, Source>;

export const noOthers: OtherResults = new Map();

/** The result that cannot be read any more because its file is gone. */
export function inFile(others: OtherResults, file: string): OtherResult | undefined {
  for (const [other, { results }] of others) if (results.inFile(file).length > 0) return other;
  return undefined;
}

/** The error of a result that is not there. `why` says how that may be. */
export function otherLost({ runId, id }: OtherResult, why: string): HandoffError {
  return new HandoffError(
    'RESULT_LOST',
    `The result of function ${JSON.stringify(id)} of run ${JSON.stringify(runId)}, which this run takes, is gone: ${why}`,
    { runId, functionId: id },
  );
}
