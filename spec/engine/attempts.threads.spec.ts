/** The event `attempts`: what the events of each function tell, in columns. */
import { describe, expect, it, vi } from 'vitest';
import { Dag, type EventOf, type EventType, Handoff } from '../../lib/index.ts';
import { NodeActor } from '../../lib/workers/node/node-actor.ts';
import { BatchFlag } from '../../lib/workers/node/wire.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

/** The events of some types, of what `act` does. */
async function eventsOf<Type extends EventType>(
  types: readonly Type[],
  act: () => Promise<unknown>,
): Promise<EventOf<Type>[]> {
  const events: EventOf<Type>[] = [];
  const listener = (event: any): void => void events.push(event);
  for (const type of types) handoff().on(type, listener as never);
  await act();
  for (const type of types) handoff().off(type, listener as never);
  return events;
}

interface Row {
  readonly id: string;
  readonly attempt: number;
  readonly begun: number;
  readonly ended: number;
  readonly bytes: number;
  readonly failed: boolean;
  readonly node: string;
  readonly thread: number;
}

const rowsOf = (events: readonly EventOf<'attempts'>[]): Row[] =>
  events.flatMap(({ node, thread, functionIds, attempts, spans, bytes, failed }) =>
    functionIds.map((id, k) => ({
      id,
      node,
      thread,
      attempt: attempts[k]!,
      begun: spans[2 * k]!,
      ended: spans[2 * k + 1]!,
      bytes: bytes[k]!,
      failed: failed.includes(k),
    })),
  );

// Threads read their clocks by themselves, which began when they did: ms that two may differ by, and many more.
const slack = 1000;

const wide = (size: number): Dag =>
  dagOf(
    ...Array.from({ length: size }, (_, k) => ({
      id: `f${k}`,
      code: t.add,
      extraArgs: [k],
      ...(k >= 20 && { args: [`f${k - 20}`] }),
    })),
  );

describe('attempts', () => {
  it('report every function once, with the same data as its own events', async () => {
    const events = await eventsOf(['attempts', 'function:started', 'function:finished', 'result:stored'], () =>
      handoff().execute(
        dagOf(
          ...Array.from({ length: 300 }, (_, k) =>
            k % 3 === 0 ? { id: `f${k}`, code: t.float64, extraArgs: [100_000, k] } : { id: `f${k}`, code: t.one },
          ),
        ),
      ),
    );
    const rows = rowsOf(events.filter((event) => event.type === 'attempts'));
    expect(rows).toHaveLength(300);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(300);
    const of = <Type extends EventType>(type: Type): Map<string, any> =>
      new Map(events.filter((event) => event.type === type).map((event) => [(event as any).functionId, event]));
    const [started, finished, stored] = [of('function:started'), of('function:finished'), of('result:stored')];
    for (const row of rows) {
      expect(row).toMatchObject({
        attempt: 1,
        failed: false,
        node: finished.get(row.id).node,
        thread: finished.get(row.id).thread,
        ended: finished.get(row.id).at,
        bytes: stored.get(row.id).bytes,
      });
      expect(row.ended - row.begun).toBeCloseTo(finished.get(row.id).durationMs, 6);
      expect(started.get(row.id)).toMatchObject({ node: row.node, thread: row.thread, attempt: 1 });
    }
    expect(rows.filter(({ bytes }) => bytes >= 800_000)).toHaveLength(100);
  });

  it('give times within the run, in sequence on each thread', async () => {
    const events = await eventsOf(['run:started', 'attempts', 'run:finished'], () => handoff().execute(wide(2000)));
    const [first, last] = [events[0]!, events.at(-1)!];
    expect([first.type, last.type]).toEqual(['run:started', 'run:finished']);
    const rows = rowsOf(events.filter((event) => event.type === 'attempts'));
    expect(rows).toHaveLength(2000);
    const threads = Map.groupBy(rows, ({ node, thread }) => `${node}/${thread}`);
    for (const thread of threads.values()) {
      for (const [k, { begun, ended }] of thread.entries()) {
        expect(ended).toBeGreaterThanOrEqual(begun);
        if (k > 0) expect(begun).toBeGreaterThanOrEqual(thread[k - 1]!.ended - 0.001);
      }
    }
    expect(Math.min(...rows.map(({ begun }) => begun))).toBeGreaterThan(first.at - slack);
    expect(Math.max(...rows.map(({ ended }) => ended))).toBeLessThan(last.at + slack);
  });

  it('report each attempt, and whether it threw', async () => {
    const calls = counter();
    const events = await eventsOf(['attempts', 'function:retrying'], () =>
      handoff().execute(
        dagOf(
          { id: 'a', code: t.failTimes, extraArgs: [calls.memory, 2], maxRetries: 3, retryDelay: 1 },
          { id: 'b', code: t.one },
        ),
      ),
    );
    const rows = rowsOf(events.filter((event) => event.type === 'attempts'));
    expect(rows.filter(({ id }) => id === 'a').map(({ attempt, failed, bytes }) => [attempt, failed, bytes])).toEqual([
      [1, true, 0],
      [2, true, 0],
      [3, false, 0],
    ]);
    expect(rows.filter(({ id }) => id === 'b')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'function:retrying')).toHaveLength(2);
  });

  it('leave out functions that never began', async () => {
    const chain = dagOf(
      { id: 'a', code: t.boom, maxRetries: 0 },
      { id: 'b', code: t.double, args: ['a'] as const },
      { id: 'c', code: t.double, args: ['b'] as const },
    );
    const events = await eventsOf(['attempts'], async () => {
      for (let k = 0; k < 3; k++)
        await errorOf(handoff().execute(chain, { failurePolicy: k === 0 ? 'fail-fast' : 'continue' }));
    });
    expect(rowsOf(events).map(({ id, failed }) => [id, failed])).toEqual([
      ['a', true],
      ['a', true],
      ['a', true],
    ]);
  });

  it('are emitted when only they have listeners, and "event" does not deliver them', async () => {
    const types: string[] = [];
    const listener = ({ type }: { readonly type: string }): void => void types.push(type);
    handoff().on('event', listener);
    await handoff().execute(wide(50));
    handoff().off('event', listener);
    expect(types).toContain('function:finished');
    expect(types).not.toContain('attempts');
    const events = await eventsOf(['attempts'], () => handoff().execute(wide(50)));
    expect(rowsOf(events)).toHaveLength(50);
  });
});

describe('what threads are asked to report', () => {
  const flagsOf = async (...types: readonly EventType[]): Promise<number> => {
    const sent = vi.spyOn(NodeActor.prototype, 'send');
    try {
      await using own = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
      for (const type of types) own.on(type, () => {});
      await own.execute(wide(200));
      return sent.mock.calls
        .map(([, { flags }]) => flags & (BatchFlag.announce | BatchFlag.spans))
        .reduce((all, flags) => all | flags, 0);
    } finally {
      sent.mockRestore();
    }
  };

  it('includes no times without listeners, or with listeners for the start and end of runs only', async () => {
    expect(await flagsOf()).toBe(0);
    expect(await flagsOf('run:started', 'run:finished', 'function:failed', 'function:retrying')).toBe(0);
  });

  it('includes starts and ends after the end for spans, and starts at once for function:started', async () => {
    expect(await flagsOf('attempts')).toBe(BatchFlag.spans);
    expect(await flagsOf('function:started')).toBe(BatchFlag.spans | BatchFlag.announce);
  });
});
