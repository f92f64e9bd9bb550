import { describe, expect, it } from 'vitest';
import { Dag, dag, fromSource, type HandoffEvent } from '../../lib/index.ts';
import { simulate } from '../../lib/simulate.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const failOdd = fromSource((x: number) => {
  if (x % 2 === 1) throw new RangeError(`odd: ${x}`);
  return x;
});
const waitTicket = fromSource((ticket: number, gate: SharedArrayBuffer): number => {
  const words = new Int32Array(gate);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  for (let now = Atomics.load(words, 1); now <= ticket; now = Atomics.load(words, 1)) Atomics.wait(words, 1, now);
  return ticket;
});

describe('a map', () => {
  it('calls the function for each element of a result, in both forms', async () => {
    const { results, allocations, stats } = await handoff().execute(
      dagOf(
        { id: 'list', code: t.constant, extraArgs: [[1, 2, 3]] },
        { id: 'twice', code: t.double, args: ['list'], map: true },
        { id: 'sums', code: t.add, args: ['twice', 'one'], extraArgs: [100], map: {} },
        { id: 'one', code: t.one },
        { id: 'all', code: t.sumList, args: ['sums'] },
      ),
    );
    expect(results).toEqual({ list: [1, 2, 3], twice: [2, 4, 6], sums: [103, 105, 107], one: 1, all: 315 });
    expect(Object.keys(allocations).sort()).toEqual(
      ['all', 'list', 'one', 'sums[0]', 'sums[1]', 'sums[2]', 'twice[0]', 'twice[1]', 'twice[2]'].sort(),
    );
    expect(stats.functions).toBe(9);

    const sums = t.add.map(t.double.map(t.constant([1, 2, 3]) as never), t.one(), 100);
    expect(await handoff().run(dag('maps', { sums, all: t.sumList(sums) }))).toEqual({
      sums: [103, 105, 107],
      all: 315,
    });
  });

  it('takes a literal list, a list of calls, a typed array, and an empty list', async () => {
    const floats = Float64Array.from([0.5, 1.5]);
    const outputs = {
      literal: t.double.map([1, 2]),
      calls: t.double.map([t.one(), 5, t.double(4)]),
      typed: t.double.map(floats),
      made: t.double.map(t.float64(20_000, 3)),
      empty: t.collect.map([] as unknown[]),
      ofEmpty: t.double.map(t.double.map(t.constant([]) as never)),
    };
    const got = await handoff().run(dag('lists', outputs));
    expect({ ...got, made: [got.made.length, got.made[19_999]] }).toEqual({
      literal: [2, 4],
      calls: [2, 10, 16],
      typed: [1, 3],
      made: [20_000, 6],
      empty: [],
      ofEmpty: [],
    });
  });

  it('starts an element of a second map when its own element of the first is done', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      new Dag()
        .add({ id: 'list', code: t.constant, extraArgs: [[0, 1]] })
        .add({ id: 'first', code: waitTicket, args: ['list'], extraArgs: [gate.memory], map: true })
        .add({ id: 'second', code: t.double, args: ['first'], map: true })
        .add({ id: 'third', code: t.increment, args: ['second'], map: true }),
    );
    const third = new Promise<HandoffEvent>((resolve) => {
      handoff().on('function:finished', (event) => event.functionId === 'third[0]' && resolve(event));
    });
    await gate.arrived(2);
    gate.release(1); // first[1] goes on waiting
    await third;
    gate.release();
    expect((await running).results).toEqual({ list: [0, 1], first: [0, 1], second: [0, 2], third: [1, 3] });
  });

  it('runs at most as many elements at a time as `concurrency` says', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      dagOf({
        id: 'm',
        code: waitTicket,
        args: [],
        extraArgs: [upTo(6), gate.memory],
        map: { concurrency: 2 },
      }),
    );
    await gate.arrived(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gate.count).toBe(2);
    gate.release(1);
    await gate.arrived(3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gate.count).toBe(3);
    gate.release();
    expect((await running).results['m']).toEqual(upTo(6));
  });

  it('names the element that fails, and retries it alone', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'm', code: failOdd, extraArgs: [[0, 2, 5, 4]], map: true, maxRetries: 1 })),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'm[2]',
      attempts: 2,
      cause: { message: 'odd: 5' },
    });
    const { results, stats } = await handoff().execute(
      dagOf({ id: 'm', code: t.failTimes, extraArgs: [[calls.memory], 1], map: true }),
    );
    expect([results['m'], stats.retries]).toEqual([[2], 1]);
  });

  it('settles: failed elements give their error, the others their value', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'm', code: failOdd, extraArgs: [[0, 1, 2]], map: { settle: true }, maxRetries: 0 },
        { id: 'each', code: t.collect, args: ['m'], map: true },
      ),
    );
    const settled = [
      { ok: true, value: 0 },
      { ok: false, error: expect.objectContaining({ name: 'RangeError', message: 'odd: 1' }) },
      { ok: true, value: 2 },
    ];
    expect(results['m']).toEqual(settled);
    expect(results['each']).toEqual(settled.map((each) => [each]));
  });

  it('lets independent elements finish with failurePolicy continue', async () => {
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'm', code: failOdd, extraArgs: [[0, 1, 2]], map: true, maxRetries: 0 },
          { id: 'n', code: t.double, args: ['m'], map: true },
          { id: 'all', code: t.sumList, args: ['n'] },
          { id: 'other', code: t.one },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['m[1]']);
    expect(error.results).toEqual({ other: 1 });
  });

  it.each([
    [7, 'a number'],
    [{ length: 2 }, 'an object'],
    [new Map([[1, 2]]), 'an instance of Map'],
    [null, 'null'],
  ])('over %o is NOT_ITERABLE', async (value, described) => {
    const error = await errorOf(
      handoff().execute(
        dagOf({ id: 'v', code: t.constant, extraArgs: [value] }, { id: 'm', code: t.one, args: ['v'], map: true }),
      ),
    );
    expect(error).toMatchObject({ code: 'NOT_ITERABLE', functionId: 'm', message: expect.stringContaining(described) });
  });

  it('is refused when the run would have more than `maxFunctions` functions', async () => {
    const many = dagOf({ id: 'm', code: t.double, extraArgs: [upTo(10)], map: true });
    const error = await errorOf(handoff().execute(many, { maxFunctions: 10 }));
    expect(error).toMatchObject({ code: 'TOO_MANY_FUNCTIONS', functionId: 'm' });
    expect((await handoff().execute(many, { maxFunctions: 11 })).results['m']).toEqual(upTo(10).map((x) => 2 * x));
  });

  it('gives single elements to getResult, and shares large buffers instead of copying them', async () => {
    const { runId, results } = await handoff().execute(
      dagOf(
        { id: 'big', code: t.float64, extraArgs: [50_000, 2] },
        { id: 'views', code: t.isShared, args: [], extraArgs: [[new Float64Array(50_000)]], map: true },
        { id: 'm', code: t.float64, extraArgs: [[10_000, 20_000], 7], map: true },
        { id: 'totals', code: t.total, args: ['m'], map: true },
      ),
    );
    expect(results['totals']).toEqual([70_000, 140_000]);
    expect(results['views']).toEqual([true]);
    expect(await handoff().getResult(runId, 'totals[1]')).toBe(140_000);
    expect((await handoff().getResult(runId, 'm[0]')).length).toBe(10_000);
    expect(await handoff().getResult(runId, 'totals')).toEqual([70_000, 140_000]);
    await expect(handoff().getResult(runId, 'totals[2]', { timeout: 1 })).rejects.toMatchObject({
      code: 'RESULT_TIMEOUT',
    });
  });

  it('is aborted with its running elements, and leaves no claim', async () => {
    const gate = new Gate();
    const controller = new AbortController();
    const running = errorOf(
      handoff().execute(
        dagOf({ id: 'm', code: waitTicket, extraArgs: [upTo(9), gate.memory], map: true, cost: { cpu: 1 } }),
        { signal: controller.signal },
      ),
    );
    await gate.arrived(2);
    controller.abort();
    gate.release();
    expect(await running).toMatchObject({ code: 'ABORTED' });
    expect(gate.count).toBeLessThan(9);
    expect(await handoff().resourcesAvailable('a', { cpu: 2 })).toBe(true);
  });

  it('is waited for by getResult while it runs', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      dagOf({ id: 'm', code: waitTicket, extraArgs: [[0, 1], gate.memory], map: true }),
      {
        runId: 'awaited',
      },
    );
    const whole = handoff().getResult('awaited', 'm', { timeout: 60_000 });
    await gate.arrived(2);
    gate.release(1);
    expect(await handoff().getResult('awaited', 'm[0]', { timeout: 60_000 })).toBe(0);
    gate.release();
    expect(await whole).toEqual([0, 1]);
    await running;
  });

  it('may be a branch over a choice, without deciding about others', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'no', code: t.constant, extraArgs: [0] },
        { id: 'a', code: t.constant, extraArgs: [[1, 2]], when: 'no' },
        { id: 'b', code: t.constant, extraArgs: [[3]] },
        { id: 'm', code: t.double, args: [{ anyOf: ['a', 'b'] }], map: true },
        { id: 'skipped', code: t.double, args: ['a'], map: true },
        { id: 'next', code: t.double, args: ['skipped'], map: true },
      ),
    );
    expect(results).toEqual({ no: 0, b: [3], m: [6] });
  });

  it('reports its elements by events, and `explain` names both', async () => {
    const told: HandoffEvent[] = [];
    const listener = (event: HandoffEvent): void => void told.push(event);
    const gate = new Gate();
    handoff().on('event', listener);
    const running = handoff().execute(
      dagOf({ id: 'm', code: waitTicket, extraArgs: [[0, 1], gate.memory], map: { concurrency: 1 } }),
      { runId: 'told' },
    );
    await gate.arrived(1);
    expect(handoff().explain('told', 'm').text).toBe('m is a map: 0 of its 2 elements are done.');
    expect(handoff().explain('told', 'm[1]').text).toContain('fewer than 1 elements of its map');
    gate.release();
    await running;
    handoff().off('event', listener);
    const of = (type: string): unknown[] =>
      told.flatMap((event) => (event.type === type ? [(event as { functionId: string }).functionId] : []));
    expect(told.filter(({ type }) => type === 'run:grown')).toMatchObject([{ functionId: 'm', count: 2 }]);
    expect(of('function:finished')).toEqual(['m[0]', 'm[1]']);
  });

  it('drops what no element will read again', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'list', code: t.constant, extraArgs: [upTo(50)] },
        { id: 'a', code: t.float64, args: ['list'], extraArgs: [1], map: true },
        { id: 'b', code: t.total, args: ['a'], map: true },
        { id: 'end', code: t.sumList, args: ['b'] },
      ),
      { collect: 'sinks' },
    );
    expect(results).toEqual({ end: (49 * 50) / 2 });
  });
});

describe('a simulated map', () => {
  it('has as many elements as `expect` says', () => {
    const played = simulate(
      dagOf(
        { id: 'list', code: t.one },
        { id: 'm', code: t.double, args: ['list'], map: { expect: 4 }, duration: 10 },
        { id: 'n', code: t.double, args: ['m'], map: true, duration: 10 },
      ),
      { nodes: [{ name: 'a', capabilities: { cpu: 2 } }] },
    );
    expect(played.outcome).toEqual({ ok: true });
    expect(played.schedule.map(({ functionId }) => functionId).sort()).toEqual(
      ['list', ...upTo(4).flatMap((k) => [`m[${k}]`, `n[${k}]`])].sort(),
    );
    expect(played.makespan).toBe(41);
  });
});
