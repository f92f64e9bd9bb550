/** From the records of a run to what is known of it. Pure. */
import { HandoffError } from '../core/errors.ts';
import { type Block, follows, without } from './blocks.ts';
import type { Ended, Expanded, Finished, Owned, RecordedResult, RunRecord, Submitted } from './record.ts';

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
  /** The code of the last owner, with that of the graphs since; undefined before the first. */
  readonly owned: Owned | undefined;
  /** What the run has grown by, in the order in which it did. */
  readonly grown: readonly Block[];
  /** Functions that have grown the run, and are to run again because a person decided so. */
  readonly again: ReadonlySet<number>;
  /** Functions with a recorded result, and the node each ran on. */
  readonly finished: ReadonlyMap<number, RecordedEnd>;
  /** Functions that are not idempotent, have started and have not been recorded since, and the node of each. */
  readonly inDoubt: ReadonlyMap<number, string>;
  /** Functions that are not idempotent and have ended with a result or a graph, and the node of each. */
  readonly effects: ReadonlyMap<number, string>;
  /** Undefined while the run has not ended. */
  readonly ended: Ended | undefined;
}

/**
 * @param records of one run, in order. The first must be its submission
 * @throws `JOURNAL_FAILED` when a record of what the run grew by is missing
 */
export function replay(records: Iterable<RunRecord>): RunHistory {
  let submitted: Submitted | undefined;
  let owned: Owned | undefined;
  let ended: Ended | undefined;
  let grown: Block[] = [];
  let again = new Set<number>();
  let finished = new Map<number, RecordedEnd>();
  let inDoubt = new Map<number, string>();
  let effects = new Map<number, string>();
  /** A function that had started has ended with a result, or with a graph. */
  const tookEffect = (i: number): void => {
    const node = inDoubt.get(i);
    if (node === undefined) return;
    inDoubt.delete(i);
    effects.set(i, node);
  };
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
          tookEffect(i);
          finished.set(i, { node: record.node, value, isCached: record.isCached === true });
        }
        break;
      case 'expanded':
        tookEffect(record.function);
        again.delete(record.function);
        grown.push(toBlock(record, grown));
        owned &&= { ...owned, modules: { ...owned.modules, ...record.modules } };
        break;
      case 'discarded': {
        const left = discard({ grown, again, finished, inDoubt, effects }, new Set(record.functions));
        ({ grown, again, finished, inDoubt, effects } = left);
        break;
      }
      case 'decided':
        inDoubt.delete(record.function);
        if (record.value !== undefined)
          finished.set(record.function, { node: '', value: record.value, isCached: false });
        else {
          finished.delete(record.function);
          effects.delete(record.function);
          again.add(record.function);
        }
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
  return { submitted, owned, grown, again, finished, inDoubt, effects, ended };
}

/** What is known of functions, by their numbers. */
type Numbered = Pick<RunHistory, 'grown' | 'again' | 'finished' | 'inDoubt' | 'effects'>;

/** What is left when what the run has grown by because of some functions is discarded. */
export function discard<Known extends Numbered>(known: Known, functions: ReadonlySet<number>) {
  const { blocks, numberOf } = without(known.grown, functions);
  return {
    ...known,
    grown: [...blocks],
    again: new Set([...known.again].flatMap((i) => (functions.has(i) ? [] : (numberOf(i) ?? [])))),
    finished: renumbered(known.finished, numberOf),
    inDoubt: renumbered(known.inDoubt, numberOf),
    effects: renumbered(known.effects, numberOf),
  };
}

function toBlock({ function: owner, base, count, graph }: Expanded, grown: readonly Block[]): Block {
  const block = { owner, base, count, graph };
  if (follows(grown, block)) return block;
  throw new HandoffError(
    'JOURNAL_FAILED',
    'The journal lacks a part of what the run grew by, so the numbers of functions after that mean nothing. Restore the journal from a backup, or run the DAG again under another runId.',
  );
}

function renumbered<Of>(map: ReadonlyMap<number, Of>, numberOf: (i: number) => number | undefined): Map<number, Of> {
  const left = new Map<number, Of>();
  for (const [i, of] of map) {
    const now = numberOf(i);
    if (now !== undefined) left.set(now, of);
  }
  return left;
}

function* resultsOf({ functions, values, stored }: Finished): Generator<[number, RecordedResult]> {
  let next = 0;
  for (const [at, i] of functions.entries())
    yield [i, stored[next]?.[0] === at ? stored[next++]![1] : { kind: 'plain', value: values[at] }];
}
