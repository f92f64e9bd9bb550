import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { partsOf } from '../../lib/dag/dag.ts';
import { Dag, dag, Handoff, type HandoffError, type HandoffEvent } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { c, dagOf, errorOf, t, thrownBy, useHandoff } from '../support/handoff.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const handoff = useHandoff();

beforeAll(
  async () => void (await handoff().execute(dagOf({ id: 'known', code: t.one }, { id: 'too', code: c.whoAmI }))),
);

const sourced = (id: string, value: unknown): Dag =>
  new Dag(id)
    .add({ id: 'source', code: t.constant, extraArgs: [value] })
    .add({ id: 'target', code: t.collect, args: ['source'] });
const gated = (id: string, gate: Gate): Dag =>
  new Dag(id)
    .add({ id: 'x', code: t.constant, extraArgs: [gate.memory.byteLength] })
    .add({ id: 'held', code: t.waitAtGate, args: ['x'], layout: [{ value: gate.memory }] });

describe('runs of one DAG', () => {
  it('may be under way at once, any number, each with its own results', async () => {
    const runs = await Promise.all(Array.from({ length: 50 }, (_, n) => handoff().execute(sourced('report', n))));
    expect(runs.map(({ results }) => results)).toEqual(runs.map((_, n) => ({ source: n, target: [n] })));
    expect(runs.every(({ dagId }) => dagId === 'report')).toBe(true);
    expect(new Set(runs.map(({ runId }) => runId)).size).toBe(50);
    for (const [n, { runId }] of runs.entries()) {
      expect(await handoff().getResult(runId, 'target')).toEqual([n]);
      expect(await handoff().getLocalValue(runId, 'source')).toBe(n);
      expect(await handoff().lookupDataLocation(runId, 'source')).toMatch(/^[ab]$/);
    }
  });

  it('may also be of the very same Dag, and of calls', async () => {
    const same = sourced('same', 'v');
    expect(
      (await Promise.all([1, 2, 3].map(() => handoff().execute(same)))).map(({ results }) => results['target']),
    ).toEqual([['v'], ['v'], ['v']]);
    expect(await Promise.all([1, 2, 3].map((n) => handoff().run(dag('page', t.add(t.increment(n), 0)))))).toEqual([
      2, 3, 4,
    ]);
  });

  it('fail one by one', async () => {
    const runs = await Promise.allSettled(
      [0, 1, 2].map((n) =>
        handoff().execute(new Dag('mixed').add({ id: 'x', code: n === 1 ? t.boom : t.one, maxRetries: 0 })),
      ),
    );
    expect(runs.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((runs[1] as PromiseRejectedResult).reason).toMatchObject({
      code: 'FUNCTION_FAILED',
      dagId: 'mixed',
      runId: expect.any(String),
    });
  });

  it('are aborted one by one', async () => {
    const gate = new Gate();
    const aborter = new AbortController();
    const doomed = errorOf(handoff().execute(gated('twins', gate), { signal: aborter.signal, runId: 'doomed' }));
    const other = handoff().execute(gated('twins', gate), { runId: 'other' });
    await gate.arrived(2);
    aborter.abort();
    gate.release();
    expect(await doomed).toMatchObject({ code: 'ABORTED', runId: 'doomed', dagId: 'twins' });
    expect((await other).runId).toBe('other');
  });
});

describe('the id of a run', () => {
  it('is what the caller gives', async () => {
    expect(await handoff().execute(sourced('given', 1), { runId: 'mine' })).toMatchObject({
      runId: 'mine',
      dagId: 'given',
    });
    expect(await handoff().getLocalValue('mine', 'source')).toBe(1);
  });

  it('belongs to one run at a time; a second use is refused, and the first goes on', async () => {
    const gate = new Gate();
    const first = handoff().execute(gated('one', gate), { runId: 'taken' });
    await gate.arrived(1);
    expect(await errorOf(handoff().execute(dagOf({ id: 'a', code: t.one }), { runId: 'taken' }))).toMatchObject({
      code: 'RUN_CONFLICT',
      runId: 'taken',
    });
    expect(await errorOf(handoff().run(dag('calls', t.one()), { runId: 'taken' }))).toMatchObject({
      code: 'RUN_CONFLICT',
    });
    gate.release();
    await first;
    expect((await handoff().execute(dagOf({ id: 'a', code: t.one }), { runId: 'taken' })).results).toEqual({ a: 1 });
    expect(await handoff().getLocalValue('taken', 'a')).toBe(1);
    expect((await errorOf(handoff().getLocalValue('taken', 'held'))).code).toBe('NOT_FOUND');
  });

  it.each<unknown>(['', 7])('cannot be %j', async (runId) => {
    expect(await errorOf(handoff().execute(dagOf({ id: 'a', code: t.one }), { runId: runId as string }))).toMatchObject(
      { code: 'INVALID_OPTION', option: 'runId' },
    );
  });

  it('takes precedence over an equal id of a DAG', async () => {
    await handoff().execute(sourced('a run', 'of the run'), { runId: 'ambiguous' });
    await handoff().execute(sourced('ambiguous', 'of the DAG'));
    expect(await handoff().getLocalValue('ambiguous', 'source')).toBe('of the run');
  });

  it('is known to functions, as is that of the DAG', async () => {
    const { results } = await handoff().execute(new Dag('who').add({ id: 'me', code: c.whoAmI }), { runId: 'asked' });
    expect(results['me']).toMatchObject({ runId: 'asked', dagId: 'who' });
  });

  it('is in every event of the run, as is that of the DAG', async () => {
    const events: HandoffEvent[] = [];
    const listener = (event: HandoffEvent): void => void events.push(event);
    handoff().on('event', listener).on('attempts', listener);
    await handoff()
      .execute(
        new Dag('heard')
          .add({ id: 'x', code: t.one })
          .add({ id: 'l', code: c.logs, args: [] })
          .add({ id: 'y', code: t.boom, args: ['x'], maxRetries: 1 }),
        { runId: 'told' },
      )
      .catch(() => {});
    handoff().off('event', listener).off('attempts', listener);
    const types = [
      'run:started',
      'function:ready',
      'function:started',
      'function:finished',
      'result:stored',
      'attempts',
      'function:log',
      'function:retrying',
      'function:failed',
      'run:failed',
    ];
    for (const type of types) {
      const of = events.filter((event) => event.type === type);
      expect([
        type,
        of.length > 0,
        of.every((event) => 'runId' in event && event.runId === 'told' && event.dagId === 'heard'),
      ]).toEqual([type, true, true]);
    }
    expect((events.find(({ type }) => type === 'run:failed') as { error?: unknown }).error).toMatchObject({
      runId: 'told',
      dagId: 'heard',
    });
  });

  it('is its place in the tree, and in its reports of its progress', async () => {
    const gate = new Gate();
    const told: unknown[] = [];
    const running = handoff().execute(gated('placed', gate), {
      runId: 'planted',
      onProgress: ({ runId, dagId }) => told.push([runId, dagId]),
    });
    await gate.arrived(1);
    const runs = handoff()
      .tree()
      .children!.find(({ id }) => id === 'runs')!;
    expect(runs.children).toMatchObject([{ id: 'planted', info: { dagId: 'placed', functions: 2 } }]);
    gate.release();
    await running;
    expect(told.at(-1)).toEqual(['planted', 'placed']);
  });
});

describe('the id of a DAG', () => {
  it('means its newest run', async () => {
    for (const value of ['old', 'new']) await handoff().execute(sourced('often', value), { runId: `often ${value}` });
    expect(await handoff().getResult('often', 'source')).toBe('new');
    expect(await handoff().getLocalValue('often', 'target')).toEqual(['new']);
    expect(await handoff().getLocalValue('often old', 'source')).toBe('old');
    await handoff().clear('often');
    expect((await errorOf(handoff().getLocalValue('often', 'source'))).code).toBe('NOT_FOUND');
    expect((await errorOf(handoff().getLocalValue('often new', 'source'))).code).toBe('NOT_FOUND');
    expect(await handoff().getLocalValue('often old', 'source')).toBe('old');
  });

  it('means the newest that is under way, for explain', async () => {
    const gate = new Gate();
    const one = handoff().execute(gated('asked', gate), { runId: 'first' });
    const two = handoff().execute(gated('asked', gate), { runId: 'second' });
    await gate.arrived(2);
    expect(handoff().explain('asked', 'held')).toMatchObject({
      runId: 'second',
      dagId: 'asked',
      functions: [{ state: 'running' }],
    });
    expect(handoff().explain('first')).toMatchObject({ runId: 'first', dagId: 'asked' });
    gate.release();
    await Promise.all([one, two]);
    expect(thrownBy(() => handoff().explain('asked')).code).toBe('NOT_FOUND');
  });

  it('waits for the run that is the newest when the result is there', async () => {
    const gate = new Gate();
    const held = handoff().execute(new Dag('later').add({ id: 'other', code: t.waitAtGate, extraArgs: [gate.memory] }));
    await gate.arrived(1);
    const waiting = handoff().getResult('later', 'source');
    await handoff().execute(sourced('later', 'here'));
    expect(await waiting).toBe('here');
    gate.release();
    await held;
  });
});

describe('what is retained of a run', () => {
  it('is nothing for run()', async () => {
    expect(await handoff().run(dag('forgotten', t.add(t.increment(0), 2)), { runId: 'lost' })).toBe(3);
    for (const name of ['lost', 'forgotten']) {
      for (const id of ['add#1', 'increment#1'])
        expect((await errorOf(handoff().getLocalValue(name, id))).code).toBe('NOT_FOUND');
    }
    expect((await errorOf(handoff().lookupDataLocation('lost', 'add#1'))).code).toBe('NOT_FOUND');
  });

  it('is available while it runs, also of run()', async () => {
    const gate = new Gate();
    const running = handoff().run(dag('open', t.waitAtGate(gate.memory, t.increment(4).with({ id: 'five' }))), {
      runId: 'opened',
    });
    await gate.arrived(1);
    expect(await handoff().getResult('opened', 'five')).toBe(5);
    gate.release();
    await running;
  });

  it.each([
    ['arguments', (made: Dag) => partsOf(made).entries[0]!.extraArgs[0] as object],
    ['the errors of its functions', (_: Dag, error: HandoffError) => error.cause as object],
  ])('%s are not, while its results are', async (_, pick) => {
    const weak = await (async () => {
      const made = dagOf(
        { id: 'x', code: t.collect, extraArgs: [{ rows: [1] }], node: 'a' },
        { id: 'fails', code: t.boom, args: ['x'], layout: [{ value: 'no' }], maxRetries: 0 },
      );
      const error = await errorOf(handoff().execute(made, { runId: 'kept', failurePolicy: 'continue' }));
      return new WeakRef(pick(made, error));
    })();
    // A reference may outlive the turn in which it was made.
    while (weak.deref() !== undefined) {
      await new Promise(setImmediate);
      collectGarbage();
    }
    expect(await handoff().getResult('kept', 'x')).toEqual([{ rows: [1] }]);
    expect(await handoff().lookupDataLocation('kept', 'x')).toBe('a');
  });

  it('fits in retainedBytes and retainedRuns, the oldest out first', async () => {
    const small = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 } }],
      retainedBytes: 2.5 * 2 ** 20,
      retainedRuns: 3,
    });
    const bytes = new Dag('bytes').add({ id: 'x', code: t.bytes, extraArgs: [2 ** 20] });
    const isKept = async (runId: string): Promise<boolean> =>
      small.getLocalValue(runId, 'x').then(
        () => true,
        () => false,
      );
    for (const runId of ['1', '2', '3']) await small.execute(bytes, { runId });
    expect(await Promise.all(['1', '2', '3'].map(isKept))).toEqual([false, true, true]);
    await small.execute(new Dag('one').add({ id: 'x', code: t.one }), { runId: '4' });
    await small.execute(new Dag('one').add({ id: 'x', code: t.one }), { runId: '5' });
    expect(await Promise.all(['2', '3', '4', '5'].map(isKept))).toEqual([false, true, true, true]);
    const texts = Array.from({ length: 60 }, (_, n) => ({
      id: n === 0 ? 'x' : `x${n}`,
      code: t.constant,
      extraArgs: ['x'.repeat(50_000)],
    })); // none is in shared memory
    await small.execute(dagOf(...texts), { runId: 'texts' });
    expect(await Promise.all(['3', '4', '5', 'texts'].map(isKept))).toEqual([false, false, false, false]);
    await small.stop();
  });

  it.each<unknown>([-1, '1 MB', Number.NaN])('is not bounded by %j bytes', async (retainedBytes) => {
    expect(await errorOf(Handoff.start({ retainedBytes: retainedBytes as number }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'retainedBytes',
    });
  });
});
