import { describe, expect, it } from 'vitest';
import { findImpossible } from '../../../lib/scheduling/resources/feasibility.ts';
import { strategies } from '../../../lib/scheduling/allocation/strategy.ts';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { type Capabilities, Dag, type FunctionSpec, SimpleAllocator } from '../../../lib/index.ts';
import { thrownBy } from '../../support/handoff.ts';

const code = { module: 'file:///tasks.js', export: 'fn' };
const dagOf = (...functions: Omit<FunctionSpec, 'code'>[]): Dag =>
  functions.reduce((dag, fn) => dag.add({ code, ...fn }), new Dag());
const allocate = (capabilities: Record<string, Capabilities>, ...functions: Omit<FunctionSpec, 'code'>[]) =>
  new SimpleAllocator().allocate([...dagOf(...functions).functions.values()], capabilities);

describe('SimpleAllocator', () => {
  it('puts cpu 1 on the first node, cpu 3 and memory 1500 on the bigger one', () => {
    expect(
      allocate(
        { one: { cpu: 2, memory: 1000 }, two: { cpu: 4, memory: 2000 } },
        { id: 'f1', cost: { cpu: 1 } },
        { id: 'f2', cost: { cpu: 3 } },
        { id: 'f3', cost: { memory: 1500 } },
      ),
    ).toEqual({ f1: 'one', f2: 'two', f3: 'two' });
  });

  it('spills to the next node when the first is full', () => {
    expect(
      Object.values(
        allocate({ a: { u: 2 }, b: { u: 2 } }, ...['w', 'x', 'y', 'z'].map((id) => ({ id, cost: { u: 1 } }))),
      ),
    ).toEqual(['a', 'a', 'b', 'b']);
  });

  it('tries the first node, then the others by name, then first the one it chose last', () => {
    const nodes = { local: { cpu: 1 }, z: { cpu: 9 }, b: { cpu: 2 } };
    expect(allocate(nodes, { id: 'free' }, { id: 'big', cost: { cpu: 2 } }, { id: 'after' })).toEqual({
      free: 'local',
      big: 'b',
      after: 'b',
    });
  });

  it('assigns a function that no node has room for to the first node that could run it alone', () => {
    expect(
      allocate(
        { a: { cpu: 1 }, b: { cpu: 2 } },
        { id: 'x', cost: { cpu: 2 } },
        { id: 'y', cost: { cpu: 2 } },
        { id: 'z', cost: { cpu: 5 } },
      ),
    ).toEqual({ x: 'b', y: 'b', z: 'b' });
  });

  it('places pinned functions first, and refuses those that do not fit together', () => {
    expect(
      allocate(
        { a: { cpu: 2 }, b: { cpu: 2 } },
        { id: 'x', cost: { cpu: 2 } },
        { id: 'p', node: 'a', cost: { cpu: 2 } },
      ),
    ).toEqual({ p: 'a', x: 'b' });
    const error = thrownBy(() =>
      allocate(
        { a: { memory: 2000 } },
        { id: 'x', node: 'a', cost: { memory: 1900 } },
        { id: 'y', node: 'a', cost: { memory: 150 } },
      ),
    );
    expect(error).toMatchObject({ code: 'ALLOCATION_ERROR', functionId: 'y', node: 'a' });
    expect(thrownBy(() => allocate({ a: {} }, { id: 'x', node: 'nowhere', cost: { cpu: 1 } })).code).toBe(
      'ALLOCATION_ERROR',
    );
  });

  it('adds the costs of collocated functions to their root, and puts them there', () => {
    const functions = [
      { id: 'r', cost: { cpu: 1 } },
      { id: 'x', node: { collocatedWith: 'r' }, cost: { cpu: 1 } },
      { id: 'y', node: { collocatedWith: 'x' }, cost: { cpu: 1 } },
    ];
    expect(allocate({ a: { cpu: 2 }, b: { cpu: 3 } }, ...functions)).toEqual({ r: 'b', x: 'b', y: 'b' });
    const error = thrownBy(() =>
      allocate({ a: { cpu: 2 } }, { id: 'r', node: 'a', cost: { cpu: 2 } }, ...functions.slice(1)),
    );
    expect(error.functionId).toBe('r');
  });

  it('assigns nothing when there is no node', () => {
    expect(allocate({}, { id: 'x' })).toEqual({});
  });
});

describe('feasibility', () => {
  const nodes = { small: { cpu: 1, memory: 100 }, big: { cpu: 8, memory: 50 } };
  const judge = (...functions: Omit<FunctionSpec, 'code'>[]) => findImpossible(compile(dagOf(...functions)), nodes);

  it('accepts functions that each fit a node, whatever their sum', () => {
    expect(judge(...Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, cost: { cpu: 8 } })))).toBeUndefined();
    expect(judge({ id: 'x' }, { id: 'y', node: 'small', cost: {} })).toBeUndefined();
  });

  it('names the resource that is short on every node, or else the first that is short', () => {
    expect(judge({ id: 'x', cost: { gpu: 1 } })).toMatchObject({ functionId: 'x', resource: 'gpu', offers: nodes });
    expect(judge({ id: 'x', cost: { cpu: 4, memory: 80 } })).toMatchObject({ functionId: 'x', resource: 'cpu' });
  });

  it('checks a pinned function against its node only', () => {
    expect(judge({ id: 'x', node: 'small', cost: { cpu: 2 } })).toMatchObject({
      code: 'ALLOCATION_ERROR',
      functionId: 'x',
      node: 'small',
      offers: { small: nodes.small },
    });
  });

  it('checks a collocated group by the sum of its costs', () => {
    expect(
      judge({ id: 'r', cost: { memory: 60 } }, { id: 'x', cost: { memory: 60 }, node: { collocatedWith: 'r' } }),
    ).toMatchObject({ functionId: 'r', cost: { memory: 120 } });
  });
});

describe('strategies', () => {
  const candidate = (name: string, idle: number, threads: number, claimed = {}, speed = 1) => ({
    name,
    idle,
    threadsUp: threads,
    claimed,
    speed,
    capabilities: { cpu: 4, gpu: 1 },
  });
  const granted = (): boolean => true;

  it('load-balanced prefers the faster of equally full nodes', () => {
    const nodes = [candidate('slow', 2, 2), candidate('fast', 2, 2, {}, 3)];
    expect(strategies['load-balanced'](nodes, undefined, granted)!.name).toBe('fast');
  });

  it('first-available takes the first node that has an idle thread and grants the claim', () => {
    const nodes = [candidate('busy', 0, 2), candidate('refusing', 2, 2), candidate('free', 1, 2)];
    expect(strategies['first-available'](nodes, undefined, (node) => node.name !== 'refusing')!.name).toBe('free');
    expect(strategies['first-available'](nodes, undefined, () => false)).toBeUndefined();
  });

  it('load-balanced takes the node that is least full, by threads or by any resource', () => {
    expect(strategies['load-balanced']([candidate('a', 1, 4), candidate('b', 3, 4)], undefined, granted)!.name).toBe(
      'b',
    );
    expect(
      strategies['load-balanced']([candidate('a', 4, 4, { gpu: 1 }), candidate('b', 2, 4)], undefined, granted)!.name,
    ).toBe('b');
    expect(
      strategies['load-balanced'](
        [candidate('a', 4, 4, { cpu: 2 }), candidate('b', 4, 4, { cpu: 1 })],
        { cpu: 1 },
        granted,
      )!.name,
    ).toBe('b');
    expect(strategies['load-balanced']([candidate('a', 0, 4)], undefined, granted)).toBeUndefined();
  });

  it('load-balanced takes the first declared of equally loaded nodes', () => {
    expect(strategies['load-balanced']([candidate('a', 4, 4), candidate('b', 4, 4)], undefined, granted)!.name).toBe(
      'a',
    );
  });
});
