/** What of the recorded growth of a run is discarded when the run is resumed. */
import { describe, expect, it } from 'vitest';
import { withoutLost, withoutSuperseded } from '../../lib/journal/discarding.ts';
import type { RunRecord } from '../../lib/journal/record.ts';
import { replay, type RunHistory } from '../../lib/journal/replay.ts';

const kept = { kind: 'inline', bytes: new Uint8Array(1) } as const;
const lost = { kind: 'none' } as const;
const finished = (...functions: number[]): RunRecord => ({
  type: 'finished',
  functions,
  node: 'n',
  values: functions,
  stored: [],
});

/** Functions 0 and 1 of the DAG answer with graphs: 0 with 2 and 3, 1 with 4; and 3 with 5 and 6. */
function historyOf(
  graphs: readonly [typeof kept | typeof lost, typeof kept | typeof lost],
  ...more: RunRecord[]
): RunHistory {
  return replay([
    { type: 'submitted', dag: { id: 'd', functions: [] }, options: {} },
    { type: 'expanded', function: 0, base: 2, count: 2, graph: graphs[0] },
    { type: 'expanded', function: 1, base: 4, count: 1, graph: graphs[1] },
    { type: 'expanded', function: 3, base: 5, count: 2, graph: kept },
    ...more,
  ]);
}
const isLost = ({ graph }: { readonly graph: unknown }): boolean => graph === lost;
const numbersOf = ({ finished: known }: RunHistory): number[] => [...known.keys()];

describe('the recorded growth of a resumed run', () => {
  it('stays as it is when all of it can be read', () => {
    const history = historyOf([kept, kept], finished(2, 4));
    expect(withoutLost(withoutSuperseded(history), isLost)).toEqual({ history, discarded: [], lost: [] });
  });

  it('loses the functions of a graph that is lost, with those inside, and renumbers the others', () => {
    const useful = withoutSuperseded(historyOf([lost, kept], finished(2, 4, 5)));
    const { history, discarded, lost: gone } = withoutLost(useful, isLost);
    expect(discarded).toEqual([{ type: 'discarded', functions: [0] }]);
    expect(history.grown.map(({ owner, base }) => [owner, base])).toEqual([[1, 2]]);
    expect(numbersOf(history)).toEqual([2]);
    expect(gone).toEqual([{ owner: 0, node: undefined }]);
  });

  it('is as it was recorded when what was discarded is recorded, too', () => {
    const records = [finished(2, 4, 5)];
    const { history, discarded } = withoutLost(withoutSuperseded(historyOf([lost, kept], ...records)), isLost);
    expect(historyOf([lost, kept], ...records, ...discarded)).toEqual(history);
  });

  it('gives way to the result of its owner, such as the error of an element that settles', () => {
    const { history, discarded } = withoutSuperseded(historyOf([kept, kept], finished(2, 0)));
    expect(discarded).toEqual([{ type: 'discarded', functions: [0] }]);
    expect(numbersOf(history)).toEqual([0]);
  });

  it.each<[string, RunRecord[]]>([
    ['has started', [{ type: 'started', functions: [5], node: 'there' }]],
    ['has ended', [{ type: 'started', functions: [5], node: 'there' }, { ...finished(5), node: 'there' } as RunRecord]],
    [
      'has answered with a graph',
      [
        { type: 'started', functions: [5], node: 'there' },
        { type: 'expanded', function: 5, base: 7, count: 1, graph: kept },
      ],
    ],
  ])('names where a function inside of a lost graph that is not idempotent %s', (_, records) => {
    const { lost: gone } = withoutLost(withoutSuperseded(historyOf([lost, lost], ...records)), isLost);
    expect(gone).toEqual([
      { owner: 0, node: 'there' },
      { owner: 1, node: undefined },
    ]);
  });

  it('names no place when the attempt of that function is known to have failed', () => {
    const records: RunRecord[] = [
      { type: 'started', functions: [5], node: 'there' },
      { type: 'attempt-failed', function: 5 },
    ];
    const { lost: gone } = withoutLost(withoutSuperseded(historyOf([lost, kept], ...records)), isLost);
    expect(gone).toEqual([{ owner: 0, node: undefined }]);
  });
});
