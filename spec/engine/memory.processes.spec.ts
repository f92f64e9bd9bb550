import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Dag,
  type ExecuteOptions,
  type ExecuteResult,
  type FunctionSpec,
  Handoff,
  type HandoffError,
} from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t } from '../support/handoff.ts';

const MiB = 2 ** 20;
const root = new URL('../..', import.meta.url).pathname;
let handoff: Handoff;
const start = async (memoryBudget: number, threads = 2): Promise<Handoff> =>
  (handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }], memoryBudget }));
afterEach(() => handoff?.stop());

/** Arrays of 1 MiB, each of which is read once, at the very end. */
function piled(count: number): Dag {
  const dag = new Dag();
  for (let i = 0; i < count; i++) dag.add({ id: `a${i}`, code: t.float64, extraArgs: [MiB / 8, i] });
  dag.add({ id: 'all', code: t.one });
  for (let i = 0; i < count; i++) dag.add({ id: `s${i}`, code: t.totalAfter, args: [`a${i}`, 'last'] });
  dag.add({ id: 'last', code: t.collectLengths, args: Array.from({ length: count }, (_, i) => `a${i}`) });
  return dag;
}

const spilled = (): string[] =>
  readdirSync(tmpdir()).filter((name) => new RegExp(`^handoff-spill-\\w+-${process.pid}-`).test(name));
/** Files of results in a folder. */
const files = (folder: string): string[] => readdirSync(folder).filter((name) => name !== 'lock');

describe('memoryBudget', () => {
  it('writes results beyond it to disk, and reads them back for their consumers', async () => {
    await start(8 * MiB);
    const { results } = await handoff.execute(piled(40), { collect: 'sinks' });
    expect(Array.from({ length: 40 }, (_, i) => results[`s${i}`])).toEqual(
      Array.from({ length: 40 }, (_, i) => i * (MiB / 8)),
    );
    expect(spilled()).toHaveLength(1);
    await handoff.stop();
    expect(spilled()).toEqual([]);
  });

  it.each([
    [
      'typed arrays',
      t.float64,
      [20_000, 3],
      (value: any) => value instanceof Float64Array && value.length === 20_000 && value[19_999] === 3,
    ],
    [
      'buffers',
      t.bytes,
      [100_000],
      (value: any) => Buffer.isBuffer(value) && value.length === 100_000 && value[5] === 7,
    ],
    [
      'other large values',
      t.rows,
      [5000],
      (value: any) => value.length === 5000 && value[9].when instanceof Date && value[9].name === 'row 9',
    ],
  ])('brings back %s as they were', async (_, code, extraArgs, isWhole) => {
    await start(300_000);
    const dag = dagOf(...Array.from({ length: 8 }, (__, i) => ({ id: `f${i}`, code, extraArgs }) as FunctionSpec), {
      id: 'types',
      code: t.describeValues,
      args: Array.from({ length: 8 }, (__, i) => `f${i}`),
    } as FunctionSpec);
    const { results } = await handoff.execute(dag, { collect: Array.from({ length: 8 }, (__, i) => `f${i}`) });
    for (let i = 0; i < 8; i++) expect(isWhole(results[`f${i}`])).toBe(true);
  });

  it('refuses a single larger result, naming both sizes', async () => {
    await start(MiB);
    const error = await errorOf(handoff.execute(dagOf({ id: 'big', code: t.float64, extraArgs: [MiB / 4, 1] })));
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'big',
      attempts: 1,
      cause: { code: 'RESULT_TOO_LARGE' },
    });
    expect(error.message).toContain(`takes ${2 * MiB} bytes, and all results together may hold ${MiB}`);
  });

  it('runs the dependencies of a function right before it, so that results do not pile up', async () => {
    await start(64 * MiB, 1);
    const order: string[] = [];
    handoff.on('function:started', ({ functionId }) => order.push(functionId));
    const dag = new Dag();
    for (let i = 0; i < 6; i++) dag.add({ id: `load${i}`, code: t.constant, extraArgs: [i] });
    for (let i = 0; i < 6; i += 2) dag.add({ id: `merge${i}`, code: t.add, args: [`load${i}`, `load${i + 1}`] });
    dag.add({ id: 'end', code: t.add, args: ['merge0', 'merge2', 'merge4'] });
    await handoff.execute(dag);
    expect(order).toEqual(['load0', 'load1', 'merge0', 'load2', 'load3', 'merge2', 'load4', 'load5', 'merge4', 'end']);
  });

  it('leaves nothing on disk of forgotten runs', async () => {
    await start(2 * MiB);
    const dag = piled(10);
    await handoff.execute(dag);
    const [folder] = spilled();
    expect(files(join(tmpdir(), folder!)).length).toBeGreaterThan(0);
    await handoff.clear(dag.id);
    while (files(join(tmpdir(), folder!)).length > 0) await new Promise(setImmediate);
  });

  /** A run of which the results on disk are removed before the last function reads them. */
  async function runWithoutFiles(
    runs: ReturnType<typeof counter>,
    options: ExecuteOptions = {},
  ): Promise<ExecuteResult> {
    await start(3 * MiB, 1);
    handoff.on('result:lost', ({ functionId }) => events.push(`lost ${functionId}`));
    handoff.on('result:recomputing', ({ functionId }) => events.push(`again ${functionId}`));
    const gate = new Gate();
    const dag = new Dag().add({ id: 'seed', code: t.count, extraArgs: [runs.memory, 5] });
    dag.add({ id: 'a', code: t.float64, args: ['seed'], layout: [{ value: MiB / 8 }, { arg: 0 }] });
    for (let i = 0; i < 6; i++) dag.add({ id: `more${i}`, code: t.float64, extraArgs: [MiB / 8, 1], priority: -i });
    dag.add({
      id: 'wait',
      code: t.waitAtGate,
      args: Array.from({ length: 6 }, (_, i) => `more${i}`),
      layout: [{ value: gate.memory }],
    });
    dag.add({ id: 'sum', code: t.totalAfter, args: ['a', 'wait'] });
    const running = handoff.execute(dag, { collect: 'sinks', ...options });
    await gate.arrived(1);
    const folder = join(tmpdir(), spilled()[0]!);
    // Of seven results of 1 MiB three may stay; what was used least recently goes first, and that is `a`.
    let before = -1;
    await vi.waitUntil(
      () => {
        const count = files(folder).length;
        const isAll = count >= 4 && count === before; // none is being written any more
        before = count;
        return isAll;
      },
      { timeout: 120_000, interval: 300 },
    );
    for (const file of files(folder)) rmSync(join(folder, file));
    gate.release();
    return running;
  }

  const events: string[] = [];
  beforeEach(() => void events.splice(0));

  it('recomputes results whose files are gone, and their inputs where those were dropped', async () => {
    const runs = counter();
    const { results } = await runWithoutFiles(runs);
    expect(results['sum']).toBe(5 * (MiB / 8));
    expect(events).toContain('lost a');
    expect(events).toContain('again seed'); // nobody was to read it any more, so that it had been dropped
    expect(runs.value).toBe(2);
  });

  it('fails a function whose result is lost more often than maxResultLosses allows, with RESULT_LOST as cause', async () => {
    const error = await errorOf(runWithoutFiles(counter(), { maxResultLosses: 0 }));
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'a',
      cause: { code: 'RESULT_LOST', message: expect.stringContaining('maxResultLosses allows 0') },
    });
    expect(events[0]).toBe('lost a');
  });

  it('gives RESULT_LOST for a result whose file is gone, and reads the others', async () => {
    await start(2 * MiB);
    const dag = piled(10);
    await handoff.execute(dag);
    const folder = join(tmpdir(), spilled()[0]!);
    for (const file of files(folder)) rmSync(join(folder, file));
    const answers = await Promise.all(
      [...dag.functions.keys()].map((id) =>
        handoff.getResult(dag.id, id).then(
          () => 'read',
          (error: HandoffError) => [error.code, error.functionId === id],
        ),
      ),
    );
    expect(new Set(answers.map(String))).toEqual(new Set(['read', 'RESULT_LOST,true']));
  });

  it('gives all results to the caller of execute, even when none are retained', async () => {
    handoff = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 } }],
      memoryBudget: 8 * MiB,
      retainedRuns: 0,
    });
    expect(
      (await handoff.execute(dagOf({ id: 'x', code: t.one }, { id: 'y', code: t.float64, extraArgs: [MiB / 8, 1] })))
        .results,
    ).toMatchObject({ x: 1, y: expect.any(Float64Array) });
    const failed = await errorOf(
      handoff.execute(dagOf({ id: 'x', code: t.one }, { id: 'y', code: t.boom, maxRetries: 0 }), {
        failurePolicy: 'continue',
      }),
    );
    expect(failed.results).toEqual({ x: 1 });
  });

  it('never writes memory to disk that functions share on purpose', async () => {
    await start(2 * MiB);
    const dag = new Dag().add({ id: 'shared', code: t.flagAndMore });
    for (let i = 0; i < 8; i++)
      dag.add({ id: `more${i}`, code: t.float64, extraArgs: [MiB / 8, i], args: [], priority: 1 });
    dag.add({
      id: 'first',
      code: t.raise,
      args: ['shared', 'more0', 'more1', 'more2', 'more3', 'more4', 'more5', 'more6', 'more7'],
    });
    dag.add({ id: 'second', code: t.isRaised, args: ['shared', 'first'] });
    expect((await handoff.execute(dag, { collect: 'sinks' })).results['second']).toBe(1);
  });

  it.each([[0], [-1], [Infinity], ['1G']])('refuses a budget of %s', async (memoryBudget) => {
    expect(await errorOf(Handoff.start({ memoryBudget: memoryBudget as number }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'memoryBudget',
    });
  });

  it('writes elements of a map to disk like other results, and reads them back one by one', async () => {
    await start(8 * MiB);
    const count = 40;
    const { results } = await handoff.execute(
      dagOf(
        { id: 'a', code: t.float64, extraArgs: [Array<number>(count).fill(MiB / 8), 3], map: true },
        { id: 'lengths', code: t.constant, args: ['a'], map: true },
        { id: 'totals', code: t.totalAfter, args: ['a', 'lengths'], map: true },
      ),
      { collect: ['totals'] },
    );
    expect(results['totals']).toEqual(Array<number>(count).fill((3 * MiB) / 8));
    expect(spilled()).toHaveLength(1);
  });

  it('finds and removes the files of a killed process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'handoff-killed-'));
    const script = join(folder, 'main.ts');
    writeFileSync(
      script,
      `
      import { Dag, Handoff, tasks } from ${JSON.stringify(join(root, 'lib/index.ts'))};
      const t = tasks(new URL(${JSON.stringify(new URL('../fixtures/tasks.ts', import.meta.url).href)}));
      const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }], memoryBudget: 2 ** 21 });
      const dag = new Dag();
      for (let i = 0; i < 12; i++) dag.add({ id: 'a' + i, code: t.float64, extraArgs: [2 ** 17, i] });
      await handoff.execute(dag);
      console.log('spilled');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    `,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const left = readdirSync(tmpdir()).filter((name) => new RegExp(`^handoff-spill-\\w+-${child.pid}-`).test(name));
    expect(left).toHaveLength(1);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(existsSync(join(tmpdir(), left[0]!))).toBe(true);
    await start(MiB);
    await vi.waitUntil(() => !existsSync(join(tmpdir(), left[0]!)), { timeout: 120_000 });
    rmSync(folder, { recursive: true });
  });

  it('bounds the memory of the process, whatever the sum of the results', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      new URL('../fixtures/ten-times.ts', import.meta.url).pathname,
    ]);
    const { budget, total, growth } = JSON.parse(stdout) as { budget: number; total: number; growth: number };
    expect(total).toBe(10 * budget);
    // Each of three threads may have 64 MiB to be collected before V8 does.
    expect(growth).toBeLessThan(budget * 1.25 + 3 * 64 * MiB);
  });
});
