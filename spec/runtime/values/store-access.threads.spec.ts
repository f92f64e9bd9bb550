import { describe, expect, it } from 'vitest';
import { Dag } from '../../../lib/index.ts';
import { Gate } from '../../support/gate.ts';
import { errorOf, t, useHandoff } from '../../support/handoff.ts';

const handoff = useHandoff();

describe('values of a DAG', () => {
  it('are stored and found per DAG', async () => {
    await handoff().storeValue('one', 'x', 1);
    await handoff().storeValue('two', 'x', undefined);
    expect(await handoff().getLocalValue('one', 'x')).toBe(1);
    expect(await handoff().getLocalValue('two', 'x')).toBeUndefined();
    expect(await handoff().getValue('one', 'x')).toBe(1);
    expect(await handoff().getValue('one', 'x', { fromNode: 'a' })).toBe(1);
  });

  it.each<[string, unknown, string]>([
    ['a generator', { rows: (function* () {})() }, 'value.rows is an object of type Generator'],
    ['a promise', Promise.resolve(1), 'value is a promise'],
    [
      'a getter that throws',
      {
        get rows() {
          throw new Error('closed');
        },
      },
      'value is an object that throws when it is read (closed)',
    ],
  ])('are refused when no copy can be made of them: %s', async (_, value, text) => {
    for (const stored of [handoff().storeValue('odd', 'x', value), handoff().storeResult('odd', 'x', value)]) {
      const error = await errorOf(stored);
      expect(error.code).toBe('NOT_SERIALIZABLE');
      expect(error.message).toContain(text);
    }
    expect((await errorOf(handoff().getLocalValue('odd', 'x'))).code).toBe('NOT_FOUND');
  });

  it('that are not there are NOT_FOUND', async () => {
    for (const ask of [
      handoff().getLocalValue('one', 'nope'),
      handoff().getLocalValue('none', 'x'),
      handoff().getValue('none', 'x'),
      handoff().getValue('none', 'x', { fromNode: 'far' }),
    ]) {
      expect((await errorOf(ask)).code).toBe('NOT_FOUND');
    }
  });

  it('may be changed by its reader, before its consumers have it', async () => {
    const gate = new Gate();
    const dag = new Dag('mine')
      .add({ id: 'made', code: t.constant, extraArgs: [{ x: 1 }] })
      .add({ id: 'wait', code: t.waitAtGate, args: [], extraArgs: [gate.memory] })
      .add({ id: 'use', code: t.collect, args: ['made', 'wait'] });
    const running = handoff().execute(dag);
    const mine = await handoff().getResult('mine', 'made');
    mine.x = 77;
    expect(await handoff().getResult('mine', 'made')).toEqual({ x: 1 });
    gate.release();
    expect((await running).results['use'][0]).toEqual({ x: 1 });
  });

  it('are copied when stored and when read', async () => {
    const value = { list: [1], bytes: new Uint8Array(100_000) };
    const waiting = [handoff().getResult('own', 'x'), handoff().getResult('own', 'x')];
    await handoff().storeResult('own', 'x', value);
    value.list.push(2);
    value.bytes.fill(1);
    const given = [
      ...(await Promise.all(waiting)),
      await handoff().getResult('own', 'x'),
      await handoff().getValue('own', 'x'),
      await handoff().getLocalValue('own', 'x'),
    ];
    for (const each of given) {
      expect(each.list).toEqual([1]);
      expect(each.bytes[9]).toBe(0);
      each.list.push(3);
      each.bytes.fill(3);
    }
  });

  it('are gone after clear', async () => {
    await handoff().storeResult('gone', 'x', 1);
    await handoff().clear('gone');
    expect((await errorOf(handoff().getLocalValue('gone', 'x'))).code).toBe('NOT_FOUND');
    expect((await errorOf(handoff().lookupDataLocation('gone', 'x'))).code).toBe('NOT_FOUND');
  });
});

describe('results of runs', () => {
  it('stay in the store, with the node they were made on', async () => {
    await handoff().execute(
      new Dag('kept').add({ id: 'x', code: t.one, node: 'b' }).add({ id: 'y', code: t.double, args: ['x'] }),
    );
    expect(await handoff().getLocalValue('kept', 'y')).toBe(2);
    expect(await handoff().getResult('kept', 'x')).toBe(1);
    expect(await handoff().lookupDataLocation('kept', 'x')).toBe('b');
  });

  it('are not changed by a caller that changes its copy', async () => {
    const rows = Array.from({ length: 5000 }, (_, id) => ({ id, view: id === 7 ? new Float64Array(10_000) : null }));
    const { results } = await handoff().execute(
      new Dag('unchanged')
        .add({ id: 'small', code: t.constant, extraArgs: [{ list: [1] }] })
        .add({ id: 'view', code: t.float64, extraArgs: [100_000, 1] })
        .add({ id: 'rows', code: t.constant, extraArgs: [rows] }),
    );
    results['small'].list.push(2);
    const ask = ['getResult', 'getValue', 'getLocalValue'] as const;
    for (const how of [...ask, ...ask]) {
      const small = await handoff()[how]('unchanged', 'small');
      expect(small).toEqual({ list: [1] });
      small.list.push(3);
      const view = await handoff()[how]('unchanged', 'view');
      expect(view.subarray(0, 2)).toEqual(new Float64Array([1, 1]));
      view.fill(2);
      const nested = await handoff()[how]('unchanged', 'rows');
      expect(nested[7].view[3]).toBe(0);
      nested[7].view.fill(2);
      nested[7].id = 0;
    }
  });

  it('can be had while the run goes on', async () => {
    const gate = new Gate();
    const running = handoff().execute(
      new Dag('open')
        .add({ id: 'x', code: t.one })
        .add({ id: 'y', code: t.waitAtGate, args: ['x'], layout: [{ value: gate.memory }] }),
    );
    await gate.arrived(1);
    expect(await handoff().getResult('open', 'x')).toBe(1);
    const later = handoff().getResult('open', 'y');
    gate.release();
    expect(await later).toBe(1);
    await running;
  });

  it('are waited for, also before the run begins', async () => {
    const waiting = handoff().getResult('future', 'x');
    await handoff().execute(new Dag('future').add({ id: 'x', code: t.one }));
    expect(await waiting).toBe(1);
  });

  it('replace what was there under the same id', async () => {
    await handoff().storeValue('replaced', 'x', 'old');
    await handoff().storeValue('replaced', 'z', 'old');
    await handoff().registerDataLocation('replaced', 'z', 'b');
    await handoff().execute(new Dag('replaced').add({ id: 'x', code: t.one }));
    expect(await handoff().getLocalValue('replaced', 'x')).toBe(1);
    expect((await errorOf(handoff().getLocalValue('replaced', 'z'))).code).toBe('NOT_FOUND');
    expect((await errorOf(handoff().lookupDataLocation('replaced', 'z'))).code).toBe('NOT_FOUND');
  });

  it('of a failed run are those that exist', async () => {
    await errorOf(
      handoff().execute(
        new Dag('failed').add({ id: 'x', code: t.one }).add({ id: 'y', code: t.boom, args: ['x'], maxRetries: 0 }),
      ),
    );
    expect(await handoff().getLocalValue('failed', 'x')).toBe(1);
  });
});

describe('storeResult and getResult', () => {
  it('return an existing value at once, and wait for a missing one', async () => {
    await handoff().storeResult('s', 'now', 1);
    expect(await handoff().getResult('s', 'now', { timeout: 0 })).toBe(1);
    const waiting = [handoff().getResult('s', 'soon'), handoff().getResult('s', 'soon')];
    await handoff().storeResult('s', 'soon', 2, { originNode: 'b' });
    expect(await Promise.all(waiting)).toEqual([2, 2]);
    expect(await handoff().lookupDataLocation('s', 'soon')).toBe('b');
  });

  it('give up after the timeout', async () => {
    const error = await errorOf(handoff().getResult('s', 'never', { timeout: 10 }));
    expect(error).toMatchObject({ code: 'RESULT_TIMEOUT', timeout: 10, functionId: 'never' });
  });
});

describe('locations', () => {
  it('are registered and replaced per DAG', async () => {
    await handoff().registerDataLocation('l1', 'x', 'a');
    await handoff().registerDataLocation('l2', 'x', 'b');
    await handoff().registerDataLocation('l1', 'x', 'b');
    expect(await handoff().lookupDataLocation('l1', 'x')).toBe('b');
    expect((await errorOf(handoff().lookupDataLocation('l3', 'x'))).code).toBe('NOT_FOUND');
  });
});
