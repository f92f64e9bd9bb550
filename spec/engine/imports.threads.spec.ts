import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type FunctionSpec, tasks } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const from = (file: string): NonNullable<FunctionSpec['code']> =>
  tasks<{ one(): number }>(new URL(`../fixtures/imports/${file}`, import.meta.url)).one;
const once = join(tmpdir(), `handoff-spec-once-${process.pid}`);
afterAll(() => rmSync(once, { force: true }));

describe('modules that misbehave when they are imported', () => {
  const handoff = useHandoff({ nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }] });

  it('release their thread when the run is given up, and hold up no other run before', async () => {
    const controller = new AbortController();
    const hanging = errorOf(
      handoff().execute(dagOf({ id: 'x', code: from('never.ts') }), { signal: controller.signal }),
    );
    expect(
      (await handoff().execute(dagOf(...Array.from({ length: 50 }, (_, i) => ({ id: `f${i}`, code: t.one }))))).stats
        .functions,
    ).toBe(50);
    const restarted = new Promise((resolve) => handoff().once('worker:restarted', resolve));
    controller.abort();
    expect(await hanging).toMatchObject({ code: 'ABORTED' });
    await restarted;
    const gate = new Gate();
    const both = handoff().execute(
      dagOf(
        { id: 'a', code: t.waitAtGate, extraArgs: [gate.memory] },
        { id: 'b', code: t.waitAtGate, extraArgs: [gate.memory] },
      ),
    );
    await gate.arrived(2); // both threads work
    gate.release();
    await both;
  });

  it('and end their thread cost no function of another run', async () => {
    const gate = new Gate();
    const others = handoff().execute(
      dagOf(
        { id: 'a', code: t.waitAtGate, extraArgs: [gate.memory], maxRetries: 0 },
        { id: 'b', code: t.waitAtGate, extraArgs: [gate.memory], maxRetries: 0 },
      ),
    );
    await gate.arrived(2);
    for (let i = 0; i < 5; i++) {
      expect(await errorOf(handoff().execute(dagOf({ id: 'x', code: from('exits.ts') })))).toMatchObject({
        code: 'MODULE_FAILED',
      });
    }
    gate.release();
    await others;
  });

  it('are imported within the timeout of the function that needs them', async () => {
    const functions = Array.from({ length: 4 }, (_, i) => ({
      id: `f${i}`,
      code: from('once.ts'),
      timeout: 1500,
      maxRetries: 0,
    }));
    const error = await errorOf(handoff().execute(dagOf(...functions), { failurePolicy: 'continue' }));
    expect(error.failures![0]).toMatchObject({ code: 'FUNCTION_FAILED', cause: { code: 'FUNCTION_TIMEOUT' } });
    expect(Object.keys(error.results!)).not.toEqual([]); // the thread that has imported it goes on
  });
});
