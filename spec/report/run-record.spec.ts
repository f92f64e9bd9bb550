/** Records of runs that grow. */
import { describe, expect, it } from 'vitest';
import type { HandoffEvent } from '../../lib/index.ts';
import { Outcome, RunRecord } from '../../lib/report/run-record.ts';
import { graphOf } from './records.ts';

const ofRun = { runId: 'd', dagId: 'd', at: 0 };
const ended = (...functionIds: string[]): HandoffEvent => ({
  ...ofRun,
  type: 'attempts',
  node: 'n',
  thread: 0,
  functionIds,
  indexes: undefined as never,
  attempts: functionIds.map(() => 1),
  spans: functionIds.flatMap((_, k) => [k, k + 1]),
  bytes: functionIds.map(() => 0),
  failed: [],
});

describe('a record of a run that grows', () => {
  it('has the elements of maps, each after its own element, and counts them instead of the map', () => {
    const record = new RunRecord(
      graphOf([{ id: 'list' }, { id: 'm', deps: ['list'] }, { id: 'n', deps: ['m', 'list'] }]),
    );
    record.record(ended('list'));
    record.record({ ...ofRun, type: 'run:grown', functionId: 'm', count: 2 });
    record.record({ ...ofRun, type: 'run:grown', functionId: 'n', count: 2 });
    record.record({ ...ofRun, type: 'run:grown', functionId: 'n', count: 2 }); // it is told of again
    expect(record.graph.ids).toEqual(['list', 'm', 'n', 'm[0]', 'm[1]', 'n[0]', 'n[1]']);
    expect(record.graph.deps.slice(3)).toEqual([[0], [0], [3, 0], [4, 0]]);
    expect(record.graph.growth).toEqual([
      { owner: 1, first: 3, count: 2, isMap: true },
      { owner: 2, first: 5, count: 2, isMap: true },
    ]);
    expect([record.total, record.done]).toEqual([5, 1]);
    record.record(ended('m[0]', 'n[0]', 'm[1]'));
    expect([record.done, record.outcome[1], record.outcome[2]]).toEqual([4, Outcome.done, Outcome.waiting]);
    record.record({ ...ofRun, type: 'result:recomputing', functionId: 'm[0]' });
    expect([record.done, record.outcome[1]]).toEqual([3, Outcome.waiting]);
    record.record(ended('m[0]', 'n[1]'));
    expect([record.done, record.outcome[1], record.outcome[2]]).toEqual([5, Outcome.done, Outcome.done]);
  });

  it('has the functions of graphs that functions answer with, in graphs too', () => {
    const given = graphOf([{ id: 'sort', name: 'sort' }]);
    const record = new RunRecord(given);
    record.record(ended('sort'));
    const graph = { ids: ['sort#1', 'merge#1'], names: ['sort', 'merge'], deps: [[], [0]] };
    record.record({ ...ofRun, type: 'run:grown', functionId: 'sort', count: 2, graph });
    record.record({ ...ofRun, type: 'run:grown', functionId: 'sort/sort#1', count: 2, graph });
    expect(record.graph.ids).toEqual([
      'sort',
      'sort/sort#1',
      'sort/merge#1',
      'sort/sort#1/sort#1',
      'sort/sort#1/merge#1',
    ]);
    expect(record.graph.deps).toEqual([[], [], [1], [], [3]]);
    expect(record.graph.code.map((code) => record.graph.names[code])).toEqual([
      'sort',
      'sort',
      'merge',
      'sort',
      'merge',
    ]);
    record.record(ended('sort/sort#1/merge#1'));
    expect([record.total, record.done, record.outcome[4]]).toEqual([5, 2, Outcome.done]);
    expect(record.graph.growth).toEqual([
      { owner: 0, first: 1, count: 2, isMap: false },
      { owner: 1, first: 3, count: 2, isMap: false },
    ]);
    expect(given.ids).toEqual(['sort']);
  });
});
