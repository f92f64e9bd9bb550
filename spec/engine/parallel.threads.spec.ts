import { describe, expect, it } from 'vitest';
import { Handoff } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t, twoNodes, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();
const gated = (gate: Gate, id: string, args: string[] = [], ticket = 0) => ({
  id,
  code: t.waitAtGate,
  args,
  layout: [{ value: gate.memory }, { value: ticket }],
});

describe('parallel execution', () => {
  it('runs independent functions in parallel', async () => {
    const gate = new Gate();
    const running = handoff().execute(dagOf(...['x', 'y', 'z'].map((id) => gated(gate, id))));
    await gate.arrived(3);
    gate.release();
    expect((await running).results).toEqual({ x: 3, y: 3, z: 3 });
  });

  it('starts each function of a chain only after the previous one', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      dagOf(gated(gate, 'x', [], 0), gated(gate, 'y', ['x'], 1), gated(gate, 'z', ['y'], 2)),
    );
    for (const ticket of [1, 2, 3]) {
      await gate.arrived(ticket);
      expect(gate.count).toBe(ticket);
      gate.release(ticket);
    }
    expect((await running).results).toEqual({ x: 1, y: 2, z: 3 });
  });

  it('runs the middle of a diamond in parallel, and passes its values in order', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      dagOf(
        { id: 'top', code: t.one },
        gated(gate, 'l', ['top']),
        gated(gate, 'm', ['top']),
        gated(gate, 'r', ['top']),
        { id: 'sink', code: t.collect, args: ['r', 'm', 'l'] },
      ),
    );
    await gate.arrived(3);
    gate.release();
    expect((await running).results['sink']).toEqual([3, 3, 3]);
  });

  it('has no more functions in flight than maxConcurrency', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      dagOf(gated(gate, 'x', [], 0), gated(gate, 'y', [], 1), gated(gate, 'z', [], 2)),
      { maxConcurrency: 1 },
    );
    for (const ticket of [1, 2, 3]) {
      await gate.arrived(ticket);
      gate.release(ticket);
    }
    expect(Object.values((await running).results)).toEqual([1, 2, 3]);
  });

  it('starts functions of higher priority first', async () => {
    const order: string[] = [];
    const listener = (event: { functionId: string }): void => void order.push(event.functionId);
    handoff().on('function:started', listener);
    const specs = [1, 5, 3, 0, 4].map((priority) => ({ id: `p${priority}`, code: t.one, priority }));
    await handoff().execute(dagOf(...specs), { maxConcurrency: 1 });
    handoff().off('function:started', listener);
    expect(order).toEqual(['p5', 'p4', 'p3', 'p1', 'p0']);
  });

  it('starts the longer path first', async () => {
    const order: string[] = [];
    const listener = (event: { functionId: string }): void => void order.push(event.functionId);
    handoff().on('function:started', listener);
    await handoff().execute(
      dagOf(
        { id: 'short', code: t.one },
        { id: 'long', code: t.one },
        { id: 'mid', code: t.double, args: ['long'] },
        { id: 'end', code: t.double, args: ['mid'] },
      ),
      { maxConcurrency: 1 },
    );
    handoff().off('function:started', listener);
    expect(order.indexOf('long')).toBe(0);
  });

  it('delays no function that was sent with a slow one', async () => {
    await using own = await Handoff.start({ nodes: twoNodes, costModel: { learn: false } });
    const calls = counter();
    const warm = Array.from({ length: 2000 }, (_, i) => ({ id: `w${i}`, code: t.count, extraArgs: [calls.memory] }));
    await own.execute(dagOf(...warm)); // now count() is known to be fast, and travels in large batches
    const gate = new Gate();
    const many = Array.from({ length: 2000 }, (_, i) => ({ id: `f${i}`, code: t.count, extraArgs: [gate.memory] }));
    const running = own
      .execute(dagOf({ id: 'stuck', code: t.waitAtGate, extraArgs: [new Gate().memory] }, ...many))
      .catch((error: unknown) => error);
    await gate.arrived(2000); // all the others are done while one is stuck
    await own.execute(dagOf({ id: 'free', code: t.one }));
    const stop = errorOf(own.execute(dagOf({ id: 'x', code: t.boom, maxRetries: 0 })));
    await stop;
    void running;
    await own.stop({ drain: false });
    expect(await running).toMatchObject({ code: 'STOPPED' });
  });
});
