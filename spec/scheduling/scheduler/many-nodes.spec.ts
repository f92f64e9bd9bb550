import { describe, expect, it } from 'vitest';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../lib/dag/dag.ts';
import { strategies } from '../../../lib/scheduling/allocation/strategy.ts';
import { SimpleResourceTracker } from '../../../lib/scheduling/resources/resource-tracker.ts';
import { createEstimate } from '../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event } from '../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type Node } from '../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../lib/scheduling/scheduler/validate.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

interface Work {
  readonly nodes: number;
  readonly functions: number;
  readonly ms: number;
  /** The number of functions in each layer. */
  readonly width: number;
}

/** How often the scheduler looks at a node or a thread, per function. */
function looksPerFunction({ nodes, functions, ms, width }: Work): number {
  const dag = new Dag();
  for (let i = 0; i < functions; i++)
    dag.add({
      id: `f${i}`,
      code: { module: 'file:///tasks.js', export: 'run' },
      args: i < width ? [] : [`f${i - width}`, `f${i - width - (i % width) + ((i + 7) % width)}`],
    });
  const plan = compile(dag);
  const state = createState(new SimpleResourceTracker(), { stuckMs: 20, gangMs: 0 });
  state.estimates[0] = createEstimate();
  const open: Batch[] = [];
  let looks = 0;
  let now = 0;
  let isOver = false;
  const feed = (happening: Happening): void => {
    for (const command of handle(state, { ...happening, now } as Event)) {
      if (command.type === 'Start') open.push(command.batch);
      if (command.type === 'FinishRun') isOver = true;
    }
  };
  for (let k = 0; k < nodes; k++) {
    const node = `n${k}`;
    feed({ type: 'NodeUp', node, incarnation: 1, capabilities: {}, speed: 1, host: k });
    for (let thread = 0; thread < 2; thread++) feed({ type: 'ThreadUp', node, incarnation: 1, thread });
  }
  const count = (each: object): void => {
    let isUp = true;
    Object.defineProperty(each, 'up', {
      get: () => {
        looks++;
        return isUp;
      },
      set: (to: boolean) => {
        isUp = to;
      },
    });
  };
  for (const node of state.nodes) [node, ...node.threads].forEach(count);
  feed({
    type: 'RunSubmitted',
    run: 'r',
    plan,
    settings: {
      maxRetries: 0,
      maxConcurrency: Infinity,
      keepGoing: false,
      kept: null,
      strategy: strategies['first-available'],
      assigned: null,
      codes: new Int32Array(plan.codes.length),
    },
  });
  while (!isOver) {
    const batch = open.shift()!;
    now += ms / nodes;
    const left = batch.size - batch.done;
    feed({
      type: 'FunctionsEnded',
      batch: batch.id,
      first: batch.done,
      count: left,
      exceptions: [],
      durations: [{ code: 0, count: left, ms: ms * left }],
      random: 0,
    });
  }
  const all = looks;
  validate(state);
  return all / functions;
}

describe('the scheduler with many nodes', () => {
  it.each([
    ['functions of 5 µs, which travel in batches', { ms: 0.005, width: 4000, functions: 4000 }],
    ['functions of 1 ms, which wait behind each other', { ms: 1, width: 4000, functions: 4000 }],
    ['layers with fewer functions than threads', { ms: 0.005, width: 200, functions: 4000 }],
  ] as const)('looks at about as many of them for a function as with few: %s', (_, work) => {
    const few = looksPerFunction({ ...work, nodes: 4 });
    expect(looksPerFunction({ ...work, nodes: 400 })).toBeLessThan(2 * few + 40);
  });

  it('lists nodes with idle threads in declared order, whatever joins and leaves', () => {
    const state = createState(new SimpleResourceTracker());
    const feed = (happening: Happening): unknown => handle(state, { ...happening, now: 0 } as Event);
    const names = ['c', 'a', 'b', 'd'];
    for (const node of names) feed({ type: 'NodeUp', node, incarnation: 1, capabilities: {}, speed: 1 });
    for (const node of ['b', 'd', 'c', 'a']) feed({ type: 'ThreadUp', node, incarnation: 1, thread: 0 });
    const listed = (): string[] => state.idleNodes.map(({ name }: Node) => name);
    expect(listed()).toEqual(names);
    feed({ type: 'NodeDown', node: 'a', returning: true });
    expect(listed()).toEqual(['c', 'b', 'd']);
    feed({ type: 'NodeUp', node: 'a', incarnation: 2, capabilities: {}, speed: 1 });
    feed({ type: 'ThreadUp', node: 'a', incarnation: 2, thread: 0 });
    expect(listed()).toEqual(names);
    validate(state);
  });
});
