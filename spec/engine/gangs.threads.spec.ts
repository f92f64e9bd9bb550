import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromSource, type FunctionSpec, type Handoff } from '../../lib/index.ts';
import { startTuned } from '../../lib/runtime/handoff.ts';
import { Gate } from '../support/gate.ts';
import { c, counter, dagOf, errorOf, t, twoNodes } from '../support/handoff.ts';

let handoff: Handoff;
beforeAll(async () => {
  // Every function is sent ahead, and to the thread that has least to do, so that most of what they need comes from other
  // workers.
  handoff = await startTuned(
    { nodes: twoNodes },
    { minMs: 1e-9, batchMs: 1e6, gangMs: 1e9, gangGrainMs: 0, gangSlackMs: -1e9 },
  );
  await handoff.execute(dagOf(...sources(20)));
});
afterAll(() => handoff.stop());

function sources(count: number): FunctionSpec[] {
  return Array.from({ length: count }, (_, i) => ({ id: `s${i}`, code: t.constant, extraArgs: [i] }));
}

/** Levels of functions, each of which takes all results of the level before. */
function dense(
  width: number,
  levels: number,
  spec: (level: number, i: number) => Partial<FunctionSpec> = () => ({}),
): FunctionSpec[] {
  const later = Array.from({ length: levels * width }, (_, k): FunctionSpec => {
    const level = Math.floor(k / width);
    const args = Array.from({ length: width }, (__, i) => (level === 0 ? `s${i}` : `${level - 1},${i}`));
    return { id: `${level},${k % width}`, code: t.add, args, ...spec(level, k % width) } as FunctionSpec;
  });
  return [...sources(width), ...later];
}

const sums = (width: number, levels: number): number[] => {
  const first = Array.from({ length: width }, (_, i) => i).reduce((a, b) => a + b);
  return Array.from({ length: levels }, (_, level) => first * width ** level);
};

describe('workers that run ahead', () => {
  it('hand results to each other', async () => {
    const { results } = await handoff.execute(dagOf(...dense(4, 10)));
    expect(Array.from({ length: 10 }, (_, level) => [0, 1, 2, 3].map((i) => results[`${level},${i}`]))).toEqual(
      sums(4, 10).map((sum) => [sum, sum, sum, sum]),
    );
  });

  it('hand over values of every kind, each as a copy of its own', async () => {
    const values = [
      undefined,
      null,
      Number.NaN,
      -0,
      10n,
      'text',
      [3, 1, 2],
      { a: [new Date(3)] },
      new Map([[1, new Set([2])]]),
      new Float64Array([1, 2]),
      new Error('a value'),
    ];
    const { results } = await handoff.execute(
      dagOf(
        ...values.map((value, i) => ({ id: `v${i}`, code: t.constant, extraArgs: [value] })),
        ...Array.from({ length: 4 }, (_, i) => ({
          id: `all${i}`,
          code: t.collect,
          args: values.map((__, k) => `v${k}`),
        })),
        ...Array.from({ length: 4 }, (_, i) => ({ id: `sorted${i}`, code: t.sortInPlace, args: ['v6'] })),
        { id: 'after', code: t.collect, args: ['v6', 'sorted0', 'sorted1', 'sorted2', 'sorted3'] },
      ),
    );
    for (let i = 0; i < 4; i++) expect(results[`all${i}`]).toEqual(values);
    expect(results['after']).toEqual([[3, 1, 2], ...Array.from({ length: 4 }, () => [1, 2, 3])]);
  });

  it('hand over large results without copying them', async () => {
    const { results } = await handoff.execute(
      dagOf(
        ...sources(4),
        ...Array.from({ length: 4 }, (_, i) => ({
          id: `large${i}`,
          code: c.sharedRamp,
          args: [`s${i}`],
          layout: [{ value: 100_000 }],
        })),
        ...Array.from({ length: 16 }, (_, i) => ({ id: `is${i}`, code: t.isShared, args: [`large${i % 4}`] })),
      ),
    );
    expect(Array.from({ length: 16 }, (_, i) => results[`is${i}`])).toEqual(Array.from({ length: 16 }, () => true));
  });

  it('take results inside lists and inside inline functions', async () => {
    const { results } = await handoff.execute(
      dagOf(
        ...dense(4, 3),
        {
          id: 'inner',
          code: fromSource((...all: number[]) => Math.max(...all)),
          type: 'inline',
          args: ['2,0', '2,1', '2,2', '2,3'],
        },
        ...Array.from(
          { length: 4 },
          (_, i) =>
            ({
              id: `outer${i}`,
              code: t.collect,
              args: ['inner', '2,1', '2,2'],
              layout: [{ list: [{ arg: 0 }, { arg: 1 }] }, { arg: 2 }],
            }) as FunctionSpec,
        ),
      ),
    );
    const [, , sum] = sums(4, 3);
    for (let i = 0; i < 4; i++) expect(results[`outer${i}`]).toEqual([[sum, sum], sum]);
  });

  it('wait for promises, and for those of others', async () => {
    const slow = dense(4, 5, (level, i) =>
      level === 2 ? { code: t.later, args: [`1,${i}`], layout: [{ value: 5 }, { arg: 0 }] } : {},
    );
    const { results } = await handoff.execute(dagOf(...slow));
    expect(results['4,0']).toBe(sums(4, 4)[3]);
  });

  it('know their context', async () => {
    const { results } = await handoff.execute(
      dagOf(...sources(4), ...[0, 1, 2, 3].map((i) => ({ id: `w${i}`, code: c.whoAmI, args: ['s0', 's1'] }))),
    );
    for (let i = 0; i < 4; i++) expect(results[`w${i}`]).toMatchObject({ functionId: `w${i}`, attempt: 1 });
  });
});

describe('a failure among functions that were sent ahead', () => {
  it('is retried alone: functions that did not need it run once', async () => {
    const fails = counter();
    const runs = counter();
    const specs = dense(4, 10, (level, i) => {
      if (level === 4 && i === 1)
        return { code: t.failTimes, args: ['3,0'], layout: [{ value: fails.memory }, { value: 2 }] };
      return {
        code: t.count,
        args: [`${level - 1},${i}`].filter(() => level > 0),
        layout: [{ value: runs.memory }, { value: i }],
      };
    });
    const { results } = await handoff.execute(dagOf(...specs));
    expect([fails.value, runs.value]).toEqual([3, 39]);
    expect(results['4,1']).toBe(3);
  });

  it('fails the run with its own error, whichever function needed it', async () => {
    const specs = dense(4, 10, (level, i) =>
      level === 4 && i === 1 ? { code: t.boom, args: [], extraArgs: ['here'], maxRetries: 0 } : {},
    );
    const error = await errorOf(handoff.execute(dagOf(...specs)));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: '4,1' });
    expect(error.message).toContain('here');
  });

  it('leaves the rest to finish with the failure policy "continue"', async () => {
    const specs = dense(4, 6, (level, i) =>
      i === 1
        ? level === 2
          ? { code: t.boom, args: ['1,1'] }
          : { args: level === 0 ? ['s1'] : [`${level - 1},1`] }
        : { args: level === 0 ? ['s0'] : [`${level - 1},0`] },
    );
    const error = await errorOf(handoff.execute(dagOf(...specs), { failurePolicy: 'continue', maxRetries: 1 }));
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['2,1']);
    const left = Object.keys(error.results!);
    expect(left).toContain('5,0');
    expect(left).toHaveLength(4 + 6 * 4 - 4);
  });

  it('includes a result that cannot be sent', async () => {
    const specs = dense(4, 5, (level, i) => (level === 2 && i === 2 ? { code: t.functionInside, args: [] } : {}));
    const error = await errorOf(handoff.execute(dagOf(...specs)));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: '2,2', cause: { code: 'NOT_SERIALIZABLE' } });
  });

  it('is judged by its retryIf', async () => {
    const specs = dense(4, 5, (level, i) =>
      level === 2 && i === 2 ? { code: t.boom, args: ['1,0'], retryIf: t.secondAttemptOnly, maxRetries: 5 } : {},
    );
    expect(await errorOf(handoff.execute(dagOf(...specs)))).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: '2,2',
      attempts: 2,
    });
  });

  it('that kills a thread costs only the results lost with it', async () => {
    const armed = counter();
    const specs = dense(4, 10, (level, i) =>
      level === 5 && i === 0 ? { code: t.exitOnce, args: ['4,1'], layout: [{ value: armed.memory }, { arg: 0 }] } : {},
    );
    const { results } = await handoff.execute(dagOf(...specs));
    expect(armed.value).toBe(2);
    expect(results['4,3']).toBe(sums(4, 5)[4]);
    expect(results['9,0']).toBe(results['9,3']);
  });
});

describe('a run whose functions were sent ahead', () => {
  it('ends at once when it is aborted, and leaves the workers free', async () => {
    const gate = new Gate();
    const controller = new AbortController();
    const specs = dense(4, 6, (level, i) =>
      level === 2 && i === 0 ? { code: t.waitAtGate, args: ['1,1'], layout: [{ value: gate.memory }] } : {},
    );
    const running = errorOf(handoff.execute(dagOf(...specs), { signal: controller.signal }));
    await gate.arrived(1);
    controller.abort();
    gate.release();
    expect((await running).code).toBe('ABORTED');
    expect((await handoff.execute(dagOf(...dense(4, 4)))).results['3,0']).toBe(sums(4, 4)[3]);
  });

  it('delays no function that does not need a slow one', async () => {
    const usual = await startTuned({ nodes: twoNodes }, { minMs: 1e-9, gangGrainMs: 0, gangSlackMs: -1 });
    const gate = new Gate();
    const done = counter();
    const steps = dense(4, 20, (level, i) => ({
      code: t.count,
      args: level === 0 ? [`s${i}`] : [`${level - 1},${i}`],
      layout: [{ value: done.memory }, { arg: 0 }],
    }));
    await usual.execute(dagOf(...steps)); // now they are known to be fast
    const running = usual.execute(
      dagOf(
        ...steps,
        { id: 'slow', code: t.waitAtGate, args: ['s0', 's1'], layout: [{ value: gate.memory }] },
        { id: 'needs it', code: t.collect, args: ['slow', '3,1', '3,2', '3,3'] },
      ),
    );
    await gate.arrived(1);
    const words = new Int32Array(done.memory);
    for (let seen = done.value; seen < 160; seen = done.value) await Atomics.waitAsync(words, 0, seen).value;
    gate.release();
    expect((await running).results['needs it']).toEqual([1, 1, 2, 3]);
    await usual.stop();
  });

  it('keeps to maxConcurrency', async () => {
    let running = 0;
    let most = 0;
    const began = (): void => void (most = Math.max(most, ++running));
    const ended = (): void => void running--;
    handoff.on('function:started', began).on('function:finished', ended);
    await handoff.execute(dagOf(...dense(4, 5)), { maxConcurrency: 2 });
    handoff.off('function:started', began).off('function:finished', ended);
    expect(most).toBeLessThanOrEqual(2);
  });
});
