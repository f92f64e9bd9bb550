/** Results that are held so that the loss of a host costs few functions. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event } from '../../../../lib/scheduling/scheduler/events.ts';
import { inputsOf } from '../../../../lib/scheduling/scheduler/growth/growth.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type Run, Status } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../../support/run-settings.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

const code = { module: 'file:///tasks.js', export: 'work' };

/** A run whose functions are ended one by one. Results of functions with `outputBytes` stay on their host. */
class World {
  readonly state = createState(new SimpleResourceTracker(), { batchSize: 1, gangMs: 0 });
  readonly released: string[] = [];
  readonly recomputed: string[] = [];
  isFinished = false;
  readonly #open: Batch[] = [];

  /** @param hosts of nodes n0, n1, …, with a thread each */
  constructor(functions: readonly FunctionSpec[], hosts: readonly number[] = [1], widths: readonly number[] = []) {
    this.state.estimates[0] = createEstimate();
    for (const [k, host] of hosts.entries()) {
      this.feed({ type: 'NodeUp', node: `n${k}`, incarnation: 1, capabilities: {}, speed: 1, host });
      this.feed({ type: 'ThreadUp', node: `n${k}`, incarnation: 1, thread: 0 });
    }
    this.#widths = [...widths];
    const dag = new Dag('run');
    for (const each of functions) dag.add(each);
    const plan = compile(dag);
    const kept = new Uint8Array(plan.size);
    kept[plan.size - 1] = 1;
    this.feed({ type: 'RunSubmitted', run: 'run', plan, settings: settingsOf(plan, { kept, keepGoing: true }) });
  }

  readonly #widths: number[];

  feed(happening: Happening): void {
    for (const command of handle(this.state, { ...happening, now: 0 } as Event)) {
      const idOf = (i: number): string => (command as { run: Run }).run.plan.entries[i]!.id;
      if (command.type === 'Start') this.#open.push(command.batch);
      if (command.type === 'Release') this.released.push(...command.indexes.map(idOf));
      if (command.type === 'Recompute') this.recomputed.push(...command.indexes.map(idOf));
      if (command.type === 'FinishRun') this.isFinished = true;
      if (command.type === 'Grow') {
        const { index, asked } = command;
        this.feed({ type: 'RunGrown', run: 'run', index, asked, count: this.#widths.shift()! });
      }
    }
    validate(this.state);
  }

  /** Ends functions in the order in which they were sent, until one of this id has ended. */
  upTo(id: string): void {
    for (;;) {
      const { id: batch, run, functions } = this.#open.shift()!;
      const { id: ended, traits } = run.plan.entries[functions[0]!]!;
      const isMissing = inputsOf(run, functions[0]!).some((dep) => run.status[dep] !== Status.done); // lost since
      this.feed({
        type: 'FunctionsEnded',
        batch,
        first: 0,
        count: 1,
        exceptions: isMissing ? [{ index: 0, kind: 'skipped' }] : [],
        durations: [],
        random: 0,
        ...(!isMissing && traits.outputBytes !== undefined && { large: [{ index: 0, bytes: traits.outputBytes }] }),
      });
      if (ended === id && !isMissing) return;
    }
  }

  lose(...ids: string[]): void {
    const { plan } = this.state.runs.get('run')!;
    this.feed({ type: 'ResultsLost', run: 'run', indexes: ids.map((id) => plan.indexOf(id)) });
  }
}

const small = (id: string, ...args: string[]): FunctionSpec => ({ id, code, args });
const large = (id: string, ...args: string[]): FunctionSpec => ({ id, code, args, outputBytes: 2 ** 20 });

describe('the inputs of a result on another host', () => {
  it('are held until that result has been read, so that its loss costs one function', () => {
    const world = new World([small('a'), small('b', 'a'), large('c', 'b'), small('d', 'c'), small('e', 'd')]);
    world.upTo('c');
    expect(world.released).toEqual(['a']);
    world.lose('c');
    expect(world.recomputed).toEqual(['c']);
    world.upTo('c');
    world.upTo('d');
    expect(world.released).toEqual(['a', 'b', 'c']);
    world.upTo('e');
    expect(world).toMatchObject({ isFinished: true, recomputed: ['c'], released: ['a', 'b', 'c', 'd'] });
  });

  it('are dropped at once when the result is local or small', () => {
    const here = new World([small('a'), large('b', 'a'), small('c', 'b')], [0]);
    here.upTo('b');
    expect(here.released).toEqual(['a']);
    const inline = new World([small('a'), small('b', 'a'), small('c', 'b')], [1]);
    inline.upTo('b');
    expect(inline.released).toEqual(['a']);
  });

  it('are recomputed with it when both are lost, from the second generation', () => {
    const world = new World([small('a'), small('b', 'a'), large('c', 'b'), large('d', 'c'), small('e', 'd')]);
    world.upTo('d');
    expect(world.released).toEqual(['a']);
    world.lose('c', 'd');
    expect(world.recomputed.toSorted()).toEqual(['c', 'd']);
    world.upTo('e');
    expect(world).toMatchObject({ isFinished: true, released: ['a', 'b', 'c', 'd'] });
  });

  it('are not held for a third generation: a long chain of large results holds three of them', () => {
    const ids = Array.from({ length: 12 }, (_, i) => `f${i}`);
    const world = new World(ids.map((id, i) => (i === 0 ? large(id) : large(id, ids[i - 1]!))));
    world.upTo('f8');
    expect(world.released).toEqual(ids.slice(0, 6)); // f8 is unread, f7 was read by it, and f6 by that
  });

  it('are not recomputed when they are lost and nothing needs them', () => {
    const world = new World([large('a'), large('b', 'a'), small('c', 'b')], [1]);
    world.upTo('b');
    world.lose('a');
    expect(world.recomputed).toEqual([]);
    world.upTo('c');
    expect(world).toMatchObject({ isFinished: true, recomputed: [], released: ['b'] }); // nothing is left of a
  });

  it('are recomputed when the result is lost after them', () => {
    const world = new World([large('a'), large('b', 'a'), small('c', 'b')], [1]);
    world.upTo('b');
    world.lose('a');
    world.lose('b');
    expect(world.recomputed.toSorted()).toEqual(['a', 'b']);
    world.upTo('c');
    expect(world.isFinished).toBe(true);
  });

  it('are held until a result that the run keeps has arrived here', () => {
    const world = new World([small('a'), large('b', 'a')]);
    world.feed({ type: 'ResultsTravelling', run: 'run', count: 1 });
    world.upTo('b');
    expect(world.released).toEqual([]);
    world.feed({ type: 'ResultsArrived', run: 'run', count: 1, here: [1] });
    expect(world).toMatchObject({ isFinished: true, released: ['a'] });
  });

  it('are recomputed with a kept result that does not arrive', () => {
    const world = new World([small('a'), small('b', 'a'), large('c', 'b')]);
    world.feed({ type: 'ResultsTravelling', run: 'run', count: 1 });
    world.upTo('c');
    world.lose('c');
    world.feed({ type: 'ResultsArrived', run: 'run', count: 1, here: [] });
    expect(world).toMatchObject({ isFinished: false, recomputed: ['c'], released: ['a'] });
  });

  it('are held by the elements of a map, which take one element each', () => {
    const world = new World(
      [
        small('list'),
        small('common'),
        { ...large('m', 'list', 'common'), map: true },
        small('sum', 'm'),
        small('z', 'sum'),
      ],
      [1],
      [3],
    );
    world.upTo('m[2]');
    expect(world.released).toEqual([]);
    world.lose('m[1]');
    expect(world.recomputed.toSorted()).toEqual(['m', 'm[1]']);
    world.upTo('z');
    expect(world.isFinished).toBe(true);
    expect(world.released.toSorted()).toEqual(['common', 'list', 'm[0]', 'm[1]', 'm[2]', 'sum']);
  });

  it('are held element by element between maps', () => {
    const world = new World(
      [
        small('list'),
        { ...small('m', 'list'), map: true },
        { ...large('n', 'm'), map: true },
        small('sum', 'n'),
        small('z', 'sum'),
      ],
      [1],
      [2],
    );
    world.upTo('n[1]');
    world.lose('n[0]');
    expect(world.recomputed.toSorted()).toEqual(['n', 'n[0]']);
    world.upTo('z');
    expect(world.isFinished).toBe(true);
    expect(world.released.toSorted()).toEqual(['list', 'm[0]', 'm[1]', 'n[0]', 'n[1]', 'sum']);
  });
});
