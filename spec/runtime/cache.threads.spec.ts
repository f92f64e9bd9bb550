/** The cache of results: what is taken from earlier runs, and what runs again. */
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Dag,
  type ExecuteOptions,
  type ExecuteResult,
  type FunctionSpec,
  Handoff,
  type HandoffEvent,
  type HandoffOptions,
  tasks,
} from '../../lib/index.ts';
import { MemoryJournal } from '../../lib/journal/memory/memory-journal.ts';
import { c, dagOf, errorOf, t, thrownBy } from '../support/handoff.ts';

let folder = '';
let marks = '';
let cacheDir = '';
let handoff: Handoff | undefined;
const warnings: string[] = [];
const listen = (warning: Error): void => void warnings.push(warning.message);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-cached-'));
  [marks, cacheDir] = [join(folder, 'marks'), join(folder, 'cache')];
  process.on('warning', listen);
  write('package.json', '{ "type": "module" }');
  write(
    'tasks.mjs',
    `import { appendFileSync } from 'node:fs';
     import { scaled } from './helper.mjs';
     const mark = (id) => appendFileSync(${JSON.stringify(marks)}, id + '\\n');
     export function load(id, value) { mark(id); return value; }
     export function scale(id, value) { mark(id); return scaled(value); }
     export function parity(id, value) { mark(id); return value % 2 === 0; }
     export function total(id, ...values) { mark(id); return values.flat().reduce((sum, each) => sum + each, 0); }
     export function large(id, size) { mark(id); return new Float64Array(size).fill(2); }
     export function sum(id, list) { mark(id); return list.reduce((a, b) => a + b, 0); }
     export function shared(id) { mark(id); return { memory: new SharedArrayBuffer(8) }; }
     export function failing(id) { mark(id); throw new Error('no'); }
     export function found(id) { mark(id); return new RangeError('as a value'); }`,
  );
  write(
    'helper.mjs',
    `import { factor } from './deep/factor.mjs';\nexport const scaled = (value) => value * factor;\n`,
  );
  write('deep/factor.mjs', 'export const factor = 10;\n');
  write('other.mjs', `export function other(value) { return value; }`);
});
afterEach(async () => {
  await handoff?.stop({ drain: false });
  handoff = undefined;
  process.off('warning', listen);
  warnings.length = 0;
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): void {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
}

/** What ran since the last call. */
function ran(): string[] {
  if (!existsSync(marks)) return [];
  const ids = readFileSync(marks, 'utf8').trim().split('\n').filter(Boolean);
  truncateSync(marks);
  return ids.sort();
}

type Fn = (...args: never[]) => unknown;
interface Functions {
  load: Fn;
  scale: Fn;
  parity: Fn;
  total: Fn;
  large: Fn;
  sum: Fn;
  shared: Fn;
  failing: Fn;
  found: Fn;
}
const f = () => tasks<Functions>(pathToFileURL(join(folder, 'tasks.mjs')));

/** Calls a function with its id, the results of `args`, and `extra`. */
function spec(id: string, name: keyof Functions, args: string[] = [], extra: unknown[] = [], more = {}): FunctionSpec {
  const layout = [{ value: id }, ...args.map((_, arg) => ({ arg })), ...extra.map((value) => ({ value }))];
  return { id, code: f()[name], args, layout, ...more };
}

/** load ──► scale ──► total */
const chain = (value = 1, more: Partial<Record<'load' | 'scale' | 'total', object>> = {}): Dag =>
  dagOf(
    spec('load', 'load', [], [value], more.load),
    spec('scale', 'scale', ['load'], [], more.scale),
    spec('total', 'total', ['scale', 'load'], [], more.total),
  );

/** Runs a DAG in a Handoff of its own, as another process would. */
async function run(
  dag: Dag,
  options: ExecuteOptions = { cache: true },
  more: HandoffOptions = {},
): Promise<ExecuteResult> {
  await handoff?.stop();
  handoff = await Handoff.start({
    nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }],
    costModel: { learn: false },
    cacheDir,
    ...more,
  });
  return handoff.execute(dag, options);
}

describe('a run with the cache', () => {
  it('takes the results of an earlier run, and runs nothing', async () => {
    const first = await run(chain());
    expect(first).toMatchObject({ results: { load: 1, scale: 10, total: 11 }, stats: { cached: 0, functions: 3 } });
    expect(ran()).toEqual(['load', 'scale', 'total']);
    const again = await run(chain());
    expect(again).toMatchObject({ results: first.results, stats: { cached: 3, functions: 3, nodes: {} } });
    expect(again.allocations).toEqual({});
    expect(ran()).toEqual([]);
  });

  it('takes them within one process, too', async () => {
    await run(chain());
    expect((await handoff!.execute(chain(), { cache: true })).stats.cached).toBe(3);
    expect((await handoff!.execute(chain())).stats.cached).toBe(0);
  });

  it('says which functions did not run', async () => {
    await run(chain());
    await handoff!.stop();
    handoff = await Handoff.start({ cacheDir });
    const events: HandoffEvent[] = [];
    const progress: number[] = [];
    for (const type of ['function:cached', 'function:started'] as const)
      handoff.on(type, (event) => events.push(event));
    await handoff.execute(chain(), { cache: true, runId: 'r', onProgress: ({ done }) => progress.push(done) });
    expect(events.map(({ type, ...event }) => [type, 'functionId' in event && event.functionId])).toEqual(
      ['load', 'scale', 'total'].map((id) => ['function:cached', id]),
    );
    expect(events[0]).toMatchObject({ runId: 'r' });
    expect(progress.at(-1)).toBe(3);
  });

  it.each([
    ['another argument', () => chain(2), ['load', 'scale', 'total']],
    ['another version', () => chain(1, { scale: { cache: { version: 2 } } }), ['scale']],
  ])('runs what %s changes', async (_, changed, expected) => {
    await run(chain());
    ran();
    await run(changed());
    expect(ran()).toEqual(expected);
  });

  it('cuts off where a function that runs again returns the same value', async () => {
    await run(chain());
    ran();
    const dag = chain(1, { load: { cache: { version: 'new' } } });
    expect((await run(dag)).results).toEqual({ load: 1, scale: 10, total: 11 });
    expect(ran()).toEqual(['load']);
  });

  it('runs functions again whose module imports a changed module, directly or not', async () => {
    await run(chain());
    ran();
    write('deep/factor.mjs', 'export const factor = 20;\n');
    expect((await run(chain())).results).toEqual({ load: 1, scale: 20, total: 21 });
    expect(ran()).toEqual(['load', 'scale', 'total']);
    write('deep/factor.mjs', 'export const factor = 10;\n');
    expect((await run(chain())).results).toEqual({ load: 1, scale: 10, total: 11 });
    expect(ran()).toEqual([]);
  });

  it('ignores changes of modules that a function does not import', async () => {
    const { other } = tasks<{ other: Fn }>(pathToFileURL(join(folder, 'other.mjs')));
    const dag = (): Dag => chain().add({ id: 'other', code: other, args: ['total'] });
    await run(dag());
    ran();
    write('other.mjs', `// a comment\nexport function other(value) { return value; }`);
    expect((await run(dag())).stats.cached).toBe(3);
    expect(ran()).toEqual([]);
  });

  it('distinguishes different values, and treats equal values as equal', async () => {
    await run(dagOf(spec('a', 'total', [], [3])));
    const dag = dagOf(spec('three', 'load', [], [3]), spec('a', 'total', ['three']), spec('b', 'total', [], ['3']));
    await run(dag);
    expect(ran()).toEqual(['a', 'b', 'three']);
  });

  it('forgets a result after its time', async () => {
    const dag = (): Dag => dagOf(spec('a', 'load', [], [1], { cache: { ttl: 60_000 } }));
    await run(dag());
    await run(dag());
    expect(ran()).toEqual(['a']);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    await run(dag());
    expect(ran()).toEqual(['a']);
    await run(dag());
    expect(ran()).toEqual([]);
  });

  it('keeps no failure, but an error that is returned', async () => {
    const failing = (): Dag => dagOf(spec('a', 'failing', [], [], { maxRetries: 0 }));
    for (let k = 0; k < 2; k++) expect(await errorOf(run(failing()))).toMatchObject({ code: 'FUNCTION_FAILED' });
    expect(ran()).toEqual(['a', 'a']);
    for (let k = 0; k < 2; k++) {
      const { results } = await run(dagOf(spec('b', 'found')));
      expect(results['b']).toBeInstanceOf(RangeError);
    }
    expect(ran()).toEqual(['b']);
  });

  it('reads large results only where a function that runs takes them, or the run returns them', async () => {
    const dag = (version: number): Dag =>
      dagOf(spec('large', 'large', [], [50_000]), spec('sum', 'sum', ['large'], [], { cache: { version } }));
    await run(dag(1));
    ran();
    const [file] = globSync('cache/*/*', { cwd: cacheDir });
    const bytes = readFileSync(join(cacheDir, file!));
    rmSync(join(cacheDir, file!));
    expect((await run(dag(1), { cache: true, collect: ['sum'] })).results).toEqual({ sum: 100_000 });
    writeFileSync(join(cacheDir, file!), bytes);
    expect((await run(dag(2), { cache: true, collect: ['sum'] })).results).toEqual({ sum: 100_000 });
    expect(ran()).toEqual(['sum']);
    expect((await run(dag(2))).results['large']).toEqual(new Float64Array(50_000).fill(2));
    expect(ran()).toEqual([]);
  });

  it.each([
    ['returns', ['large']],
    ['takes', ['sum']],
  ])('runs a function again whose result is damaged, where the run %s it', async (_, collect) => {
    const dag = (version: number): Dag =>
      dagOf(
        spec('size', 'load', [], [50_000]),
        spec('large', 'large', ['size']),
        spec('sum', 'sum', ['large'], [], { cache: { version } }),
      );
    await run(dag(1));
    ran();
    const [file] = globSync('cache/*/*', { cwd: cacheDir });
    writeFileSync(join(cacheDir, file!), Buffer.alloc(10));
    const { results, stats } = await run(dag(2), { cache: true, collect });
    expect(results).toEqual(collect[0] === 'sum' ? { sum: 100_000 } : { large: new Float64Array(50_000).fill(2) });
    expect(ran()).toEqual(['large', 'sum']);
    expect(stats.cached).toBe(1);
    expect(warnings).toEqual([expect.stringContaining('damaged or gone')]);
    await run(dag(2), { cache: true, collect });
    expect(ran()).not.toContain('large');
    await run(dag(2), { cache: true, collect });
    expect(ran()).toEqual([]);
  });

  it('takes a damaged small result for a miss', async () => {
    await run(chain());
    ran();
    await handoff!.stop();
    const database = new DatabaseSync(join(cacheDir, 'cache.db'));
    database.exec('UPDATE results SET bytes = substr(bytes, 2)');
    database.close();
    expect((await run(chain())).results).toEqual({ load: 1, scale: 10, total: 11 });
    expect(ran()).toEqual(['load', 'scale', 'total']);
  });

  it('warns once of results that cannot be written, and runs those functions and what takes them each time', async () => {
    const dag = (): Dag =>
      dagOf(spec('a', 'shared'), spec('b', 'shared'), spec('c', 'load', ['a']), spec('d', 'load', [], [1]));
    for (let k = 0; k < 2; k++) {
      await run(dag());
      expect(warnings).toEqual([expect.stringMatching(/result of function "[ab]" is not cached: .*SharedArrayBuffer/)]);
      expect(ran()).toEqual(k === 0 ? ['a', 'b', 'c', 'd'] : ['a', 'b', 'c']);
      warnings.length = 0;
    }
  });

  it('skips the same functions as the cached run', async () => {
    const dag = (value: number, version = 1): Dag =>
      dagOf(
        spec('value', 'load', [], [value]),
        spec('even', 'parity', ['value'], [], { cache: { version } }),
        spec('yes', 'load', [], ['yes'], { when: 'even' }),
        spec('no', 'load', [], ['no'], { when: { id: 'even', not: true } }),
        { id: 'both', code: f().load, args: [{ anyOf: ['yes', 'no'] }], layout: [{ value: 'both' }, { arg: 0 }] },
      );
    for (const value of [1, 2]) {
      const first = await run(dag(value));
      expect(first.results).toMatchObject({ both: value === 1 ? 'no' : 'yes' });
      expect(ran()).toEqual(['both', 'even', value === 1 ? 'no' : 'yes', 'value'].sort());
      const again = await run(dag(value));
      expect(again.results).toEqual(first.results);
      expect(again.stats).toMatchObject({ cached: 4, skipped: 1 });
      expect((await run(dag(value, 2))).results).toEqual(first.results);
      expect(ran()).toEqual(['even']);
    }
  });

  it('runs again what waits for a function that ran, even without its result', async () => {
    const dag = (version: number): Dag =>
      dagOf(spec('write', 'load', [], [1], { cache: { version } }), {
        ...spec('read', 'load', [], [2]),
        args: ['write'],
      });
    await run(dag(1));
    ran();
    await run(dag(1));
    expect(ran()).toEqual([]);
    await run(dag(2));
    expect(ran()).toEqual(['read', 'write']);
  });

  it('excludes functions with cache: false and with idempotent: false', async () => {
    const dag = (): Dag =>
      dagOf(
        spec('a', 'load', [], [1], { cache: false }),
        spec('b', 'load', [], [2], { idempotent: false }),
        spec('c', 'load', ['a']),
      );
    await run(dag());
    ran();
    expect((await run(dag())).stats.cached).toBe(1);
    expect(ran()).toEqual(['a', 'b']);
  });

  it('is asked for by a function, and turned off by the run', async () => {
    const dag = (): Dag => chain(1, { load: { cache: true } });
    await run(dag(), {});
    ran();
    expect((await run(dag(), {})).stats.cached).toBe(1);
    expect(ran()).toEqual(['scale', 'total']);
    expect((await run(dag(), { cache: false })).stats.cached).toBe(0);
    expect(ran()).toEqual(['load', 'scale', 'total']);
  });

  it('keeps functions apart that name a node', async () => {
    const dag = (): Dag =>
      dagOf(
        { id: 'a', code: t.one },
        {
          id: 'b',
          code: t.constant,
          args: [{ id: 'a', serialize: { code: t.constant }, deserialize: { code: t.constant } }],
        },
      );
    await run(dag());
    const { stats, results } = await run(dag());
    expect(results['b']).toBe(1);
    expect(stats.cached).toBe(2); // the transforms are told the names of nodes
  });

  it('caches a function that uses its context, and inline functions as part of others', async () => {
    const dag = (by: number): Dag =>
      dagOf(
        { id: 'inline', code: t.add, extraArgs: [by, 1], type: 'inline' },
        { id: 'sum', code: t.add, args: ['inline'], extraArgs: [1] },
        { id: 'who', code: c.whoAmI },
      );
    await run(dag(1));
    expect((await run(dag(1))).stats.cached).toBe(2);
    const { results, stats } = await run(dag(2));
    expect([results['sum'], stats.cached]).toEqual([4, 1]);
  });

  it('is planned like any other', async () => {
    const options: ExecuteOptions = { cache: true, allocationStrategy: 'time-optimized' };
    await run(chain(), options);
    ran();
    expect((await run(chain(1, { scale: { cache: { version: 2 } } }), options)).results).toEqual({
      load: 1,
      scale: 10,
      total: 11,
    });
    expect(ran()).toEqual(['scale']);
  });

  it('stays within maxCacheBytes', async () => {
    const dag = (): Dag => dagOf(...Array.from({ length: 10 }, (_, k) => spec(`f${k}`, 'large', [], [50_000 + k])));
    await run(dag(), { cache: true }, { maxCacheBytes: 1_000_000 });
    expect(globSync('cache/*/*', { cwd: cacheDir }).length).toBeLessThanOrEqual(2);
  });
});

describe('a durable run with the cache', () => {
  const durable = (): HandoffOptions => ({
    cacheDir: undefined,
    journal: { type: 'sqlite', path: join(folder, 'journal') },
  });

  it('keeps results beside the journal, and records what it took', async () => {
    await run(chain(), { cache: true, runId: 'one' }, durable());
    ran();
    const second = await run(chain(), { cache: true, runId: 'two' }, durable());
    expect(second).toMatchObject({ results: { load: 1, scale: 10, total: 11 }, stats: { cached: 3, restored: 0 } });
    expect(await handoff!.runs()).toMatchObject([
      { runId: 'two', state: 'finished', done: 3, cached: 3 },
      { runId: 'one', state: 'finished', done: 3, cached: 0 },
    ]);
    const recorded = await run(chain(), { cache: true, runId: 'two' }, durable());
    expect(recorded).toMatchObject({ results: second.results, allocations: {}, stats: { cached: 3 } });
    expect(ran()).toEqual([]);
  });

  it('is resumed without the cache, from what it recorded', async () => {
    const dag = (more = {}): Dag =>
      dagOf(
        spec('large', 'large', [], [50_000]),
        spec('load', 'load', [], [1]),
        spec('last', 'failing', ['load', 'large'], [], { maxRetries: 0, ...more }),
      );
    await errorOf(run(dag(), { cache: true, runId: 'one' }, durable()));
    expect(ran()).toEqual(['large', 'last', 'load']);
    expect(await errorOf(run(dag(), { cache: true, runId: 'two' }, durable()))).toMatchObject({ functionId: 'last' });
    expect(ran()).toEqual(['last']);
    await handoff!.stop();
    rmSync(join(folder, 'journal', 'cache.db'));
    rmSync(join(folder, 'journal', 'cache'), { recursive: true });
    handoff = await Handoff.start({ ...durable(), orchestrate: false });
    const handle = await handoff.resume('two');
    expect(await errorOf(handle.result())).toMatchObject({ functionId: 'last' });
    expect(ran()).toEqual(['last']);
  });

  it('uses the cache of a journal in memory', async () => {
    const journal = new MemoryJournal();
    handoff = await Handoff.start({ journal });
    await handoff.execute(chain(), { cache: true });
    expect((await handoff.execute(chain(), { cache: true })).stats.cached).toBe(3);
  });
});

describe('the option cache', () => {
  it.each([[{ cache: 1 }], [{ cache: { ttl: 0 } }], [{ cache: { version: {} } }], [{ cache: { age: 1 } }]])(
    'refuses %j',
    async (more) => {
      expect(thrownBy(() => new Dag().add({ id: 'a', code: t.one, ...(more as object) }))).toMatchObject({
        code: 'INVALID_FUNCTION',
        message: expect.stringContaining('cache must be true, false or { version?, ttl? }'),
      });
      expect(await errorOf(run(chain(), more as ExecuteOptions))).toMatchObject({ code: 'INVALID_OPTION' });
    },
  );

  it('contradicts idempotent: false', () => {
    expect(thrownBy(() => new Dag().add({ id: 'a', code: t.one, cache: true, idempotent: false }))).toMatchObject({
      code: 'INVALID_FUNCTION',
      message: expect.stringContaining('drop one of them'),
    });
  });

  it('needs a folder where the run asks for it, and has no effect where only a function does', async () => {
    expect(await errorOf(run(chain(), { cache: true }, { cacheDir: undefined }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'cache',
      message: expect.stringContaining('cacheDir'),
    });
    const { stats } = await handoff!.execute(chain(1, { load: { cache: true } }));
    expect(stats.cached).toBe(0);
  });

  it('needs a folder that can be used', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await errorOf(run(chain(), {}, { cacheDir: join(folder, 'file') }))).toMatchObject({
      code: 'JOURNAL_FAILED',
      message: expect.stringContaining('cannot be opened'),
    });
  });

  it('survives toJSON', () => {
    const cache = { version: 'a', ttl: 5 };
    const json = new Dag('x').add({ id: 'a', code: t.one, cache }).toJSON();
    expect(json.functions[0]).toMatchObject({ cache });
    expect(Dag.fromJSON(json).get('a')).toMatchObject({ cache });
  });
});
