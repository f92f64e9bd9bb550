/** Durable runs of graphs that grow: maps, graphs that functions answer with, and what is skipped in them. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  dag,
  type Dag,
  type ExecuteOptions,
  Handoff,
  type HandoffEvent,
  type HandoffOptions,
  tasks,
} from '../../lib/index.ts';
import { MemoryJournal, MemoryStore } from '../../lib/journal/memory/memory-journal.ts';
import { SqliteJournal } from '../../lib/journal/sqlite/sqlite-journal.ts';
import type { Way } from '../fixtures/durable-growth-tasks.ts';
import { errorOf } from '../support/handoff.ts';
import { recordedIds } from '../support/recorded.ts';

const g = tasks<typeof import('../fixtures/durable-growth-tasks.ts')>(
  new URL('../fixtures/durable-growth-tasks.ts', import.meta.url),
);

let folder = '';
let way: Way;
const open = new Set<Handoff>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-durable-growth-'));
  way = { marks: join(folder, 'marks') };
});
afterEach(async () => {
  for (const handoff of open) await handoff.stop({ drain: false });
  open.clear();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: HandoffOptions = {}): Promise<Handoff> {
  const handoff = await Handoff.start({
    nodes: [{ name: 'a', capabilities: { cpu: 6 }, threads: 6 }],
    costModel: { learn: false },
    journal: { type: 'sqlite', path: join(folder, 'journal') },
    orchestrate: false,
    ...options,
  });
  open.add(handoff);
  return handoff;
}

const marked = (): string[] => (existsSync(way.marks) ? readFileSync(way.marks, 'utf8').trim().split('\n') : []);
const startsOf = (id: string): number => marked().filter((each) => each === `+${id}`).length;

/** Functions that match wait until `openGate`. */
function gateAt(of: RegExp): Way {
  return { ...way, gate: { file: join(folder, 'gate'), of } };
}
const openGate = (): void => writeFileSync(join(folder, 'gate'), '');

interface Settings extends Pick<ExecuteOptions, 'maxRetries' | 'collect'> {
  readonly journal?: HandoffOptions['journal'];
  /** Functions of which nothing is recorded, although they end. */
  readonly lost?: RegExp;
}

function optionsOf({ maxRetries, collect }: Settings): ExecuteOptions {
  return { runId: 'r', ...(maxRetries !== undefined && { maxRetries }), ...(collect !== undefined && { collect }) };
}

/**
 * Runs a DAG until as many functions as this wait at the gate, nothing else runs, and all others are recorded. Then
 * leaves it as a process does that ends.
 */
async function leave(graph: Dag, gate: RegExp, waiting: number, settings: Settings = {}): Promise<void> {
  const { journal, lost } = settings;
  const handoff = await start(journal && { journal });
  const running = handoff.execute(graph, optionsOf(settings));
  running.catch(() => {});
  await expect
    .poll(
      async () => {
        const all = new Set(marked());
        const begun = [...all].flatMap((each) => (each.startsWith('+') ? each.slice(1) : []));
        const under = begun.filter((id) => !all.has(id));
        if (under.length !== waiting || !under.every((id) => gate.test(id))) return ['under way', ...under];
        const known = await recorded(journal);
        return begun.filter((id) => all.has(id) && !known.has(id) && lost?.test(id) !== true);
      },
      { timeout: 60_000, interval: 200 },
    )
    .toEqual([]);
  await handoff.stop({ drain: false });
  expect(await errorOf(running)).toMatchObject({ code: 'STOPPED' });
}

/** The functions that the journal has, in which the run was left. */
async function recorded(journal: HandoffOptions['journal']): Promise<Set<string>> {
  if (journal instanceof MemoryJournal) return recordedIds(journal, 'r');
  const sqlite = new SqliteJournal({
    path: join(folder, 'journal'),
    sync: 'normal',
    retain: { runs: 9, ms: Infinity },
  });
  const ids = await recordedIds(sqlite, 'r');
  await sqlite.close();
  return ids;
}

/** Lets a run that was left go on, and checks that nothing runs again that is recorded. */
async function goOn(graph: Dag, settings: Settings = {}) {
  const { journal } = settings;
  const before = await recorded(journal);
  const starts = new Map([...before].map((id) => [id, startsOf(id)]));
  openGate();
  const handoff = await start(journal && { journal });
  const events: HandoffEvent[] = [];
  handoff.on('event', (event) => events.push(event));
  const result = await handoff.execute(graph, optionsOf(settings));
  for (const [id, count] of starts) expect(startsOf(id), `${id} is recorded and does not start again`).toBe(count);
  return { ...result, handoff, events, before };
}

describe('a durable run of a map', () => {
  const mapped = (at: Way, more = {}): Dag =>
    dag('mapped', {
      total: g.sum(g.double.map(g.list(6, at).with({ id: 'numbers' }), at).with({ id: 'm', ...more }), at),
    });

  it('goes on with the elements that are left', async () => {
    const at = gateAt(/^m\[[45]\]$/);
    await leave(mapped(at), at.gate!.of, 2);
    const { results, stats, handoff, events, before, allocations } = await goOn(mapped(at));
    expect(before).toEqual(new Set(['numbers', 'm[0]', 'm[1]', 'm[2]', 'm[3]']));
    expect(results).toEqual({ numbers: [0, 1, 2, 3, 4, 5], m: [0, 2, 4, 6, 8, 10], 'sum#1': 30 });
    expect(stats).toMatchObject({ functions: 8, restored: 5 });
    expect(allocations).toMatchObject({ 'm[0]': 'a', 'm[5]': 'a' });
    expect(await handoff.getResult('r', 'm[1]')).toBe(2);
    expect(await handoff.getResult('r', 'm[5]')).toBe(10);
    expect(events.find(({ type }) => type === 'run:resumed')).toMatchObject({ functions: 8, restored: 5 });
    expect(events.filter(({ type }) => type === 'run:grown')).toMatchObject([{ functionId: 'm', count: 6 }]);
    const restored = events.filter((event) => event.type === 'function:restored').map(({ functionId }) => functionId);
    expect(new Set(restored)).toEqual(before);
    expect(await handoff.runs()).toMatchObject([{ runId: 'r', state: 'finished', functions: 8, done: 8 }]);
  });

  it('gives the recorded list and its elements to another process', async () => {
    const first = await start();
    await first.execute(mapped(way), { runId: 'r' });
    await first.stop();
    const { results, allocations } = await (await start()).execute(mapped(way), { runId: 'r', collect: ['m'] });
    expect(results).toEqual({ m: [0, 2, 4, 6, 8, 10] });
    expect(allocations).toMatchObject({ 'm[3]': 'a' });
    expect(startsOf('m[3]')).toBe(1);
  });

  it('counts elements in the list of runs while it runs', async () => {
    const at = gateAt(/^m\[[45]\]$/);
    await leave(mapped(at), at.gate!.of, 2);
    expect(await (await start()).runs()).toMatchObject([{ functions: 8, done: 5 }]);
  });

  it('keeps within the concurrency of the map', async () => {
    const at = gateAt(/^m\[2\]$/);
    await leave(mapped(at, { map: { concurrency: 1 } }), at.gate!.of, 1);
    const { results } = await goOn(mapped(at, { map: { concurrency: 1 } }));
    expect(results['m']).toEqual([0, 2, 4, 6, 8, 10]);
    const ofMap = marked().filter((each) => each.includes('m['));
    expect(ofMap).toEqual(
      [0, 1]
        .flatMap((k) => [`+m[${k}]`, `m[${k}]`])
        .concat(
          ['+m[2]'],
          [2, 3, 4, 5].flatMap((k) => [`+m[${k}]`, `m[${k}]`]),
        ),
    );
  });

  it('keeps the error of an element that settles', async () => {
    const of = (at: Way): Dag =>
      dag('settling', { m: g.even.map(g.list(4, at), at).with({ id: 'm', map: { settle: true }, maxRetries: 0 }) });
    const at = gateAt(/^m\[2\]$/);
    await leave(of(at), at.gate!.of, 1);
    const { results } = await goOn(of(at));
    expect(results['m']).toMatchObject([
      { ok: true, value: 0 },
      { ok: false, error: { message: '1 is odd' } },
      { ok: true, value: 2 },
      { ok: false, error: { message: '3 is odd' } },
    ]);
    expect(startsOf('m[1]')).toBe(1);
  });

  it('goes on element by element in maps of maps', async () => {
    const of = (at: Way): Dag => {
      const once = g.double.map(g.list(5, at), at).with({ id: 'x' });
      const twice = g.double.map(once, at).with({ id: 'y' });
      return dag('maps', { total: g.sum(g.double.map(twice, at).with({ id: 'z' }), at) });
    };
    const at = gateAt(/^(x\[3\]|y\[1\]|z\[2\])$/);
    await leave(of(at), at.gate!.of, 3);
    const { results, before } = await goOn(of(at));
    expect(before).toContain('z[4]');
    expect(results['z']).toEqual([0, 8, 16, 24, 32]);
    expect(results['sum#1']).toBe(80);
  });

  it('goes on when nothing but its list is recorded, and when the list is empty', async () => {
    const at = gateAt(/^m\[/);
    await leave(mapped(at), at.gate!.of, 6);
    expect((await goOn(mapped(at))).results['m']).toEqual([0, 2, 4, 6, 8, 10]);
    const empty = dag('empty', { total: g.add(gateAt(/^add/), g.sum(g.double.map(g.list(0, way), way), way)) });
    rmSync(join(folder, 'gate'));
    const running = (await start()).execute(empty, { runId: 'empty' });
    running.catch(() => {});
    await expect.poll(() => startsOf('add#1'), { timeout: 60_000 }).toBe(1);
    for (const handoff of open) await handoff.stop({ drain: false });
    openGate();
    expect((await (await start()).execute(empty, { runId: 'empty' })).results).toMatchObject({
      'add#1': 0,
      'double#1': [],
    });
    expect(startsOf('list#1')).toBe(1);
  });

  it('takes results of many bytes, and makes those again that were too many', async () => {
    const of = (at: Way): Dag =>
      dag('large', { total: g.sum(g.first.map(g.blocks(4, 100_000, at), at).with({ id: 'm' }), at) });
    const at = gateAt(/^m\[3\]$/);
    await leave(of(at), at.gate!.of, 1, { collect: ['sum#1'] });
    const kept = await goOn(of(at), { collect: ['sum#1'] });
    expect(kept.results).toEqual({ 'sum#1': 6 });
    expect(startsOf('blocks#1')).toBe(1);
  });

  it('makes a list again that was too large to be recorded, and no element that is recorded', async () => {
    const of = (at: Way): Dag =>
      dag('large', { total: g.sum(g.first.map(g.blocks(4, 100_000, at), at).with({ id: 'm' }), at) });
    const at = gateAt(/^m\[3\]$/);
    const journal = { type: 'sqlite', path: join(folder, 'journal'), maxResultBytes: 1000 } as const;
    await leave(of(at), at.gate!.of, 1, { collect: ['sum#1'], journal, lost: /^blocks/ });
    expect((await goOn(of(at), { collect: ['sum#1'], journal })).results).toEqual({ 'sum#1': 6 });
    expect(startsOf('blocks#1')).toBe(2);
    for (const k of [0, 1, 2]) expect(startsOf(`m[${k}]`)).toBe(1);
  });

  it('does not run an element again that is not idempotent and had started, unless a person decides', async () => {
    const at = gateAt(/^m\[[45]\]$/);
    const of = (): Dag => mapped(at, { idempotent: false });
    await leave(of(), at.gate!.of, 2);
    openGate();
    const second = await start();
    const error = await errorOf(second.execute(of(), { runId: 'r' }));
    expect(error).toMatchObject({ code: 'FUNCTION_IN_DOUBT', functionId: expect.stringMatching(/^m\[[45]\]$/) });
    const mapItself = await errorOf(second.resume('r', { retry: ['m'] }));
    expect(mapItself).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('"m[0]"') });
    const handle = await second.resume('r', { retry: ['m[4]'], results: { 'm[5]': 77 } });
    expect((await handle.result()).results['m']).toEqual([0, 2, 4, 6, 8, 77]);
    expect([0, 1, 2, 3, 4, 5].map((k) => startsOf(`m[${k}]`))).toEqual([1, 1, 1, 1, 2, 1]);
  });
});

describe('a durable run of functions that answer with graphs', () => {
  it('goes on inside of the graphs', async () => {
    const of = (at: Way): Dag => dag('tree', { total: g.tree(0, 12, at).with({ id: 't' }) });
    const at = gateAt(/tree#2\/tree#1\/tree#1$/);
    await leave(of(at), at.gate!.of, 1);
    const { results, before, stats, handoff } = await goOn(of(at));
    expect(results).toEqual({ t: 66 });
    expect(before.size).toBeGreaterThan(5);
    expect(stats.functions).toBe(new Set(marked().map((each) => each.replace('+', ''))).size);
    expect(await handoff.runs()).toMatchObject([{ functions: stats.functions, done: stats.functions }]);
  });

  it('goes on with maps in graphs, graphs of elements, and branches', async () => {
    const of = (at: Way): Dag => {
      const numbers = g.list(5, at);
      const each = g.doubled.map(numbers, at).with({ id: 'm' });
      const halves = g.halved.map(numbers, at).with({ id: 'h' });
      return dag('mixed', { total: g.add(at, g.sum(each, at), g.sum(halves, at)) });
    };
    const at = gateAt(/^(m\[3\]\/double#1\[1\]|m\[4\]\/sum#1|h\[2\]\/isEven#1)$/);
    await leave(of(at), at.gate!.of, 3);
    const { results } = await goOn(of(at));
    expect(results['m']).toEqual([0, 0, 2, 6, 12]);
    expect(results['h']).toEqual([0, 3, 1, 9, 2]);
    expect(results['add#1']).toBe(35);
    const again = await (await start()).execute(of(at), { runId: 'r', collect: ['m', 'h'] });
    expect(again.results).toEqual({ m: [0, 0, 2, 6, 12], h: [0, 3, 1, 9, 2] });
  });

  it('keeps the error of a graph in an element that settles, and runs nothing of the graph again', async () => {
    const of = (at: Way): Dag =>
      dag('settling', { m: g.failing.map(g.list(4, at), at).with({ id: 'm', map: { settle: true } }) });
    const at = gateAt(/^m\[2\]$/);
    await leave(of(at), at.gate!.of, 1, { maxRetries: 0, lost: /even#1$/ });
    const { results } = await goOn(of(at), { maxRetries: 0 });
    expect(results['m']).toMatchObject([{ ok: true, value: 0 }, { ok: false }, { ok: true, value: 2 }, { ok: false }]);
    const again = await (await start()).execute(of(at), { runId: 'r' });
    expect(again.results['m']).toMatchObject(results['m']);
  });

  it('has a function answer again whose graph was too large to be recorded', async () => {
    const of = (at: Way): Dag =>
      dag('carrying', { n: g.add(at, g.carrying(100_000, at).with({ id: 'c' }), g.tree(0, 4, at).with({ id: 't' })) });
    const at = gateAt(/^(add#1|t\/tree#2\/tree#1)$/);
    const journal = { type: 'sqlite', path: join(folder, 'journal'), maxResultBytes: 1000 } as const;
    await leave(of(at), at.gate!.of, 1, { journal, lost: /^c/ });
    const { results, before } = await goOn(of(at), { journal });
    expect(results).toMatchObject({ c: 12_500, t: 6, 'add#1': 12_506 });
    expect(startsOf('c')).toBe(2);
    expect(before).not.toContain('c');
    // The numbers of functions after what was discarded have changed. The log is still read as it was meant.
    const third = await start({ journal });
    const collect = ['t', 'add#1'];
    expect((await third.execute(of(at), { runId: 'r', collect })).results).toEqual({ t: 6, 'add#1': 12_506 });
    expect(await errorOf(third.execute(of(at), { runId: 'r' }))).toMatchObject({
      code: 'RESULT_LOST',
      functionId: 'c',
    });
  });

  it('records a graph of any size in which a function is not idempotent, and runs none of it again', async () => {
    const of = (at: Way): Dag => dag('carrying', { n: g.add(at, g.carryingOnce(100_000, at).with({ id: 'c' })) });
    const at = gateAt(/^add#1$/);
    const journal = { type: 'sqlite', path: join(folder, 'journal'), maxResultBytes: 1000 } as const;
    await leave(of(at), at.gate!.of, 1, { journal });
    expect((await goOn(of(at), { journal })).results).toMatchObject({ c: 12_500 });
    expect([startsOf('c'), startsOf('c/lengthOf#1')]).toEqual([1, 1]);
  });

  it('does not run a function again whose graph is gone, if one inside is not idempotent, unless a person decides', async () => {
    const of = (at: Way): Dag => dag('carrying', { n: g.add(at, g.carryingOnce(200_000, at).with({ id: 'c' })) });
    const at = gateAt(/^add#1$/);
    await leave(of(at), at.gate!.of, 1);
    rmSync(join(folder, 'journal', 'blobs'), { recursive: true });
    openGate();
    const second = await start();
    expect(await errorOf(second.execute(of(at), { runId: 'r' }))).toMatchObject({
      code: 'FUNCTION_IN_DOUBT',
      functionId: 'c',
      message: expect.stringMatching(
        /"c" of run "r" answered with a graph, which is lost.*not idempotent, and had started on node/,
      ),
    });
    expect(await errorOf(second.resume('r'))).toMatchObject({ code: 'FUNCTION_IN_DOUBT', functionId: 'c' });
    const handle = await second.resume('r', { retry: ['c'] });
    expect((await handle.result()).results).toMatchObject({ c: 25_000 });
    expect([startsOf('c'), startsOf('c/lengthOf#1')]).toEqual([2, 2]);
  });

  it('keeps a graph of many bytes beside the log', async () => {
    const of = (at: Way): Dag => dag('carrying', { n: g.add(at, g.carrying(200_000, at).with({ id: 'c' })) });
    const at = gateAt(/^(add#1|c\/lengthOf#1)$/);
    await leave(of(at), at.gate!.of, 1);
    expect((await goOn(of(at))).results).toMatchObject({ c: 25_000 });
    expect(startsOf('c')).toBe(1);
  });

  it('discards the functions of a graph when a person lets its function run again', async () => {
    const of = (at: Way): Dag => dag('tree', { total: g.tree(0, 4, at).with({ id: 't' }) });
    const first = await start();
    await first.execute(of(way), { runId: 'r' });
    const handle = await first.resume('r', { retry: ['t/tree#1'] });
    expect((await handle.result()).results).toEqual({ t: 6 });
    expect(startsOf('t')).toBe(1);
    expect(startsOf('t/tree#1')).toBe(2);
    expect(startsOf('t/tree#1/tree#1')).toBe(2);
    expect(startsOf('t/tree#2/tree#1')).toBe(1);
  });

  it('goes on after a second and a third process', async () => {
    const of = (at: Way): Dag =>
      dag('tree', { total: g.add(at, g.tree(0, 9, at).with({ id: 't' }), g.sum(g.double.map(g.list(9, at), at), at)) });
    const at = { ...way, gate: { file: join(folder, 'gate'), of: /t\/tree#1\/tree#2$|double#1\[8\]$/ } };
    await leave(of(at), at.gate.of, 2);
    await leave(of(at), at.gate.of, 2); // which adds nothing that is recorded
    const { results } = await goOn(of(at));
    expect(results['add#1']).toBe(36 + 72);
  });
});

it('a journal of the caller records what a run grows by', async () => {
  const store = new MemoryStore();
  const of = (at: Way): Dag => dag('tree', { total: g.sum(g.doubled.map(g.list(4, at), at).with({ id: 'm' }), at) });
  const at = gateAt(/m\[3\]\/double#1\[2\]$/);
  await leave(of(at), at.gate!.of, 1, { journal: new MemoryJournal(store) });
  const { results } = await goOn(of(at), { journal: new MemoryJournal(store) });
  expect(results['m']).toEqual([0, 0, 2, 6]);
});
