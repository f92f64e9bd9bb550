/** When the attempts of a recorded run ran. Pure. */
import type { RunRecord, Timed } from './record.ts';

export interface AttemptTimes extends Pick<Timed, 'node' | 'thread' | 'functions' | 'failed'> {
  /** `start, end, …` in ms since the epoch. */
  readonly spans: readonly number[];
}

/**
 * The times of attempts, in the order in which they were recorded.
 *
 * @param records of one run, in order
 * @param size the number of functions of its DAG. Functions that it has grown by get new numbers when growth is discarded,
 *   and have no times from before
 */
export function attemptTimes(records: Iterable<RunRecord>, size: number): AttemptTimes[] {
  let times: AttemptTimes[] = [];
  for (const record of records) {
    if (record.type === 'timed') times.push({ ...record, spans: spansOf(record) });
    else if (record.type === 'discarded') times = times.map((each) => only(each, (i) => i < size));
  }
  return times;
}

/** The attempts of some functions. */
export function only(
  { functions, spans, failed, ...of }: AttemptTimes,
  isWanted: (i: number, hasFailed: boolean) => boolean,
): AttemptTimes {
  const hasFailed = new Set(failed);
  const places = functions.flatMap((i, at) => (isWanted(i, hasFailed.has(at)) ? at : []));
  return {
    ...of,
    functions: places.map((at) => functions[at]!),
    spans: places.flatMap((at) => [spans[2 * at]!, spans[2 * at + 1]!]),
    failed: places.flatMap((at, k) => (hasFailed.has(at) ? k : [])),
  };
}

/** Functions that were measured together are taken to be of equal length. */
function spansOf({ begun, groups }: Timed): number[] {
  const spans: number[] = [];
  for (let k = 0; k < groups.length; k += 3) {
    const [start, count, duration] = [groups[k]!, groups[k + 1]!, groups[k + 2]!];
    const at = (n: number): number => begun + (start + (n * duration) / count) / 1000;
    for (let n = 0; n < count; n++) spans.push(at(n), at(n + 1));
  }
  return spans;
}
