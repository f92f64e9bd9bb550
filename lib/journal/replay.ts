/** From the records of a run to what is known of it. Pure. */
import type { Ended, Finished, Owned, RecordedResult, RunRecord, Submitted } from './record.ts';

/** How a function has ended. */
export interface RecordedEnd {
  /** Empty when it did not run. */
  readonly node: string;
  readonly value: RecordedResult;
  /** Whether its result comes from the cache. */
  readonly isCached: boolean;
}

export interface RunHistory {
  readonly submitted: Submitted;
  /** The code of the last owner; undefined before the first. */
  readonly owned: Owned | undefined;
  /** Functions with a recorded result, and the node each ran on. */
  readonly finished: ReadonlyMap<number, RecordedEnd>;
  /** Functions that are not idempotent, have started and have not been recorded since, and the node of each. */
  readonly inDoubt: ReadonlyMap<number, string>;
  /** Undefined while the run has not ended. */
  readonly ended: Ended | undefined;
}

/** @param records of one run, in order. The first must be its submission */
export function replay(records: Iterable<RunRecord>): RunHistory {
  let submitted: Submitted | undefined;
  let owned: Owned | undefined;
  let ended: Ended | undefined;
  const finished = new Map<number, RecordedEnd>();
  const inDoubt = new Map<number, string>();
  for (const record of records) {
    switch (record.type) {
      case 'submitted':
        submitted = record;
        break;
      case 'owned':
        owned = record;
        break;
      case 'started':
        for (const i of record.functions) inDoubt.set(i, record.node);
        break;
      case 'attempt-failed':
        inDoubt.delete(record.function);
        break;
      case 'finished':
        for (const [i, value] of resultsOf(record)) {
          inDoubt.delete(i);
          finished.set(i, { node: record.node, value, isCached: record.isCached === true });
        }
        break;
      case 'decided':
        inDoubt.delete(record.function);
        if (record.value === undefined) finished.delete(record.function);
        else finished.set(record.function, { node: '', value: record.value, isCached: false });
        break;
      case 'reopened':
        ended = undefined;
        break;
      case 'ended':
        ended = record;
        break;
    }
  }
  if (submitted === undefined) throw new Error('a log must begin with its submission');
  return { submitted, owned, finished, inDoubt, ended };
}

function* resultsOf({ functions, values, stored }: Finished): Generator<[number, RecordedResult]> {
  let next = 0;
  for (const [at, i] of functions.entries())
    yield [i, stored[next]?.[0] === at ? stored[next++]![1] : { kind: 'plain', value: values[at] }];
}
