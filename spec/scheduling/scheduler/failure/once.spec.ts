/** Functions that are not idempotent: what is begun again, and what never is. */
import { describe, expect, it } from 'vitest';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Crash, Event, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type State } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../../support/run-settings.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

const code = { module: 'file:///tasks.js', export: 'work' };
const once = { idempotent: false } as const;

/** Two nodes, of this host and of another, and a run of functions that are known to be short. */
class Machine {
  readonly state: State;
  readonly commands: Command[] = [];

  constructor(functions: readonly FunctionSpec[], settings: Partial<RunSettings> = {}, hosts = [0, 1]) {
    this.state = createState(new SimpleResourceTracker());
    this.state.estimates.push({ ...createEstimate(), mean: 0.001, count: 100 });
    for (const [k, host] of hosts.entries()) {
      this.feed({ type: 'NodeUp', node: `n${k}`, incarnation: 1, capabilities: { cpu: 4 }, speed: 1, host });
      this.feed({ type: 'ThreadUp', node: `n${k}`, incarnation: 1, thread: 0 });
    }
    const dag = new Dag('run');
    for (const each of functions) dag.add(each);
    const plan = compile(dag);
    this.feed({
      type: 'RunSubmitted',
      run: 'run',
      plan,
      settings: settingsOf(plan, settings),
    });
  }

  feed(happening: Happening): void {
    this.commands.push(...handle(this.state, { ...happening, now: 0 } as Event));
    validate(this.state);
  }

  /** The batches that were sent, each by the ids of its functions and its node. */
  get sent(): string[] {
    return this.batches.map(
      ({ run, functions, thread }) => `${functions.map((i) => run.plan.entries[i]!.id).join()} ${thread.node.name}`,
    );
  }

  get batches(): Batch[] {
    return this.commands.flatMap((command) => (command.type === 'Start' ? [command.batch] : []));
  }

  get failures(): unknown[] {
    return this.commands.flatMap((command) => (command.type === 'Failed' ? [command.failed.failure] : []));
  }

  get released(): number[] {
    return this.commands.flatMap((command) => (command.type === 'Release' ? command.indexes : []));
  }

  get isFinished(): boolean {
    return this.commands.some(({ type }) => type === 'FinishRun');
  }

  /** The last batch that was sent has ended well. */
  end(batch = this.batches.at(-1)!): void {
    this.feed({
      type: 'FunctionsEnded',
      batch: batch.id,
      first: 0,
      count: batch.size,
      exceptions: [],
      durations: [],
      random: 0,
    });
  }

  threadDown(node: string, begun: number, crash: Crash = { reason: 'killed' }): void {
    const batch = this.batches.findLast(({ thread }) => thread.node.name === node)!;
    this.feed({
      type: 'ThreadDown',
      node,
      incarnation: 1,
      thread: 0,
      crash,
      started: [{ batch: batch.id, started: begun }],
      random: 0,
    });
    this.feed({ type: 'ThreadUp', node, incarnation: 1, thread: 0 });
  }
}

const one = (more: Partial<FunctionSpec> = {}): FunctionSpec => ({ id: 'x', code, ...once, ...more });

describe('a function that is not idempotent', () => {
  it('fails when its host is lost, as it may have begun there, and is not begun elsewhere', () => {
    const machine = new Machine([one(), { id: 'y', code }], { keepGoing: true }, [1, 2]);
    expect(machine.sent).toEqual(['x n0', 'y n1']);
    machine.feed({ type: 'NodeDown', node: 'n0', returning: true });
    machine.end();
    expect(machine.sent).toEqual(['x n0', 'y n1']);
    expect(machine.failures).toEqual([{ kind: 'begun', node: 'n0', ended: false }]);
  });

  it('fails also when the host is back before it was missed', () => {
    const machine = new Machine([one()], {}, [1]);
    machine.feed({ type: 'NodeUp', node: 'n0', incarnation: 2, capabilities: { cpu: 4 }, speed: 1, host: 1 });
    expect(machine.failures).toEqual([{ kind: 'begun', node: 'n0', ended: false }]);
  });

  it('runs elsewhere when its host reports that it had not begun', () => {
    const machine = new Machine([one()], {}, [1]);
    machine.threadDown('n0', 0);
    expect(machine.sent).toEqual(['x n0', 'x n0']);
    machine.end();
    expect(machine.isFinished).toBe(true);
  });

  it('runs elsewhere when a local node is lost before it begins there, and fails after that', () => {
    for (const started of [0, 1]) {
      const machine = new Machine([one()], {}, [0, 0]);
      machine.feed({
        type: 'NodeDown',
        node: 'n0',
        returning: false,
        started: [{ batch: machine.batches[0]!.id, started }],
      });
      expect(machine.sent).toEqual(started === 0 ? ['x n0', 'x n1'] : ['x n0']);
      expect(machine.failures).toEqual(started === 0 ? [] : [{ kind: 'begun', node: 'n0', ended: false }]);
    }
  });

  it('fails when its thread is ended because of another function', () => {
    const machine = new Machine([one()], { maxRetries: 3 }, [0]);
    machine.threadDown('n0', 1);
    expect(machine.sent).toEqual(['x n0']);
    expect(machine.failures).toEqual([{ kind: 'begun', node: 'n0', ended: false }]);
  });

  it('is retried within maxRetries when it ended its thread itself', () => {
    const machine = new Machine([one({ maxRetries: 1 })], {}, [0]);
    machine.threadDown('n0', 1, { reason: 'exit', exitCode: 1 });
    expect(machine.sent).toEqual(['x n0', 'x n0']);
    machine.threadDown('n0', 1, { reason: 'exit', exitCode: 1 });
    expect(machine.failures).toEqual([{ kind: 'crash', crash: { reason: 'exit', exitCode: 1 } }]);
  });

  it('does not run again when its result is lost', () => {
    const machine = new Machine([one(), { id: 'y', code, args: ['x'], node: 'n1' }], {}, [1, 2]);
    machine.end();
    expect(machine.sent).toEqual(['x n0', 'y n1']);
    machine.feed({ type: 'ResultsLost', run: 'run', indexes: [0] });
    expect(machine.sent).toEqual(['x n0', 'y n1']);
    expect(machine.failures).toEqual([{ kind: 'begun', node: 'n0', ended: true }]);
  });

  it('keeps its result to the end of the run while it may be needed to recompute another', () => {
    const functions: FunctionSpec[] = [
      one({ node: 'n0' }),
      { id: 'y', code, args: ['x'], node: 'n1' },
      { id: 'z', code, args: ['y'], node: 'n0' },
    ];
    const machine = new Machine(functions, { kept: Uint8Array.of(0, 0, 1) });
    machine.end();
    machine.end();
    expect(machine.sent).toEqual(['x n0', 'y n1', 'z n0']);
    expect(machine.released).toEqual([]);
    machine.feed({ type: 'ResultsLost', run: 'run', indexes: [1] });
    expect(machine.sent.at(-1)).toBe('y n1');
    machine.end();
    machine.end(machine.batches[2]); // it misses its input
    if (!machine.isFinished) machine.end();
    expect(machine.isFinished).toBe(true);
    expect(machine.failures).toEqual([]);
    expect(machine.released).toContain(0);
  });

  it('travels alone, and is queued behind nothing on another host', () => {
    const machine = new Machine([one(), { ...one(), id: 'y' }, { ...one(), id: 'z', args: ['x'] }], {}, [1]);
    expect(machine.sent).toEqual(['x n0']);
    machine.end();
    machine.end();
    machine.end();
    expect(machine.sent.map((each) => each.split(' ')[0]!.length)).toEqual([1, 1, 1]);
    expect(machine.isFinished).toBe(true);
  });
});

describe('a function that is idempotent', () => {
  it('is not charged when another scheduler ends its thread', () => {
    const machine = new Machine([{ id: 'x', code }], {}, [1]);
    machine.threadDown('n0', 1);
    expect(machine.failures).toEqual([]);
    expect(machine.sent).toEqual(['x n0', 'x n0']);
  });
});

describe('a thread that was asked to end', () => {
  it('is used again when it did not end after all', () => {
    const machine = new Machine(
      [
        { id: 'x', code, timeout: 5 },
        { id: 'y', code },
      ],
      { keepGoing: true },
      [0],
    );
    const [x] = machine.batches;
    machine.feed({ type: 'FunctionStarted', batch: x!.id, index: 0 });
    const fire = (): void => machine.feed({ type: 'TimerFired', timer: x!.timer });
    fire();
    fire();
    expect(machine.commands.some(({ type }) => type === 'Kill')).toBe(true);
    machine.end(x);
    expect(machine.sent).toEqual(['x n0']);
    machine.feed({ type: 'ThreadUp', node: 'n0', incarnation: 1, thread: 0 });
    expect(machine.sent).toEqual(['x n0', 'y n0']);
  });
});
