import { afterEach, describe, expect, it, vi } from 'vitest';
import { fromSource, Handoff, type HandoffEvent } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { c, counter, dagOf, errorOf, t, thrownBy, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

afterEach(() => void vi.useRealTimers());

/** Waits as long as a machine under load takes to deliver a signal. */
const patient = (): Promise<Handoff> =>
  Handoff.start({
    nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }],
    costModel: { learn: false },
    gracePeriod: 60_000,
  });

describe('a function that throws', () => {
  it('fails the run with the complete original error', async () => {
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'a', code: t.boom, extraArgs: ['no good'], maxRetries: 0 })),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'a', attempts: 1 });
    expect(['a', 'b']).toContain(error.node);
    expect(error.message).toContain('no good');
    const cause = error.cause as Error & { code: string; details: unknown };
    expect(cause).toBeInstanceOf(TypeError);
    expect(cause.name).toBe('TaskError');
    expect(cause.constructor.name).toBe('TaskError');
    expect(cause.message).toBe('no good');
    expect(cause.code).toBe('E_TASK');
    expect(cause.details).toEqual({ at: [1, 2] });
    expect(cause.stack).toContain('boom');
    expect(cause.cause).toBeInstanceOf(RangeError);
    expect(cause.cause).toMatchObject({ message: 'beneath' });
  });

  it('fails the same when it rejects', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.boomLater, maxRetries: 0 })));
    expect(error.cause).toMatchObject({ name: 'TaskError', message: 'boom later' });
  });

  it.each([['text'], [{ reason: 'why' }], [undefined], [null], [7]])(
    'passes on a thrown %j as the cause',
    async (value) => {
      const error = await errorOf(
        handoff().execute(dagOf({ id: 'a', code: t.throwValue, extraArgs: [value], maxRetries: 0 })),
      );
      expect(error.code).toBe('FUNCTION_FAILED');
      expect(error.cause).toEqual(value);
    },
  );

  it('succeeds when it returns an Error instead', async () => {
    const { results } = await handoff().execute(
      dagOf({ id: 'a', code: t.returnError }, { id: 'b', code: t.describeValues, args: ['a'] }),
    );
    expect(results['a']).toBeInstanceOf(TypeError);
    expect(results['a']).toMatchObject({ name: 'TaskError', code: 'E_TASK', message: 'a result' });
    expect(results['b']).toEqual(['TaskError']);
  });

  it('does not start what depends on it', async () => {
    const calls = counter();
    await errorOf(
      handoff().execute(
        dagOf(
          { id: 'a', code: t.boom, maxRetries: 0 },
          { id: 'b', code: t.count, args: ['a'], extraArgs: [calls.memory] },
        ),
      ),
    );
    expect(calls.value).toBe(0);
  });

  it('aborts running siblings through their signal, and starts no others', async () => {
    const seen = new Gate();
    const calls = counter();
    const gate = new Gate();
    await using own = await patient();
    const failing = errorOf(
      own.execute(
        dagOf(
          { id: 'sibling', code: c.untilAborted, extraArgs: [seen.memory] },
          { id: 'gate', code: t.waitAtGate, extraArgs: [gate.memory] },
          { id: 'fails', code: t.boom, args: ['gate'], layout: [], maxRetries: 0 },
          { id: 'sink', code: t.count, args: ['sibling', 'fails'], extraArgs: [calls.memory] },
        ),
      ),
    );
    await Promise.all([seen.arrived(1), gate.arrived(1)]);
    gate.release();
    expect((await failing).functionId).toBe('fails');
    expect(seen.mark).toBe(1);
    expect(calls.value).toBe(0);
  });

  it('ends siblings that ignore their signal, with their threads', async () => {
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'spins', code: t.spin }, { id: 'fails', code: t.boom, maxRetries: 0 })),
    );
    expect(error.functionId).toBe('fails');
    expect((await handoff().execute(dagOf({ id: 'after', code: t.one }))).results).toEqual({ after: 1 });
  });
});

describe('with failurePolicy continue', () => {
  it('finishes independent branches, and gives failures and results', async () => {
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'ok', code: t.one },
          { id: 'bad', code: t.boom, maxRetries: 0 },
          { id: 'worse', code: t.throwValue, extraArgs: ['x'], maxRetries: 1 },
          { id: 'lost', code: t.double, args: ['bad'] },
          { id: 'fine', code: t.double, args: ['ok'] },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error.code).toBe('FUNCTION_FAILED');
    expect(error.results).toEqual({ ok: 1, fine: 2 });
    expect(new Set(error.failures!.map((failure) => failure.functionId))).toEqual(new Set(['bad', 'worse']));
    expect(error.failures!.every((failure) => failure.code === 'FUNCTION_FAILED')).toBe(true);
  });
});

describe('a thread that dies', () => {
  it.each([
    ['exits', { id: 'a', code: t.exit, extraArgs: [7] }, { reason: 'exit', exitCode: 7 }],
    [
      'throws where nobody catches',
      { id: 'a', code: t.throwUncaught },
      { reason: 'uncaught', cause: { name: 'TaskError', message: 'uncaught' } },
    ],
    [
      'leaves a rejection unhandled',
      { id: 'a', code: t.rejectUnhandled },
      { reason: 'uncaught', cause: { message: 'unhandled' } },
    ],
  ])('when its function %s fails it as WORKER_CRASHED, and is back', async (_, spec, cause) => {
    const error = await errorOf(handoff().execute(dagOf({ ...spec, maxRetries: 0 })));
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'a',
      cause: { code: 'WORKER_CRASHED', ...cause },
    });
    const gate = new Gate();
    const all = handoff().execute(
      dagOf(...['w', 'x', 'y', 'z'].map((id) => ({ id, code: t.waitAtGate, extraArgs: [gate.memory] }))),
    );
    await gate.arrived(4); // all four threads work again
    gate.release();
    await all;
  });

  it('is retried like any failure', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(
        dagOf({ id: 'n', code: t.count, extraArgs: [calls.memory] }, { id: 'a', code: t.exit, extraArgs: [1] }),
        { maxRetries: 2 },
      ),
    );
    expect(error).toMatchObject({ attempts: 3, cause: { code: 'WORKER_CRASHED' } });
    expect(calls.value).toBe(1);
  });

  it('harms no neighbour: another run on other threads goes on', async () => {
    const gate = new Gate();
    const neighbour = handoff().execute(dagOf({ id: 'n', code: t.waitAtGate, extraArgs: [gate.memory] }));
    await gate.arrived(1);
    await errorOf(handoff().execute(dagOf({ id: 'a', code: t.exit, extraArgs: [1], maxRetries: 3 })));
    gate.release();
    expect((await neighbour).results).toEqual({ n: 1 });
  });

  it('catches a stack overflow as the error that it is', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.overflow, maxRetries: 0 })));
    expect(error.cause).toBeInstanceOf(RangeError);
  });
});

describe('a time limit', () => {
  it('ends an attempt that never yields, with its thread', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.spin, timeout: 30, maxRetries: 1 })));
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      attempts: 2,
      cause: { code: 'FUNCTION_TIMEOUT', timeout: 30 },
    });
  });

  it('ends an attempt that only waits, through its signal', async () => {
    const seen = new Gate();
    await using own = await patient();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const timeout = 5000; // the import of the module counts, by the real clock
    const running = errorOf(
      own.execute(dagOf({ id: 'a', code: c.untilAborted, extraArgs: [seen.memory], timeout, maxRetries: 0 })),
    );
    await seen.arrived(1);
    vi.advanceTimersByTime(timeout);
    vi.useRealTimers();
    const error = await running;
    expect(error.cause).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    expect(seen.mark).toBe(2);
  });

  it('does not affect an attempt that is fast enough', async () => {
    expect(
      (await handoff().execute(dagOf({ id: 'a', code: t.later, extraArgs: [1, 'ok'], timeout: 120_000 }))).results,
    ).toEqual({ a: 'ok' });
  });

  it('ends a run that takes too long', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.never }), { timeout: 30 }));
    expect(error).toMatchObject({ code: 'RUN_TIMEOUT', timeout: 30 });
  });
});

describe('abort', () => {
  it('ends a run whose function never yields', async () => {
    const controller = new AbortController();
    const gate = new Gate();
    const running = handoff().execute(
      dagOf({ id: 'm', code: t.count, extraArgs: [gate.memory] }, { id: 'a', code: t.spin }),
      { signal: controller.signal },
    );
    await handoff().execute(dagOf({ id: 'other', code: t.one }));
    controller.abort(new Error('enough'));
    const error = await errorOf(running);
    expect(error).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
  });

  it('tells functions through their signal', async () => {
    const controller = new AbortController();
    const seen = new Gate();
    await using own = await patient();
    const running = own.execute(dagOf({ id: 'a', code: c.untilAborted, extraArgs: [seen.memory] }), {
      signal: controller.signal,
    });
    await seen.arrived(1);
    controller.abort();
    expect((await errorOf(running)).code).toBe('ABORTED');
    expect(seen.mark).toBe(1);
  });

  it('gives ABORTED, whatever the reason', async () => {
    expect(
      await errorOf(
        handoff().execute(dagOf({ id: 'x', code: t.one }), { signal: AbortSignal.abort(Object.create(null)) }),
      ),
    ).toMatchObject({ code: 'ABORTED' });
  });

  it('refuses at once when the signal is aborted already', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'a', code: t.count, extraArgs: [calls.memory] }), { signal: AbortSignal.abort() }),
    );
    expect(error.code).toBe('ABORTED');
    expect(calls.value).toBe(0);
  });

  it('releases what was claimed, and the id', async () => {
    const controller = new AbortController();
    const gate = new Gate();
    const dag = dagOf({ id: 'a', code: t.waitAtGate, extraArgs: [gate.memory], cost: { gpu: 1 } });
    const running = handoff().execute(dag, { signal: controller.signal });
    await gate.arrived(1);
    expect(handoff().resourcesAvailable('b', { gpu: 1 })).toBe(false);
    controller.abort();
    await errorOf(running);
    expect(handoff().resourcesAvailable('b', { gpu: 1 })).toBe(true);
    const again = handoff().execute(dag);
    gate.release();
    await again;
  });
});

describe('thenables', () => {
  it('may settle twice', async () => {
    const { results } = await handoff().execute(
      dagOf(
        { id: 'a', code: t.settleTwice },
        { id: 'b', code: t.settleTwice },
        { id: 'c', code: t.double, args: ['a'] },
      ),
    );
    expect(results).toEqual({ a: 1, b: 1, c: 2 });
  });

  it('may resolve to a promise', async () => {
    expect((await handoff().execute(dagOf({ id: 'a', code: t.thenableOfPromise }))).results).toEqual({ a: 3 });
  });

  it('may throw', async () => {
    expect(
      await errorOf(handoff().execute(dagOf({ id: 'a', code: t.thenableThatThrows, maxRetries: 0 }))),
    ).toMatchObject({ code: 'FUNCTION_FAILED', cause: { message: 'from then' } });
  });
});

describe('values that cannot leave a thread', () => {
  it.each([
    [
      'a function',
      { id: 'a', code: { module: new URL('../fixtures/tasks.ts', import.meta.url).href, export: 'makeFunction' } },
      'result is the function',
    ],
    [
      'a function inside',
      { id: 'a', code: { module: new URL('../fixtures/tasks.ts', import.meta.url).href, export: 'functionInside' } },
      'result.items[2].go is the function go',
    ],
    ['a symbol', { id: 'a', code: fromSource(() => Symbol('s') as never) as never }, 'result is Symbol(s)'],
    [
      'a promise inside',
      { id: 'a', code: fromSource(() => ({ p: Promise.resolve(1) }) as never) as never },
      'result.p is a promise',
    ],
    [
      'an object with a getter that throws',
      {
        id: 'a',
        code: fromSource(() => ({
          list: [
            {
              get x(): number {
                throw new Error('no');
              },
            },
          ],
        })),
      },
      'result.list[0] is an object that throws when it is read (no)',
    ],
    [
      'a proxy that throws',
      {
        id: 'a',
        code: fromSource(
          () =>
            new Proxy(
              {},
              {
                ownKeys() {
                  throw new Error('trap');
                },
              },
            ),
        ),
      },
      'result is an object that throws when it is read (trap)',
    ],
  ])('fail their function for good: %s', async (_, spec, message) => {
    const error = await errorOf(handoff().execute(dagOf(spec)));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', attempts: 1, cause: { code: 'NOT_SERIALIZABLE' } });
    expect((error.cause as Error).message).toContain(message);
  });

  it('fail the function also when their `then` getter throws', async () => {
    const error = await errorOf(
      handoff().execute(
        dagOf({
          id: 'a',
          code: fromSource(
            () =>
              ({
                get then(): never {
                  throw new Error('no then');
                },
              }) as unknown as number,
          ),
          maxRetries: 0,
        }),
      ),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', cause: { message: 'no then' } });
  });

  it('fail only their function in a batch', async () => {
    const error = await errorOf(
      handoff().execute(
        dagOf(...Array.from({ length: 20 }, (_, i) => ({ id: `ok${i}`, code: t.constant, extraArgs: [{ i }] })), {
          id: 'bad',
          code: fromSource(() => ({ port: new MessageChannel().port1 }) as never) as never,
        }),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error.failures!.map((failure) => failure.functionId)).toEqual(['bad']);
    expect(Object.keys(error.results!)).toHaveLength(20);
  });

  it('are refused as arguments when the DAG is written', () => {
    const channel = new MessageChannel();
    const error = thrownBy(() => dagOf({ id: 'a', code: t.constant, extraArgs: [channel.port1] }));
    expect(error).toMatchObject({ code: 'NOT_SERIALIZABLE', functionId: 'a' });
    expect(error.message).toContain('extraArgs[0] is an object of type MessagePort');
    channel.port1.close();
  });
});

it('tells listeners of crashes and restarts', async () => {
  const events: HandoffEvent[] = [];
  const listener = (event: HandoffEvent): void => void events.push(event);
  handoff().on('worker:crashed', listener);
  const restarted = new Promise((resolve) => handoff().once('worker:restarted', resolve));
  await errorOf(handoff().execute(dagOf({ id: 'a', code: t.exit, extraArgs: [9], maxRetries: 0 })));
  await restarted;
  handoff().off('worker:crashed', listener);
  expect(events).toMatchObject([{ type: 'worker:crashed', reason: 'exit' }]);
});
