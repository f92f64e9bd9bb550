/** Functions that the caller cancels, in every status, alone on a thread and among others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strategies } from '../../../../lib/scheduling/allocation/strategy.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type Run, type State, Status } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { play, randomScenario } from '../../../../lib/scheduling/simulation/scenario.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

/** One thread, and a run of short functions that travel together. */
class Machine {
  readonly state: State;
  readonly run: Run;
  readonly commands: Command[] = [];

  constructor(functions: readonly Partial<FunctionSpec>[], settings: Partial<RunSettings> = {}) {
    this.state = createState(new SimpleResourceTracker());
    this.state.estimates.push({ ...createEstimate(), mean: 0.001, count: 100 });
    this.feed({ type: 'NodeUp', node: 'a', incarnation: 1, capabilities: { cpu: 1 }, speed: 1 });
    this.feed({ type: 'ThreadUp', node: 'a', incarnation: 1, thread: 0 });
    const dag = new Dag('run');
    functions.forEach((spec, i) => dag.add({ id: `f${i}`, code, ...spec }));
    const plan = compile(dag);
    const all: RunSettings = {
      maxRetries: 3,
      maxConcurrency: Infinity,
      keepGoing: true,
      kept: null,
      strategy: strategies['first-available'],
      assigned: null,
      codes: new Int32Array([0]),
      ...settings,
    };
    this.feed({ type: 'RunSubmitted', run: 'run', plan, settings: all });
    this.run = this.state.runs.get('run')!;
  }

  feed(happening: Happening): void {
    this.commands.push(...handle(this.state, { ...happening, now: 0 } as Event));
    validate(this.state);
  }

  cancel(index: number): void {
    this.commands.length = 0;
    this.feed({ type: 'FunctionCancelled', run: 'run', index, reason: 'reason' });
  }

  report(batch: Batch, count: number): void {
    this.feed({
      type: 'FunctionsEnded',
      batch: batch.id,
      first: batch.done,
      count,
      exceptions: [],
      durations: [],
      random: 0,
    });
  }

  get batch(): Batch {
    return [...this.state.batches.values()][0]!;
  }

  statusOf(...indexes: readonly number[]): number[] {
    return indexes.map((i) => this.run.status[i]!);
  }
}

const failed = expect.objectContaining({
  type: 'Failed',
  failed: expect.objectContaining({ index: 1, failure: { kind: 'aborted', reason: 'reason' } }),
});

describe('a cancelled function', () => {
  it('that waits for an input fails, and its dependents are given up', () => {
    const machine = new Machine([{ timeout: 1e6 }, { args: ['f0'] }, { args: ['f1'] }, { args: ['f0'] }]);
    machine.cancel(1);
    expect(machine.commands).toEqual([failed]);
    expect(machine.statusOf(1, 2)).toEqual([Status.failed, Status.unreachable]);
    machine.report(machine.batch, 1);
    machine.report(machine.batch, 1);
    expect(machine.state.runs.size).toBe(0);
  });

  it('that is ready leaves the queue, and the others stay in their order', () => {
    const machine = new Machine([{ timeout: 1e6 }, {}, { priority: -1 }, { priority: -2 }]);
    expect(machine.statusOf(1)).toEqual([Status.ready]);
    machine.cancel(1);
    machine.report(machine.batch, 1);
    expect([...machine.batch.functions]).toEqual([2, 3]);
  });

  it('that runs alone is aborted, and not retried', () => {
    const machine = new Machine([{}, { timeout: 1e6, priority: 1 }]);
    machine.cancel(1);
    expect(machine.commands).toContainEqual(
      expect.objectContaining({ type: 'Cancel', batch: machine.batch, why: 'aborted' }),
    );
    const error = { index: 0, kind: 'failed', error: new Error('aborted'), retryable: true } as const;
    machine.feed({
      type: 'FunctionsEnded',
      batch: machine.batch.id,
      first: 0,
      count: 1,
      exceptions: [error],
      durations: [],
      random: 0,
    });
    expect(machine.run.retries).toBe(0);
    expect([...machine.batch.functions]).toEqual([0]);
  });

  it('in a batch is taken back with those behind it, which then run', () => {
    const machine = new Machine([{}, {}, {}, {}]);
    const { batch } = machine;
    expect([...batch.functions]).toEqual([0, 1, 2, 3]);
    machine.cancel(1);
    expect(machine.commands).toContainEqual({ type: 'TakeBack', batch, count: 3 });
    machine.feed({ type: 'TakenBack', batch: batch.id, limit: 1 });
    machine.report(batch, 1);
    expect([...machine.batch.functions]).toEqual([2, 3]);
    expect(machine.commands.some(({ type }) => type === 'Cancel')).toBe(false);
  });

  it('that runs in a batch is aborted after the rest of the batch was taken back', () => {
    const machine = new Machine([{}, {}, {}, {}]);
    const { batch } = machine;
    machine.cancel(1);
    machine.feed({ type: 'TakenBack', batch: batch.id, limit: 2 });
    expect(machine.commands.some(({ type }) => type === 'Cancel')).toBe(false); // the one before it may still run
    machine.report(batch, 1);
    expect(machine.commands).toContainEqual(expect.objectContaining({ type: 'Cancel', batch }));
  });

  it('fails although its result still arrives', () => {
    const machine = new Machine([{}, { timeout: 1e6, priority: 1 }]);
    machine.cancel(1);
    machine.report(machine.batch, 1);
    expect(machine.statusOf(1)).toEqual([Status.failed]);
  });

  it('ends its run, unless failurePolicy is continue', () => {
    const machine = new Machine([{ timeout: 1e6 }, {}], { keepGoing: false });
    machine.cancel(1);
    expect(machine.run.outcome).toMatchObject({ kind: 'failed', failures: [{ index: 1 }] });
  });
});

it('every invariant holds, whatever is cancelled at any time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const spec = randomScenario(seed, 40);
      fc.pre(spec.runs.some(({ cancelled }) => cancelled !== undefined));
      play(spec);
    }),
    { numRuns: 60 },
  );
});
