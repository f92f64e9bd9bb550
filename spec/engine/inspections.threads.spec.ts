/** Modules are looked into once for all who wait, in few threads, and one that hangs costs nobody else anything. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromSource, type FunctionSpec, Handoff, tasks } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';
import { ThreadCount } from '../support/threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
const fixture = (file: string): string => new URL(`../fixtures/imports/${file}`, import.meta.url).pathname;
const from = (path: string): NonNullable<FunctionSpec['code']> => tasks<{ one(): number }>(pathToFileURL(path)).one;
let copies = 0;
/** A module that no thread knows yet. */
function fresh(file: string): NonNullable<FunctionSpec['code']> {
  const copy = join(folder, `${++copies}-${file}`);
  copyFileSync(fixture(file), copy);
  return from(copy);
}

const threads = new ThreadCount();
let handoff: Handoff;
beforeAll(async () => {
  handoff = await Handoff.start({
    nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }],
    costModel: { learn: false },
    importTimeout: 20_000,
  });
});
afterAll(async () => {
  threads.stop();
  await handoff.stop({ drain: false });
  rmSync(folder, { recursive: true, force: true });
});

/** Keeps all threads busy until the work is done. */
async function whileBusy(work: () => Promise<unknown>): Promise<void> {
  const gate = new Gate();
  const busy = handoff.execute(
    dagOf(...['a', 'b'].map((id) => ({ id, code: t.waitAtGate, extraArgs: [gate.memory] }))),
  );
  await gate.arrived(2);
  try {
    await work();
  } finally {
    gate.release();
    await busy;
  }
}

const runs = (count: number, code: (i: number) => NonNullable<FunctionSpec['code']>): Promise<unknown[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => handoff.execute(dagOf({ id: 'x', code: code(i) }))));

describe('a node inspects code with its own threads and at most one more', () => {
  it('when many runs wait for one new module', async () => {
    const code = fresh('slow.ts');
    threads.takeMost();
    await runs(20, () => code);
    expect(threads.takeMost()).toBe(2); // those of the pool
  });

  it('when each run brings a module of its own', async () => {
    threads.takeMost();
    await runs(12, () => fresh('slow.ts'));
    expect(threads.takeMost()).toBeLessThanOrEqual(3);
  });

  it('when all threads are busy', async () => {
    const codes = Array.from({ length: 4 }, () => fresh('slow.ts'));
    const plans: Promise<unknown>[] = [];
    threads.takeMost();
    await whileBusy(async () => {
      plans.push(...Array.from({ length: 20 }, (_, i) => handoff.plan(dagOf({ id: 'x', code: codes[i % 4]! }))));
      await Promise.all(plans); // all four are known while no thread of the pool has been free
    });
    expect(threads.takeMost()).toBe(3);
  });

  it('when many functions are given as source', async () => {
    threads.takeMost();
    await whileBusy(() =>
      Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          handoff.plan(dagOf({ id: 'x', code: fromSource(new Function(`return ${i}`) as () => number) })),
        ),
      ),
    );
    expect(threads.takeMost()).toBe(3);
  });

  it('and the extra one is ended when nothing waits for it', async () => {
    await whileBusy(() => handoff.plan(dagOf({ id: 'x', code: fresh('slow.ts') })));
    while (threads.now > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe.each(['never.ts', 'waits.ts'])('an import that never ends (%s)', (file) => {
  it('takes no thread from runs that know their modules, however many such runs there are', async () => {
    while (threads.now > 2) await new Promise((resolve) => setTimeout(resolve, 5)); // those of the spec before
    threads.takeMost();
    const controller = new AbortController();
    const hanging = Array.from({ length: 4 }, () =>
      errorOf(handoff.execute(dagOf({ id: 'x', code: fresh(file) }), { signal: controller.signal })),
    );
    const gate = new Gate();
    const both = handoff.execute(
      dagOf(...['a', 'b'].map((id) => ({ id, code: t.waitAtGate, extraArgs: [gate.memory] }))),
    );
    await gate.arrived(2); // on both threads at once
    gate.release();
    await both;
    // A new module is looked into all the same.
    expect((await handoff.execute(dagOf({ id: 'y', code: fresh('slow.ts') }))).results).toEqual({ y: 1 });
    controller.abort();
    for (const each of hanging) expect(await each).toMatchObject({ code: 'ABORTED' });
    expect(threads.takeMost()).toBeLessThanOrEqual(3);
  });

  it('is cancelled when the last waiting run is gone, and not before', async () => {
    const code = fresh(file);
    const [first, second] = [new AbortController(), new AbortController()];
    const one = errorOf(handoff.execute(dagOf({ id: 'x', code }), { signal: first.signal }));
    const two = errorOf(handoff.execute(dagOf({ id: 'x', code }), { signal: second.signal }));
    first.abort();
    expect(await one).toMatchObject({ code: 'ABORTED' });
    const restarted = new Promise((resolve) => handoff.once('worker:restarted', resolve));
    second.abort();
    expect(await two).toMatchObject({ code: 'ABORTED' });
    await restarted;
  });

  it('fails a function at its timeout, attempt by attempt, and lets independent branches finish', async () => {
    const error = await errorOf(
      handoff.execute(
        dagOf(
          { id: 'x', code: fresh(file), timeout: 150, maxRetries: 1 },
          { id: 'y', code: t.one },
          { id: 'z', code: t.one, args: ['x'] },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'x',
      attempts: 2,
      cause: { code: 'FUNCTION_TIMEOUT', timeout: 150 },
    });
    expect(error.results).toEqual({ y: 1 });
  });

  it('is named by explain(), for the run and each of its functions', async () => {
    const controller = new AbortController();
    const dag = dagOf({ id: 'x', code: fresh(file) }, { id: 'y', code: t.one, args: ['x'] });
    const hanging = errorOf(handoff.execute(dag, { signal: controller.signal }));
    const module = new RegExp(`waits for the import of module file:\\S*${file} \\(\\d+ s so far\\)\\.$`);
    expect(handoff.explain(dag.id).text).toMatch(module);
    expect(handoff.explain(dag.id, 'x')).toMatchObject({
      text: expect.stringMatching(module),
      functions: [{ functionId: 'x', state: 'import' }],
    });
    expect(() => handoff.explain(dag.id, 'nothing')).toThrow(/no function "nothing"/);
    controller.abort();
    await hanging;
  });

  it('ends after importTimeout', async () => {
    const hasty = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 1 }],
      importTimeout: 200,
    });
    const code = fresh(file);
    const errors = await Promise.all([1, 2].map(() => errorOf(hasty.execute(dagOf({ id: 'x', code })))));
    for (const error of errors)
      expect(error).toMatchObject({
        code: 'MODULE_FAILED',
        module: (code as any).module ?? expect.any(String),
        timeout: 200,
      });
    // Which imports nothing that could be late.
    expect((await hasty.execute(dagOf({ id: 'x', code: fromSource(() => 1) }))).results).toEqual({ x: 1 });
    await hasty.stop();
  });

  it('ends after importTimeout for an actor, too', async () => {
    const hasty = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 1 }],
      importTimeout: 200,
    });
    expect(await errorOf(hasty.spawn(fresh(file) as never))).toMatchObject({ code: 'MODULE_FAILED', timeout: 200 });
    await hasty.stop();
  });

  it('does not keep stop() waiting longer than the import may take', async () => {
    const hasty = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 1 }],
      importTimeout: 200,
    });
    const hanging = errorOf(hasty.execute(dagOf({ id: 'x', code: fresh(file) })));
    await hasty.stop();
    expect(await hanging).toMatchObject({ code: 'MODULE_FAILED' });
    const endless = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 1 }],
      importTimeout: Infinity,
    });
    const stopped = errorOf(endless.execute(dagOf({ id: 'x', code: fresh(file) })));
    await endless.stop({ drain: false });
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
    while (threads.now > 2) await new Promise((resolve) => setTimeout(resolve, 5)); // no thread of theirs is left
  });
});

it('an import that ends in one thread but not in another fails the functions that wait there, with its own limit, and explain() says so', async () => {
  const code = fresh('once-each.ts');
  const hasty = await Handoff.start({
    nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }],
    importTimeout: 5000, // long enough for the thread that imports it, also on a busy machine
    maxRetries: 0,
  });
  const gate = new Gate();
  await hasty.execute(dagOf({ id: 'x', code }));
  // The thread that knows the module is busy: the other one has to import it.
  const { waitAtGate } = tasks<any>((code as any)[Symbol.for('handoffjs.reference')].module);
  const dag = dagOf(...['a', 'b'].map((id) => ({ id, code: waitAtGate!, extraArgs: [gate.memory] })));
  const running = errorOf(hasty.execute(dag));
  await gate.arrived(1);
  let text = '';
  while (!text.includes('import of module')) {
    await new Promise(setImmediate);
    ({ text } = hasty.explain(dag.id));
  }
  expect(text).toMatch(/[ab] waits for the import of module \S+ \(\d+ s so far\) on n, thread [01]\./);
  const crashed = new Promise<any>((resolve) => hasty.once('worker:crashed', resolve));
  expect(await crashed).toMatchObject({ reason: 'import', error: { code: 'MODULE_FAILED' } });
  gate.release();
  expect(await running).toMatchObject({ code: 'FUNCTION_FAILED', cause: { code: 'MODULE_FAILED', timeout: 5000 } });
  await hasty.stop();
});
