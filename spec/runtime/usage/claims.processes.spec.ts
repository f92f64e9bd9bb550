import { afterEach, describe, expect, it } from 'vitest';
import { Handoff, tasks } from '../../../lib/index.ts';
import { Gate } from '../../support/gate.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, record, startHere, startHost } from '../../support/hosts.ts';

const m = tasks<typeof import('./memory-tasks.ts')>(new URL('./memory-tasks.ts', import.meta.url));
let handoff: Handoff;
afterEach(() => handoff?.stop());
const start = async (enforceMemory: boolean, threads = 2): Promise<Handoff> =>
  (handoff = await Handoff.start({
    nodes: [{ name: 'n', capabilities: { memory: 400 }, threads, enforceMemory }],
    monitorInterval: 10,
  }));

describe('a function that uses more memory than it claims', () => {
  it.each([
    ['heap', m.holdAtGate],
    ['buffers', m.holdBufferAtGate],
  ])('of %s is reported once, and continues', async (_, code) => {
    await start(false);
    const told = record(handoff, 'function:memory-exceeded');
    const gate = new Gate();
    const run = handoff.execute(
      dagOf(
        { id: 'x', code, extraArgs: [gate.memory, 0, 60], cost: { memory: 20 } },
        { id: 'last', code: t.double, args: ['x'] },
      ),
    );
    const { type, dagId, functionId, node, claimedMb, usedMb } = await next(handoff, 'function:memory-exceeded');
    // Another is watched and told meanwhile: by then this one would have been told again.
    const other = handoff.execute(dagOf({ id: 'y', code, extraArgs: [gate.memory, 0, 60], cost: { memory: 20 } }));
    await next(handoff, 'function:memory-exceeded');
    gate.release();
    const { dagId: ran } = await run;
    await other;
    expect({ type, dagId, functionId, node, claimedMb }).toEqual({
      type: 'function:memory-exceeded',
      dagId: ran,
      functionId: 'x',
      node: 'n',
      claimedMb: 20,
    });
    expect(usedMb).toBeGreaterThan(20);
    expect(usedMb).toBeLessThan(100);
    expect(told.map((event) => event.functionId)).toEqual(['x', 'y']);
  });

  it('is neither one within its claim, nor one that makes garbage all the time', async () => {
    handoff = await Handoff.start({
      nodes: ['n', 'other'].map((name) => ({ name, capabilities: { memory: 400 }, threads: 2, enforceMemory: true })),
      monitorInterval: 10,
    });
    const gate = new Gate();
    const told = record(handoff, 'function:memory-exceeded');
    const good = handoff.execute(
      dagOf(
        { id: 'modest', node: 'n', code: m.holdAtGate, extraArgs: [gate.memory, 0, 30], cost: { memory: 60 } },
        // Of which 10 are for the compiler that its thread imports it with, and 1 to 2 for itself.
        { id: 'litters', node: 'n', code: m.litterAtGate, extraArgs: [gate.memory, 1], cost: { memory: 16 } },
      ),
    );
    await Promise.race([gate.arrived(2), good]);
    for (const id of ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'])
      // Looks are taken meanwhile.
      await errorOf(
        handoff.execute(dagOf({ id, node: 'other', code: m.holdForever, extraArgs: [60], cost: { memory: 10 } })),
      );
    gate.release();
    await good;
    expect(told.map(({ functionId }) => functionId)).toEqual(['first', 'second', 'third', 'fourth', 'fifth', 'sixth']);
  });

  it('is ended where claims are enforced, with what it claimed and used, and is not tried again', async () => {
    await start(true);
    const gate = new Gate();
    const other = handoff.execute(
      dagOf({ id: 'other', code: m.holdAtGate, extraArgs: [gate.memory, 0, 30], cost: { memory: 60 } }),
    );
    await gate.arrived(1);
    const told = record(handoff, 'function:memory-exceeded', 'function:retrying');
    const error = await errorOf(
      handoff.execute(
        dagOf(
          { id: 'x', code: m.holdForever, extraArgs: [60], cost: { memory: 20 } },
          { id: 'after', code: t.double, args: ['x'] },
        ),
      ),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'x',
      node: 'n',
      attempts: 1,
      cause: { code: 'MEMORY_EXCEEDED', node: 'n', resource: 'memory', cost: { memory: 20 } },
    });
    expect(error.message).toMatch(/It claimed 20 MB of memory and used \d\d(\.\d)? MB/);
    expect(told.map(({ type }) => type)).toEqual(['function:memory-exceeded']);
    gate.release();
    expect((await other).results['other']).toBe(240);
    expect(
      (await handoff.execute(dagOf(...['a', 'b', 'c', 'd'].map((id) => ({ id, code: t.one, cost: { memory: 200 } })))))
        .results,
    ).toEqual({ a: 1, b: 1, c: 1, d: 1 });
    expect((await handoff.resources())['n']!.claimed).toEqual({});
  });

  it('is ended with its thread, and the next function gets a new one', async () => {
    await start(true, 1);
    const { failures, results } = await errorOf(
      handoff.execute(
        dagOf(
          ...Array.from({ length: 4 }, (_, i) => [
            { id: `bad${i}`, code: m.holdForever, extraArgs: [40], cost: { memory: 10 } },
            { id: `good${i}`, code: t.one, cost: { memory: 10 } },
          ]).flat(),
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(failures!.map(({ functionId, attempts }) => [functionId, attempts]).toSorted()).toEqual([
      ['bad0', 1],
      ['bad1', 1],
      ['bad2', 1],
      ['bad3', 1],
    ]);
    expect(results).toEqual({ good0: 1, good1: 1, good2: 1, good3: 1 });
  });

  it('is reported to the host that sent it, and ended there too where claims are enforced', async () => {
    const far = await startHost({
      nodes: [{ name: 'far', capabilities: { memory: 400 }, enforceMemory: true }],
      options: { monitorInterval: 10 },
    });
    const here = await startHere({ join: [far.address] });
    const told = record(here, 'function:memory-exceeded');
    const error = await errorOf(
      here.execute(dagOf({ id: 'x', code: m.holdForever, extraArgs: [60], cost: { memory: 20 } })),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'x',
      node: 'far',
      attempts: 1,
      cause: { code: 'MEMORY_EXCEEDED' },
    });
    expect(told).toMatchObject([{ functionId: 'x', node: 'far', claimedMb: 20 }]);
    expect((await here.execute(dagOf({ id: 'y', code: t.one, cost: { memory: 400 } }))).results).toEqual({ y: 1 });
  });
});
