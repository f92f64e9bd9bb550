/** What is learned of functions by itself: without threads, files or time. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../lib/index.ts';
import type { BatchReport } from '../../../lib/workers/node/thread-messages.ts';
import { placed, placeOf } from '../../../lib/workers/node/wire.ts';
import { CostModel } from '../../../lib/scheduling/costs/cost-model.ts';
import { addJson, type CostModelJson, faultOf, nameOf, toJson } from '../../../lib/engine/costs/cost-json.ts';
import { measuredIn } from '../../../lib/engine/costs/measurements.ts';
import { costsOf, inLearnedOrder, knownOf } from '../../../lib/engine/costs/plan-costs.ts';
import { observe } from '../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Batch } from '../../../lib/scheduling/scheduler/state.ts';

const work = { module: 'file:///tasks.js', export: 'work' };
const other = { module: 'file:///tasks.js', export: 'other' };
const create = (most?: number): CostModel =>
  new CostModel((code) => `code ${code}`, most === undefined ? {} : { most });
const alone = (ms: number, bytes = 0) => ({ ms, bytes, isAlone: true });
const together = (ms: number | undefined, bytes = 0) => ({ ms, bytes, isAlone: false });
const known = (learned: CostModel, code = 0): string[] => [
  ...(learned.codes.get(`code ${code}`)?.functions.keys() ?? []),
];

describe('learned costs', () => {
  it('distinguish long functions of the same code', () => {
    const learned = create();
    learned.observe(0, 'slow', alone(5000));
    learned.observe(0, 'quick', alone(5));
    observe(learned.estimateOf(0), 2, 5005, 256);
    expect(learned.durationOf(0, 'slow')).toBe(5000);
    expect(learned.durationOf(0, 'quick')).toBe(5);
    expect(learned.durationOf(0, 'of the same code')).toBe(2502.5);
    expect(learned.durationOf(1, 'slow')).toBeUndefined();
  });

  it('keep a function with a large result by its id, even when it is short', () => {
    const learned = create();
    learned.observe(0, 'large', together(0.1, 1_000_000));
    expect(learned.bytesOf(0, 'large')).toBe(1_000_000);
    expect(learned.bytesOf(0, 'another')).toBeUndefined();
  });

  it('keep nothing by id of functions that are neither long nor large', () => {
    const learned = create();
    learned.observe(0, 'a', alone(0.9));
    learned.observe(0, 'b', together(50)); // the mean of several: one of them was long, and nobody knows which
    learned.observe(0, 'c', together(undefined, 100));
    expect(known(learned)).toEqual([]);
  });

  it('forget a function that has become short', () => {
    const learned = create();
    learned.observe(0, 'cold', alone(3));
    expect(known(learned)).toEqual(['cold']);
    for (let run = 0; run < 8; run++) learned.observe(0, 'cold', together(0.001));
    expect(known(learned)).toEqual([]);
    expect(learned.isSlow([0], 1)).toBe(false);
  });

  it('are bounded: the least recently used entry is dropped', () => {
    const learned = create(100);
    for (let i = 0; i < 100; i++) learned.observe(i % 3, `f${i}`, alone(i + 1));
    learned.durationOf(0, 'f0'); // asked for
    learned.observe(1, 'f1', alone(2)); // run again
    for (let i = 100; i < 105; i++) learned.observe(i % 3, `f${i}`, alone(i + 1));
    const all = [0, 1, 2].flatMap((code) => known(learned, code));
    expect(all.length).toBeLessThanOrEqual(100);
    expect(all).toEqual(expect.arrayContaining(['f0', 'f1', 'f99', 'f104']));
    expect(all).not.toContain('f2');
  });

  it('suspect every function of a batch in which one was long, until each has run alone', () => {
    const learned = create();
    observe(learned.estimateOf(0), 4, 40, 256);
    learned.suspect(0, ['a', 'b', 'c', 'd'], 40);
    expect(learned.durationOf(0, 'a')).toBe(10);
    expect(learned.isSlow([0], 4)).toBe(true);
    learned.observe(0, 'b', alone(39.9));
    for (const id of ['a', 'c', 'd']) learned.observe(0, id, together(0.03));
    expect(known(learned)).toEqual(['b']);
    expect(learned.durationOf(0, 'b')).toBe(39.9);
    learned.suspect(0, ['a', 'b'], 9); // of b it is known already
    expect(known(learned)).toEqual(['b', 'a']);
    expect(learned.durationOf(0, 'b')).toBe(39.9);
  });

  it('do not count a thread that was held up for a moment as a long function', () => {
    const learned = create();
    observe(learned.estimateOf(0), 1000, 0.3, 256);
    learned.observe(0, 'a', alone(3));
    learned.suspect(0, ['b', 'c'], 4);
    expect(known(learned)).toEqual([]);
    learned.observe(0, 'a', alone(3)); // again: that is no chance
    learned.suspect(0, ['c', 'd'], 4);
    expect(known(learned)).toEqual(['a', 'c']);
    learned.observe(0, 'e', alone(500)); // nobody is held up so long
    learned.suspect(0, ['f', 'g'], 500);
    expect(known(learned)).toEqual(['a', 'c', 'e', 'f', 'g']);
    for (let i = 0; i < 1000; i++) learned.observe(0, `once ${i}`, alone(2));
    expect(learned.codes.get('code 0')!.doubted.size).toBeLessThanOrEqual(256);
    learned.observe(0, 'once 0', alone(2)); // too long ago
    expect(known(learned)).toEqual(['a', 'c', 'e', 'f', 'g']);
  });

  it('say when ordering by durations pays', () => {
    const learned = create();
    expect(learned.isSlow([0, 1], 10)).toBe(false); // nothing is known
    observe(learned.estimateOf(0), 1000, 10, 256);
    expect(learned.isSlow([0, 1], 10)).toBe(false);
    observe(learned.estimateOf(1), 1, 0.6, 256);
    expect(learned.isSlow([0, 1], 10)).toBe(true);
    expect(learned.isSlow([0], 10)).toBe(false);
    learned.observe(0, 'the long one', alone(500));
    expect(learned.isSlow([0], 10_000)).toBe(true);
    expect(learned.isSlow([0], 1_000_000)).toBe(false); // it costs more to order them than it could save
  });
});

describe('a report', () => {
  const dag = [work, other].flatMap((code, k): FunctionSpec[] =>
    [0, 1, 2].map((i) => ({ id: `${code.export}${i}`, code, ...(k === 1 && i > 0 && { args: ['work0'] }) })),
  );
  const plan = compile(dag.reduce((made, spec) => made.add(spec), new Dag('run')));
  const [workCode, otherCode] = [7, 3]; // as numbered by the host
  const batch = {
    timedOut: false,
    functions: [0, 1, 2, 3, 4, 5],
    run: { plan, settings: { codes: Int32Array.of(workCode, otherCode) } },
    thread: { node: { speed: 2, host: 0 } },
  } as unknown as Batch;
  const report = (durations: readonly number[]): BatchReport => ({
    first: 0,
    count: 6,
    exceptions: [],
    durations,
    spans: null,
    values: [],
  });
  const nothing = { exceptions: [], large: [] };

  it('gives the duration of each long function, and the total of the others', () => {
    const learned = create();
    const measured = measuredIn(
      batch,
      report([workCode, 1, 0.5, workCode, -1, 40, workCode, 1, 0.25, otherCode, 3, 0.3]),
      nothing,
      learned,
    );
    expect(measured).toEqual([
      { code: workCode, count: 1, ms: 40, bytes: 0 },
      { code: workCode, count: 1, ms: 0.5, bytes: 0 },
      { code: workCode, count: 1, ms: 0.25, bytes: 0 },
      { code: otherCode, count: 3, ms: 0.3, bytes: 0 },
    ]);
    expect(known(learned, workCode)).toEqual(['work1']);
    expect(learned.durationOf(workCode, 'work1')).toBe(80); // the node is twice as fast as others
    expect(known(learned, otherCode)).toEqual([]);
    expect(learned.isChanged).toBe(true);
  });

  it('names the few functions of which one took long', () => {
    const learned = create();
    const exceptions = [{ index: 1, kind: 'skipped' }] as const;
    const measured = measuredIn(
      batch,
      report([workCode, placed(2, 2), 30, otherCode, 3, 0.3]),
      { exceptions: [...exceptions], large: [{ index: 2, bytes: 700 }] },
      learned,
    );
    expect(measured).toEqual([
      { code: workCode, count: 2, ms: 30, bytes: 700 },
      { code: otherCode, count: 3, ms: 0.3, bytes: 0 },
    ]);
    expect(known(learned, workCode).sort()).toEqual(['work0', 'work2']);
    expect(learned.durationOf(workCode, 'work0')).toBe(30);
    expect(learned.codes.get(`code ${workCode}`)!.functions.get('work2')!.ms.count).toBe(0);
  });

  it('keeps the order of sending, up to the maximum size of a batch', () => {
    for (const [index, count] of [
      [0, 1],
      [1023, 1],
      [7, 8],
      [1023, 8],
      [65_535, 8],
    ] as const)
      expect(placeOf(placed(index, count))).toEqual({ index, count });
    expect(placeOf(1)).toBeUndefined();
    expect(placeOf(1024)).toBeUndefined();
  });

  it('reports the first function of a batch in the same way', () => {
    const learned = create();
    measuredIn(batch, report([workCode, -0, 40, workCode, 2, 0.1, otherCode, 3, 0.1]), nothing, learned);
    expect(known(learned, workCode)).toEqual(['work0']);
  });

  it('gives the sizes of results, of long functions and of others', () => {
    const learned = create();
    const large = [
      { index: 1, bytes: 200_000 },
      { index: 4, bytes: 900_000 },
      { index: 5, bytes: 1000 },
    ];
    const measured = measuredIn(
      batch,
      report([workCode, -1, 40, workCode, 2, 0.2, otherCode, 3, 0.3]),
      { exceptions: [], large },
      learned,
    );
    expect(measured).toEqual([
      { code: workCode, count: 1, ms: 40, bytes: 200_000 },
      { code: workCode, count: 2, ms: 0.2, bytes: 0 },
      { code: otherCode, count: 3, ms: 0.3, bytes: 901_000 },
    ]);
    expect(learned.bytesOf(workCode, 'work1')).toBe(200_000);
    expect(known(learned, otherCode)).toEqual(['other1']);
    expect(learned.bytesOf(otherCode, 'other1')).toBe(900_000);
    expect(learned.durationOf(otherCode, 'other1')).toBeCloseTo(0.2, 9);
  });

  it('reports that a long function has become short', () => {
    const learned = create();
    learned.observe(workCode, 'work2', alone(8));
    measuredIn(batch, report([workCode, 3, 6, otherCode, 3, 0.3]), nothing, learned);
    expect(learned.durationOf(workCode, 'work2')).toBe((8 + 4) / 2);
    // The others took 2 ms in the mean, which says of none of them that it did.
    expect(known(learned, workCode)).toEqual(['work2']);
  });

  it('of another host is ignored where it is impossible', () => {
    const learned = create();
    const far = { ...batch, thread: { node: { speed: 1, host: 1 } } } as unknown as Batch;
    for (const wrong of [
      [99, 1, 5],
      [workCode, 1, NaN],
      [workCode, 1, Infinity],
      [workCode, 1, -5],
      [workCode, placed(6, 1), 5],
      [workCode, NaN, 5],
    ]) {
      expect(measuredIn(far, report(wrong), nothing, learned), String(wrong)).toEqual([]);
    }
    expect(known(learned, workCode)).toEqual([]);
    expect(measuredIn(far, report([workCode, placed(1, 1), 5]), nothing, learned)).toHaveLength(1);
  });

  it('leaves out functions that failed, were skipped or timed out', () => {
    const learned = create();
    const exceptions = [
      { index: 1, kind: 'failed', error: 'no', retryable: true },
      { index: 2, kind: 'skipped' },
    ] as const;
    expect(measuredIn(batch, report([workCode, -1, 40]), { exceptions: [...exceptions], large: [] }, learned)).toEqual(
      [],
    );
    expect(measuredIn({ ...batch, timedOut: true } as Batch, report([workCode, -1, 40]), nothing, learned)).toEqual([]);
    expect(known(learned, workCode)).toEqual([]);
  });
});

describe('a plan', () => {
  const specs: FunctionSpec[] = [
    { id: 'a', code: work },
    { id: 'b', code: work, args: ['a'] },
    { id: 'long', code: work },
  ];
  const plan = (all = specs) => compile(all.reduce((dag, spec) => dag.add(spec), new Dag('run')));
  const code = { codes: Int32Array.of(0), predicates: new Map<string, number>(), usesContext: false };
  const order = ({ byRank, entries }: ReturnType<typeof plan>): string[] => [...byRank].map((i) => entries[i]!.id);
  const experienced = (): CostModel => {
    const learned = create();
    for (const [id, ms, bytes] of [
      ['a', 2, 0],
      ['b', 2, 0],
      ['long', 90, 70_000],
    ] as const) {
      learned.observe(0, id, alone(ms, bytes));
      observe(learned.estimateOf(0), 1, ms, 256);
    }
    return learned;
  };

  it('takes declared durations first, then those learned of the function, then of its code, and else 1 ms and no bytes', () => {
    const said = plan([
      ...specs.slice(1, 2).map((spec) => ({ ...spec, args: [], duration: 7, outputBytes: 8 })),
      specs[2]!,
      { id: 'new', code: work },
      { id: 'unknown', code: other },
    ]);
    const { durationOf, bytesOf } = costsOf(said, { ...code, codes: Int32Array.of(0, 1) }, experienced());
    expect([0, 1, 2, 3].map(durationOf)).toEqual([7, 90, 94 / 3, 1]);
    expect([0, 1, 2, 3].map(bytesOf)).toEqual([8, 70_000, 0, 0]);
  });

  it('is ordered by what was learned', () => {
    expect(order(plan())).toEqual(['a', 'b', 'long']);
    expect(order(inLearnedOrder(plan(), code, experienced()))).toEqual(['long', 'a', 'b']);
  });

  it('keeps its order when nothing was learned, or all functions declare durations', () => {
    const silent = plan();
    expect(inLearnedOrder(silent, code, create())).toBe(silent);
    const said = plan(specs.map((spec) => ({ ...spec, duration: 3 })));
    expect(inLearnedOrder(said, code, experienced())).toBe(said);
  });

  it('lists the functions that differ from others of their code', () => {
    const learned = experienced();
    expect([...knownOf(plan(), code, learned)!]).toEqual([
      [0, 2],
      [1, 2],
      [2, 90],
    ]);
    expect(
      knownOf(plan(specs.map((spec) => ({ ...spec, code: other }))), { ...code, codes: Int32Array.of(1) }, learned),
    ).toBeUndefined();
    for (let i = 0; i < 10; i++) learned.observe(0, `of another DAG ${i}`, alone(3));
    expect([...knownOf(plan(), code, learned)!]).toEqual([
      [0, 2],
      [1, 2],
      [2, 90],
    ]);
    expect(knownOf(plan([{ id: 'x', code: work }]), code, learned)).toBeUndefined();
    learned.suspect(0, ['x', 'y'], 1.5);
    expect(knownOf(plan([{ id: 'x', code: work }]), code, learned)!.get(0)).toBe(1);
  });

  it('is ordered by declared and learned durations together', () => {
    const some = plan([...specs, { id: 'longest', code: work, duration: 91 }]);
    expect(order(inLearnedOrder(some, code, experienced()))).toEqual(['longest', 'long', 'a', 'b']);
  });
});

describe('as plain data', () => {
  it('survive a round trip', () => {
    const learned = create();
    observe(learned.estimateOf(0), 3, 30, 256);
    observe(learned.estimateOf(0), 1, 2, 256);
    for (const total of [100, 300]) observe(learned.estimateOf(0).bytes, 1, total, 256);
    for (const [id, ms, bytes] of [
      ['__proto__', 5, 0],
      ['b', 7, 90_000],
      ['b', 9, 90_000],
    ] as const)
      learned.observe(0, id, alone(ms, bytes));
    learned.observe(1, 'x', together(undefined, 80_000));
    const json = toJson(learned);
    const again = create();
    addJson(again, JSON.parse(JSON.stringify(json)));
    expect(toJson(again)).toEqual(json);
    expect(json.codes['code 0']).toMatchObject({
      ms: { mean: 8, count: 4 },
      bytes: { mean: 200, variance: 20_000, count: 2 },
    });
    expect(again.durationOf(0, 'b')).toBe(8);
    expect(again.durationOf(0, '__proto__')).toBe(5);
    expect(again.bytesOf(1, 'x')).toBe(80_000);
    expect(again.isChanged).toBe(false);
  });

  it('name code by paths that other machines understand', () => {
    const wire = (url: string) => ({ url, module: url, export: 'work' });
    expect(nameOf(wire('file:///home/me/project/src/tasks.ts'), '/home/me/project')).toBe('./src/tasks.ts#work');
    expect(nameOf(wire('file:///home/me/shared/tasks.ts'), '/home/me/project')).toBe('../shared/tasks.ts#work');
    expect(
      nameOf({ url: 'file:///home/me/node_modules/sharp/index.js', module: 'sharp', export: 'resize' }, '/home/me'),
    ).toBe('sharp#resize');
    const secret = nameOf({ source: '() => "hush"', name: 'inline' }, '/');
    expect(secret).toMatch(/^source:[0-9a-f]{32}$/);
    expect(nameOf({ source: '() => "hash"', name: 'inline' }, '/')).not.toBe(secret);
    expect(nameOf(wire('data:text/javascript,export const work = 1'), '/')).toMatch(/^url:[0-9a-f]{32}#work$/);
  });

  it.each([
    [null, 'it is no handoff-cost-model'],
    [[], 'it is no handoff-cost-model'],
    [{ format: 'handoff-trace' }, 'it is no handoff-cost-model'],
    [{ format: 'handoff-cost-model', version: 2, codes: {} }, 'it is of version 2, and this is version 1'],
    [{ format: 'handoff-cost-model', version: 1 }, 'codes is not an object'],
    [{ format: 'handoff-cost-model', version: 1, codes: { x: 3 } }, 'of "x", there is no object'],
    [
      { format: 'handoff-cost-model', version: 1, codes: { x: { ms: { mean: -1, variance: 0, count: 1 } } } },
      'of "x", ms.mean is not a finite number of at least 0',
    ],
    [
      { format: 'handoff-cost-model', version: 1, codes: { x: { ms: { mean: 1, variance: 0, count: 1.5 } } } },
      'of "x", ms.count is not a whole number',
    ],
    [
      { format: 'handoff-cost-model', version: 1, codes: { x: { functions: { f: { bytes: 7 } } } } },
      'of "x", function "f": bytes is not an object',
    ],
  ])('are refused when they are damaged: %j', (json, fault) => {
    expect(faultOf(json)).toBe(fault);
  });
});

describe('what is alike', () => {
  it('is ordered by the duration of its code, and a function that differs by its own', () => {
    const costs = create();
    for (const [id, ms] of [
      ['usual', 104],
      ['unlike', 300],
    ] as const)
      costs.observe(0, id, { ms, isAlone: true, bytes: 0 });
    Object.assign(costs.estimateOf(0), { mean: 100, count: 10 });
    expect([costs.durationOf(0, 'usual'), costs.typicalOf(0, 'usual'), costs.typicalOf(0, 'unlike')]).toEqual([
      104, 100, 300,
    ]);
  });

  it('is not learned by a model that does not learn', () => {
    const costs = new CostModel(String, { learns: false });
    costs.observe(0, 'x', { ms: 300, isAlone: true, bytes: 2 ** 20 });
    Object.assign(costs.estimateOf(0), { mean: 100, count: 10 });
    expect([costs.durationOf(0, 'x'), costs.bytesOf(0, 'x'), costs.isSlow([0], 1), costs.functionsOf(0).size]).toEqual([
      undefined,
      undefined,
      false,
      0,
    ]);
  });

  it('is used by a model that does not learn, and stays as it was added', () => {
    const added = create();
    for (const [id, ms] of [
      ['a', 2],
      ['long', 90],
    ] as const)
      added.observe(0, id, alone(ms, 70_000));
    const costs = new CostModel((code) => `code ${code}`, { learns: false });
    addJson(costs, toJson(added));
    const before = toJson(costs);
    Object.assign(costs.estimateOf(0), { mean: 1e6, count: 99 }); // as the scheduler learns
    costs.observe(0, 'new', { ms: 1e6, isAlone: true, bytes: 2 ** 30 });
    expect(toJson(costs)).toEqual(before);
    expect(before.codes['code 0']).toBeDefined();
    for (const id of added.functionsOf(0).keys())
      expect(costs.durationOf(0, id)).toBeCloseTo(added.durationOf(0, id)!, 3);
  });

  it('is replaced where it is added twice', () => {
    const json = (mean: number): CostModelJson => ({
      format: 'handoff-cost-model',
      version: 1,
      codes: { 'code 0': { functions: { f: { ms: { mean, variance: 0, count: 1 } } } } },
    });
    const costs = create(1);
    addJson(costs, json(70));
    addJson(costs, json(90));
    expect([costs.durationOf(0, 'f'), costs.functionsOf(0).size, costs.codes.get('code 0')!.ms]).toEqual([90, 1, 90]);
  });
});
