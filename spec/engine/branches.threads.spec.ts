import { describe, expect, it } from 'vitest';
import { choose, dag, type HandoffEvent, optional } from '../../lib/index.ts';
import { simulate } from '../../lib/simulate.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

/** `small` decides between `fast` and `thorough`; both forms of the same DAG. */
function branching(isSmall: unknown): ReturnType<typeof dagOf> {
  return dagOf(
    { id: 'small', code: t.constant, extraArgs: [isSmall] },
    { id: 'fast', code: t.constant, extraArgs: ['fast'], when: 'small' },
    { id: 'thorough', code: t.constant, extraArgs: ['thorough'], when: { id: 'small', not: true } },
    { id: 'more', code: t.collect, args: ['thorough'] },
    {
      id: 'report',
      code: t.collect,
      args: [{ anyOf: ['fast', 'thorough'] }, { optional: 'more' }],
      extraArgs: ['end'],
    },
  );
}

describe('a branch', () => {
  it('runs if its condition is truthy, and the other branch is skipped with its dependents', async () => {
    const { results, allocations, stats } = await handoff().execute(branching(1));
    expect(results).toEqual({ small: 1, fast: 'fast', report: ['fast', undefined, 'end'] });
    expect(Object.keys(allocations).sort()).toEqual(['fast', 'report', 'small']);
    expect(stats).toMatchObject({ functions: 3, skipped: 2 });
    expect(Object.values(stats.nodes).reduce((sum, count) => sum + count, 0)).toBe(3);
  });

  it('is chosen by truthiness, whatever the value', async () => {
    const big = 'x'.repeat(100_000); // travels in shared memory
    for (const falsy of [0, '', null, undefined, false, Number.NaN, 0n])
      expect((await handoff().execute(branching(falsy))).results['report']).toEqual(['thorough', ['thorough'], 'end']);
    for (const truthy of ['0', [], {}, new Float64Array(20_000), big, -1, new Date(0)])
      expect((await handoff().execute(branching(truthy))).results['report']).toEqual(['fast', undefined, 'end']);
  });

  it('is the same in the value form', async () => {
    for (const [small, expected] of [
      [true, [2, undefined]],
      [false, [20, 20]],
    ] as const) {
      const test = t.constant(small);
      const fast = t.double(1).when(test);
      const thorough = t.double(10).when(test, { not: true });
      const outputs = { fast, thorough, both: t.collect(choose(fast, thorough), optional(thorough)) };
      const got = await handoff().run(dag('branch', outputs));
      expect(got).toEqual({ fast: small ? 2 : undefined, thorough: small ? undefined : 20, both: expected });
      expect(await handoff().run(dag('branch', choose(fast, thorough)))).toBe(small ? 2 : 20);
      expect(await handoff().run(dag('branch', { x: optional(fast) }))).toEqual({ x: small ? 2 : undefined });
    }
  });

  it('skips a function that takes a choice of skipped functions only', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'no', code: t.constant, extraArgs: [0] },
        { id: 'a', code: t.constant, extraArgs: ['a'], when: 'no' },
        { id: 'b', code: t.constant, extraArgs: ['b'], when: 'no' },
        { id: 'one', code: t.collect, args: [{ anyOf: ['a', 'b'] }] },
        { id: 'after', code: t.collect, args: ['one'] },
      ),
    );
    expect(results).toEqual({ no: 0 });
  });

  it('skips the functions of a skipped condition, whether they want it truthy or falsy', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'no', code: t.constant, extraArgs: [0] },
        { id: 'next', code: t.constant, extraArgs: [1], when: 'no' },
        { id: 'if', code: t.constant, extraArgs: ['a'], when: 'next' },
        { id: 'unless', code: t.constant, extraArgs: ['b'], when: { id: 'next', not: true } },
      ),
    );
    expect(results).toEqual({ no: 0 });
  });

  it('waits for its condition even when that is not among its arguments, and for its arguments', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'late', code: t.later, extraArgs: [20, true] },
        { id: 'x', code: t.later, extraArgs: [30, 5] },
        { id: 'y', code: t.collect, args: ['x'], when: 'late', argumentInclusion: 'list', extraArgs: [7] },
      ),
    );
    expect(results['y']).toEqual([[5], 7]);
  });

  it('fails with its condition, and a choice fails with a failed member', async () => {
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'test', code: t.boom, maxRetries: 0 },
          { id: 'x', code: t.one, when: 'test' },
          { id: 'y', code: t.collect, args: [{ optional: 'x' }] },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['test']);
    expect(error.results).toEqual({});
  });

  it('may be placed by an allocator that reads the inputs', async () => {
    const seen: string[] = [];
    const { results } = await handoff().execute(branching(true), {
      allocationStrategy: {
        place: (ready) => {
          for (const { id, inputs } of ready) seen.push(`${id}: ${inputs.map(({ functionId }) => functionId).join()}`);
          return Object.fromEntries(ready.map(({ id }) => [id, 'a']));
        },
      },
    });
    expect(results['report']).toEqual(['fast', undefined, 'end']);
    expect(seen).toEqual(['small: ', 'fast: small', 'report: fast']);
  });

  it('is reported by events, once per skipped function', async () => {
    const told: HandoffEvent[] = [];
    const listener = (event: HandoffEvent): void => void told.push(event);
    handoff().on('function:skipped', listener);
    const { runId } = await handoff().execute(branching(true));
    handoff().off('function:skipped', listener);
    expect(told).toEqual(
      ['thorough', 'more'].map((functionId) =>
        expect.objectContaining({ type: 'function:skipped', runId, functionId, at: expect.any(Number) }),
      ),
    );
  });

  it('drops results that only skipped functions would have read', async () => {
    const seen: number[] = [];
    const { results } = await handoff().execute(
      dagOf(
        { id: 'no', code: t.constant, extraArgs: [0] },
        { id: 'data', code: t.float64, extraArgs: [100_000, 1] },
        { id: 'x', code: t.total, args: ['data'], when: 'no' },
        { id: 'end', code: t.one },
      ),
      { collect: 'sinks', onProgress: ({ done, total }) => void seen.push(done, total) },
    );
    expect(results).toEqual({ end: 1 });
    expect(seen.slice(-2)).toEqual([3, 3]);
  });

  it('is explained during the run', async () => {
    const gate = new Gate();
    const skipped = new Promise<void>((resolve) => {
      handoff().on('function:skipped', ({ functionId }) => functionId === 'y' && resolve());
    });
    const running = handoff().execute(
      dagOf(
        { id: 'no', code: t.constant, extraArgs: [0] },
        { id: 'x', code: t.one, when: 'no' },
        { id: 'y', code: t.collect, args: ['x'] },
        { id: 'long', code: t.waitAtGate, extraArgs: [gate.memory] },
      ),
      { runId: 'explained' },
    );
    await skipped;
    expect(handoff().explain('explained', 'x')).toMatchObject({
      functions: [{ state: 'skipped', functions: ['no'] }],
      text: 'x is skipped: its condition no does not hold.',
    });
    expect(handoff().explain('explained', 'y').text).toBe('y is skipped: x was skipped.');
    expect(handoff().explain('explained').text).toContain('2 skipped');
    gate.release();
    await running;
  });
});

describe('a simulated branch', () => {
  const nodes = [{ name: 'a', capabilities: { cpu: 2 } }];

  it('is skipped as `conditions` say', () => {
    const played = simulate(branching(true), { nodes, conditions: { small: false } });
    expect(played.outcome).toEqual({ ok: true });
    expect(played.events.filter(({ type }) => type === 'function:skipped')).toMatchObject([{ functionId: 'fast' }]);
    expect(played.schedule.map(({ functionId }) => functionId)).toEqual(['small', 'thorough', 'more', 'report']);
  });

  it('is truthy by default', () => {
    const { schedule } = simulate(branching(true), { nodes });
    expect(schedule.map(({ functionId }) => functionId)).toEqual(['small', 'fast', 'report']);
  });
});
