import { describe, expect, it } from 'vitest';
import { Dag, dag, Handoff } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({
  nodes: [{ name: 'a', capabilities: { cpu: 4 }, threads: 4 }],
  limits: { api: 2, rate: { perSecond: 50 } },
});
const gated = (gate: Gate, id: string, more: object = {}) => ({
  id,
  code: t.waitAtGate,
  layout: [{ value: gate.memory }],
  ...more,
});

describe('limits of a program', () => {
  it('count across all runs, appear in resources and explain, and are released at the end', async () => {
    const [gate, other] = [new Gate(), new Gate()];
    const ready = new Promise((resolve) =>
      handoff().on('function:ready', ({ functionId }) => functionId === 'z' && resolve(0)),
    );
    const first = handoff().execute(
      new Dag('one').add(gated(gate, 'x', { uses: ['api'] })).add(gated(gate, 'y', { uses: { api: 1 } })),
    );
    await gate.arrived(2);
    const second = handoff().execute(new Dag('two').add(gated(other, 'z', { uses: ['api'] })));
    await ready;
    expect((await handoff().resources())['a']!.limits).toEqual({
      api: { here: 2, used: 2, concurrency: 2 },
      rate: { here: 0, used: 0, perSecond: 50 },
    });
    expect(handoff().explain('two', 'z')).toMatchObject({
      text: 'z waits for 1 of limit api, of which 2 of 2 are used.',
      functions: [{ state: 'limit', functions: ['one/x', 'one/y'] }],
    });
    gate.release();
    await other.arrived(1);
    other.release();
    await Promise.all([first, second]);
    expect((await handoff().resources())['a']!.limits['api']).toEqual({ here: 0, used: 0, concurrency: 2 });
  });

  it('hold back functions that wait for nothing else', async () => {
    const made = new Dag('rated');
    for (let i = 0; i < 4; i++) made.add({ id: `f${i}`, code: t.one, uses: ['rate'] });
    const { stats } = await handoff().execute(made);
    expect(stats.functions).toBe(4);
  });

  it('are released by a function that times out and by one whose thread dies', async () => {
    const made = new Dag('bad')
      .add({ id: 'slow', code: t.never, uses: ['api'], timeout: 20, maxRetries: 0 })
      .add({ id: 'dead', code: t.exit, extraArgs: [3], uses: ['api'], maxRetries: 0 });
    expect(await errorOf(handoff().execute(made, { failurePolicy: 'continue' }))).toMatchObject({
      code: 'FUNCTION_FAILED',
    });
    const after = new Dag('after').add({ id: 'f', code: t.one, uses: { api: 2 } });
    expect((await handoff().execute(after)).results['f']).toBe(1);
  });

  it('that are unknown are refused before anything runs', async () => {
    const made = new Dag('unknown').add({ id: 'f', code: t.one, uses: ['ap'] });
    expect(await errorOf(handoff().execute(made))).toMatchObject({
      code: 'INVALID_FUNCTION',
      functionId: 'f',
      suggestion: 'api',
    });
    expect(await errorOf(handoff().plan(made))).toMatchObject({ code: 'INVALID_FUNCTION' });
  });

  it('are named by calls of the value form', async () => {
    expect(await handoff().run(dag('typed', t.one().with({ uses: ['api'] })))).toBe(1);
  });

  it('that are malformed are refused by Handoff.start', async () => {
    expect(await errorOf(Handoff.start({ limits: { api: 0 } }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'limits',
    });
  });
});
