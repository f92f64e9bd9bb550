import { describe, expect, expectTypeOf, it } from 'vitest';
import { Dag, type EventOf, eventTypes, Handoff, type HandoffEvent } from '../../lib/index.ts';
import { c, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

/** Every event of what `act` does. */
async function eventsOf(act: () => Promise<unknown>): Promise<HandoffEvent[]> {
  const events: HandoffEvent[] = [];
  const listener = (event: HandoffEvent): void => void events.push(event);
  handoff().on('event', listener);
  await act();
  handoff().off('event', listener);
  return events;
}

const brief = (events: readonly HandoffEvent[]): string[] =>
  events.map((event) => ('functionId' in event ? `${event.type} ${event.functionId}` : event.type));

describe('events', () => {
  it('are emitted for each type that has a listener', async () => {
    const stored: string[] = [];
    const listener = ({ functionId }: EventOf<'result:stored'>): void => void stored.push(functionId);
    handoff().on('result:stored', listener);
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    handoff().off('result:stored', listener);
    expect(stored).toEqual(['a']);
  });

  it('tell the story of a run, in order', async () => {
    const events = await eventsOf(() =>
      handoff().execute(new Dag('story').add({ id: 'a', code: t.one }).add({ id: 'b', code: t.double, args: ['a'] })),
    );
    expect(brief(events)).toEqual([
      'run:started',
      'function:ready a',
      'function:started a',
      'function:finished a',
      'result:stored a',
      'function:ready b',
      'function:started b',
      'function:finished b',
      'result:stored b',
      'run:finished',
    ]);
    expect(events.every((event, i) => i === 0 || event.type === 'function:ready' || event.at >= 0)).toBe(true);
    expect(events[2]).toMatchObject({ dagId: 'story', functionId: 'a', node: 'a', attempt: 1, thread: 0 });
    expect(events.at(-1)).toMatchObject({ dagId: 'story', functions: 2, retries: 0 });
    const finished = events[3] as EventOf<'function:finished'>;
    // Threads read their clocks by themselves.
    expect(finished.at - finished.durationMs).toBeGreaterThanOrEqual((events[0] as HandoffEvent).at - 1000);
  });

  it('report retries, failures and the end', async () => {
    const events = await eventsOf(() =>
      errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, maxRetries: 1, retryDelay: 1 }))),
    );
    expect(brief(events)).toEqual([
      'run:started',
      'function:ready a',
      'function:started a',
      'function:retrying a',
      'function:ready a',
      'function:started a',
      'function:failed a',
      'run:failed',
    ]);
    expect(events[3]).toMatchObject({ attempt: 1, delayMs: 1, error: { name: 'TaskError' } });
    expect(events[5]).toMatchObject({ attempt: 2 });
    expect(events[6]).toMatchObject({ attempt: 2, error: { name: 'TaskError' } });
    expect(events[7]).toMatchObject({ error: { code: 'FUNCTION_FAILED' } });
  });

  it('start and finish each function exactly once, also in batches', async () => {
    const many = dagOf(...Array.from({ length: 500 }, (_, i) => ({ id: `f${i}`, code: t.one })));
    await handoff().execute(many); // now one() travels in batches
    const events = await eventsOf(() => handoff().execute(many));
    for (const type of ['function:ready', 'function:started', 'function:finished', 'result:stored'] as const) {
      expect(
        new Set(
          events.filter((event) => event.type === type).map((event) => (event as { functionId: string }).functionId),
        ).size,
      ).toBe(500);
      expect(events.filter((event) => event.type === type)).toHaveLength(500);
    }
  });

  it('carry what functions log', async () => {
    const events = await eventsOf(() => handoff().execute(new Dag('logs').add({ id: 'l', code: c.logs })));
    expect(events.find((event) => event.type === 'function:log')).toMatchObject({
      dagId: 'logs',
      functionId: 'l',
      attempt: 1,
      values: ['hello', { n: 1 }, expect.stringContaining('=>')],
    });
  });

  it('tell how far functions are', async () => {
    const events = await eventsOf(() => handoff().execute(new Dag('far').add({ id: 'p', code: c.tellsProgress })));
    const progress = events.filter((event) => event.type === 'function:progress');
    expect(progress.map(({ fraction, note }) => [fraction, note])).toEqual([
      [0.25, 'parsing'],
      [1, undefined],
    ]);
    expect(progress[0]).toMatchObject({ dagId: 'far', functionId: 'p', attempt: 1, node: 'a' });
    expect(events.findIndex(({ type }) => type === 'function:progress')).toBeLessThan(
      events.findIndex(({ type }) => type === 'function:finished'),
    );
  });

  it.each([
    [[2], 'fraction must be a number from 0 to 1, such as 0.4, got 2'],
    [[Number.NaN], 'fraction must be a number from 0 to 1, such as 0.4, got NaN'],
    [['half'], 'fraction must be a number from 0 to 1, such as 0.4, got "half"'],
    [[0.5, 7], 'note must be a text, got 7'],
  ])('refuse a progress that is none: %j', async (values, text) => {
    const dag = dagOf({ id: 'p', code: c.tellsProgress, extraArgs: values, maxRetries: 0 });
    expect((await errorOf(handoff().execute(dag))).message).toContain(text);
  });

  it('tell how much shared memory a result holds', async () => {
    const events = await eventsOf(() =>
      handoff().execute(dagOf({ id: 'big', code: t.float64, extraArgs: [100_000, 1] })),
    );
    expect(events.find((event) => event.type === 'result:stored')).toMatchObject({ bytes: 800_000 });
  });

  it('come to listeners of their type alone', async () => {
    const seen: string[] = [];
    handoff().once('run:finished', (event) => {
      expectTypeOf(event).toEqualTypeOf<EventOf<'run:finished'>>();
      seen.push(event.type);
    });
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    expect(seen).toEqual(['run:finished']);
  });

  it('report nodes', async () => {
    const own = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
    const events: HandoffEvent[] = [];
    own.on('event', (event) => events.push(event));
    await own.registerNode('m', { cpu: 1 });
    await own.registerNode('n', { cpu: 3 });
    await own.stop();
    expect(events).toMatchObject([
      { type: 'node:up', node: 'm', capabilities: { cpu: 1 }, threads: 1 },
      { type: 'node:capabilities-changed', node: 'n', capabilities: { cpu: 3 } },
    ]);
  });

  it('have every type listed', () => {
    expect(new Set(eventTypes).size).toBe(eventTypes.length);
    expectTypeOf<(typeof eventTypes)[number]>().toEqualTypeOf<HandoffEvent['type']>();
  });
});

describe('a listener that throws', () => {
  it('does not harm the run; its error is one that is not', async () => {
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException'); // the test runner's own
    const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
    handoff().once('run:finished', () => {
      throw new Error('a listener');
    });
    expect((await handoff().execute(dagOf({ id: 'a', code: t.one }))).results).toEqual({ a: 1 });
    expect(await uncaught).toMatchObject({ message: 'a listener' });
    for (const listener of before) process.on('uncaughtException', listener);
  });

  it('keeps nothing from other listeners; each error is uncaught', async () => {
    const before = process.listeners('uncaughtException');
    const thrown: unknown[] = [];
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error.message));
    const own = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
    try {
      const seen: string[] = [];
      own.on('run:finished', () => {
        throw new Error('first');
      });
      own.on(
        'run:finished',
        function (this: { name: string }) {
          seen.push(`of its type, as ${this.name}`);
        },
        { name: 'x' },
      );
      own.once('run:finished', () => {
        throw new Error('second');
      });
      own.addListener('run:finished', () => void seen.push('last'));
      own.on('event', ({ type }) => {
        throw new Error(type);
      });
      own.on('event', ({ type }) => void (type === 'run:finished' && seen.push('of any')));
      own.on('attempts', () => {
        throw new Error('spans');
      });
      own.on('attempts', () => void seen.push('in columns'));
      for (let run = 0; run < 2; run++) await own.execute(dagOf({ id: 'a', code: t.one }));
      const each = ['in columns', 'of its type, as x', 'last', 'of any'];
      expect(seen).toEqual([...each, ...each]);
      const faults = ['first', 'second', 'run:finished'];
      expect(thrown.filter((message) => [...faults, 'spans'].includes(message as string))).toEqual([
        'spans',
        ...faults,
        'spans',
        'first',
        'run:finished',
      ]);
    } finally {
      await own.stop();
      process.removeAllListeners('uncaughtException');
      for (const listener of before) process.on('uncaughtException', listener);
    }
  });

  it('is distinguished, and removed, as any other', () => {
    const own = handoff();
    const seen: unknown[] = [];
    const listener = (): void => void seen.push(1);
    const event = { type: 'run:started', at: 1, runId: 'r', dagId: 'd', functions: 1 } as const;
    own.on('run:started', listener).once('run:started', listener);
    expect(own.listeners('run:started')).toEqual([listener, listener]);
    own.emit('run:started', event);
    expect(own.listeners('run:started'), 'that which was for once is gone').toEqual([listener]);
    expect(own.off('run:started', listener).listenerCount('run:started')).toBe(0);
    const [one, other] = [{}, {}];
    own
      .on('run:started', listener, one)
      .on('run:started', listener, other)
      .removeListener('run:started', listener, one);
    expect(own.listenerCount('run:started')).toBe(1);
    own.off('run:started');
    expect(own.listeners('run:started')).toEqual([]);
    expect(seen).toEqual([1, 1]);
    expect(() => own.on('run:started', 5 as never)).toThrow('must be a function');
  });
});

describe('onProgress', () => {
  it('ends with everything done', async () => {
    const seen: { done: number; running: number; total: number }[] = [];
    await handoff().execute(dagOf(...Array.from({ length: 50 }, (_, i) => ({ id: `f${i}`, code: t.one }))), {
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.at(-1)).toMatchObject({ done: 50, running: 0, total: 50 });
    expect(seen.every(({ done }, i) => i === 0 || done >= seen[i - 1]!.done)).toBe(true);
  });
});

describe('context', () => {
  it('tells a function who it is', async () => {
    const { runId, results } = await handoff().execute(new Dag('who').add({ id: 'me', code: c.whoAmI, node: 'b' }));
    expect(results).toEqual({ me: { attempt: 1, runId, dagId: 'who', functionId: 'me', node: 'b', aborted: false } });
  });

  it('is not there outside, and can be given for a test', async () => {
    const { context, withContext } = await import('../../lib/task.ts');
    expect(() => context()).toThrow('withContext');
    expect(await withContext({ functionId: 'x' }, () => context().functionId)).toBe('x');
    expect(
      await withContext({}, async () => {
        await null;
        return context().attempt;
      }),
    ).toBe(1);
    expect(() => context()).toThrow();
  });
});
