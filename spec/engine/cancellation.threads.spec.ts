import { describe, expect, it } from 'vitest';
import { Dag, type HandoffError } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff({ nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }] });
const gated = (gate: Gate, id: string, more: object = {}) => ({
  id,
  code: t.waitAtGate,
  layout: [{ value: gate.memory }],
  ...more,
});
const started = (id: string): Promise<void> =>
  new Promise((resolve) => handoff().on('function:started', ({ functionId }) => functionId === id && resolve()));

describe('cancelFunction', () => {
  it('fails a running function as ABORTED, and with failurePolicy continue the others finish', async () => {
    const dag = new Dag('goes-on')
      .add({ id: 'stuck', code: t.never })
      .add({ id: 'after', code: t.collect, args: ['stuck'] })
      .add({ id: 'other', code: t.one });
    const begun = started('stuck');
    const running = errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    await begun;
    expect(await handoff().cancelFunction('goes-on', 'stuck')).toBe(true);
    const error = (await running) as HandoffError & { failures: HandoffError[]; results: object };
    expect(error).toMatchObject({ code: 'ABORTED', functionId: 'stuck', dagId: 'goes-on' });
    expect(error.message).toMatch(/^Function "stuck" of run ".+" of DAG "goes-on" was cancelled\./);
    expect(error.failures).toHaveLength(1);
    expect(error.results).toEqual({ other: 1 });
  });

  it('ends the run with the default policy, and the thread of a function that never yields', async () => {
    const dag = new Dag('ends').add({ id: 'spins', code: t.spin }).add(gated(new Gate(), 'waits'));
    const begun = started('spins');
    const running = errorOf(handoff().execute(dag, { runId: 'of-spins' }));
    await begun;
    await handoff().cancelFunction('of-spins', 'spins');
    expect(await running).toMatchObject({ code: 'ABORTED', functionId: 'spins', runId: 'of-spins' });
    expect((await handoff().execute(new Dag('next').add({ id: 'f', code: t.one }))).results['f']).toBe(1);
  });

  it('fails a function that waits for a result, for a claim or for its next attempt', async () => {
    const gate = new Gate();
    const dag = new Dag('waiting')
      .add(gated(gate, 'holds', { cost: { cpu: 2 } }))
      .add({ id: 'input', code: t.collect, args: ['holds'] })
      .add({ id: 'claim', code: t.one, cost: { cpu: 1 } })
      .add({ id: 'retried', code: t.boom, retryDelay: 1e6 });
    const failed: string[] = [];
    const listener = ({ functionId }: { functionId: string }): void => void failed.push(functionId);
    handoff().on('function:failed', listener);
    const retrying = new Promise((resolve) => handoff().once('function:retrying', resolve));
    const running = errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    await Promise.all([gate.arrived(1), retrying]);
    for (const id of ['input', 'claim', 'retried']) expect(await handoff().cancelFunction('waiting', id)).toBe(true);
    expect(failed).toEqual(['input', 'claim', 'retried']);
    gate.release();
    const error = (await running) as HandoffError & { failures: HandoffError[]; results: object };
    expect(error.failures.map(({ code }) => code)).toEqual(['ABORTED', 'ABORTED', 'ABORTED']);
    expect(error.results).toEqual({ holds: expect.anything() });
    handoff().off('function:failed', listener);
  });

  it('takes a function out of its batch, whose others run', async () => {
    const dag = new Dag('batch');
    for (let i = 0; i < 400; i++) dag.add({ id: `f${i}`, code: t.one });
    await handoff().execute(dag); // learns that they are short, so that they travel together
    const gates = [new Gate(), new Gate()];
    const busy = new Dag('busy');
    gates.forEach((gate, i) => busy.add(gated(gate, `g${i}`)));
    const first = handoff().execute(busy);
    await Promise.all(gates.map((gate) => gate.arrived(1)));
    const ready = new Promise<void>((resolve) =>
      handoff().on('function:ready', ({ functionId }) => functionId === 'f399' && resolve()),
    );
    const running = errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    await ready;
    expect(await handoff().cancelFunction('batch', 'f200')).toBe(true);
    for (const gate of gates) gate.release();
    const error = (await running) as HandoffError & { results: object };
    expect(error).toMatchObject({ code: 'ABORTED', functionId: 'f200' });
    expect(Object.keys(error.results)).toHaveLength(399);
    await first;
  });

  it('does not change a function that has ended, and rejects unknown ids', async () => {
    const gate = new Gate();
    const dag = new Dag('ended').add({ id: 'done', code: t.one }).add(gated(gate, 'waits'));
    const finished = new Promise<void>((resolve) =>
      handoff().on('function:finished', ({ functionId }) => functionId === 'done' && resolve()),
    );
    const running = handoff().execute(dag);
    await Promise.all([finished, gate.arrived(1)]);
    expect(await handoff().cancelFunction('ended', 'done')).toBe(false);
    expect(await errorOf(handoff().cancelFunction('ended', 'none'))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await errorOf(handoff().cancelFunction('no-run', 'done'))).toMatchObject({ code: 'NOT_FOUND' });
    gate.release();
    expect((await running).results['done']).toBe(1);
  });
});
