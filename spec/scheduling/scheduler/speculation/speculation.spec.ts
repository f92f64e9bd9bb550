import { describe, expect, it } from 'vitest';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../../lib/index.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, Exception, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { explain } from '../../../../lib/scheduling/scheduler/explain.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type Run, type State, Status } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../../support/run-settings.ts';

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;
type CommandOf<Type extends Command['type']> = Extract<Command, { readonly type: Type }>;

interface Options {
  readonly nodes?: readonly {
    readonly name: string;
    readonly threads: number;
    readonly host?: number;
    readonly cpu?: number;
    readonly speed?: number;
  }[];
  readonly functions?: readonly Partial<FunctionSpec>[];
  readonly settings?: Partial<RunSettings>;
  /** ms that functions take on average. Default: what is typical. */
  readonly meanMs?: number;
}

const code = { module: 'file:///tasks.js', export: 'work' };
const thrown: Exception = { index: 0, kind: 'failed', error: new Error('thrown'), retryable: true };

/** Nodes, and a run of functions that typically take 10 ms, of which each is overdue after 20. */
class Machine {
  readonly state: State;
  /** All commands, in order. */
  readonly commands: Command[] = [];
  readonly run: Run;
  now = 0;

  constructor({
    nodes = [
      { name: 'a', threads: 1 },
      { name: 'b', threads: 1 },
    ],
    functions = [{}],
    settings = {},
    meanMs = 10,
  }: Options = {}) {
    this.state = createState(new SimpleResourceTracker());
    this.state.estimates.push({
      ...createEstimate(),
      mean: meanMs,
      count: 100,
      groups: 100,
      typical: 10,
      deviation: 0,
    });
    for (const { name, threads, host = 0, cpu = 4, speed = 1 } of nodes) {
      this.feed({ type: 'NodeUp', node: name, incarnation: 1, capabilities: { cpu }, speed, host });
      for (let thread = 0; thread < threads; thread++)
        this.feed({ type: 'ThreadUp', node: name, incarnation: 1, thread });
    }
    const dag = new Dag('run');
    functions.forEach((spec, k) => dag.add({ id: `f${k}`, code, ...spec }));
    const plan = compile(dag);
    this.feed({
      type: 'RunSubmitted',
      run: 'run',
      plan,
      settings: settingsOf(plan, { maxRetries: 1, speculate: { factor: 2, minMs: 5 }, ...settings }),
    });
    this.run = this.started[0]!.run;
  }

  feed(happening: Happening): Command[] {
    const commands = handle(this.state, { ...happening, now: this.now } as Event);
    validate(this.state);
    this.commands.push(...commands);
    return commands;
  }

  all<Type extends Command['type']>(type: Type): CommandOf<Type>[] {
    return this.commands.filter((command): command is CommandOf<Type> => command.type === type);
  }

  get started(): Batch[] {
    return this.all('Start').map(({ batch }) => batch);
  }

  get speculated(): Batch[] {
    return this.all('Speculated').map(({ batch }) => batch);
  }

  /** The timers that run, by when they fire. */
  get timers(): { readonly timer: number; readonly ms: number; readonly kind: string }[] {
    return this.all('SetTimer').flatMap(({ timer, ms }) =>
      this.state.timers.has(timer) ? [{ timer, ms, kind: this.state.timers.get(timer)!.kind }] : [],
    );
  }

  /** Lets time pass, and fires a timer of that kind. */
  fire(kind: string): Command[] {
    const { timer, ms } = this.timers.find((each) => each.kind === kind)!;
    this.now += ms;
    return this.feed({ type: 'TimerFired', timer });
  }

  end(batch: Batch, exception?: Exception): Command[] {
    const exceptions = exception === undefined ? [] : [{ ...exception, index: batch.done }];
    return this.feed({
      type: 'FunctionsEnded',
      batch: batch.id,
      first: batch.done,
      count: 1,
      exceptions,
      durations: [],
      random: 0.5,
    });
  }

  crash(batch: Batch, reason: 'exit' | 'killed' = 'exit'): Command[] {
    const { node, index } = batch.thread;
    return this.feed({
      type: 'ThreadDown',
      node: node.name,
      incarnation: 1,
      thread: index,
      crash: { reason },
      started: [{ batch: batch.id, started: batch.done + 1 }],
      random: 0.5,
    });
  }

  /** Waits until the first function is overdue; gives its batch, and its copy. */
  copied(): [Batch, Batch] {
    this.fire('speculate');
    return [this.started[0]!, this.speculated[0]!];
  }

  get freeCpu(): number[] {
    return this.state.nodes.map(({ name }) => (this.state.tracker as SimpleResourceTracker).free(name)['cpu']!);
  }
}

function typesOf(commands: readonly Command[]): string[] {
  return commands.map(({ type }) => type);
}

const where = (batch: Batch | undefined): string | undefined =>
  batch && `${batch.thread.node.name}:${batch.thread.index}`;

describe('a function gets a second attempt', () => {
  it('when it runs far longer than typical, and not before', () => {
    const machine = new Machine();
    expect(machine.timers).toMatchObject([{ kind: 'speculate', ms: 20 }]);
    machine.now = 19.9;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toEqual([]);
    machine.now = 20;
    machine.feed({ type: 'TimerFired', timer: machine.timers[0]!.timer });
    expect(machine.speculated.map(where)).toEqual(['b:0']);
    expect(typesOf(machine.commands).slice(-2)).toEqual(['Start', 'Speculated']);
  });

  it('on another node, even if its own has a thread that is idle', () => {
    const [, copy] = new Machine({
      nodes: [
        { name: 'a', threads: 2 },
        { name: 'b', threads: 1 },
      ],
    }).copied();
    expect(where(copy)).toBe('b:0');
  });

  it('on its own node when no other is eligible', () => {
    const [, copy] = new Machine({ nodes: [{ name: 'a', threads: 2 }], functions: [{}] }).copied();
    expect(where(copy)).toBe('a:1');
  });

  it('counted from when it could begin, not from when it was sent behind others', () => {
    const machine = new Machine({ functions: [{}, { args: ['f0'] }] });
    machine.now = 15;
    machine.end(machine.started[0]!);
    expect(machine.started).toHaveLength(2);
    machine.now = 30;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toEqual([]);
    machine.now = 35;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toHaveLength(1);
  });

  it('counted from the end of the last function before it in its batch', () => {
    // So short on average that they are sent together.
    const machine = new Machine({ nodes: [{ name: 'a', threads: 1 }], functions: [{}, {}], meanMs: 0.01 });
    machine.now = 30;
    machine.end(machine.started[0]!);
    machine.feed({ type: 'ThreadUp', node: 'a', incarnation: 1, thread: 1 });
    machine.now = 49;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toEqual([]);
    machine.now = 50;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated.map(({ functions }) => functions)).toEqual([[1]]);
  });

  it('the longest overdue first', () => {
    const machine = new Machine({
      nodes: [
        { name: 'a', threads: 2 },
        { name: 'b', threads: 1 },
      ],
      functions: [{ node: 'a' }, { node: 'a', args: [], duration: 11 }, { node: 'b' }],
    });
    machine.now = 23;
    machine.end(machine.started.find(({ thread }) => thread.node.name === 'b')!);
    expect(machine.speculated).toEqual([]); // they are pinned to a, which has no thread
    const free = new Machine({ nodes: [{ name: 'a', threads: 3 }], functions: [{ duration: 11 }, {}, {}] });
    free.now = 23;
    free.end(free.started[2]!);
    expect(free.speculated.map(({ functions }) => functions)).toEqual([[1]]);
  });

  it('not when it is known as longer than others of its code', () => {
    const machine = new Machine({ settings: { known: new Map([[0, 100]]) } });
    expect(machine.timers).toMatchObject([{ kind: 'speculate', ms: 200 }]);
    machine.end(machine.started[0]!);
  });

  it('only when no ready function could start there', () => {
    const machine = new Machine({ nodes: [{ name: 'a', threads: 2 }], functions: [{}, {}, {}, {}] });
    machine.now = 30;
    machine.end(machine.started[0]!);
    expect(machine.speculated).toEqual([]);
    expect(machine.started).toHaveLength(4);
  });

  it('only once: after the copy fails, there is no other', () => {
    const machine = new Machine();
    const [, copy] = machine.copied();
    machine.end(copy, thrown);
    machine.now = 1000;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toHaveLength(1);
  });

  it.each<[string, Options]>([
    ['a run that does not ask for it', { settings: { speculate: null } }],
    ['a function that is not idempotent', { functions: [{ idempotent: false }] }],
    ['more functions at once than a run may have', { settings: { maxConcurrency: 1 } }],
    ['another node than the one it is pinned to', { functions: [{ node: 'a' }] }],
    ['another node than that of its group', { functions: [{}, { args: ['f0'], node: { collocatedWith: 'f0' } }] }],
    ['another node than an allocator gave it', { settings: { assigned: ['a'] } }],
    [
      'a node of another host, when it is to stay on this one',
      {
        nodes: [
          { name: 'a', threads: 1 },
          { name: 'b', threads: 1, host: 1 },
        ],
        settings: { hereOnly: true },
      },
    ],
    [
      'a node that has too little',
      {
        nodes: [
          { name: 'a', threads: 1 },
          { name: 'b', threads: 1, cpu: 1 },
        ],
        functions: [{ cost: { cpu: 2 } }],
      },
    ],
  ])('never: %s', (_, options) => {
    const machine = new Machine(options);
    machine.now = 1000;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toEqual([]);
    machine.end(machine.started[0]!);
  });

  it('on another node than the planned one', () => {
    const machine = new Machine({ settings: { assigned: ['a'], movable: true } });
    expect(machine.copied().map(where)).toEqual(['a:0', 'b:0']);
  });

  it('as soon as its claim is granted', () => {
    const machine = new Machine({ functions: [{ cost: { cpu: 2 } }] });
    machine.state.tracker.request('b', { cpu: 3 }, 'somebody');
    machine.fire('speculate');
    expect(machine.speculated).toEqual([]);
    machine.state.tracker.release('b', { cpu: 3 }, 'somebody');
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toHaveLength(1);
    expect(machine.freeCpu).toEqual([2, 2]);
  });

  it('not on a draining node, but elsewhere when its own drains', () => {
    const leaving = new Machine();
    leaving.feed({ type: 'NodeDraining', node: 'b' });
    leaving.now = 50;
    leaving.feed({ type: 'ResourcesFreed' });
    expect(leaving.speculated).toEqual([]);
    const staying = new Machine();
    staying.feed({ type: 'NodeDraining', node: 'a' });
    staying.now = 50;
    staying.feed({ type: 'ResourcesFreed' });
    expect(staying.speculated.map(where)).toEqual(['b:0']);
  });

  it('not while results exceed the memory budget', () => {
    const machine = new Machine();
    machine.feed({ type: 'MemoryPressed', isPressed: true });
    machine.now = 50;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toEqual([]);
    machine.feed({ type: 'MemoryPressed', isPressed: false });
    expect(machine.speculated).toHaveLength(1);
  });

  it('not when its run is ending', () => {
    const machine = new Machine();
    machine.feed({ type: 'RunAborted', run: 'run', reason: 'enough', gently: true });
    machine.now = 50;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated).toEqual([]);
  });

  it('not while one of its inputs is lost', () => {
    const machine = new Machine({ functions: [{}, { args: ['f0'] }] });
    machine.end(machine.started[0]!);
    machine.feed({ type: 'ResultsLost', run: 'run', indexes: [0] });
    machine.now = 15; // f0 is made again, and not overdue
    machine.feed({ type: 'ResourcesFreed' });
    machine.now = 19;
    machine.feed({ type: 'ThreadUp', node: 'b', incarnation: 1, thread: 1 });
    machine.now = 21;
    machine.feed({ type: 'ResourcesFreed' });
    expect(machine.speculated.flatMap(({ functions }) => functions)).toEqual([0]);
  });
});

describe('the copy finishes first', () => {
  it('and the run continues and finishes with its result, without waiting', () => {
    const machine = new Machine({ functions: [{}, { args: ['f0'] }] });
    const [, copy] = machine.copied();
    machine.end(copy);
    expect(machine.run.status[0]).toBe(Status.done);
    expect(machine.state.nodes[machine.run.node[0]!]!.name).toBe('b');
    const last = machine.started.at(-1)!;
    expect(last.functions).toEqual([1]);
    expect(typesOf(machine.end(last))).toContain('FinishRun');
    expect(machine.state.batches.size).toBe(1);
    expect(machine.run.copies).toMatchObject({ started: 1, won: 1 });
  });

  it('and the original is asked to stop; its late answer changes nothing', () => {
    const machine = new Machine({ functions: [{ cost: { cpu: 1 } }] });
    const [first, copy] = machine.copied();
    expect(machine.freeCpu).toEqual([3, 3]);
    expect(machine.end(copy)).toContainEqual({ type: 'Cancel', batch: first, why: 'aborted' });
    expect(machine.freeCpu).toEqual([3, 4]);
    expect(typesOf(machine.end(first))).toEqual(['ClearTimer']);
    expect(machine.freeCpu).toEqual([4, 4]);
    expect(machine.all('FinishRun')).toHaveLength(1);
    expect(machine.state.timers.size).toBe(0);
  });

  it('and an original that ignores its signal is ended with its thread, which is no failure', () => {
    const machine = new Machine({ functions: [{}, { args: ['f0'] }] });
    const [first, copy] = machine.copied();
    machine.end(copy);
    expect(machine.fire('grace')).toMatchObject([{ type: 'Kill', thread: 0, batch: first.id }]);
    expect(typesOf(machine.crash(first, 'killed'))).not.toContain('Retry');
    expect(machine.run.attempts[0]).toBe(0);
    expect(machine.run.status[0]).toBe(Status.done);
  });

  it('and a late answer of the original is not taken as the result after that was lost', () => {
    const machine = new Machine({
      functions: [{}, { args: ['f0'] }],
      nodes: [
        { name: 'a', threads: 1 },
        { name: 'b', threads: 2 },
      ],
    });
    const [first, copy] = machine.copied();
    machine.end(copy);
    machine.feed({ type: 'ResultsLost', run: 'run', indexes: [0] });
    const again = machine.started.at(-1)!;
    expect(again.functions).toEqual([0]);
    machine.end(first);
    expect(machine.run.status[0]).toBe(Status.dispatched);
    machine.end(again);
    expect(machine.run.status[0]).toBe(Status.done);
  });
});

it('and the stopped attempt teaches nothing about durations', () => {
  const machine = new Machine();
  const [first, copy] = machine.copied();
  machine.end(copy);
  machine.feed({
    type: 'FunctionsEnded',
    batch: first.id,
    first: 0,
    count: 1,
    exceptions: [],
    durations: [{ code: 0, count: 1, ms: 25 }],
    random: 0,
  });
  expect(machine.state.estimates[0]).toMatchObject({ mean: 10, typical: 10 });
});

describe('the original finishes first', () => {
  it('and the copy is asked to stop', () => {
    const machine = new Machine({ functions: [{ cost: { cpu: 1 } }] });
    const [first, copy] = machine.copied();
    const commands = machine.end(first);
    expect(commands).toContainEqual({ type: 'Cancel', batch: copy, why: 'aborted' });
    expect(typesOf(commands)).toContain('FinishRun');
    expect(machine.run.copies).toMatchObject({ started: 1, won: 0 });
    machine.feed({ type: 'TakenBack', batch: copy.id, limit: 0 }); // it had not even begun
    expect(machine.freeCpu).toEqual([4, 4]);
    expect(machine.state.batches.size).toBe(0);
  });
});

describe('one of the two fails or is lost', () => {
  const ways: [string, (machine: Machine, batch: Batch) => unknown][] = [
    ['fails', (machine, batch) => machine.end(batch, thrown)],
    ['fails for good', (machine, batch) => machine.end(batch, { ...thrown, retryable: false } as Exception)],
    ['dies with its thread', (machine, batch) => machine.crash(batch)],
    [
      'dies with its node',
      (machine, batch) => machine.feed({ type: 'NodeDown', node: batch.thread.node.name, returning: false }),
    ],
    ['is given back', (machine, batch) => machine.feed({ type: 'TakenBack', batch: batch.id, limit: 0 })],
    ['lacks what it takes', (machine, batch) => machine.end(batch, { index: 0, kind: 'skipped' })],
  ];

  it.each(ways)('the original %s: the copy goes on, and no attempt is counted', (_, end) => {
    const machine = new Machine();
    const [first, copy] = machine.copied();
    end(machine, first);
    expect(machine.run).toMatchObject({ retries: 0, outcome: undefined });
    expect(machine.run.attempts[0]).toBe(0);
    expect(machine.started).toHaveLength(2);
    expect(explain(machine.state, machine.run, 0)).toMatchObject({
      kind: 'sent',
      node: 'b',
      batch: copy.id,
      attempt: 1,
    });
    expect(typesOf(machine.end(copy))).toContain('FinishRun');
    expect(machine.run.copies).toMatchObject({ won: 1, losing: 0 });
  });

  it.each(ways)('the copy %s: the original goes on, and no attempt is counted', (_, end) => {
    const machine = new Machine();
    const [first, copy] = machine.copied();
    end(machine, copy);
    expect(machine.run.attempts[0]).toBe(0);
    expect(machine.started).toHaveLength(2);
    expect(explain(machine.state, machine.run, 0)).toMatchObject({
      kind: 'sent',
      node: 'a',
      batch: first.id,
      attempt: 1,
    });
    expect(typesOf(machine.end(first))).toContain('FinishRun');
    expect(machine.run.copies).toMatchObject({ won: 0, losing: 0 });
  });

  it('both fail: one attempt is counted, and the next is tried elsewhere first', () => {
    const machine = new Machine({ settings: { maxRetries: 1 } });
    const [first, copy] = machine.copied();
    machine.end(first, thrown);
    machine.end(copy, thrown);
    expect(machine.all('Retry')).toMatchObject([{ failed: { index: 0, attempts: 1, node: 1 } }]);
    expect(where(machine.started.at(-1))).toBe('a:0');
    machine.end(machine.started.at(-1)!, thrown);
    expect(machine.all('FailRun')).toMatchObject([{ outcome: { kind: 'failed', failures: [{ attempts: 2 }] } }]);
  });

  it('both die with one node: the function runs again, and no attempt is counted', () => {
    const machine = new Machine({
      nodes: [
        { name: 'a', threads: 2 },
        { name: 'b', threads: 0 },
      ],
    });
    machine.copied();
    machine.feed({ type: 'NodeDown', node: 'a', returning: false });
    expect(machine.run.status[0]).toBe(Status.ready);
    machine.feed({ type: 'ThreadUp', node: 'b', incarnation: 1, thread: 0 });
    expect(where(machine.started.at(-1))).toBe('b:0');
    machine.end(machine.started.at(-1)!);
    expect(machine.run.attempts[0]).toBe(0);
  });

  it('the original times out: the copy has its own timeout, and no attempt is counted before that ends', () => {
    const machine = new Machine({ functions: [{ timeout: 30 }], settings: { maxRetries: 0 } });
    machine.feed({ type: 'FunctionStarted', batch: machine.started[0]!.id, index: 0 });
    const [first, copy] = machine.copied();
    machine.feed({ type: 'FunctionStarted', batch: copy.id, index: 0 });
    expect(machine.fire('timeout')).toMatchObject([
      { type: 'Cancel', batch: first, why: 'timeout' },
      { type: 'SetTimer' },
    ]);
    machine.end(first); // what it gives now is too late
    expect(machine.run.status[0]).toBe(Status.dispatched);
    machine.fire('timeout');
    expect(typesOf(machine.end(copy, thrown))).toContain('FailRun');
    expect(machine.all('Failed')).toMatchObject([{ failed: { attempts: 1, failure: { kind: 'timeout' } } }]);
  });
});

describe('a run with a copy', () => {
  it('that is aborted ends when both are gone', () => {
    const machine = new Machine();
    const [first, copy] = machine.copied();
    machine.feed({ type: 'RunAborted', run: 'run', reason: 'enough', gently: false });
    expect(machine.all('Cancel').map(({ batch }) => batch)).toEqual([first, copy]);
    expect(typesOf(machine.end(copy, thrown))).not.toContain('FailRun');
    expect(typesOf(machine.end(first, thrown))).toContain('FailRun');
    expect(machine.state.timers.size).toBe(0);
  });

  it('that drains finishes with the first of the two', () => {
    const machine = new Machine();
    const [first, copy] = machine.copied();
    machine.feed({ type: 'RunAborted', run: 'run', reason: 'enough', gently: true });
    machine.feed({ type: 'TakenBack', batch: copy.id, limit: 0 });
    expect(typesOf(machine.end(first))).toContain('FinishRun');
  });

  it('that fails waits for the slower attempt, too', () => {
    const machine = new Machine({
      nodes: [
        { name: 'a', threads: 1 },
        { name: 'b', threads: 1 },
      ],
      functions: [{}, { args: ['f0'], maxRetries: 0 }],
    });
    const [first, copy] = machine.copied();
    machine.end(copy);
    machine.end(machine.started.at(-1)!, thrown);
    expect(machine.all('FailRun')).toEqual([]);
    machine.end(first, thrown);
    expect(machine.all('FailRun')).toHaveLength(1);
  });

  it('may be followed by a run of the same id while the slower attempt is ending', () => {
    const machine = new Machine();
    const [first, copy] = machine.copied();
    machine.end(copy);
    const { plan, settings } = machine.run;
    machine.feed({ type: 'RunSubmitted', run: 'run', plan, settings });
    machine.end(first);
    expect(machine.state.runs.get('run')).toMatchObject({ unfinished: 1, outcome: undefined });
    machine.end(machine.started.at(-1)!);
    expect(machine.all('FinishRun')).toHaveLength(2);
  });

  it('leaves no timer behind', () => {
    const machine = new Machine();
    const [timer] = machine.timers;
    machine.end(machine.started[0]!);
    expect(machine.commands.at(-2)).toEqual({ type: 'ClearTimer', timer: timer!.timer });
    expect(machine.state.timers.size).toBe(0);
  });

  it('is explained with both attempts', () => {
    const machine = new Machine();
    machine.copied();
    expect(explain(machine.state, machine.run, 0)).toMatchObject({
      kind: 'sent',
      node: 'a',
      thread: 0,
      copy: { node: 'b', thread: 0 },
    });
  });
});
