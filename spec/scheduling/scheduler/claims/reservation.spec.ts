/** Functions that claim much beside many that claim little: nothing is passed forever, and little waits for nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strategies } from '../../../../lib/scheduling/allocation/strategy.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import type { LimitRule } from '../../../../lib/scheduling/resources/limits.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { explain } from '../../../../lib/scheduling/scheduler/explain.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type State } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { noFaults } from '../../../../lib/scheduling/simulation/faults.ts';
import { Simulation } from '../../../../lib/scheduling/simulation/simulation.ts';
import { simulate } from '../../../../lib/simulate.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const node = { name: 'a', capabilities: { mem: 4 } as Record<string, number>, threads: 4 };
const settings: RunSettings = {
  maxRetries: 0,
  maxConcurrency: Infinity,
  keepGoing: false,
  kept: null,
  strategy: strategies['first-available'],
  assigned: null,
  codes: new Int32Array([0]),
};

describe('an urgent function among 200 that claim less', () => {
  for (const allocationStrategy of ['first-available', 'load-balanced', 'time-optimized', 'cost-optimized'] as const)
    for (const mem of [4, 2])
      for (const duration of [undefined, 10])
        it(`starts within 8 starts: ${allocationStrategy}, claim ${mem}, duration ${duration ?? 'unknown'}`, () => {
          const dag = new Dag('run').add({ id: 'first', code, duration });
          for (let i = 0; i < 200; i++)
            dag.add({ id: `small${i}`, code, cost: { mem: 1 }, duration: duration && duration + (i % 7) });
          dag.add({ id: 'urgent', code, args: ['first'], cost: { mem }, priority: 1000, duration });
          const { schedule } = simulate(dag, { nodes: [node], allocationStrategy });
          const readyAt = schedule.find(({ functionId }) => functionId === 'first')!.finish;
          const startedAt = schedule.find(({ functionId }) => functionId === 'urgent')!.start;
          const between = schedule.filter(({ start }) => start >= readyAt && start < startedAt);
          expect(between.length).toBeLessThan(8);
        });
});

/** Clients that each run one DAG of one function after the other, in virtual time. */
class Clients {
  readonly #startedAt = new Map<string, number>();
  readonly #simulation: Simulation;
  readonly #again = new Map<string, { readonly spec: Partial<FunctionSpec>; readonly until: number }>();
  #next = 0;

  constructor(durationOf: (id: string) => number) {
    this.#simulation = new Simulation(
      {
        seed: 1,
        nodes: [{ ...node, speed: 1 }],
        faults: noFaults,
        latency: 0,
        bandwidth: Infinity,
        tuning: {},
        durationOf: (plan, i) => durationOf(plan.entries[i]!.id),
        checked: true,
      },
      {
        began: ({ id }, _i, _node, _attempt, at) => void this.#startedAt.set(id, at),
        handled: (_event, commands) => {
          for (const command of commands) {
            if (command.type !== 'FinishRun') continue;
            const { id } = command.run.plan.entries[0]!;
            const again = this.#again.get(id);
            if (again !== undefined && this.#simulation.eventQueue.now < again.until) this.submit(id, again.spec);
          }
        },
      },
    );
  }

  /** Submits a run of one function. */
  submit(id: string, spec: Partial<FunctionSpec>, at = 0): string {
    const plan = compile(new Dag(`${id}/${this.#next++}`).add({ id, code, ...spec }));
    this.#simulation.submit(plan, settings, at);
    return plan.dagId;
  }

  /** Submits a run, and another after each of these runs until a time. */
  repeat(id: string, spec: Partial<FunctionSpec>, until: number): void {
    this.#again.set(id, { spec, until });
    this.submit(id, spec);
  }

  startsOf(...runs: readonly string[]): number[] {
    this.#simulation.run();
    return runs.map((id) => this.#startedAt.get(id)!);
  }
}

describe('a large claim among runs of eight clients that claim less', () => {
  it('starts within five times the duration of a small function, whatever the time and the spread of durations', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer(),
        (at, spread, seed) => {
          let turn = seed >>> 0;
          const next = (): number => (turn = (turn * 1664525 + 1013904223) >>> 0) / 2 ** 32;
          const clients = new Clients((id) => (id === 'large' ? 50 : 50 - spread / 2 + spread * next()));
          for (let i = 0; i < 8; i++) clients.repeat(`small${i}`, { cost: { mem: 1 } }, 2_000);
          const [start] = clients.startsOf(clients.submit('large', { cost: { mem: 4 } }, at));
          expect(start! - at).toBeLessThanOrEqual(5 * 50);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('comes before a large claim of a later run, and each starts eventually', () => {
    const clients = new Clients(() => 20);
    for (let i = 0; i < 8; i++) clients.repeat(`small${i}`, { cost: { mem: 1 } }, 2_000);
    const later = [30, 31, 32].map((at) => clients.submit('large', { cost: { mem: 3 } }, at));
    const starts = clients.startsOf(...later);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts.at(-1)! - 30).toBeLessThan(3 * 5 * 20);
  });
});

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

/** A scheduler whose functions end when a spec says so. */
class Machine {
  readonly state: State;
  now = 0;
  readonly #sent: { readonly batch: Batch; readonly id: string }[] = [];
  readonly commands: Command[] = [];

  constructor(tracker = new SimpleResourceTracker(), nodes = [node], limits: Readonly<Record<string, LimitRule>> = {}) {
    this.state = createState(tracker, { batchSize: 1 }, limits);
    for (const { name, capabilities, threads } of nodes) {
      this.feed({ type: 'NodeUp', node: name, incarnation: 1, capabilities, speed: 1 });
      for (let thread = 0; thread < threads; thread++)
        this.feed({ type: 'ThreadUp', node: name, incarnation: 1, thread });
    }
  }

  feed(happening: Happening): void {
    const commands = handle(this.state, { ...happening, now: this.now } as Event);
    validate(this.state);
    this.commands.push(...commands);
    for (const command of commands)
      if (command.type === 'Start') {
        const { batch } = command;
        this.#sent.push({ batch, id: batch.run.plan.entries[batch.functions[0]!]!.id });
      }
  }

  /** Submits functions of codes of their own, so that nothing is known about one by another. */
  submit(run: string, functions: readonly Partial<FunctionSpec>[], more: Partial<RunSettings> = {}): void {
    const dag = new Dag(run);
    functions.forEach((spec, i) => dag.add({ id: `${run}${i}`, code: { ...code, export: `${run}${i}` }, ...spec }));
    const plan = compile(dag);
    const codes = Int32Array.from(plan.codes, () => this.state.estimates.push(createEstimate()) - 1);
    this.feed({ type: 'RunSubmitted', run, plan, settings: { ...settings, codes, ...more } });
  }

  end(...ids: readonly string[]): void {
    for (const id of ids) {
      const at = this.#sent.findIndex((each) => each.id === id);
      const { batch } = this.#sent.splice(at, 1)[0]!;
      this.feed({
        type: 'FunctionsEnded',
        batch: batch.id,
        first: 0,
        count: 1,
        exceptions: [],
        durations: [],
        random: 0,
      });
    }
  }

  get running(): string[] {
    return this.#sent.map(({ id }) => id);
  }
}

const small = (count: number, duration?: number): Partial<FunctionSpec>[] =>
  Array.from({ length: count }, () => ({ cost: { mem: 1 }, duration }));

describe('a reservation', () => {
  it('lets at most four pass while no duration is known', () => {
    const machine = new Machine();
    machine.submit('s', small(20));
    machine.submit('large', [{ cost: { mem: 4 } }]);
    for (let i = 0; i < 8; i++) machine.end(`s${i}`);
    expect(machine.running).toEqual(['large0']);
  });

  it('lets functions pass that should end before the node is free, and no others', () => {
    const machine = new Machine();
    machine.submit('long', [{ cost: { mem: 3 }, duration: 100 }]);
    machine.submit('large', [{ cost: { mem: 4 }, duration: 10 }]);
    machine.now = 10;
    machine.submit('longer', small(1, 95));
    machine.submit('shorter', small(2, 45));
    expect(machine.running).toEqual(['long0', 'shorter0']);
    machine.now = 55;
    machine.end('shorter0');
    expect(machine.running).toEqual(['long0', 'shorter1']);
    machine.now = 100;
    machine.end('shorter1', 'long0');
    expect(machine.running).toEqual(['large0']);
    machine.now = 110;
    machine.end('large0');
    expect(machine.running).toEqual(['longer0']);
  });

  it.each([1, 10, 50])('is not passed forever by functions that take 100 ms instead of the expected %i', (duration) => {
    const machine = new Machine();
    machine.submit('s', small(40, duration));
    machine.submit('large', [{ cost: { mem: 4 }, duration: 10 }]);
    let starts = 0;
    for (; !machine.running.includes('large0'); starts++) {
      machine.now += 25;
      machine.end(machine.running[0]!);
    }
    expect(starts).toBeLessThanOrEqual(12);
  });

  it('lets functions pass that leave enough for it, however long they take', () => {
    const machine = new Machine(undefined, [{ ...node, capabilities: { mem: 4, gpu: 1 }, threads: 6 }]);
    machine.submit('long', [{ cost: { mem: 3 }, duration: 100 }]);
    machine.submit('large', [{ cost: { mem: 3 }, duration: 10 }]);
    machine.submit('beside', [
      { cost: { mem: 1 }, duration: 1e6 },
      { cost: { gpu: 1 }, duration: 1e6 },
      { duration: 1e6 },
    ]);
    expect(machine.running).toEqual(['long0', 'beside0', 'beside1', 'beside2']);
    machine.now = 100;
    machine.end('long0');
    expect(machine.running).toContain('large0');
  });

  it('gives way to an earlier function of its run', () => {
    const machine = new Machine();
    machine.submit('run', [
      { cost: { mem: 2 }, duration: 50 },
      { cost: { mem: 1 }, duration: 20 },
      { cost: { mem: 4 }, duration: 10 },
      { cost: { mem: 1 }, duration: 500, args: ['run1'], priority: 1 },
    ]);
    machine.now = 20;
    machine.end('run1');
    expect(machine.running).toEqual(['run0', 'run3']);
  });

  it('ends with its run, and functions that waited for it start', () => {
    const machine = new Machine();
    machine.submit('long', [{ cost: { mem: 3 }, duration: 100 }]);
    machine.submit('large', [{ cost: { mem: 4 }, duration: 10 }]);
    machine.submit('longer', small(1, 500));
    expect(machine.running).toEqual(['long0']);
    machine.feed({ type: 'RunAborted', run: 'large', reason: 'aborted', gently: false });
    expect(machine.running).toEqual(['long0', 'longer0']);
  });

  it('moves to another node when its own is lost', () => {
    const machine = new Machine(undefined, [node, { ...node, name: 'b' }]);
    machine.submit('a', [{ cost: { mem: 1 }, duration: 10, node: 'a' }]);
    machine.submit('b', [{ cost: { mem: 1 }, duration: 500, node: 'b' }]);
    machine.submit('large', [{ cost: { mem: 4 }, duration: 10 }]);
    expect(machine.state.reservation?.node.name).toBe('a');
    machine.feed({ type: 'NodeDown', node: 'a', returning: true });
    expect(machine.state.reservation?.node.name).toBe('b');
    machine.submit('longer', small(1, 1e4));
    expect(machine.running).not.toContain('longer0');
  });

  it('pauses when the tracker refuses although no claim of this scheduler is in the way', () => {
    class Shared extends SimpleResourceTracker {
      override request(name: string, cost: Readonly<Record<string, number>>): boolean {
        return (cost['mem'] ?? 0) < 4 && super.request(name, cost);
      }
    }
    const machine = new Machine(new Shared());
    machine.submit('s', small(1, 100));
    machine.submit('large', [{ cost: { mem: 4 }, duration: 10 }]);
    machine.submit('longer', small(3, 500));
    expect(machine.running).toEqual(['s0']);
    machine.now = 100;
    machine.end('s0');
    expect(machine.running).toEqual(['longer0', 'longer1', 'longer2']);
  });

  it('does not keep a node free for a run that already uses all its threads', () => {
    const machine = new Machine(undefined, [node, { ...node, name: 'b' }]);
    machine.submit('other', [{ cost: { mem: 1 }, duration: 100, node: 'a' }]);
    const pinned = { cost: { mem: 4 }, duration: 10, node: 'a' };
    machine.submit('run', [pinned, { cost: { mem: 1 }, duration: 1e4, node: 'b' }], { maxConcurrency: 1 });
    expect(machine.running).toEqual(['other0', 'run1']);
    machine.submit('longer', [{ cost: { mem: 1 }, duration: 1e4, node: 'a' }]);
    expect(machine.running).toContain('longer0');
  });

  it('is dropped while its function waits for a limit behind another function, which may need the node', () => {
    const slots = { concurrency: 1, perSecond: Infinity, burst: Infinity };
    const machine = new Machine(
      undefined,
      [
        { ...node, threads: 2 },
        { ...node, name: 'b' },
      ],
      { slots },
    );
    const uses = ['slots'];
    machine.submit('holder', [{ uses, node: 'b' }]);
    machine.submit('others', [
      { cost: { mem: 1 }, duration: 100, node: 'a' },
      { duration: 1e6, node: 'a' },
    ]);
    machine.submit('first', [{ uses, cost: { mem: 2 }, duration: 1e4, node: 'a' }]);
    machine.end('holder0'); // no thread is free for what is first in line
    machine.submit('large', [{ uses, cost: { mem: 4 }, duration: 10, node: 'a' }]);
    expect(machine.state.reservation?.run.id).toBe('large');
    machine.now = 100;
    machine.end('others0');
    expect(machine.running).toEqual(['others1', 'first0']);
    machine.now = 1e4;
    machine.end('first0');
    expect(machine.running).toEqual(['others1', 'large0']);
  });

  it('takes back functions of other runs that wait on its node behind running ones', () => {
    const machine = new Machine(undefined, [{ ...node, threads: 1 }]);
    const tracked = (machine.state as { tuning: object }).tuning;
    Object.assign(tracked, { batchSize: 100 });
    machine.state.estimates.push({ ...createEstimate(), mean: 0.01, count: 100 });
    const dag = new Dag('many');
    for (let i = 0; i < 40; i++) dag.add({ id: `m${i}`, code, cost: { mem: 1 } });
    machine.feed({
      type: 'RunSubmitted',
      run: 'many',
      plan: compile(dag),
      settings: { ...settings, codes: new Int32Array([machine.state.estimates.length - 1]) },
    });
    machine.commands.length = 0;
    machine.submit('large', [{ cost: { mem: 4 } }]);
    machine.feed({ type: 'ThreadUp', node: 'a', incarnation: 1, thread: 1 });
    expect(machine.commands).toContainEqual(expect.objectContaining({ type: 'TakeBack' }));
  });

  it('meets no queue of short functions, because those are sent one by one while it waits', () => {
    const machine = new Machine();
    Object.assign(machine.state.tuning, { batchSize: 100 });
    machine.state.estimates.push({ ...createEstimate(), mean: 0.001, count: 100 });
    const dag = new Dag('run').add({ id: 'first', code });
    for (let i = 0; i < 40; i++) dag.add({ id: `s${i}`, code, cost: { mem: 1 } });
    dag.add({ id: 'urgent', code, args: ['first'], cost: { mem: 4 }, priority: 1000 });
    const codes = new Int32Array([machine.state.estimates.length - 1]);
    machine.feed({ type: 'RunSubmitted', run: 'run', plan: compile(dag), settings: { ...settings, codes } });
    machine.now = 0.1;
    machine.end('first');
    expect(machine.state.reservation).not.toBeNull();
    machine.now = 0.2;
    machine.end(...machine.running);
    expect(machine.running).toEqual(['urgent']);
  });

  it('is what explain names for functions that wait for it', () => {
    const machine = new Machine();
    machine.submit('long', [{ cost: { mem: 3 }, duration: 100 }]);
    machine.submit('large', [{ cost: { mem: 4 }, duration: 10 }]);
    machine.submit('longer', small(1, 500));
    const [run, large] = [machine.state.runs.get('longer')!, machine.state.runs.get('large')!];
    expect(explain(machine.state, run, 0)).toMatchObject({
      kind: 'room',
      candidates: [{ lacks: [], reservedFor: { run: large, index: 0 } }],
    });
    expect(explain(machine.state, large, 0)).toMatchObject({
      kind: 'room',
      candidates: [{ lacks: [{ resource: 'mem', needs: 4, free: 1 }] }],
    });
  });
});
