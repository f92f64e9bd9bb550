/** Results of runs as arguments of other runs. */
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dag, Handoff, resultOf, tasks } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const e = tasks<typeof import('../fixtures/expand-tasks.ts')>(new URL('../fixtures/expand-tasks.ts', import.meta.url));
const handoff = useHandoff();
const MiB = 2 ** 20;

let own: Handoff | undefined;
afterEach(async () => {
  await own?.stop();
  own = undefined;
});

/** Files of results that are on disk. */
const spilled = (): string[] =>
  readdirSync(tmpdir())
    .filter((name) => new RegExp(`^handoff-spill-\\w+-${process.pid}-`).test(name))
    .flatMap((name) => readdirSync(join(tmpdir(), name)).map((file) => join(tmpdir(), name, file)))
    .filter((file) => !file.endsWith('lock'));

describe('the result of another run', () => {
  it('is an argument in both forms, wherever results may stand', async () => {
    const x = t.constant({ deep: [1] }).with({ id: 'x' });
    const { runId } = await handoff().execute(dag('first', { x, n: t.constant(4).with({ id: 'n' }) }));
    const struct = dagOf(
      { id: 'y', code: t.collect, args: [{ resultOf: { runId, id: 'x' } }], extraArgs: ['end'] },
      { id: 'z', code: t.collect, args: ['y', { resultOf: { runId, id: 'n' } }], argumentInclusion: 'list' },
      { id: 'i', code: t.double, args: [{ resultOf: { runId, id: 'n' } }], type: 'inline' },
      { id: 'k', code: t.increment, args: ['i'] },
    );
    const expected = { y: [{ deep: [1] }, 'end'], z: [[[{ deep: [1] }, 'end'], 4]], k: 9 };
    expect((await handoff().execute(struct)).results).toEqual(expected);
    expect((await handoff().executeLocal(struct)).results).toEqual(expected);
    expect(await handoff().run(dag('v', t.collect([resultOf(runId, x), 1], resultOf(runId, 'n'))))).toEqual([
      [{ deep: [1] }, 1],
      4,
    ]);
    expect((await handoff().plan(struct)).schedule.map(({ functionId }) => functionId).sort()).toEqual(['k', 'y', 'z']);
  });

  it('is not copied', async () => {
    const { runId, results } = await handoff().execute(dagOf({ id: 'x', code: t.float64, extraArgs: [20_000, 1] }));
    const again = await handoff().execute(
      dagOf({ id: 'y', code: t.constant, args: [{ resultOf: { runId, id: 'x' } }] }),
    );
    results['x'][7] = 42;
    expect(again.results['y'][7]).toBe(42);
  });

  it('may be a list that is mapped, a map, or an element of one', async () => {
    const { runId } = await handoff().execute(
      dagOf(
        { id: 'list', code: t.constant, extraArgs: [[1, 2, 3]] },
        { id: 'm', code: t.float64, args: ['list'], extraArgs: [7], map: true },
      ),
    );
    const m = { resultOf: { runId, id: 'm' } };
    const { results } = await handoff().execute(
      dagOf(
        { id: 'doubled', code: t.double, args: [{ resultOf: { runId, id: 'list' } }], map: true },
        { id: 'totals', code: t.total, args: [m], map: true },
        { id: 'whole', code: t.collect, args: [m] },
        { id: 'element', code: t.total, args: [{ resultOf: { runId, id: 'm[2]' } }] },
      ),
    );
    expect(results).toMatchObject({ doubled: [2, 4, 6], totals: [7, 14, 21], element: 21 });
    expect(results['whole'][0].map((each: Float64Array) => [...each])).toEqual([[7], [7, 7], [7, 7, 7]]);
    expect(await handoff().run(dag('v', t.double.map(resultOf<number[]>(runId, 'list'))))).toEqual([2, 4, 6]);
  });

  it('may be the result of a graph that its function answered with', async () => {
    const { runId } = await handoff().execute(dagOf({ id: 'x', code: e.record, extraArgs: [5] }));
    const taken = await handoff().run(dag('v', t.collect(resultOf(runId, 'x'))));
    expect(taken).toEqual([{ twice: 10, next: 6 }]);
  });

  it('may come from a run that has failed', async () => {
    const failing = dagOf(
      { id: 'x', code: t.constant, extraArgs: [5] },
      { id: 'bad', code: t.boom, args: ['x'], maxRetries: 0, layout: [] },
    );
    await errorOf(handoff().execute(failing, { runId: 'failing' }));
    expect(await handoff().run(dag('v', t.double(resultOf('failing', 'x'))))).toBe(10);
    expect(await errorOf(handoff().run(dag('v', t.double(resultOf('failing', 'bad')))))).toMatchObject({
      code: 'RESULT_LOST',
      functionId: 'bad',
    });
  });

  it('is kept while a run that takes it is under way, and not longer', async () => {
    const memory = await startBudget();
    const gate = new Gate();
    await memory.execute(dagOf({ id: 'x', code: t.float64, extraArgs: [MiB / 8, 3] }), { runId: 'first' });
    const second = memory.execute(
      dagOf(
        { id: 'gate', code: t.waitAtGate, extraArgs: [gate.memory] },
        { id: 'y', code: t.totalAfter, args: [{ resultOf: { runId: 'first', id: 'x' } }, 'gate'] },
      ),
      { runId: 'second', collect: 'sinks' },
    );
    await gate.arrived(1);
    // Fills the budget, so that the result goes to disk, and newer runs take the place of its run.
    for (const runId of ['third', 'fourth'])
      await memory.execute(dagOf({ id: 'x', code: t.float64, extraArgs: [MiB, 1] }), { runId });
    await memory.clear('first');
    await vi.waitFor(() => expect(spilled().length).toBeGreaterThan(0), { timeout: 20_000 });
    gate.release();
    expect((await second).results['y']).toBe(3 * (MiB / 8));
    for (const runId of ['second', 'fourth']) await memory.clear(runId);
    await vi.waitFor(() => expect(spilled()).toEqual([]), { timeout: 20_000 });
    const late = dagOf({ id: 'y', code: t.total, args: [{ resultOf: { runId: 'first', id: 'x' } }] });
    expect(await errorOf(memory.execute(late))).toMatchObject({ code: 'RESULT_LOST', runId: 'first', functionId: 'x' });
  });

  it('whose file is gone ends the run that takes it', async () => {
    const memory = await startBudget(1000);
    const first = dagOf(
      { id: 'x', code: t.float64, extraArgs: [MiB / 8, 3] },
      { id: 'more', code: t.float64, extraArgs: [MiB, 3] },
    );
    await memory.execute(first, { runId: 'first' });
    await vi.waitFor(() => expect(spilled().length).toBeGreaterThan(1), { timeout: 20_000 });
    const second = dagOf({ id: 'y', code: t.total, args: [{ resultOf: { runId: 'first', id: 'x' } }], maxRetries: 5 });
    // While a file is being written, its result is still in memory, and is taken from there.
    const error = await vi.waitFor(
      () => {
        for (const file of spilled()) rmSync(file, { force: true });
        return errorOf(memory.execute(second));
      },
      { timeout: 20_000 },
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'y' });
    expect(error.cause).toMatchObject({ code: 'RESULT_LOST', runId: 'first', functionId: 'x' });
  });
});

/** A Handoff with a budget that a result of 8 MiB exceeds. */
async function startBudget(retainedRuns = 1): Promise<Handoff> {
  own = await Handoff.start({
    nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }],
    memoryBudget: 10 * MiB,
    retainedRuns,
  });
  return own;
}

describe('a DAG that takes the result of another run', () => {
  const calls = counter();
  const taking = (runId: string, id: string): ReturnType<typeof dagOf> =>
    dagOf(
      { id: 'before', code: t.count, extraArgs: [calls.memory] },
      { id: 'y', code: t.collect, args: ['before', { resultOf: { runId, id } }] },
    );

  it('runs nothing when the result was not kept, and the error says how to keep it', async () => {
    const first = dagOf(
      { id: 'x', code: t.one },
      { id: 'no', code: t.constant, extraArgs: [0] },
      { id: 'skipped', code: t.one, when: 'no' },
      { id: 'last', code: t.increment, args: ['x'] },
    );
    await handoff().execute(first, { runId: 'some', collect: ['last', 'skipped'] });
    await handoff().execute(first, { runId: 'cleared' });
    await handoff().clear('cleared');
    await handoff().run(dag('v', t.one().with({ id: 'x' })), { runId: 'ran' });
    for (const [runId, id] of [
      ['some', 'x'],
      ['some', 'skipped'],
      ['cleared', 'x'],
      ['ran', 'x'],
    ] as const) {
      const error = await errorOf(handoff().execute(taking(runId, id)));
      expect(error).toMatchObject({ code: 'RESULT_LOST', runId, functionId: id });
      expect(error.message).toMatch(/`collect`.*execute\(\).*retainedRuns/);
    }
    expect(calls.value).toBe(0);
  });

  it('is refused when there is no such run or function', async () => {
    await handoff().execute(dagOf({ id: 'table', code: t.one }), { runId: 'known' });
    expect(await errorOf(handoff().execute(taking('unknown', 'x')))).toMatchObject({
      code: 'NOT_FOUND',
      runId: 'unknown',
    });
    expect(await errorOf(handoff().executeLocal(taking('known', 'tabel')))).toMatchObject({
      code: 'NOT_FOUND',
      functionId: 'tabel',
      message: expect.stringContaining('Did you mean "table"?'),
    });
    expect(calls.value).toBe(0);
  });

  it('is refused while the other run is under way, which may be itself', async () => {
    const gate = new Gate();
    const running = handoff().execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] }), {
      runId: 'running',
    });
    await gate.arrived(1);
    expect(await errorOf(handoff().execute(taking('running', 'x')))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('has not ended'),
    });
    expect(await errorOf(handoff().execute(taking('self', 'x'), { runId: 'self' }))).toMatchObject({
      code: 'INVALID_OPTION',
    });
    gate.release();
    await running;
    expect(calls.value).toBe(0);
  });

  it('is no answer of a function', async () => {
    await handoff().execute(dagOf({ id: 'x', code: t.one }), { runId: 'one' });
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: e.ofOther, extraArgs: ['one', 'x'] })));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'a' });
    expect(error.cause).toMatchObject({ code: 'INVALID_FUNCTION', message: expect.stringContaining('run "one"') });
  });
});
