import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type FunctionSpec, tasks } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const fixture = (file: string): URL => new URL(`../fixtures/imports/${file}`, import.meta.url);
const from = (file: URL): NonNullable<FunctionSpec['code']> => tasks<{ one(): number }>(file).one;
const folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
let copies = 0;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A module that no thread knows yet. */
function fresh(file: string): URL {
  const copy = join(folder, `${++copies}-${file}`);
  copyFileSync(fixture(file), copy);
  return pathToFileURL(copy);
}

describe('modules that misbehave when they are imported', () => {
  const handoff = useHandoff({ nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }] });

  it('release their thread when the run is given up, and hold up no other run before', async () => {
    const controller = new AbortController();
    const hanging = errorOf(
      handoff().execute(dagOf({ id: 'x', code: from(fixture('never.ts')) }), { signal: controller.signal }),
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
      expect(await errorOf(handoff().execute(dagOf({ id: 'x', code: from(fixture('exits.ts')) })))).toMatchObject({
        code: 'MODULE_FAILED',
      });
    }
    gate.release();
    await others;
  });

  it('are imported within the timeout of the function that needs them', async () => {
    const code = from(fresh('once-each.ts'));
    // Long enough for the thread that imports it, also on a busy machine.
    const functions = Array.from({ length: 4 }, (_, i) => ({ id: `f${i}`, code, timeout: 5000, maxRetries: 0 }));
    const error = await errorOf(handoff().execute(dagOf(...functions), { failurePolicy: 'continue' }));
    expect(error.failures![0]).toMatchObject({ code: 'FUNCTION_FAILED', cause: { code: 'FUNCTION_TIMEOUT' } });
    expect(Object.keys(error.results!)).not.toEqual([]); // the thread that has imported it goes on
  });
});
