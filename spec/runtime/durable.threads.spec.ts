/**
 * Durable runs in one process: what is recorded, resumed, refused and listed. `HANDOFF_SPEC_JOURNAL` says by which
 * journal.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dag, Handoff, type HandoffEvent, type HandoffOptions, tasks } from '../../lib/index.ts';
import { MemoryJournal, MemoryStore } from '../../lib/journal/memory/memory-journal.ts';
import { errorOf, t } from '../support/handoff.ts';
import { journalKind, journalOf } from '../support/journals.ts';

const d = tasks<typeof import('../fixtures/durable-tasks.ts')>(
  new URL('../fixtures/durable-tasks.ts', import.meta.url),
);

let folder = '';
let marks = '';
const open = new Set<Handoff>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-durable-'));
  marks = join(folder, 'marks');
});
afterEach(async () => {
  for (const handoff of open) await handoff.stop({ drain: false });
  open.clear();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: HandoffOptions = {}): Promise<Handoff> {
  const handoff = await Handoff.start({
    nodes: [{ name: 'a', capabilities: { cpu: 2 } }],
    costModel: { learn: false },
    ...options,
    journal: 'journal' in options ? options.journal : await journalOf(folder),
  });
  open.add(handoff);
  return handoff;
}

/** a ──► b ──► c */
function chain(last = 'mark' as 'mark' | 'failOnce', more = {}): Dag {
  return new Dag('chain')
    .add({ id: 'a', code: d.mark, extraArgs: [marks, 'a'] })
    .add({ id: 'b', code: d.mark, args: ['a'], layout: [{ value: marks }, { value: 'b' }, { arg: 0 }] })
    .add({ id: 'c', code: d[last], args: ['b'], layout: [{ value: marks }, { value: 'c' }, { arg: 0 }], ...more });
}

const marked = (): string[] => (existsSync(marks) ? readFileSync(marks, 'utf8').trim().split('\n') : []);

describe('execute with a journal', () => {
  it('takes arguments that are deep, or errors, and gives them to what runs again elsewhere', async () => {
    let list: unknown = null;
    for (let k = 0; k < 20_000; k++) list = { next: list };
    const dag = new Dag('deep').add({ id: 'x', code: d.kindsOf, extraArgs: [list, new RangeError('bad')] });
    const client = await start({ orchestrate: false });
    await client.submit(dag, { runId: 'r' });
    await client.stop();
    const second = await start();
    expect((await (await second.attach('r')).result()).results).toEqual({ x: [20_000, 'RangeError'] });
  });

  it('returns the recorded outcome when it is asked for again, and runs nothing', async () => {
    const first = await start();
    const run = await first.execute(chain(), { runId: 'r' });
    expect(run).toMatchObject({ runId: 'r', results: { a: 1, b: 2, c: 3 }, allocations: { a: 'a', b: 'a', c: 'a' } });
    await first.stop();
    const second = await start();
    const again = await second.execute(chain(), { runId: 'r', collect: ['c'] });
    expect(again).toMatchObject({ runId: 'r', dagId: 'chain', results: { c: 3 }, stats: { functions: 3 } });
    expect(marked()).toEqual(['a', 'b', 'c']);
  });

  it('gives the recorded error again', async () => {
    const first = await start();
    const error = await errorOf(first.execute(chain('failOnce', { maxRetries: 0 }), { runId: 'r' }));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'c' });
    await first.stop();
    const again = await errorOf((await start()).execute(chain('failOnce', { maxRetries: 0 }), { runId: 'r' }));
    expect(again).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'c', message: error.message });
    expect(again.cause).toMatchObject({ name: 'RangeError', message: 'c failed' });
    expect(marked()).toEqual(['a', 'b', 'c']);
  });

  it('continues a run that its process has left, without what is recorded', async () => {
    const first = await start({ orchestrate: false });
    const slow = (): Dag =>
      chain().add({
        id: 'z',
        code: d.slowMark,
        args: ['c'],
        layout: [{ value: marks }, { value: 'z' }, { value: 30_000 }, { arg: 0 }],
      });
    const begun = new Promise<void>((resolve) =>
      first.on('function:started', (event) => event.functionId === 'z' && resolve()),
    );
    const running = first.execute(slow(), { runId: 'r' });
    running.catch(() => {});
    await begun;
    await expect.poll(marked, { timeout: 60_000 }).toContain('+z'); // it marks after it started
    await first.stop({ drain: false });
    expect(await errorOf(running)).toMatchObject({ code: 'STOPPED' });
    const second = await start({ orchestrate: false });
    const events: HandoffEvent[] = [];
    second.on('event', (event) => events.push(event));
    const resumed = new Promise<void>((resolve) =>
      second.on('function:started', (event) => event.functionId === 'z' && resolve()),
    );
    const again = second.execute(slow(), { runId: 'r' });
    again.catch(() => {});
    await resumed;
    await expect.poll(marked, { timeout: 60_000 }).toEqual(['a', 'b', 'c', '+z', '+z']); // it marks after it started
    expect(events.find(({ type }) => type === 'run:resumed')).toMatchObject({ functions: 4, restored: 3 });
    expect(events.filter(({ type }) => type === 'function:restored')).toHaveLength(3);
    expect(await second.cancel('r')).toBe(true);
    expect(await errorOf(again)).toMatchObject({ code: 'ABORTED' });
    expect(await second.runs()).toMatchObject([{ runId: 'r', state: 'cancelled', done: 3 }]);
  });

  it('skips the same branches again', async () => {
    const gate = join(folder, 'gate');
    const dag = (): Dag =>
      new Dag('branches')
        .add({ id: 'condition', code: t.constant, extraArgs: [0] })
        .add({ id: 'yes', code: d.mark, extraArgs: [marks, 'yes'], when: 'condition' })
        .add({ id: 'no', code: d.mark, extraArgs: [marks, 'no'], when: { id: 'condition', not: true } })
        .add({
          id: 'z',
          code: d.waitFor,
          args: ['no'],
          layout: [{ value: marks }, { value: 'z' }, { value: gate }, { arg: 0 }],
        });
    const first = await start({ orchestrate: false });
    const begun = new Promise<void>((resolve) =>
      first.on('function:started', ({ functionId }) => functionId === 'z' && resolve()),
    );
    first.execute(dag(), { runId: 'r' }).catch(() => {});
    await begun;
    await expect.poll(marked, { timeout: 60_000 }).toContain('+z'); // it marks after it started
    await first.stop({ drain: false });
    writeFileSync(gate, '');
    const { results, stats } = await (await start()).execute(dag(), { runId: 'r' });
    expect(results).toEqual({ condition: 0, no: 1, z: 2 });
    expect(stats).toMatchObject({ restored: 2, skipped: 1 });
    expect(marked()).toEqual(['no', '+z', '+z', 'z']);
  });

  it.each([
    ['other arguments', () => new Dag('chain').add({ id: 'a', code: d.mark, extraArgs: [marks, 'x'] })],
    ['one function more', () => chain().add({ id: 'd', code: d.mark, extraArgs: [marks, 'd'] })],
    ['another option of a function', () => chain('mark', { priority: 3 })],
  ])('refuses a DAG with %s under a used id, and names the function', async (_, dagOf) => {
    const handoff = await start();
    await handoff.execute(chain(), { runId: 'r' });
    const error = await errorOf(handoff.execute(dagOf(), { runId: 'r' }));
    expect(error).toMatchObject({ code: 'RUN_CONFLICT', runId: 'r' });
    expect(error.message).toContain(`function ${JSON.stringify(error.functionId)}`);
  });

  it('lets two callers of one process share a run', async () => {
    const handoff = await start();
    const [one, two] = await Promise.all([
      handoff.execute(chain(), { runId: 'r' }),
      handoff.execute(chain(), { runId: 'r' }),
    ]);
    expect(two).toEqual(one);
    expect(marked()).toEqual(['a', 'b', 'c']);
  });

  it('lets one of two processes run it, and gives the other its result', async () => {
    const [one, two] = [await start(), await start()];
    const dag = (): Dag =>
      chain().add({
        id: 'z',
        code: d.slowMark,
        args: ['c'],
        layout: [{ value: marks }, { value: 'z' }, { value: 100 }, { arg: 0 }],
      });
    const results = await Promise.all([one.execute(dag(), { runId: 'r' }), two.execute(dag(), { runId: 'r' })]);
    expect(results.map(({ results: { z } }) => z)).toEqual([4, 4]);
    expect(marked()).toEqual(['a', 'b', 'c', '+z', 'z']);
  });

  it('keeps large results in files, and reads back only what is needed', async () => {
    const dag = (): Dag =>
      new Dag('large')
        .add({ id: 'x', code: d.large, extraArgs: [marks, 'x', 800_000] })
        .add({ id: 'y', code: d.total, args: ['x'], layout: [{ value: marks }, { value: 'y' }, { arg: 0 }] });
    const first = await start();
    await first.execute(dag(), { runId: 'r' });
    await first.stop();
    const { results } = await (await start()).execute(dag(), { runId: 'r' });
    expect(results['x']).toEqual(new Float64Array(100_000).fill(7));
    expect(results['y']).toBe(700_000);
    expect(marked()).toEqual(['x', 'y']);
  });

  it('reports a result that was too large to be kept, after its run has ended', async () => {
    const journal = { ...(await journalOf(folder)), maxResultBytes: 1000 };
    const dag = (): Dag => new Dag('large').add({ id: 'x', code: d.large, extraArgs: [marks, 'x', 800_000] });
    const first = await start({ journal });
    await first.execute(dag(), { runId: 'r' });
    await first.stop();
    expect(await errorOf((await start({ journal })).execute(dag(), { runId: 'r' }))).toMatchObject({
      code: 'RESULT_LOST',
      functionId: 'x',
    });
  });

  it('records nothing with durable: false', async () => {
    const handoff = await start();
    await handoff.execute(chain(), { runId: 'r', durable: false });
    expect(await handoff.runs()).toEqual([]);
  });
});

describe('a function that is not idempotent', () => {
  const dagOf = (more = {}): Dag =>
    new Dag('once').add({ id: 'pay', code: d.slowMark, extraArgs: [marks, 'pay', 20_000], idempotent: false, ...more });

  it('does not run again when its process died and its effect is unknown', async () => {
    const store = new MemoryStore();
    const dead = new MemoryJournal(store);
    const first = await start({ journal: dead });
    const begun = new Promise<void>((resolve) => first.on('function:started', () => resolve()));
    first.execute(dagOf(), { runId: 'r' }).catch(() => {});
    await begun;
    await dead.close(); // from now on its owner counts as dead
    const second = await start({ journal: new MemoryJournal(store), orchestrate: false });
    const error = await errorOf(second.execute(dagOf(), { runId: 'r' }));
    expect(error).toMatchObject({ code: 'FUNCTION_IN_DOUBT', functionId: 'pay', node: 'a', runId: 'r' });
    expect(error.message).toContain('handoff resume r --retry pay');
    expect(await second.runs()).toMatchObject([{ state: 'failed' }]);

    const decided = await second.resume('r', { results: { pay: 5 } });
    expect((await second.execute(dagOf(), { runId: 'r' })).results).toEqual({ pay: 5 });
    expect((await decided.result()).results).toEqual({ pay: 5 });
    await expect.poll(marked, { timeout: 60_000 }).toEqual(['+pay']);
  });

  it("runs again with inDoubt: 'retry'", async () => {
    const store = new MemoryStore();
    const dead = new MemoryJournal(store);
    const first = await start({ journal: dead });
    const begun = new Promise<void>((resolve) => first.on('function:started', () => resolve()));
    const gate = join(folder, 'gate');
    const dag = (): Dag => dagOf({ code: d.waitFor, extraArgs: [marks, 'pay', gate] });
    first.execute(dag(), { runId: 'r' }).catch(() => {});
    await begun;
    await expect.poll(marked, { timeout: 60_000 }).toEqual(['+pay']);
    await dead.close(); // from now on its owner counts as dead
    const second = await start({ journal: new MemoryJournal(store), orchestrate: false });
    const again = second.execute(dag(), { runId: 'r', inDoubt: 'retry' });
    await expect.poll(marked, { timeout: 60_000 }).toEqual(['+pay', '+pay']);
    writeFileSync(gate, '');
    expect((await again).results).toEqual({ pay: 1 });
  });

  it('runs again when somebody decides so', async () => {
    const store = new MemoryStore();
    const dead = new MemoryJournal(store);
    const first = await start({ journal: dead });
    const begun = new Promise<void>((resolve) => first.on('function:started', () => resolve()));
    const dag = dagOf({ code: d.waitFor, extraArgs: [marks, 'pay', join(folder, 'gate')] });
    first.execute(dag, { runId: 'r' }).catch(() => {});
    await begun;
    await dead.close();
    const second = await start({ journal: new MemoryJournal(store) });
    const handle = await second.attach('r');
    expect(await errorOf(handle.result())).toMatchObject({ code: 'FUNCTION_IN_DOUBT' });
    await second.resume('r', { retry: ['pay'] });
    writeFileSync(join(folder, 'gate'), '');
    expect((await handle.result()).results).toEqual({ pay: 1 });
  });
});

describe('a result of such a function that is gone', () => {
  it('leaves it in doubt, because it must not run again', async (context) => {
    context.skip(journalKind !== 'sqlite', 'it deletes files of the journal');
    const journal = await journalOf(folder);
    const gate = join(folder, 'gate');
    const dag = (): Dag =>
      new Dag('once')
        .add({ id: 'x', code: d.large, extraArgs: [marks, 'x', 800_000], idempotent: false })
        .add({ id: 'y', code: d.total, args: ['x'], layout: [{ value: marks }, { value: 'y' }, { arg: 0 }] })
        .add({ id: 'z', code: d.waitFor, args: ['y'], layout: [{ value: marks }, { value: 'z' }, { value: gate }] });
    const first = await start({ journal, orchestrate: false });
    const begun = new Promise<void>((resolve) =>
      first.on('function:started', ({ functionId }) => functionId === 'z' && resolve()),
    );
    first.execute(dag(), { runId: 'r' }).catch(() => {});
    await begun;
    await expect.poll(async () => (await first.runs())[0]!.done, { timeout: 60_000 }).toBe(2);
    await expect.poll(marked, { timeout: 60_000 }).toContain('+z'); // it marks after it started
    await first.stop({ drain: false });
    rmSync(join(folder, 'journal', 'blobs'), { recursive: true });
    writeFileSync(gate, '');
    const second = await start({ journal, orchestrate: false });
    const error = await errorOf(second.execute(dag(), { runId: 'r' }));
    expect(error).toMatchObject({ code: 'FUNCTION_IN_DOUBT', functionId: 'x' });
    await (await second.resume('r', { retry: ['x'] })).result();
    expect(marked().sort()).toEqual(['+z', '+z', 'x', 'x', 'y', 'z']); // x and z depend on nothing that runs
  });
});

describe('a Handoff that waits for a run of another process', () => {
  it('can be stopped, which rejects what waits', async () => {
    const gate = join(folder, 'gate');
    const dag = (): Dag => new Dag('wait').add({ id: 'z', code: d.waitFor, extraArgs: [marks, 'z', gate] });
    const [owner, other] = [await start(), await start({ orchestrate: false })];
    const begun = new Promise<void>((resolve) => owner.on('function:started', () => resolve()));
    const running = owner.execute(dag(), { runId: 'r' });
    await begun;
    const waiting = errorOf(other.execute(dag(), { runId: 'r' }));
    const attached = errorOf((await other.attach('r')).result());
    await other.stop();
    expect(await waiting).toMatchObject({ code: 'STOPPED' });
    expect(await attached).toMatchObject({ code: 'STOPPED' });
    writeFileSync(gate, '');
    expect((await running).results).toEqual({ z: 1 });
  });
});

describe('a client without the nodes that a run needs', () => {
  it('can submit it, and read its result', async () => {
    const client = await start({ orchestrate: false });
    const dag = new Dag('gpu').add({ id: 'x', code: t.one, cost: { gpu: 1 } });
    const handle = await client.submit(dag, { runId: 'r' });
    const worker = await start({ nodes: [{ name: 'g', capabilities: { cpu: 1, gpu: 1 } }] });
    expect((await handle.result()).results).toEqual({ x: 1 });
    await worker.stop();
    expect((await handle.result()).allocations).toEqual({ x: 'g' });
  });
});

describe('a process that did not get the run of a dead one', () => {
  it('gets it when the next is dead, too', async () => {
    const store = new MemoryStore();
    const gate = join(folder, 'gate');
    const journals = [new MemoryJournal(store), new MemoryJournal(store), new MemoryJournal(store)];
    const [first] = await Promise.all(journals.map((journal) => start({ journal })));
    const dag = new Dag('one').add({ id: 'a', code: d.waitFor, extraArgs: [marks, 'a', gate] });
    errorOf(first!.execute(dag, { runId: 'r' })).catch(() => {});
    for (const starts of [1, 2, 3]) {
      await expect.poll(marked, { timeout: 60_000 }).toEqual(Array.from({ length: starts }, () => '+a'));
      const { owner } = store.runs.get('r')!.row;
      if (starts < 3) await journals.find((each) => each.owner === owner)!.close();
    }
    writeFileSync(gate, '');
    await expect.poll(() => store.runs.get('r')!.row.state, { timeout: 60_000 }).toBe('finished');
  });
});

describe('a fenced orchestrator', () => {
  it('rejects with FENCED, and nothing of it is recorded', async () => {
    const store = new MemoryStore();
    const journal = new MemoryJournal(store);
    const gate = join(folder, 'gate');
    const first = await start({ journal });
    const dag = (): Dag =>
      chain().add({
        id: 'z',
        code: d.waitFor,
        args: ['c'],
        layout: [{ value: marks }, { value: 'z' }, { value: gate }, { arg: 0 }],
      });
    const begun = new Promise<void>((resolve) =>
      first.on('function:started', ({ functionId }) => functionId === 'z' && resolve()),
    );
    const running = first.execute(dag(), { runId: 'r' });
    running.catch(() => {});
    await begun;
    store.runs.alive.delete(journal.owner); // it seems dead
    const second = await start({ journal: new MemoryJournal(store), orchestrate: false });
    const resumed = new Promise<void>((resolve) => second.on('function:started', () => resolve()));
    const other = second.execute(dag(), { runId: 'r' });
    await resumed;
    writeFileSync(gate, '');
    expect((await other).results['z']).toBe(4);
    expect(await errorOf(running)).toMatchObject({ code: 'FENCED', runId: 'r' });
    expect(marked().filter((id) => ['a', 'b', 'c'].includes(id))).toEqual(['a', 'b', 'c']);
    expect(await second.runs()).toMatchObject([{ state: 'finished', done: 4 }]);
  });
});

describe('submit', () => {
  it('resolves before the run has ended, and the handle gives its result', async () => {
    const handoff = await start();
    const handle = await handoff.submit(chain(), { runId: 'r' });
    expect(handle).toMatchObject({ runId: 'r', dagId: 'chain' });
    expect((await handle.result()).results).toEqual({ a: 1, b: 2, c: 3 });
    expect(await handle.status()).toMatchObject({ state: 'finished', functions: 3, done: 3 });
    expect(await handle.cancel()).toBe(false);
  });

  it('leaves the run to another process, if this one does not orchestrate', async () => {
    const client = await start({ orchestrate: false });
    const handle = await client.submit(chain(), { runId: 'r' });
    expect(await handle.status()).toMatchObject({ state: 'queued', done: 0 });
    await start();
    expect((await handle.result()).results).toEqual({ a: 1, b: 2, c: 3 });
  });

  it('needs no node where the process does not orchestrate', async () => {
    const client = await start({ nodes: [], orchestrate: false });
    const handle = await client.submit(chain(), { runId: 'r' });
    expect(await errorOf(client.execute(chain()))).toMatchObject({ code: 'NODE_DOWN' });
    await start();
    expect((await handle.result()).results).toEqual({ a: 1, b: 2, c: 3 });
  });

  it('does need one where the process would take up runs', async () => {
    expect(await errorOf(start({ nodes: [] }))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('or a journal with orchestrate: false'),
    });
  });

  it('takes the same DAG twice as one run, and refuses another', async () => {
    const client = await start({ orchestrate: false });
    await client.submit(chain(), { runId: 'r' });
    await client.submit(chain(), { runId: 'r' });
    expect(await client.runs()).toHaveLength(1);
    expect(await errorOf(client.submit(new Dag('x'), { runId: 'r' }))).toMatchObject({ code: 'RUN_CONFLICT' });
  });

  it('cancels a run that nobody has taken up', async () => {
    const client = await start({ orchestrate: false });
    const handle = await client.submit(chain(), { runId: 'r' });
    expect(await handle.cancel()).toBe(true);
    expect(await errorOf(handle.result())).toMatchObject({ code: 'ABORTED', runId: 'r' });
    expect(await client.runs({ state: 'cancelled' })).toHaveLength(1);
    expect(marked()).toEqual([]);
  });

  it('cancels a run of another process', async () => {
    const worker = await start();
    const client = await start({ orchestrate: false });
    const begun = new Promise<void>((resolve) => worker.on('function:started', () => resolve()));
    const handle = await client.submit(
      new Dag('slow').add({ id: 'z', code: d.slowMark, extraArgs: [marks, 'z', 30_000] }),
    );
    await begun;
    expect(await handle.cancel()).toBe(true);
    expect(await errorOf(handle.result())).toMatchObject({ code: 'ABORTED' });
  });
});

describe('the result of another run', () => {
  const other = (
    id: string,
    runId = 'first',
  ): { readonly resultOf: { readonly runId: string; readonly id: string } } => ({
    resultOf: { runId, id },
  });
  const first = (): Dag =>
    new Dag('first')
      .add({ id: 'x', code: d.mark, extraArgs: [marks, 'x'] })
      .add({ id: 'large', code: d.large, extraArgs: [marks, 'large', 2 ** 20] })
      .add({ id: 'm', code: t.double, extraArgs: [[1, 2, 3]], map: true });
  const second = (): Dag =>
    new Dag('second')
      .add({ id: 'y', code: t.increment, args: [other('x')] })
      .add({ id: 'total', code: t.total, args: [other('large')] })
      .add({ id: 'all', code: t.collect, args: [other('m'), other('m[1]')] })
      .add({ id: 'gate', code: d.waitFor, args: ['y'], layout: [marks, 'gate', gate()].map((value) => ({ value })) })
      .add({ id: 'late', code: t.collect, args: ['gate', other('x')] });
  const gate = (): string => join(folder, 'gate');
  const expected = { y: 2, total: 7 * 2 ** 17, all: [[2, 4, 6], 4], gate: 1, late: [1, 1] };

  it('comes from the journal when an earlier process made it, also in a run that is resumed', async () => {
    const before = await start({ orchestrate: false });
    await before.execute(first(), { runId: 'first' });
    const begun = new Promise<void>((resolve) =>
      before.on('function:started', ({ functionId }) => functionId === 'gate' && resolve()),
    );
    const running = before.execute(second(), { runId: 'second' });
    running.catch(() => {});
    await begun;
    await before.stop({ drain: false });
    writeFileSync(gate(), '');
    const after = await start({ orchestrate: false });
    expect((await after.execute(second(), { runId: 'second' })).results).toEqual(expected);
    expect((await after.execute(second(), { durable: false })).results).toEqual(expected);
    expect(marked().filter((id) => id === 'x' || id === 'large')).toEqual(['x', 'large']);
  });

  it('is refused, and nothing is recorded, where the journal does not have it', async () => {
    const handoff = await start({ journal: { ...(await journalOf(folder)), maxResultBytes: 100_000 } });
    await handoff.execute(first(), { runId: 'first' });
    await handoff.execute(first(), { runId: 'unrecorded', durable: false });
    const taking = (id: string, runId: string): Dag =>
      new Dag('taking').add({ id: 'y', code: t.collect, args: [other(id, runId)] });
    for (const [id, runId, code] of [
      ['large', 'first', 'RESULT_LOST'],
      ['x', 'unrecorded', 'NOT_FOUND'],
      ['x', 'unknown', 'NOT_FOUND'],
      ['X1', 'first', 'NOT_FOUND'],
    ] as const) {
      expect(await errorOf(handoff.execute(taking(id, runId)))).toMatchObject({ code, runId, functionId: id });
      expect(await errorOf(handoff.submit(taking(id, runId)))).toMatchObject({ code, runId, functionId: id });
    }
    expect(await handoff.runs()).toMatchObject([{ runId: 'first' }]);
    expect((await handoff.execute(taking('large', 'first'), { durable: false })).results['y'][0]).toHaveLength(2 ** 17);
  });

  it('that has left the journal before its run could begin ends that run', async () => {
    const store = new MemoryStore();
    const client = await start({ journal: new MemoryJournal(store), orchestrate: false });
    await client.execute(first(), { runId: 'first' });
    const handle = await client.submit(second(), { runId: 'second' });
    await new MemoryJournal(store, { retainedRuns: 0 }).compact();
    await start({ journal: new MemoryJournal(store) });
    expect(await errorOf(handle.result())).toMatchObject({ code: 'NOT_FOUND', runId: 'first' });
    expect(await client.runs()).toMatchObject([{ runId: 'second', state: 'failed' }]);
  });
});

describe('without a journal', () => {
  it('the methods say what is missing', async () => {
    const handoff = await start({ journal: undefined });
    for (const call of [
      handoff.submit(chain()),
      handoff.attach('r'),
      handoff.runs(),
      handoff.cancel('r'),
      handoff.resume('r'),
    ])
      expect(await errorOf(call)).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('needs a journal'),
      });
  });
});

describe('an unknown run', () => {
  it('is NOT_FOUND', async () => {
    const handoff = await start();
    for (const call of [handoff.attach('x'), handoff.cancel('x'), handoff.resume('x')])
      expect(await errorOf(call)).toMatchObject({ code: 'NOT_FOUND', runId: 'x' });
  });
});
