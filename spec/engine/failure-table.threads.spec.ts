/** What may kill a function or its thread, what the user is told, and that neighbours are unharmed. */
import { describe, expect, it } from 'vitest';
import { Dag, type FunctionSpec, type Handoff, type HandoffError } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({
  nodes: [
    { name: 'small', capabilities: { cpu: 2, memory: 64 }, threads: 2 },
    { name: 'other', capabilities: { cpu: 1 }, threads: 1 },
  ],
});

interface Row {
  readonly what: string;
  readonly spec: Partial<FunctionSpec>;
  /** The code of the error beneath `FUNCTION_FAILED`, or of the error itself. */
  readonly code: string | undefined;
  readonly details?: object;
  readonly says: RegExp;
}

const rows: Row[] = [
  { what: 'throws', spec: { code: t.boom }, code: 'E_TASK', says: /boom/ },
  { what: 'rejects', spec: { code: t.boomLater }, code: 'E_TASK', says: /boom later/ },
  { what: 'overflows the stack', spec: { code: t.overflow }, code: undefined, says: /call stack/ },
  {
    what: 'calls process.exit',
    spec: { code: t.exit, extraArgs: [3] },
    code: 'WORKER_CRASHED',
    details: { reason: 'exit', exitCode: 3 },
    says: /exited with code 3/,
  },
  {
    what: 'leaves an error uncaught',
    spec: { code: t.throwUncaught },
    code: 'WORKER_CRASHED',
    details: { reason: 'uncaught' },
    says: /was not caught.*uncaught/,
  },
  {
    what: 'leaves a rejection unhandled',
    spec: { code: t.rejectUnhandled },
    code: 'WORKER_CRASHED',
    details: { reason: 'uncaught' },
    says: /was not caught.*unhandled/,
  },
  {
    what: 'runs out of memory',
    spec: { code: t.hoard, node: 'small' },
    code: 'WORKER_CRASHED',
    details: { reason: 'out-of-memory' },
    says: /out of memory/,
  },
  {
    what: 'never yields',
    spec: { code: t.spin, timeout: 20 },
    code: 'FUNCTION_TIMEOUT',
    details: { timeout: 20 },
    says: /longer than its timeout of 20 ms/,
  },
  {
    what: 'never ends',
    spec: { code: t.never, timeout: 20 },
    code: 'FUNCTION_TIMEOUT',
    details: { timeout: 20 },
    says: /longer than its timeout of 20 ms/,
  },
  {
    what: 'gives what cannot be sent',
    spec: { code: t.functionInside },
    code: 'NOT_SERIALIZABLE',
    details: { path: 'result.items[2].go' },
    says: /result\.items\[2\]\.go/,
  },
];

describe.each(rows)('a function that $what', ({ spec, code, details = {}, says }) => {
  it('fails its run with a clear error', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'bad', maxRetries: 0, ...spec } as FunctionSpec)));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'bad', attempts: 1 });
    expect(error.message).toMatch(says);
    if (code !== undefined) expect(error.cause).toMatchObject({ code, ...details });
  });

  it('harms none of its neighbours, which use up no attempt', async () => {
    const runs = counter();
    const dag = new Dag().add({ id: 'bad', maxRetries: 0, ...spec } as FunctionSpec);
    for (let i = 0; i < 300; i++) dag.add({ id: `n${i}`, code: t.count, extraArgs: [runs.memory, i], maxRetries: 0 });
    const error = await errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['bad']);
    expect(Object.values(error.results!).sort((a, b) => (a as number) - (b as number))).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    );
  });

  it('leaves working threads', async () => {
    await errorOf(handoff().execute(dagOf({ id: 'bad', maxRetries: 0, ...spec } as FunctionSpec)));
    expect(await answers(handoff())).toBe(3);
  });
});

/** How many threads take part when all have to. */
async function answers(of: Handoff): Promise<number> {
  const gate = new Gate();
  const running = of.execute(
    dagOf(...['x', 'y', 'z'].map((id) => ({ id, code: t.waitAtGate, extraArgs: [gate.memory] }))),
  );
  await gate.arrived(3);
  gate.release();
  return Object.keys((await running).results).length;
}

describe('a node that is removed', () => {
  it('has its functions run elsewhere, without using an attempt', async () => {
    await handoff().registerNode('leaving', { cpu: 1, special: 1 });
    const gate = new Gate();
    const running = handoff().execute(
      dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory], maxRetries: 0, cost: { special: 1 } }),
    );
    await gate.arrived(1);
    await handoff().registerNode('heir', { cpu: 1, special: 1 });
    await handoff().removeNode('leaving');
    await gate.arrived(2);
    gate.release();
    expect((await running).allocations['x']).toBe('heir');
    expect(Object.keys(await handoff().discoverNodes())).not.toContain('leaving');
    await handoff().removeNode('heir');
  });

  it('fails functions that only it could run', async () => {
    await handoff().registerNode('only', { cpu: 1 });
    const gate = new Gate();
    const running = errorOf(
      handoff().execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory], node: 'only' })),
    );
    await gate.arrived(1);
    await handoff().removeNode('only');
    expect(await running).toMatchObject({ code: 'NODE_DOWN', functionId: 'x', node: 'only' });
  });

  it('comes back when it is registered again', async () => {
    await handoff().registerNode('back', { cpu: 1 });
    await handoff().removeNode('back');
    const error: HandoffError = await errorOf(handoff().removeNode('back'));
    expect(error).toMatchObject({ code: 'NOT_FOUND', node: 'back' });
    await handoff().registerNode('back', { cpu: 1 });
    expect((await handoff().execute(dagOf({ id: 'x', code: t.one, node: 'back' }))).allocations['x']).toBe('back');
    await handoff().removeNode('back');
  });
});
