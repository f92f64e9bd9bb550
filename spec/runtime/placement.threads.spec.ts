import { describe, expect, it } from 'vitest';
import type { Allocator, FunctionSpec } from '../../lib/index.ts';
import { SimpleAllocator } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

describe('pins', () => {
  it('put functions where they say', async () => {
    const { allocations, results } = await handoff().execute(
      dagOf(
        { id: 'x', code: t.one, node: 'b' },
        { id: 'y', code: t.double, args: ['x'], node: 'a' },
        { id: 'z', code: t.double, args: ['y'], node: 'b' },
      ),
    );
    expect(allocations).toEqual({ x: 'b', y: 'a', z: 'b' });
    expect(results).toEqual({ x: 1, y: 2, z: 4 });
  });

  it('to a node that does not exist are refused, with a suggestion', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'x', code: t.one, node: 'A' })));
    expect(error).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'x', node: 'A', suggestion: 'a' });
  });
});

describe('costs', () => {
  it('send a function to a node that offers them', async () => {
    const { allocations } = await handoff().execute(
      dagOf(
        { id: 'small', code: t.one, cost: { memory: 1000 } },
        { id: 'big', code: t.double, args: ['small'], cost: { memory: 3000 } },
        { id: 'gpu', code: t.double, args: ['big'], cost: { gpu: 1 } },
      ),
    );
    expect(allocations).toEqual({ small: 'a', big: 'b', gpu: 'b' });
  });

  it('that no node has are refused before anything runs, naming function, resource and offers', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'first', code: t.count, extraArgs: [calls.memory] },
          { id: 'huge', code: t.one, cost: { cpu: 1, memory: 5000 } },
        ),
      ),
    );
    expect(error).toMatchObject({
      code: 'ALLOCATION_ERROR',
      functionId: 'huge',
      resource: 'memory',
      cost: { cpu: 1, memory: 5000 },
      offers: { a: { memory: 2000 }, b: { memory: 4000 } },
    });
    expect(error.message).toContain('memory 4000');
    expect(calls.value).toBe(0);
    await handoff().execute(dagOf({ id: 'next', code: t.one, cost: { cpu: 1 } }));
  });

  it('may exceed the capacity in sum: functions wait for each other', async () => {
    const functions = Array.from({ length: 12 }, (_, i) => ({
      id: `f${i}`,
      code: t.one,
      cost: { cpu: 2, memory: 1500 },
    }));
    const { results } = await handoff().execute(dagOf(...functions));
    expect(Object.keys(results)).toHaveLength(12);
  });

  it('are never claimed beyond what a node has, by several runs together', async () => {
    const gate = new Gate();
    const runs = Array.from({ length: 4 }, () =>
      handoff().execute(
        dagOf(
          ...Array.from({ length: 3 }, (_, i) => ({
            id: `f${i}`,
            code: t.waitAtGate,
            extraArgs: [gate.memory],
            cost: { cpu: 2 },
          })),
        ),
      ),
    );
    await gate.arrived(2); // one a node, as each asks for all of its cpu
    expect(handoff().resourcesAvailable('a', { cpu: 0.1 })).toBe(false);
    expect(handoff().resourcesAvailable('b', { cpu: 0.1 })).toBe(false);
    expect(gate.count).toBe(2);
    gate.release();
    await Promise.all(runs);
    expect(handoff().resourcesAvailable('a', { cpu: 2 })).toBe(true);
    expect(handoff().resourcesAvailable('b', { cpu: 2 })).toBe(true);
  });

  it('are released after failure', async () => {
    await errorOf(handoff().execute(dagOf({ id: 'x', code: t.boom, cost: { cpu: 2 }, maxRetries: 0, node: 'a' })));
    expect(handoff().resourcesAvailable('a', { cpu: 2 })).toBe(true);
  });

  it('add up exactly, fractions included', async () => {
    const functions = Array.from({ length: 30 }, (_, i) => ({
      id: `f${i}`,
      code: t.one,
      cost: { cpu: 0.1, memory: 0.3 },
    }));
    await handoff().execute(dagOf(...functions));
    expect(handoff().resourcesAvailable('a', { cpu: 2, memory: 2000 })).toBe(true);
  });
});

describe('strategies', () => {
  const occupy = (gate: Gate, n: number, cost: Record<string, number>) =>
    dagOf(
      ...Array.from({ length: n }, (_, i) => ({ id: `f${i}`, code: t.waitAtGate, extraArgs: [gate.memory], cost })),
    );

  it('first-available fills the first node before the next', async () => {
    const gate = new Gate();
    const running = handoff().execute(occupy(gate, 4, { cpu: 1 }));
    await gate.arrived(4);
    gate.release();
    expect((await running).allocations).toEqual({ f0: 'a', f1: 'a', f2: 'b', f3: 'b' });
  });

  it('load-balanced goes to the least loaded', async () => {
    const gate = new Gate();
    const running = handoff().execute(occupy(gate, 4, { cpu: 1 }), { allocationStrategy: 'load-balanced' });
    await gate.arrived(4);
    gate.release();
    expect((await running).stats.nodes).toEqual({ a: 2, b: 2 });
  });

  it('a custom allocator decides, but pins and collocation win', async () => {
    const seen: string[] = [];
    const allocator: Allocator = {
      allocate(functions, capabilities) {
        seen.push(...functions.map((fn) => fn.id), ...Object.keys(capabilities));
        return Object.fromEntries(functions.map((fn) => [fn.id, 'b']));
      },
    };
    const { allocations } = await handoff().execute(
      dagOf(
        { id: 'x', code: t.one },
        { id: 'y', code: t.one, node: 'a' },
        { id: 'z', code: t.one, node: { collocatedWith: 'y' } },
        { id: 'i', code: t.one, type: 'inline' },
      ),
      { allocationStrategy: allocator },
    );
    expect(allocations).toEqual({ x: 'b', y: 'a', z: 'a' });
    expect(seen).toEqual(['x', 'y', 'z', 'a', 'b']);
  });

  it('SimpleAllocator is one', async () => {
    const { allocations } = await handoff().execute(
      dagOf(
        { id: 'x', code: t.one, cost: { memory: 1500 } },
        { id: 'y', code: t.double, args: ['x'], cost: { memory: 1500 } },
        { id: 'z', code: t.double, args: ['y'] },
      ),
      { allocationStrategy: new SimpleAllocator() },
    );
    expect(allocations).toEqual({ x: 'a', y: 'b', z: 'b' });
  });

  it.each<[string, Allocator]>([
    [
      'throws',
      {
        allocate() {
          throw new Error('no idea');
        },
      },
    ],
    ['answers nothing', { allocate: () => undefined as never }],
    ['answers a promise', { allocate: (async () => ({})) as never }],
    ['leaves a function out', { allocate: () => ({}) }],
    ['names no node', { allocate: () => ({ x: 'nowhere' }) }],
    ['answers nonsense', { allocate: () => ({ x: 7 }) as never }],
    ['chooses a node that could never', { allocate: () => ({ x: 'a' }) }],
  ])('an allocator that %s is an ALLOCATION_ERROR', async (_, allocator) => {
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'x', code: t.one, cost: { gpu: 1 } }), { allocationStrategy: allocator }),
    );
    expect(error.code).toBe('ALLOCATION_ERROR');
  });
});

describe('collocation', () => {
  it.each(['serialize', 'deserialize'])(
    'leaves consumers of one result, of which a node has room for one, to several nodes (%s)',
    async (side) => {
      const gate = new Gate();
      const consumer = (id: string): FunctionSpec => ({
        id,
        code: t.waitAtGate,
        args: [{ id: 'p', [side]: { code: t.pick, extraArgs: [0] } }],
        cost: { cpu: 2 },
      });
      const running = handoff().execute(
        dagOf({ id: 'p', code: t.constant, extraArgs: [[gate.memory]], node: 'a' }, consumer('x'), consumer('y')),
      );
      await gate.arrived(2);
      gate.release();
      const { allocations } = await running;
      expect([allocations['x'], allocations['y']].sort()).toEqual(['a', 'b']);
    },
  );

  it('runs functions where their root runs, through chains', async () => {
    const { allocations } = await handoff().execute(
      dagOf(
        { id: 'third', code: t.one, node: { collocatedWith: 'second' } },
        { id: 'second', code: t.one, node: { collocatedWith: 'root' } },
        { id: 'root', code: t.one, node: 'b' },
        { id: 'free', code: t.one, node: { collocatedWith: 'anywhere' } },
        { id: 'anywhere', code: t.one },
      ),
    );
    expect(allocations).toMatchObject({ root: 'b', second: 'b', third: 'b' });
    expect(allocations['free']).toBe(allocations['anywhere']);
  });

  it('adds costs up on the root: a node must be able to offer all of them', async () => {
    const { allocations } = await handoff().execute(
      dagOf(
        { id: 'x', code: t.one, cost: { memory: 1500 } },
        { id: 'y', code: t.double, args: ['x'], cost: { memory: 1000 }, node: { collocatedWith: 'x' } },
        { id: 'z', code: t.double, args: ['y'], cost: { memory: 1000 }, node: { collocatedWith: 'y' } },
      ),
    );
    expect(allocations).toEqual({ x: 'b', y: 'b', z: 'b' });
  });

  it('is refused naming the root when no node can', async () => {
    const error = await errorOf(
      handoff().execute(
        dagOf(
          { id: 'x', code: t.one, cost: { memory: 1900 }, node: 'a' },
          { id: 'y', code: t.one, cost: { memory: 150 }, node: { collocatedWith: 'x' } },
        ),
      ),
    );
    expect(error).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'x', node: 'a' });
  });
});

describe('a resource tracker of your own', () => {
  it('is asked for every claim and given back what it granted', async () => {
    const { Handoff, SimpleResourceTracker } = await import('../../lib/index.ts');
    const log: string[] = [];
    class Logging extends SimpleResourceTracker {
      override request(node: string, cost: Record<string, number>, claimant?: string): boolean {
        const granted = super.request(node, cost, claimant);
        log.push(`${granted ? 'grant' : 'refuse'} ${node}`);
        return granted;
      }
      override release(node: string, cost: Record<string, number>, claimant?: string): void {
        log.push(`release ${node}`);
        super.release(node, cost, claimant);
      }
    }
    const own = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 } }],
      resourceTracker: new Logging(),
    });
    await own.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 1 } }, { id: 'y', code: t.double, args: ['x'] }));
    await own.stop();
    expect(log).toEqual(['grant n', 'release n']);
  });

  it('that throws ends the run with what it threw', async () => {
    const { Handoff, SimpleResourceTracker } = await import('../../lib/index.ts');
    class Broken extends SimpleResourceTracker {
      override request(): boolean {
        throw new Error('out of order');
      }
    }
    const own = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 } }],
      resourceTracker: new Broken(),
    });
    const error = await errorOf(own.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 1 } })));
    await own.stop();
    expect(error).toMatchObject({ code: 'RESOURCES_UNAVAILABLE', functionId: 'x', cause: { message: 'out of order' } });
  });

  it('that throws at a release ends only that run', async () => {
    const { Handoff, SimpleResourceTracker } = await import('../../lib/index.ts');
    class Greedy extends SimpleResourceTracker {
      override release(): void {
        throw new Error('keeps it');
      }
    }
    const own = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 } }],
      resourceTracker: new Greedy(),
    });
    const error = await errorOf(own.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 1 } })));
    expect(error).toMatchObject({ code: 'RESOURCES_UNAVAILABLE', cause: { message: 'keeps it' } });
    expect((await own.execute(dagOf({ id: 'y', code: t.one }))).results).toEqual({ y: 1 });
    await own.stop();
  });

  it('may call back into us', async () => {
    const { Handoff, SimpleResourceTracker } = await import('../../lib/index.ts');
    const controller = new AbortController();
    class Aborting extends SimpleResourceTracker {
      override request(): boolean {
        controller.abort();
        return true;
      }
    }
    const own = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1 } }],
      resourceTracker: new Aborting(),
    });
    expect(
      await errorOf(
        own.execute(
          dagOf(
            { id: 'x', code: t.double, extraArgs: [1], cost: { cpu: 1 } },
            { id: 'y', code: t.double, args: ['x'], cost: { cpu: 1 } },
          ),
          { signal: controller.signal },
        ),
      ),
    ).toMatchObject({ code: 'ABORTED' });
    expect((await own.execute(dagOf({ id: 'z', code: t.one }))).results).toEqual({ z: 1 });
    await own.stop();
  });

  it('that throws when a node is registered is reported by the call that registered it', async () => {
    const { Handoff, SimpleResourceTracker } = await import('../../lib/index.ts');
    class Choosy extends SimpleResourceTracker {
      override register(node: string): void {
        throw new Error(`no ${node} here`);
      }
    }
    const error = await errorOf(
      Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }], resourceTracker: new Choosy() }),
    );
    expect(error).toMatchObject({ code: 'RESOURCES_UNAVAILABLE', node: 'n', cause: { message: 'no n here' } });
  });

  it('that refuses for a while is asked again', async () => {
    const { Handoff, SimpleResourceTracker } = await import('../../lib/index.ts');
    const tracker = new SimpleResourceTracker();
    const own = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }], resourceTracker: tracker });
    tracker.request('n', { cpu: 1 }, 'somebody else');
    const running = own.execute(dagOf({ id: 'x', code: t.one, cost: { cpu: 1 } }));
    setTimeout(() => tracker.releaseAll('somebody else'), 20);
    expect((await running).results).toEqual({ x: 1 });
    await own.stop();
  });
});
