/** Concurrent functions on shared threads: where they go, and what the loss of a thread means for each. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Crash, Event, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type State } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../../support/run-settings.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

const code = { module: 'file:///tasks.js', export: 'work' };

class Machine {
  readonly state: State;
  commands: Command[] = [];

  /** A node of some threads, each of which holds `concurrency` functions. */
  constructor(threads: number, concurrency: number) {
    this.state = createState(new SimpleResourceTracker(), {});
    this.state.estimates.push(createEstimate());
    this.feed({ type: 'NodeUp', node: 'a', incarnation: 1, capabilities: {}, speed: 1, concurrency });
    for (let thread = 0; thread < threads; thread++) this.up(thread);
  }

  up(thread: number): void {
    this.feed({ type: 'ThreadUp', node: 'a', incarnation: 1, thread });
  }

  submit(functions: readonly Omit<FunctionSpec, 'code'>[], settings: Partial<RunSettings> = {}, id = 'run'): void {
    const dag = new Dag(id);
    for (const each of functions) dag.add({ code, ...each });
    const plan = compile(dag);
    this.feed({ type: 'RunSubmitted', run: id, plan, settings: settingsOf(plan, { keepGoing: true, ...settings }) });
  }

  feed(happening: Happening): void {
    this.commands.push(...handle(this.state, { ...happening, now: 0 } as Event));
    validate(this.state);
  }

  end(id: string): void {
    const { id: batch } = this.batchOf(id);
    this.feed({ type: 'FunctionsEnded', batch, first: 0, count: 1, exceptions: [], durations: [], random: 0 });
  }

  /** The thread is gone, and had started what it holds. */
  down(thread: number, crash: Crash): void {
    const started = this.batches.map(({ id }) => ({ batch: id, started: 1 }));
    this.feed({ type: 'ThreadDown', node: 'a', incarnation: 1, thread, crash, started, random: 0 });
  }

  fire(): void {
    const [timer] = this.state.timers.keys();
    this.feed({ type: 'TimerFired', timer: timer! });
  }

  /** What is on threads now. */
  get batches(): Batch[] {
    return [...this.state.batches.values()];
  }

  batchOf(id: string): Batch {
    return this.batches.find(({ run, functions }) => functions.some((i) => run.plan.entries[i]!.id === id))!;
  }

  /** What each thread holds, by ids. */
  get held(): string[] {
    const held: string[][] = [];
    for (const { run, functions, thread } of this.batches)
      (held[thread.index] ??= []).push(...functions.map((i) => run.plan.entries[i]!.id));
    return Array.from(held, (ids) => (ids ?? []).join());
  }

  get failures(): string[] {
    return this.commands.flatMap((command) =>
      command.type === 'Failed'
        ? [`${command.run.plan.entries[command.failed.index]!.id} ${command.failed.failure.kind}`]
        : [],
    );
  }
}

const named = (count: number, more: Partial<FunctionSpec> = {}, prefix = 'f'): Omit<FunctionSpec, 'code'>[] =>
  Array.from({ length: count }, (_, k) => ({ id: `${prefix}${k}`, concurrent: true, ...more }));

describe('concurrent functions', () => {
  it('spread over threads where all functions are concurrent', () => {
    const machine = new Machine(2, 3);
    machine.submit(named(7));
    expect(machine.held).toEqual(['f0,f2,f4', 'f1,f3,f5']);
    machine.end('f1');
    expect(machine.held).toEqual(['f0,f2,f4', 'f3,f5,f6']);
  });

  it('fill a thread before the next where other functions may need one', () => {
    const machine = new Machine(3, 2);
    machine.submit([...named(3), { id: 'plain' }]);
    expect(machine.held).toEqual(['f0,f1', 'f2', 'plain']);
  });

  it('let a thread drain for an earlier function that is not concurrent', () => {
    const machine = new Machine(2, 2);
    machine.submit([...named(4), { id: 'plain' }, ...named(4, {}, 'g')]);
    expect(machine.held).toEqual(['f0,f1', 'f2,f3']);
    machine.end('f0');
    machine.end('f2');
    expect(machine.held).toEqual(['f1', 'f3,g0']);
    machine.end('f1');
    expect(machine.held).toEqual(['plain', 'f3,g0']);
  });

  it('of a run number at most maxConcurrency', () => {
    const machine = new Machine(2, 8);
    machine.submit(named(7), { maxConcurrency: 3 });
    expect(machine.batches).toHaveLength(3);
    machine.end('f0');
    expect(machine.batches).toHaveLength(3);
  });
});

describe('a thread of concurrent functions that is lost', () => {
  const crash = { reason: 'exit' } as const;

  it('costs an attempt only of the function that is known to be at fault', () => {
    const machine = new Machine(1, 4);
    machine.submit(named(3));
    machine.down(0, { ...crash, batch: machine.batchOf('f1').id });
    expect(machine.failures).toEqual(['f1 crash']);
    machine.up(0);
    expect(machine.held).toEqual(['f0,f2']);
  });

  it('costs no attempt when a function of another scheduler is at fault', () => {
    const machine = new Machine(1, 4);
    machine.submit(named(2));
    machine.down(0, { ...crash, batch: -7 });
    machine.up(0);
    expect(machine.failures).toEqual([]);
    expect(machine.held).toEqual(['f0,f1']);
  });

  it('lets each of them run with a thread for itself when any may be at fault', () => {
    const machine = new Machine(1, 4);
    machine.submit(named(3));
    machine.down(0, crash);
    machine.up(0);
    expect(machine.failures).toEqual([]);
    expect(machine.held).toEqual(['f0']);
    machine.end('f0');
    expect(machine.held).toEqual(['f1']);
    machine.down(0, crash);
    expect(machine.failures).toEqual(['f1 crash']);
    machine.up(0);
    expect(machine.held).toEqual(['f2']);
  });

  it('costs a single function an attempt', () => {
    const machine = new Machine(1, 4);
    machine.submit(named(1));
    machine.down(0, crash);
    expect(machine.failures).toEqual(['f0 crash']);
  });

  it('fails the non-idempotent functions beside it', () => {
    const machine = new Machine(1, 4);
    machine.submit([...named(2), ...named(1, { idempotent: false }, 'once')]);
    machine.down(0, { ...crash, batch: machine.batchOf('f0').id });
    expect(machine.failures).toEqual(['f0 crash', 'once0 begun']);
  });

  it('is ended for a second function after the first ended just in time', () => {
    const machine = new Machine(1, 4);
    machine.submit(named(2, { timeout: 10 }));
    for (const { id } of machine.batches) machine.feed({ type: 'FunctionStarted', batch: id, index: 0 });
    const [first, second] = machine.batches;
    machine.fire(); // both time out
    machine.fire();
    machine.commands = [];
    machine.fire(); // and both grace periods end
    machine.fire();
    const kills = (): number[] => machine.commands.flatMap((each) => (each.type === 'Kill' ? [each.batch] : []));
    expect(kills()).toEqual([first!.id]);
    machine.end('f0');
    machine.up(0); // the thread was spared
    expect(kills()).toEqual([first!.id, second!.id]);
  });
});
