/** Functions that answer with graphs. */
import { describe, expect, it } from 'vitest';
import { Dag, dag, type HandoffEvent, optional, tasks } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const e = tasks<typeof import('../fixtures/expand-tasks.ts')>(new URL('../fixtures/expand-tasks.ts', import.meta.url));
const handoff = useHandoff();

describe('a function that answers with a graph', () => {
  it('has the result of that graph: of a call, a list and a record of calls', async () => {
    const outputs = { one: e.sum(0, 8, 4), list: e.list(4), record: e.record(4), sum: t.sumList(e.list(4)) };
    expect(await handoff().run(dag('shapes', outputs))).toEqual({
      one: 28,
      list: [8, 5],
      record: { twice: 8, next: 5 },
      sum: 13,
    });
  });

  it.each(['hidesSymbols', 'hidesSymbolsLater'] as const)(
    'is not looked for in a result that cannot be read, and the thread lives on: %s',
    async (name) => {
      const crashed: HandoffEvent[] = [];
      handoff().on('worker:crashed', (event) => crashed.push(event));
      const error = await errorOf(handoff().execute(dagOf({ id: 'f', code: t[name], maxRetries: 0 })));
      expect(error).toMatchObject({ code: 'FUNCTION_FAILED', cause: { code: 'NOT_SERIALIZABLE' } });
      expect(error.message).toContain('no symbols here');
      expect(crashed).toEqual([]);
    },
  );

  it('may answer with a Dag and the ids of its results', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'one', code: e.struct, extraArgs: [3, 'b'] },
        { id: 'two', code: e.struct, extraArgs: [3, ['a', 'b']] },
        { id: 'taken', code: t.collect, args: ['one', 'two'] },
      ),
    );
    expect(results).toEqual({ one: 7, two: { a: 6, b: 7 }, taken: [7, { a: 6, b: 7 }] });
  });

  it('may nest graphs, whose ids are below its own', async () => {
    const { results, allocations, stats, runId } = await handoff().execute(
      new Dag()
        .add({ id: 'sum', code: e.sum, extraArgs: [0, 16, 4] })
        .add({ id: 'twice', code: t.double, args: ['sum'] }),
    );
    expect(results).toEqual({ sum: 120, twice: 240 });
    const below = ['sum/sum#1', 'sum/sum#2'].flatMap((id) => [id, `${id}/sum#1`, `${id}/sum#2`, `${id}/add#1`]);
    expect(Object.keys(allocations).sort()).toEqual(['sum', 'sum/add#1', 'twice', ...below].sort());
    expect(stats.functions).toBe(11);
    expect(await handoff().getResult(runId, 'sum/sum#2')).toBe(92);
    expect(await handoff().getResult(runId, 'sum/sum#2/sum#1')).toBe(38);
    expect(await handoff().run(dag('named', e.named()))).toEqual(['named#1/ownId#1', 'named#1/other']);
  });

  it('starts no dependent before the graph is done, even when both travel together', async () => {
    for (let round = 0; round < 3; round++) {
      const { results } = await handoff().execute(
        new Dag()
          .add({ id: 'a', code: e.sum, extraArgs: [0, 40, 4] })
          .add({ id: 'b', code: t.increment, args: ['a'] })
          .add({ id: 'c', code: e.element, args: ['b'] })
          .add({ id: 'd', code: t.add, args: ['c', 'a'] }),
      );
      expect(results).toEqual({ a: 780, b: 781, c: 1562, d: 2342 });
    }
  });

  it('may be an element of a map, answer with a map, and be mapped over', async () => {
    const outputs = {
      elements: e.element.map([1, 2, 3]),
      onward: t.increment.map(e.element.map([1, 2, 3])),
      mapped: e.mapped([1, 2, 3]),
      over: t.increment.map(e.mapped([1, 2, 3])),
      empty: t.increment.map(e.mapped([])),
    };
    expect(await handoff().run(dag('maps', outputs))).toEqual({
      elements: [2, 2, 6],
      onward: [3, 3, 7],
      mapped: [2, 4, 6],
      over: [3, 5, 7],
      empty: [],
    });
  });

  it('may answer with branches, and decide a branch by its result', async () => {
    const even = e.decide(4);
    const odd = e.decide(5);
    const outputs = {
      even: e.branch(4),
      odd: e.branch(5),
      yes: t.increment(1).when(even),
      no: t.increment(2).when(odd, { not: true }),
    };
    expect(await handoff().run(dag('branches', outputs))).toEqual({ even: 108, odd: 106, yes: 2, no: 3 });
    const oneOf = { even: e.oneOf(4), odd: t.sumList(e.oneOf.map([1, 2])) };
    expect(await handoff().run(dag('one-of', oneOf))).toEqual({ even: 8, odd: 6 });
    for (const first of [true, false]) {
      const ran = (x: number) => optional(t.increment(1).when(e.decideByBranch(x, first)));
      expect(await handoff().run(dag('decided', { even: ran(4), odd: ran(5) }))).toEqual({ even: 2, odd: undefined });
    }
    const { results } = await handoff().execute(
      dagOf(
        { id: 'odd', code: e.decide, extraArgs: [5] },
        { id: 'skipped', code: t.one, when: 'odd' },
        { id: 'runs', code: t.one, when: { id: 'odd', not: true } },
      ),
    );
    expect(results).toEqual({ odd: false, runs: 1 });
  });

  it('shares large results of its graph, and drops what nothing reads', async () => {
    const outputs = e.total(e.fill(1, 4, 20_000));
    expect(await handoff().run(dag('large', outputs))).toBe(16 * 20_000);
    const { results } = await handoff().execute(
      dagOf(
        { id: 'x', code: e.fill, extraArgs: [2, 3, 20_000] },
        { id: 'y', code: e.total, args: ['x'] },
        { id: 'unread', code: e.struct, extraArgs: [1, ['a', 'b']] },
        { id: 'z', code: t.increment, args: ['y'] },
      ),
      { collect: ['z'] },
    );
    expect(results).toEqual({ z: 8 * 2 * 20_000 + 1 });
  });

  it('may answer with itself many times in a row', async () => {
    expect(await handoff().run(dag('deep', t.increment(e.down(2000))))).toBe(8);
  });

  it('is retried when it fails before it answers', async () => {
    const calls = counter();
    const { results, stats } = await handoff().execute(
      dagOf({ id: 'x', code: e.afterFailures, extraArgs: [calls.memory, 2] }),
    );
    expect([results['x'], stats.retries, calls.value]).toEqual([103, 2, 3]);
  });

  it('fails with a function of its graph, which has its own id and retries', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'x', code: e.failing, extraArgs: ['bang'] })));
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'x/bad',
      attempts: 2,
      cause: { message: 'bang' },
    });
    const kept = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'x', code: e.failing, extraArgs: ['bang'] },
          { id: 'after', code: t.increment, args: ['x'] },
          { id: 'other', code: e.sum, extraArgs: [0, 8] },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(kept.failures!.map(({ functionId }) => functionId)).toEqual(['x/bad']);
    expect(kept.results).toEqual({ other: 28 });
  });

  it('settles in a map: what fails in the graph of an element is its result', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'm', code: e.failingElement, extraArgs: [[0, 1, 2]], map: { settle: true }, maxRetries: 0 },
        { id: 'ok', code: e.element, extraArgs: [[1, 2]], map: { settle: true } },
        { id: 'each', code: t.collect, args: ['m'], map: true },
      ),
      { maxRetries: 0 },
    );
    const settled = [
      { ok: true, value: 0 },
      { ok: false, error: expect.objectContaining({ message: 'odd 1' }) },
      { ok: true, value: 2 },
    ];
    expect(results).toEqual({
      m: settled,
      ok: [
        { ok: true, value: 2 },
        { ok: true, value: 2 },
      ],
      each: settled.map((each) => [each]),
    });
  });

  it.each([
    ['cycle', 'CYCLIC_DEPENDENCY'],
    ['missing', 'MISSING_FUNCTION'],
    ['cost', 'ALLOCATION_ERROR'],
    ['pin', 'ALLOCATION_ERROR'],
    ['export', 'FUNCTION_NOT_FOUND'],
    ['limit', 'INVALID_FUNCTION'],
    ['nothing', 'MISSING_FUNCTION'],
  ])('fails when its graph is refused: %s', async (how, code) => {
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'x', code: e.refused, extraArgs: [how], maxRetries: 0 })),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'x', cause: { code } });
  });

  it('is refused when the run would have more than `maxFunctions` functions', async () => {
    const given = dagOf({ id: 'x', code: e.sum, extraArgs: [0, 8, 4] });
    expect(await errorOf(handoff().execute(given, { maxFunctions: 3 }))).toMatchObject({
      code: 'TOO_MANY_FUNCTIONS',
      functionId: 'x',
    });
    expect((await handoff().execute(given, { maxFunctions: 4 })).results).toEqual({ x: 28 });
  });

  it('is aborted with its graph', async () => {
    const gate = new Gate();
    const controller = new AbortController();
    const running = errorOf(
      handoff().execute(dagOf({ id: 'x', code: e.gated, extraArgs: [gate.memory, 2] }), { signal: controller.signal }),
    );
    await gate.arrived(2);
    controller.abort();
    gate.release();
    expect(await running).toMatchObject({ code: 'ABORTED' });
  });

  it('is shown by events and explain', async () => {
    const gate = new Gate();
    const told: HandoffEvent[] = [];
    const listener = (event: HandoffEvent): void => void told.push(event);
    handoff().on('run:grown', listener);
    const running = handoff().execute(dagOf({ id: 'x', code: e.gated, extraArgs: [gate.memory, 2] }), {
      runId: 'seen',
    });
    await gate.arrived(2);
    expect(handoff().explain('seen', 'x').text).toBe('x answered with a graph: 0 of its 3 functions are done.');
    expect(handoff().explain('seen', 'x/collect#1').text).toContain('x/waitAtGate#1 and x/waitAtGate#2');
    gate.release();
    await running;
    handoff().off('run:grown', listener);
    expect(told).toMatchObject([
      {
        functionId: 'x',
        count: 3,
        graph: {
          ids: ['waitAtGate#1', 'waitAtGate#2', 'collect#1'],
          names: ['waitAtGate', 'waitAtGate', 'collect'],
          deps: [[], [], [0, 1]],
        },
      },
    ]);
  });
});
