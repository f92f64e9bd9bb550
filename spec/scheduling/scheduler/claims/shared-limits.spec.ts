/** Limits that several processes share, as one scheduler sees them: what it asks for, starts and gives back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strategies } from '../../../../lib/scheduling/allocation/strategy.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import type { Uses } from '../../../../lib/dag/types.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import { resolveLimits } from '../../../../lib/scheduling/resources/limits.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event } from '../../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';

type Happening = Event extends infer Each ? (Each extends Event ? Omit<Each, 'now'> : never) : never;

const code = { module: 'file:///tasks.js', export: 'work' };

/** One process: its scheduler, with some threads, and what it has asked for and given back. */
class Process {
  readonly state = createState(new SimpleResourceTracker(), {}, resolveLimits({ a: 3, b: 2 }));
  readonly asked: Uses[] = [];
  readonly running: Batch[] = [];
  /** What it holds, by its own account: what was granted less what it has returned. */
  readonly held: Record<string, number> = { a: 0, b: 0 };

  constructor(threads = 4) {
    this.state.estimates.push({ ...createEstimate(), mean: 1000, count: 100 });
    this.feed({ type: 'LimitsShared' });
    this.feed({ type: 'NodeUp', node: 'n', incarnation: 1, capabilities: {}, speed: 1 });
    for (let thread = 0; thread < threads; thread++) this.feed({ type: 'ThreadUp', node: 'n', incarnation: 1, thread });
  }

  feed(happening: Happening): void {
    const commands = handle(this.state, { ...happening, now: 0 } as Event);
    validate(this.state);
    for (const command of commands) {
      if (command.type === 'Start') this.running.push(command.batch);
      if (command.type === 'AskLimits') this.asked.push(command.uses);
      if (command.type === 'WithdrawLimits') this.asked.splice(this.asked.indexOf(command.uses), 1);
      if (command.type === 'ReturnLimit') this.held[command.name]! -= command.held + command.unused;
    }
  }

  submit(run: string, ...uses: Uses[]): void {
    const dag = new Dag(run);
    uses.forEach((each, i) => dag.add({ id: `f${i}`, code, uses: each } satisfies FunctionSpec));
    const settings = {
      maxRetries: 0,
      maxConcurrency: Infinity,
      keepGoing: false,
      kept: null,
      strategy: strategies['first-available'],
      assigned: null,
      codes: new Int32Array([0]),
    };
    this.feed({ type: 'RunSubmitted', run, plan: compile(dag), settings });
  }

  /** Answers the first thing that was asked for, if the limits allow it. */
  grant(): void {
    const [uses] = this.asked;
    const fits = (name: string): boolean => this.held[name]! + uses![name]! <= this.state.limits.get(name)!.concurrency;
    if (uses === undefined || !Object.keys(uses).every(fits)) return;
    this.asked.shift();
    for (const name in uses) this.held[name]! += uses[name]!;
    this.feed({ type: 'LimitsGranted', uses });
  }

  end(at = 0): void {
    const { id } = this.running.splice(at, 1)[0]!;
    this.feed({ type: 'FunctionsEnded', batch: id, first: 0, count: 1, exceptions: [], durations: [], random: 0 });
  }

  abort(run: string): void {
    this.feed({ type: 'RunAborted', run, reason: 'x', gently: false });
  }
}

describe('a limit that is shared', () => {
  it('starts no function before its use is granted, and asks for one function at a time', () => {
    const one = new Process();
    one.submit('x', { a: 1 }, { a: 1 }, { a: 1 });
    expect([one.running.length, one.asked]).toEqual([0, [{ a: 1 }]]);
    one.grant();
    expect([one.running.length, one.asked]).toEqual([1, [{ a: 1 }]]);
    one.grant();
    one.end();
    expect(one.held).toEqual({ a: 1, b: 0 });
  });

  it('asks at once for everything that a function uses', () => {
    const one = new Process();
    one.submit('x', { a: 2, b: 1 });
    expect(one.asked).toEqual([{ a: 2, b: 1 }]);
    one.grant();
    one.end();
    expect([one.held, one.asked]).toEqual([{ a: 0, b: 0 }, []]);
  });

  it('does not ask for a function that no thread could run', () => {
    const one = new Process(1);
    one.submit('x', { a: 1 }, { a: 1 });
    one.grant();
    expect([one.running.length, one.asked]).toEqual([1, []]);
    one.end();
    expect(one.asked).toEqual([{ a: 1 }]);
  });

  it('is no longer asked for after the run is gone, so that others do not wait for the answer', () => {
    const one = new Process();
    one.held.b = 2; // another process has it
    one.submit('x', { a: 1, b: 1 });
    one.submit('y', { a: 1 });
    expect(one.asked).toEqual([{ a: 1, b: 1 }]);
    one.abort('x');
    expect(one.asked).toEqual([{ a: 1 }]);
    one.grant();
    expect(one.running.map(({ run }) => run.id)).toEqual(['y']);
  });

  it('is given back when the run that it was granted to is gone', () => {
    const one = new Process(1);
    one.submit('w', {});
    one.end();
    one.submit('x', { a: 1 });
    one.submit('y', {}, {});
    one.grant();
    one.abort('x');
    expect(one.held).toEqual({ a: 0, b: 0 });
  });

  it('is never used beyond the grant, and is given back when no work is left', () => {
    const uses = fc.record(
      { a: fc.integer({ min: 1, max: 3 }), b: fc.integer({ min: 1, max: 2 }) },
      { requiredKeys: [] },
    );
    const step = fc.oneof(
      {
        weight: 1,
        arbitrary: fc.array(uses, { minLength: 1, maxLength: 4 }).map((all) => ({ do: 'submit', all }) as const),
      },
      { weight: 3, arbitrary: fc.constant({ do: 'grant' } as const) },
      { weight: 3, arbitrary: fc.nat(8).map((at) => ({ do: 'end', at }) as const) },
      { weight: 1, arbitrary: fc.nat(8).map((at) => ({ do: 'abort', at }) as const) },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (threads, steps) => {
        const one = new Process(threads);
        let runs = 0;
        const check = (): void => {
          for (const [name, { used }] of one.state.limits) expect(used).toBeLessThanOrEqual(one.held[name]! + 1e-6);
        };
        for (const each of steps) {
          if (each.do === 'submit') one.submit(`r${runs++}`, ...each.all);
          else if (each.do === 'grant') one.grant();
          else if (each.do === 'end' && one.running.length > 0) one.end(each.at % one.running.length);
          else if (each.do === 'abort' && runs > 0) one.abort(`r${each.at % runs}`);
          check();
        }
        for (let left = 1000; left > 0 && (one.running.length > 0 || one.asked.length > 0); left--) {
          if (one.running.length > 0) one.end();
          else one.grant();
          check();
        }
        expect(one.held).toEqual({ a: 0, b: 0 });
        expect(one.state.runs.size).toBe(0);
      }),
    );
  });
});
