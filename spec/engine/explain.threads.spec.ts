import { describe, expect, it } from 'vitest';
import { Dag, type HandoffEvent } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { errorOf, t, thrownBy, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({ nodes: [{ name: 'a', capabilities: { cpu: 4, memory: 1000 }, threads: 2 }] });
const gated = (gate: Gate, id: string, more: object = {}) => ({
  id,
  code: t.waitAtGate,
  layout: [{ value: gate.memory }],
  ...more,
});

describe('explain', () => {
  it('names the function of another run that a node is reserved for', async () => {
    const gate = new Gate();
    const held = gated(gate, 'held', { cost: { memory: 700 }, duration: 1000 });
    const running = handoff().execute(new Dag('holder').add(held));
    await gate.arrived(1);
    const ready = new Set<string>();
    const bothReady = new Promise<void>((resolve) => {
      handoff().on(
        'function:ready',
        ({ functionId }) => void (ready.add(functionId).has('later') && ready.has('big') && resolve()),
      );
    });
    const large = handoff().execute(new Dag('large').add({ id: 'big', code: t.one, cost: { memory: 900 } }));
    const later = { id: 'later', code: t.one, cost: { memory: 200 }, duration: 1e6 };
    const small = handoff().execute(new Dag('small').add(later));
    await bothReady;
    expect(handoff().explain('small', 'later')).toMatchObject({
      text: 'later waits for a, which is kept free for large/big: that claims more, and has waited longer.',
      functions: [{ state: 'room', functions: ['large/big'], node: 'a' }],
    });
    gate.release();
    await Promise.all([running, large, small]);
  });

  it('says which functions run, and which wait for whose results', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      new Dag('waits')
        .add(gated(gate, 'x'))
        .add({ id: 'y', code: t.one })
        .add({ id: 'z', code: t.collect, args: ['x', 'y', 'x'] }),
    );
    await gate.arrived(1);
    while (handoff().explain('waits', 'y').functions[0]!.state !== 'done') await new Promise(setImmediate);
    expect(handoff().explain('waits', 'x')).toMatchObject({
      text: expect.stringMatching(/^x runs on a, thread [01]\.$/),
      functions: [{ functionId: 'x', state: 'running', node: 'a' }],
    });
    expect(handoff().explain('waits', 'y').text).toBe('y is done.');
    expect(handoff().explain('waits', 'z')).toMatchObject({
      text: 'z waits for the result of x.',
      functions: [{ state: 'results', functions: ['x'] }],
    });
    expect(handoff().explain('waits').text.split('\n')).toEqual([
      'Run waits: of 3 functions, 1 done, 1 with threads, 1 waiting for results of others.',
      expect.stringMatching(/^x runs/),
    ]);
    gate.release();
    await running;
  });

  it('says which resource is short, and what holds it', async () => {
    const gate = new Gate();
    const first = handoff().execute(new Dag('holder').add(gated(gate, 'hog', { cost: { memory: 700 } })));
    await gate.arrived(1);
    const second = handoff().execute(new Dag('asker').add({ id: 'big', code: t.one, cost: { memory: 500, cpu: 1 } }));
    while (thrownOr(() => handoff().explain('asker', 'big').functions[0]!.state) !== 'room')
      await new Promise(setImmediate);
    expect(handoff().explain('asker', 'big')).toMatchObject({
      text: 'big waits for 500 memory of a, of which 300 are free (hog of run holder holds memory 700).',
      functions: [{ node: 'a', functions: ['holder/hog'] }],
    });
    const twin = handoff().execute(new Dag('holder').add({ id: 'big', code: t.one, cost: { memory: 500 } }), {
      runId: 'twin',
    });
    while (thrownOr(() => handoff().explain('twin', 'big').functions[0]!.state) !== 'room')
      await new Promise(setImmediate);
    // By the id of its run, as both are of one DAG.
    const [held] = handoff().explain('twin', 'big').functions[0]!.functions;
    gate.release();
    const { runId } = await first;
    await Promise.all([second, twin]);
    expect(held).toBe(`${runId}/hog`);
  });

  it('says that all threads are busy, or that maxConcurrency is reached', async () => {
    const gate = new Gate();
    const dag = new Dag('busy').add(gated(gate, 'x')).add(gated(gate, 'y')).add({ id: 'third', code: t.one });
    const running = handoff().execute(dag);
    await gate.arrived(2);
    expect(handoff().explain('busy', 'third').text).toBe('third waits for a thread of a: all are busy.');
    gate.release();
    await running;
    const other = new Gate();
    const limited = handoff().execute(new Dag('limited').add(gated(other, 'x')).add({ id: 'second', code: t.one }), {
      maxConcurrency: 1,
    });
    await other.arrived(1);
    expect(handoff().explain('limited', 'second')).toMatchObject({
      functions: [{ state: 'concurrency' }],
      text: expect.stringContaining('maxConcurrency'),
    });
    other.release();
    await limited;
  });

  it('says that the next attempt is pending', async () => {
    const controller = new AbortController();
    const retried = new Promise<HandoffEvent>((resolve) => handoff().once('function:retrying', resolve));
    const running = errorOf(
      handoff().execute(new Dag('again').add({ id: 'x', code: t.boom, retryDelay: 1e6 }), {
        signal: controller.signal,
      }),
    );
    await retried;
    expect(handoff().explain('again', 'x')).toMatchObject({
      text: 'x waits to be tried again: attempt 1 failed.',
      functions: [{ state: 'retry' }],
    });
    controller.abort();
    await running;
  });

  it('says which functions were given up, and why', async () => {
    const gate = new Gate();
    const failed = new Promise<HandoffEvent>((resolve) => handoff().once('function:failed', resolve));
    const dag = new Dag('broken')
      .add({ id: 'x', code: t.boom, maxRetries: 0 })
      .add({ id: 'y', code: t.one, args: ['x'] })
      .add({ id: 'z', code: t.one, args: ['y'] })
      .add(gated(gate, 'w'));
    const running = errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    await Promise.all([failed, gate.arrived(1)]);
    expect(handoff().explain('broken', 'z')).toMatchObject({
      text: 'z is given up: x failed.',
      functions: [{ state: 'unreachable', functions: ['x'] }],
    });
    expect(handoff().explain('broken', 'x').text).toBe('x has failed for good.');
    gate.release();
    await running;
  });

  it('rejects runs that are not under way, and functions of other runs', async () => {
    expect(thrownBy(() => handoff().explain('nothing'))).toMatchObject({ code: 'NOT_FOUND', dagId: 'nothing' });
    const gate = new Gate();
    const running = handoff().execute(new Dag('known').add(gated(gate, 'x')));
    await gate.arrived(1);
    expect(thrownBy(() => handoff().explain('known', 'y'))).toMatchObject({ code: 'NOT_FOUND', functionId: 'y' });
    gate.release();
    await running;
  });
});

function thrownOr<Value>(fn: () => Value): Value | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}
