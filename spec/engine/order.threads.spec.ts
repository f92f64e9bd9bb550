import { describe, expect, it } from 'vitest';
import { Dag } from '../../lib/index.ts';
import { counter, t, useHandoff } from '../support/handoff.ts';
import { record } from '../support/hosts.ts';

const handoff = useHandoff({ nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }] });

/** Has it known how short these functions are, so that they are sent along with what they wait for. */
async function warmUp(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const dag = new Dag();
    for (let i = 0; i < 200; i++)
      dag
        .add({ id: `count ${i}`, code: t.count, extraArgs: [counter().memory] })
        .add({ id: `fail ${i}`, code: t.failTimes, extraArgs: [counter().memory, 0] });
    await handoff().execute(dag);
  }
}

describe('a function that waits for another without taking its result', () => {
  it('does not run before the other has succeeded', async () => {
    await warmUp();
    const [fails, calls] = [counter(), counter()];
    const events = record(handoff(), 'function:retrying', 'function:finished');
    await handoff().execute(
      new Dag()
        .add({ id: 'first', code: t.failTimes, extraArgs: [fails.memory, 1] })
        .add({ id: 'then', code: t.count, args: ['first'], layout: [{ value: calls.memory }] }),
    );
    expect(events.map(({ type, functionId }) => `${type} ${functionId}`)).toEqual([
      'function:retrying first',
      'function:finished first',
      'function:finished then',
    ]);
    expect(calls.value).toBe(1);
  });

  it('runs after the other, on whatever node that runs', async () => {
    await warmUp();
    const crashes = record(handoff(), 'worker:crashed');
    const calls = counter();
    const dag = new Dag();
    for (let step = 0; step < 100; step++) {
      for (const side of ['l', 'r'])
        dag.add({
          id: `${side}${step}`,
          code: t.count,
          args: step === 0 ? [] : [`l${step - 1}`, `r${step - 1}`],
          layout: [{ value: calls.memory }],
        });
    }
    await handoff().execute(dag);
    expect(calls.value).toBe(200);
    expect(crashes).toEqual([]);
  });
});
