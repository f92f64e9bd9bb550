/** Chunks of a log, and what replaying them tells. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeChunk, encodeChunk } from '../../lib/journal/codec.ts';
import type { RunRecord } from '../../lib/journal/record.ts';
import { replay } from '../../lib/journal/replay.ts';
import { thrownBy } from '../support/handoff.ts';

const submitted: RunRecord = { type: 'submitted', dag: { id: 'd', functions: [] }, options: {} };
const owned: RunRecord = { type: 'owned', owner: 'o', modules: { 'file:///x.ts': 'abc' } };
const finished = (functions: number[], values: unknown[]): RunRecord => ({
  type: 'finished',
  functions,
  node: 'a',
  values,
  stored: [],
});
const ended: RunRecord = { type: 'ended', outcome: 'failed', error: { kind: 'value', value: 'boom' } };

describe('a chunk', () => {
  it('gives its records back', () => {
    const values = [undefined, null, NaN, -0, 1n, new Date(5), new Map([[1, new Set([2])]]), 'ü', new Array(3)];
    const records = [submitted, owned, finished([0, 1, 2, 3, 4, 5, 6, 7, 8], values)];
    expect(decodeChunk(encodeChunk(records), 'x')).toEqual(records);
  });

  it('is refused when any byte of it has changed, or its end is missing', () => {
    const chunk = encodeChunk([owned, finished([0], ['value'])]);
    fc.assert(
      fc.property(fc.nat(chunk.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Uint8Array.from(chunk);
        damaged[at]! ^= change;
        expect(thrownBy(() => decodeChunk(damaged, 'run "r"'))).toMatchObject({ code: 'JOURNAL_FAILED' });
      }),
    );
    for (const length of [0, 1, 4, 5, chunk.length - 1])
      expect(thrownBy(() => decodeChunk(chunk.subarray(0, length), 'run "r", position 3')).message).toContain(
        'run "r", position 3 is damaged',
      );
  });
});

describe('a replayed log', () => {
  it('knows what has ended with a result, and where', () => {
    const { finished: done } = replay([submitted, owned, finished([2, 0], ['x', 'y']), finished([1], ['z'])]);
    expect([...done]).toEqual([
      [2, { node: 'a', value: { kind: 'plain', value: 'x' }, isCached: false }],
      [0, { node: 'a', value: { kind: 'plain', value: 'y' }, isCached: false }],
      [1, { node: 'a', value: { kind: 'plain', value: 'z' }, isCached: false }],
    ]);
  });

  it('tells stored results from plain ones', () => {
    const hash = 'f'.repeat(64);
    const record: RunRecord = {
      type: 'finished',
      functions: [4, 5, 6],
      node: 'a',
      values: [1, undefined, undefined],
      stored: [[1, { kind: 'blob', hash, bytes: 9 }]],
    };
    expect([...replay([submitted, record]).finished.values()].map(({ value }) => value.kind)).toEqual([
      'plain',
      'blob',
      'plain',
    ]);
  });

  it('doubts a function that has started, until it is recorded, has failed, or somebody decides', () => {
    const started: RunRecord = { type: 'started', functions: [3], node: 'b' };
    expect([...replay([submitted, started]).inDoubt]).toEqual([[3, 'b']]);
    expect(replay([submitted, started, finished([3], [1])]).inDoubt.size).toBe(0);
    expect(replay([submitted, started, { type: 'attempt-failed', function: 3 }]).inDoubt.size).toBe(0);
    expect(replay([submitted, started, { type: 'decided', function: 3 }]).inDoubt.size).toBe(0);
    expect(replay([submitted, started, { type: 'attempt-failed', function: 3 }, started]).inDoubt.size).toBe(1);
    const decided = replay([submitted, started, { type: 'decided', function: 3, value: { kind: 'plain', value: 9 } }]);
    expect(decided.finished.get(3)?.value).toEqual({ kind: 'plain', value: 9 });
  });

  it('has ended, unless it was reopened since', () => {
    expect(replay([submitted]).ended).toBeUndefined();
    expect(replay([submitted, ended]).ended).toEqual(ended);
    expect(replay([submitted, ended, { type: 'reopened' }]).ended).toBeUndefined();
  });

  it('must begin with a submission', () => {
    expect(() => replay([owned])).toThrow('submission');
  });
});
