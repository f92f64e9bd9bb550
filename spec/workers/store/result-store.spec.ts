import { describe, expect, it } from 'vitest';
import { LocationRegistry } from '../../../lib/workers/store/location-registry.ts';
import { ResultStore } from '../../../lib/workers/store/result-store.ts';
import { RunResults } from '../../../lib/workers/store/run-results.ts';
import { errorOf, thrownBy } from '../../support/handoff.ts';

const runOf = (...ids: string[]): RunResults =>
  new RunResults({ size: ids.length, indexOf: (id) => ids.indexOf(id), idOf: (i) => ids[i]! });

describe('the result store', () => {
  it('keeps one value per DAG and id', () => {
    const store = new ResultStore();
    store.put('d1', 'x', 1);
    store.put('d2', 'x', 2);
    store.put('d1', 'x', undefined);
    expect(store.get('d1', 'x')).toBeUndefined();
    expect(store.get('d2', 'x')).toBe(2);
    expect(store.has('d1', 'x')).toBe(true);
    expect(store.has('d1', 'y')).toBe(false);
    expect(store.has('d3', 'x')).toBe(false);
    expect(thrownBy(() => store.get('d1', 'y'))).toMatchObject({ code: 'NOT_FOUND', dagId: 'd1', functionId: 'y' });
  });

  it('clears one DAG and leaves the others', () => {
    const store = new ResultStore();
    store.put('d1', 'x', 1);
    store.put('d2', 'x', 2);
    store.clear('d1');
    store.clear('unknown');
    expect(store.has('d1', 'x')).toBe(false);
    expect(store.get('d2', 'x')).toBe(2);
  });

  it('gives the existing results of some ids', () => {
    const store = new ResultStore();
    store.put('d', 'x', 1);
    store.put('d', 'z', undefined);
    expect(store.pick('d', ['x', 'y', 'z'])).toEqual({ x: 1, z: undefined });
    expect(store.pick('other', ['x'])).toEqual({});
  });

  it('finds results of a run as they arrive, and no longer when they are released', () => {
    const store = new ResultStore();
    const run = runOf('x', 'y');
    store.open('d', 'd', run);
    expect(store.has('d', 'x')).toBe(false);
    run.put(0, undefined);
    run.put(1, 'y');
    expect(store.get('d', 'x')).toBeUndefined();
    expect(store.get('d', 'y')).toBe('y');
    run.release(1);
    expect(store.has('d', 'y')).toBe(false);
  });

  it('forgets what was there when a run begins', () => {
    const store = new ResultStore();
    store.put('d', 'x', 'old');
    const first = runOf('y');
    store.open('d', 'd', first);
    first.put(0, 'old');
    store.open('d', 'd', runOf('y'));
    expect(store.has('d', 'x')).toBe(false);
    expect(store.has('d', 'y')).toBe(false);
  });

  it('keeps the results of a limited number of finished runs, and forgets the oldest', () => {
    const forgotten: string[] = [];
    const store = new ResultStore({ runs: 2 }, (runId) => forgotten.push(runId));
    for (const id of ['d1', 'd2', 'd3']) {
      const run = runOf('x');
      store.open(id, id, run);
      run.put(0, id);
      store.close(id, true);
    }
    expect(forgotten).toEqual(['d1']);
    expect(store.has('d1', 'x')).toBe(false);
    expect(store.get('d3', 'x')).toBe('d3');
    store.open('d2', 'd2', runOf()); // runs again: not the oldest any more
    store.close('d4', true);
    expect(forgotten).toEqual(['d1']);
  });

  it('keeps at most a given number of results', () => {
    const forgotten: string[] = [];
    const store = new ResultStore({ results: 3 }, (runId) => forgotten.push(runId));
    for (const [id, ...ids] of [
      ['d1', 'x', 'y'],
      ['d2', 'x'],
      ['d3', 'x'],
      ['d4', 'v', 'w', 'x', 'y', 'z'],
    ] as [string, ...string[]][]) {
      store.open(id, id, runOf(...ids));
      store.close(id, true);
    }
    expect(forgotten).toEqual(['d1', 'd2', 'd3']);
  });

  it('gives a value that is awaited to all who wait, as soon as it is put or arrives', async () => {
    const store = new ResultStore();
    const put = [store.wait('d', 'x', 1000), store.wait('d', 'x', 1000)];
    store.put('d', 'x', 1);
    expect(await Promise.all(put)).toEqual([1, 1]);
    expect(await store.wait('d', 'x', 0)).toBe(1);
    const early = store.wait('r', 'y', 1000);
    const run = runOf('y', 'z');
    store.open('r', 'r', run);
    const late = store.wait('r', 'z', 1000);
    run.put(0, 'y');
    run.put(1, 'z');
    expect(await early).toBe('y');
    expect(await late).toBe('z');
    expect(run.onStored).toBeUndefined(); // nobody waits any more: nothing is told
  });

  it('gives up waiting after the timeout, and leaves nothing behind', async () => {
    const store = new ResultStore();
    expect(await errorOf(store.wait('d', 'x', 1))).toMatchObject({
      code: 'RESULT_TIMEOUT',
      timeout: 1,
      dagId: 'd',
      functionId: 'x',
    });
    const run = runOf('x');
    store.open('d', 'd', run);
    await errorOf(store.wait('d', 'x', 1));
    expect(run.onStored).toBeUndefined();
  });

  it('says at once that a run which has ended does not hold the result of one of its functions', async () => {
    const store = new ResultStore({ runs: 1 });
    const half = runOf('x', 'y');
    half.put(0, 'x');
    store.open('r', 'd', half);
    const early = store.wait('r', 'y', 60_000);
    store.close('r', true);
    expect(await store.wait('r', 'x', 60_000)).toBe('x');
    const lost = { code: 'RESULT_LOST', runId: 'r', functionId: 'y', message: expect.stringContaining('collect') };
    expect(await errorOf(store.wait('r', 'y', 60_000))).toMatchObject(lost);
    store.stop();
    expect((await errorOf(early)).code).toBe('STOPPED');
  });

  it('waits for a value that is stored under the id of a run that was dropped', async () => {
    const store = new ResultStore({ runs: 0 });
    store.open('r', 'd', runOf('x'));
    store.close('r', false);
    const waiting = store.wait('r', 'approval', 60_000);
    store.put('r', 'approval', 1);
    expect(await waiting).toBe(1);
  });

  it('waits for a function that a run does not have, a run to come, and the next run of a DAG', async () => {
    const store = new ResultStore({ runs: 0 });
    store.open('r', 'd', runOf('x'));
    store.close('r', true);
    for (const [name, id] of [
      ['d', 'x'],
      ['s', 'x'],
    ] as const)
      expect((await errorOf(store.wait(name, id, 1))).code).toBe('RESULT_TIMEOUT');
    store.open('r', 'd', runOf('x'));
    expect((await errorOf(store.wait('r', 'other', 1))).code, 'a run of this id is under way again').toBe(
      'RESULT_TIMEOUT',
    );
    expect((await errorOf(store.wait('r', 'x', 1))).code).toBe('RESULT_TIMEOUT');
  });

  it('rejects waiting callers when it stops', async () => {
    const store = new ResultStore();
    const waiting = errorOf(store.wait('d', 'x', 60_000));
    store.stop();
    expect((await waiting).code).toBe('STOPPED');
  });
});

describe('the location registry', () => {
  it('registers and looks up per DAG', () => {
    const registry = new LocationRegistry();
    registry.register('d1', 'x', 'a');
    registry.register('d2', 'x', 'b');
    expect(registry.lookup('d1', 'x')).toBe('a');
    expect(registry.lookup('d2', 'x')).toBe('b');
  });

  it('knows nothing of other DAGs or unknown items', () => {
    const registry = new LocationRegistry();
    registry.register('d1', 'x', 'a');
    expect(registry.lookup('d2', 'x')).toBeUndefined();
    expect(registry.lookup('d1', 'y')).toBeUndefined();
  });

  it('replaces a location, in that DAG only', () => {
    const registry = new LocationRegistry();
    registry.register('d1', 'x', 'a');
    registry.register('d2', 'x', 'a');
    registry.register('d1', 'x', 'b');
    expect(registry.lookup('d1', 'x')).toBe('b');
    expect(registry.lookup('d2', 'x')).toBe('a');
  });

  it('lists all locations of one DAG: registered ones, and those of its run', () => {
    const registry = new LocationRegistry();
    registry.register('d2', 'x', 'c');
    registry.open('d1', 'd1', { nodeOf: (id) => (id === 'x' ? 'a' : undefined), entries: () => [['x', 'a']] });
    registry.register('d1', 'y', 'b');
    expect(Object.fromEntries(registry.all('d1'))).toEqual({ x: 'a', y: 'b' });
    expect(registry.lookup('d1', 'x')).toBe('a');
    expect(registry.all('unknown').size).toBe(0);
  });

  it('clears one DAG only', () => {
    const registry = new LocationRegistry();
    registry.register('d1', 'x', 'a');
    registry.register('d2', 'x', 'b');
    registry.open('d1', 'd1', { nodeOf: () => 'a', entries: () => [] });
    registry.register('d1', 'x', 'c');
    registry.clear('d1');
    expect(registry.lookup('d1', 'x')).toBe('a');
    registry.forget('d1');
    expect(registry.lookup('d1', 'x')).toBeUndefined();
    expect(registry.lookup('d2', 'x')).toBe('b');
  });
});
