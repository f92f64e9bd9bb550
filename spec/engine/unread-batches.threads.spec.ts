/** A thread that dies of what it was sent, before it begins any of it. */
import { describe, expect, it } from 'vitest';
import { type HandoffEvent, tasks } from '../../lib/index.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({ nodes: [{ name: 'small', capabilities: { memory: 64 }, threads: 2 }] });
const d = tasks<typeof import('../fixtures/deep.ts')>(new URL('../fixtures/deep.ts', import.meta.url));

// Each is too small to be put into shared memory; all of them are more than the heap of a thread.
const tooMuch = Array.from({ length: 1500 }, (_, i) => `${i}`.padStart(60_000));

// Filling a heap takes long on a busy machine.
describe('arguments that a thread has no memory for', () => {
  it('count against their function: the first death makes it a suspect, each further one is an attempt', async () => {
    const maxRetries = 1;
    const crashes: unknown[] = [];
    const listener = (event: Extract<HandoffEvent, { type: 'worker:crashed' }>): void =>
      void crashes.push(event.reason);
    handoff().on('worker:crashed', listener);
    const failing = errorOf(handoff().execute(dagOf({ id: 'much', code: d.lengthOf, extraArgs: tooMuch, maxRetries })));
    const others = await handoff().execute(
      dagOf(...Array.from({ length: 50 }, (_, i) => ({ id: `f${i}`, code: t.constant, extraArgs: [i] }))),
    );
    expect(Object.values(others.results)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(await failing).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'much',
      attempts: maxRetries + 1,
      cause: { code: 'WORKER_CRASHED', reason: 'out-of-memory' },
    });
    handoff().off('worker:crashed', listener);
    expect(crashes).toEqual(['out-of-memory', 'out-of-memory', 'out-of-memory']);
  });

  it('do not fail others: those sent with them succeed', async () => {
    const others = Array.from({ length: 30 }, (_, i) => ({
      id: `f${i}`,
      code: t.constant,
      extraArgs: [i],
      maxRetries: 0,
    }));
    const dag = dagOf(
      ...others.slice(0, 15),
      { id: 'much', code: d.lengthOf, extraArgs: tooMuch, maxRetries: 0 },
      ...others.slice(15),
    );
    await handoff().execute(
      dagOf(...Array.from({ length: 40 }, (_, i) => ({ id: `${i}`, code: d.lengthOf, extraArgs: ['x'] }))),
    );
    const error: any = await errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    expect(error.failures.map(({ functionId }: { functionId: string }) => functionId)).toEqual(['much']);
    expect(error.results).toEqual(Object.fromEntries(others.map(({ id }, i) => [id, i])));
  });
});
