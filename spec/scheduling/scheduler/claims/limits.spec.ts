/** Limits of the program: how much functions of all runs may hold at a time, and start per second. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strategies } from '../../../../lib/scheduling/allocation/strategy.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import { resolveLimits } from '../../../../lib/scheduling/resources/limits.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, Exception } from '../../../../lib/scheduling/scheduler/events.ts';
import { explain } from '../../../../lib/scheduling/scheduler/explain.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type State } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { play, randomScenario } from '../../../../lib/scheduling/simulation/scenario.ts';
import { simulate, type SimulateOptions } from '../../../../lib/simulate.ts';
import { thrownBy } from '../../../support/handoff.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const nodes = [
  { name: 'a', capabilities: {}, threads: 4 },
  { name: 'b', capabilities: {}, threads: 4 },
];

function startsOf(count: number, spec: Partial<FunctionSpec>, options: Partial<SimulateOptions>): number[] {
  const dag = new Dag('run');
  for (let i = 0; i < count; i++) dag.add({ id: `f${i}`, code, duration: 10, ...spec });
  return simulate(dag, { nodes, ...options })
    .schedule.map(({ start }) => start)
    .sort((a, b) => a - b);
}

describe.each(['first-available', 'load-balanced', 'time-optimized', 'cost-optimized'] as const)(
  'a limit, with %s,',
  (allocationStrategy) => {
    it('holds its concurrency across all nodes', () => {
      const starts = startsOf(7, { uses: ['db'] }, { limits: { db: 3 }, allocationStrategy });
      expect(starts).toEqual([0, 0, 0, 10, 10, 10, 20]);
    });

    it('spreads starts by its rate', () => {
      const starts = startsOf(5, { uses: ['api'] }, { limits: { api: { perSecond: 20 } }, allocationStrategy });
      expect(starts.map(Math.round)).toEqual([0, 50, 100, 150, 200]);
    });
  },
);

describe('a limit', () => {
  it('lets a burst start at once, then follows its rate', () => {
    const starts = startsOf(6, { uses: ['api'] }, { limits: { api: { perSecond: 10, burst: 3 } } });
    expect(starts.map(Math.round)).toEqual([0, 0, 0, 100, 200, 300]);
  });

  it('counts amounts, also one that is more than its burst', () => {
    expect(startsOf(4, { uses: { db: 2 } }, { limits: { db: 5 } })).toEqual([0, 0, 10, 10]);
    expect(startsOf(3, { uses: { api: 5 } }, { limits: { api: { perSecond: 10 } } }).map(Math.round)).toEqual([
      0, 500, 1000,
    ]);
  });

  it('does not hold functions that do not use it', () => {
    const dag = new Dag('run');
    for (let i = 0; i < 3; i++) dag.add({ id: `f${i}`, code, duration: 10, uses: ['db'] });
    for (let i = 0; i < 3; i++) dag.add({ id: `free${i}`, code, duration: 10 });
    const { schedule } = simulate(dag, { nodes, limits: { db: 1 } });
    expect(schedule.filter(({ functionId, start }) => functionId.startsWith('free') && start === 0)).toHaveLength(3);
  });

  it('holds all limits of a function, or none', () => {
    const starts = startsOf(4, { uses: { db: 1, api: 1 } }, { limits: { db: 4, api: 2 } });
    expect(starts).toEqual([0, 0, 10, 10]);
  });

  it('counts every attempt towards the rate, and gives back what failed attempts held', () => {
    const dag = new Dag('run').add({ id: 'f', code, duration: 10, uses: ['api', 'db'] });
    const { schedule, outcome } = simulate(dag, {
      nodes,
      limits: { api: { perSecond: 10 }, db: 1 },
      faults: { failure: 1 },
      maxRetries: 2,
    });
    expect(outcome.ok).toBe(false);
    expect(schedule.map(({ start }) => Math.round(start))).toEqual([0, 100, 200]);
  });

  it('that is unknown is refused, with the closest known name', () => {
    const dag = new Dag('run').add({ id: 'f', code, uses: ['dbb'] });
    expect(thrownBy(() => simulate(dag, { nodes, limits: { db: 1, api: 2 } }))).toMatchObject({
      code: 'INVALID_FUNCTION',
      functionId: 'f',
      limit: 'dbb',
      suggestion: 'db',
      message: `Function "f" uses limit "dbb", which is not declared. Declared limits: db, api. Did you mean "db"?`,
    });
    expect(thrownBy(() => simulate(dag, { nodes }))).toMatchObject({
      code: 'INVALID_FUNCTION',
      message: expect.stringContaining('declare it with the option limits of Handoff.start'),
    });
  });

  it('that could never allow what a function uses is refused', () => {
    const dag = new Dag('run').add({ id: 'f', code, uses: { db: 3 } });
    expect(thrownBy(() => simulate(dag, { nodes, limits: { db: 2 } }))).toMatchObject({
      code: 'ALLOCATION_ERROR',
      functionId: 'f',
      message: 'Function "f" uses 3 of limit "db", which allows 2 at a time. Lower what it uses, or raise the limit.',
    });
  });

  it.each([
    [{ db: 0 }],
    [{ db: -1 }],
    [{ db: {} }],
    [{ db: { concurrency: 2, rate: 1 } }],
    [{ db: { burst: 2 } }],
    [{ '': 1 }],
    [[1]],
  ])('that is malformed is refused: %j', (limits) => {
    const dag = new Dag('run').add({ id: 'f', code });
    expect(thrownBy(() => simulate(dag, { nodes, limits: limits as never }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'limits',
    });
  });

  it.each([['db'], [{ db: 0 }], [[1]], [['']]])('is not used by a malformed field: %j', (uses) => {
    expect(thrownBy(() => new Dag('run').add({ id: 'f', code, uses: uses as never }))).toMatchObject({
      code: 'INVALID_FUNCTION',
      functionId: 'f',
      message: expect.stringContaining('uses must be names of limits, or amounts by name'),
    });
  });

  it('is not used by inline functions, which run inside their dependents', () => {
    const dag = new Dag('run').add({ id: 'f', code, type: 'inline', uses: ['db'] }).add({ id: 'g', code, args: ['f'] });
    expect(dag.validate()).toMatchObject({ ok: false, error: { code: 'INVALID_INLINE_FUNCTION', functionId: 'f' } });
  });
});

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

/** A scheduler whose functions end when a spec says so. */
class Machine {
  readonly state: State;
  now = 0;
  readonly #sent: { readonly batch: Batch; readonly id: string }[] = [];

  constructor(limits: Parameters<typeof resolveLimits>[0]) {
    this.state = createState(new SimpleResourceTracker(), {}, resolveLimits(limits));
    this.state.estimates.push({ ...createEstimate(), mean: 0.01, count: 100 });
    this.feed({ type: 'NodeUp', node: 'a', incarnation: 1, capabilities: { mem: 4 }, speed: 1 });
    for (let thread = 0; thread < 6; thread++) this.feed({ type: 'ThreadUp', node: 'a', incarnation: 1, thread });
  }

  feed(happening: Happening): void {
    const commands = handle(this.state, { ...happening, now: this.now } as Event);
    validate(this.state);
    for (const command of commands)
      if (command.type === 'Start')
        for (const i of command.batch.functions)
          this.#sent.push({ batch: command.batch, id: command.batch.run.plan.entries[i]!.id });
  }

  submit(run: string, functions: readonly Partial<FunctionSpec>[]): void {
    const dag = new Dag(run);
    functions.forEach((spec, i) => dag.add({ id: `${run}${i}`, code, ...spec }));
    const plan = compile(dag);
    this.feed({
      type: 'RunSubmitted',
      run,
      plan,
      settings: {
        maxRetries: 1,
        maxConcurrency: Infinity,
        keepGoing: false,
        kept: null,
        strategy: strategies['first-available'],
        assigned: null,
        codes: new Int32Array([0]),
      },
    });
  }

  end(id: string, exceptions: readonly Exception[] = []): void {
    const at = this.#sent.findLastIndex((each) => each.id === id);
    const { batch } = this.#sent.splice(at, 1)[0]!;
    this.feed({ type: 'FunctionsEnded', batch: batch.id, first: 0, count: 1, exceptions, durations: [], random: 0 });
  }

  threadOf(id: string): number {
    return this.#sent.findLast((each) => each.id === id)!.batch.thread.index;
  }

  get running(): string[] {
    return this.#sent.map(({ id }) => id).filter((id) => this.isOpen(id));
  }

  isOpen(id: string): boolean {
    return this.state.batches.has(this.#sent.findLast((each) => each.id === id)!.batch.id);
  }

  used(name: string): number {
    return this.state.limits.get(name)!.used;
  }
}

const db = { uses: ['db'] };

describe('a limit that runs share', () => {
  it('counts all of them', () => {
    const machine = new Machine({ db: 2 });
    machine.submit('x', [db, db]);
    machine.submit('y', [db]);
    expect(machine.running).toEqual(['x0', 'x1']);
    machine.end('x0');
    expect(machine.running).toEqual(['x1', 'y0']);
  });

  it('goes first to the function that waits for more than is free', () => {
    const machine = new Machine({ db: 3 });
    machine.submit('x', [db, db, db]);
    machine.submit('large', [{ uses: { db: 3 } }]);
    machine.submit('y', [db, db]);
    for (const id of ['x0', 'x1']) machine.end(id);
    expect(machine.running).toEqual(['x2']);
    machine.end('x2');
    expect(machine.running).toEqual(['large0']);
    machine.end('large0');
    expect(machine.running).toEqual(['y0', 'y1']);
  });

  it('passes to the next in line while something else holds back the first', () => {
    const machine = new Machine({ db: 2 });
    machine.submit('x', [db, { cost: { mem: 4 }, duration: 100 }]);
    machine.submit('first', [{ uses: { db: 2 }, cost: { mem: 4 } }]);
    machine.submit('y', [db]);
    machine.end('x0');
    expect(machine.running).toEqual(['x1', 'y0']);
    expect(machine.used('db')).toBe(1);
  });

  it('is given back when an attempt fails, its thread dies, its node is lost or its run is aborted', () => {
    const machine = new Machine({ db: 1 });
    machine.submit('x', [db]);
    machine.end('x0', [{ index: 0, kind: 'failed', error: new Error('thrown'), retryable: true }]);
    expect(machine.used('db')).toBe(1); // the next attempt
    const death = { type: 'ThreadDown', node: 'a', incarnation: 1, started: [], random: 0 } as const;
    machine.feed({ ...death, thread: machine.threadOf('x0'), crash: { reason: 'killed' } });
    expect(machine.used('db')).toBe(1); // again
    machine.feed({ type: 'NodeDown', node: 'a', returning: true });
    expect(machine.used('db')).toBe(0);
    machine.feed({ type: 'NodeUp', node: 'a', incarnation: 2, capabilities: { mem: 4 }, speed: 1 });
    machine.feed({ type: 'ThreadUp', node: 'a', incarnation: 2, thread: 0 });
    expect(machine.used('db')).toBe(1);
    machine.feed({ type: 'RunAborted', run: 'x', reason: 'aborted', gently: false });
    machine.end('x0', [{ index: 0, kind: 'failed', error: new Error('aborted'), retryable: true }]);
    expect(machine.used('db')).toBe(0);
    expect(machine.state.runs.size).toBe(0);
  });

  it('explains how much is missing, what holds it and what comes first', () => {
    const machine = new Machine({ db: 2, api: { perSecond: 10 } });
    machine.submit('x', [db]);
    machine.submit('large', [{ uses: { db: 2 } }]);
    machine.submit('y', [db]);
    machine.submit('z', [{ uses: ['api'] }, { uses: ['api'] }]);
    const of = (run: string, i: number) => explain(machine.state, machine.state.runs.get(run)!, i, machine.now);
    expect(of('large', 0)).toMatchObject({
      kind: 'limit',
      limits: [{ name: 'db', amount: 2, ms: Infinity, holders: [{ run: { id: 'x' } }], first: null }],
    });
    expect(of('y', 0)).toMatchObject({ kind: 'limit', limits: [{ ms: 0, first: { run: { id: 'large' } } }] });
    expect(of('z', 1)).toMatchObject({ kind: 'limit', limits: [{ name: 'api', ms: 100 }] });
  });
});

it('no limit is exceeded or left in use, whatever fails, times out, dies, is copied or aborted', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const spec = randomScenario(seed, 40);
      fc.pre(spec.limits !== undefined);
      play(spec); // checks limits after every event and at the end
    }),
    { numRuns: 60 },
  );
});
