/** Chunks of a log, and what replaying them tells. */
import { crc32 } from 'node:zlib';
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

interface List {
  readonly next: List | undefined;
}

function listOf(length: number): List | undefined {
  let list: List | undefined;
  for (let k = 0; k < length; k++) list = { next: list };
  return list;
}

function lengthOf(list: List | undefined): number {
  let length = 0;
  for (let at = list; at !== undefined; at = at.next) length++;
  return length;
}

describe('a chunk', () => {
  it('gives its records back', () => {
    const values = [undefined, null, NaN, -0, 1n, new Date(5), new Map([[1, new Set([2])]]), 'ü', new Array(3)];
    const records = [submitted, owned, finished([0, 1, 2, 3, 4, 5, 6, 7, 8], values)];
    expect(decodeChunk(encodeChunk(records), 'x')).toEqual(records);
  });

  it('gives back arguments and decided results that are deep or errors', () => {
    const deep = listOf(100_000);
    const error = Object.assign(new RangeError('bad'), { code: 'E', deep: listOf(2000) });
    const code = { module: 'file:///x.ts', export: 'f' };
    const dag = { id: 'd', functions: [{ id: 'x', code, extraArgs: [deep, error] }] };
    const decoded = decodeChunk(
      encodeChunk([
        { ...submitted, dag },
        { type: 'decided', function: 0, value: { kind: 'plain', value: deep } },
      ]),
      'x',
    ) as any[];
    const [first, second] = decoded[0].dag.functions[0].extraArgs;
    expect([lengthOf(first), lengthOf(decoded[1].value.value)]).toEqual([100_000, 100_000]);
    expect(second).toBeInstanceOf(RangeError);
    expect([second.message, second.code, lengthOf(second.deep)]).toEqual(['bad', 'E', 2000]);
  });

  it('is read when an older version wrote it, and refused by name when a newer one did', () => {
    const chunkOf = (version: number): Uint8Array => {
      const chunk = Buffer.from(encodeChunk([submitted, owned]));
      chunk[0] = version;
      chunk.writeUInt32LE(crc32(chunk.subarray(0, -4)), chunk.length - 4);
      return chunk;
    };
    expect(decodeChunk(chunkOf(1), 'x')).toEqual([submitted, owned]);
    expect(decodeChunk(chunkOf(2), 'x')).toEqual([submitted, owned]);
    expect(thrownBy(() => decodeChunk(chunkOf(4), 'run "r"'))).toMatchObject({
      code: 'JOURNAL_FAILED',
      message: expect.stringMatching(/run "r" has version 4, .* reads up to 3/),
    });
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

  const map = (owner: number, base: number, count: number): RunRecord => ({
    type: 'expanded',
    function: owner,
    base,
    count,
  });

  it('knows what the run has grown by, and numbers it anew when a part of it is discarded', () => {
    const graph = { kind: 'inline', bytes: new Uint8Array(3) } as const;
    const log = [
      submitted,
      owned,
      map(1, 5, 2),
      { ...map(2, 7, 3), graph, modules: { 'file:///y.ts': 'def' } } as RunRecord,
      map(8, 10, 1),
      finished([0, 5, 7, 10], ['a', 'b', 'c', 'd']),
    ];
    const history = replay(log);
    expect(history.grown).toMatchObject([
      { owner: 1, base: 5, count: 2, graph: undefined },
      { owner: 2, base: 7, count: 3, graph },
      { owner: 8, base: 10, count: 1 },
    ]);
    expect(history.owned?.modules).toEqual({ 'file:///x.ts': 'abc', 'file:///y.ts': 'def' });
    const left = replay([...log, { type: 'discarded', functions: [1] }]);
    expect(left.grown).toMatchObject([
      { owner: 2, base: 5, count: 3 },
      { owner: 6, base: 8, count: 1 },
    ]);
    expect([...left.finished].map(([i, { value }]) => [i, (value as { value: unknown }).value])).toEqual([
      [0, 'a'],
      [5, 'c'],
      [8, 'd'],
    ]);
    expect([...replay([...log, { type: 'discarded', functions: [2] }]).finished.keys()]).toEqual([0, 5]);
  });

  it('does not doubt a function that answered with a graph, unless a person lets it run again', () => {
    const started: RunRecord = { type: 'started', functions: [2], node: 'b' };
    const log = [submitted, started, map(2, 3, 1)];
    expect(replay(log).inDoubt.size).toBe(0);
    const decided: RunRecord = { type: 'decided', function: 2 };
    expect([...replay([...log, decided]).again]).toEqual([2]);
    expect(replay([...log, decided, { type: 'discarded', functions: [2] }])).toMatchObject({
      grown: [],
      again: new Set(),
    });
  });

  it('is refused when a record of what the run grew by is missing', () => {
    for (const log of [
      [submitted, map(1, 5, 2), map(2, 8, 1)],
      [submitted, map(1, 5, 2), map(2, 6, 1)],
      [submitted, map(5, 5, 2)],
    ])
      expect(thrownBy(() => replay(log))).toMatchObject({ code: 'JOURNAL_FAILED' });
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
