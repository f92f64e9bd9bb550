/** Results of elements that are lost and cannot be made again: what becomes of them, and what is not made for nothing. */
import { expect, it } from 'vitest';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag, type FunctionSpec } from '../../../lib/index.ts';
import { SimpleResourceTracker } from '../../../lib/scheduling/resources/resource-tracker.ts';
import type { Command } from '../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, RunSettings } from '../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../lib/scheduling/scheduler/machine.ts';
import type { Answer } from '../../../lib/scheduling/scheduler/growth/span.ts';
import { type Batch, createState } from '../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../support/run-settings.ts';

const code = { module: 'file:///tasks.js', export: 'work' };

/** `list` → map `a` → map `b` → `last`, with two elements each. Results are dropped when they are read. */
class World {
  readonly state = createState(new SimpleResourceTracker(), { batchSize: 1, gangMs: 0 });
  readonly commands: Command[] = [];
  readonly ran: string[] = [];
  readonly #graphs: Readonly<Record<string, Answer>>;
  /** The functions whose attempts fail. */
  readonly failing = new Set<string>();

  constructor(
    b: Partial<FunctionSpec>,
    settings: Partial<RunSettings> = {},
    graphs: Record<string, Answer> = {},
    extra: Partial<FunctionSpec> = {},
  ) {
    this.#graphs = graphs;
    const plan = compile(
      new Dag('run')
        .add({ id: 'list', code })
        .add({ id: 'extra', code, ...extra })
        .add({ id: 'a', code, args: ['list'], map: true })
        .add({ id: 'b', code, args: ['a', 'extra'], ...b })
        .add({ id: 'last', code, args: ['b'] }),
    );
    this.state.estimates.push({ ...createEstimate(), mean: 10 });
    this.#feed({ type: 'NodeUp', node: 'n', incarnation: 1, capabilities: { cpu: 4 }, speed: 1 });
    for (let thread = 0; thread < 4; thread++) this.#feed({ type: 'ThreadUp', node: 'n', incarnation: 1, thread });
    this.#feed({
      type: 'RunSubmitted',
      run: 'run',
      plan,
      settings: settingsOf(plan, { kept: Uint8Array.of(0, 0, 0, 0, 1), ...settings }),
    });
  }

  #feed(happening: Record<string, unknown>): void {
    const commands = handle(this.state, { ...happening, now: 0 } as unknown as Event);
    validate(this.state);
    this.commands.push(...commands);
    for (const { type, index, asked } of commands as { type: string; index: number; asked: number }[]) {
      if (type === 'Grow') this.#feed({ type: 'RunGrown', run: 'run', index, asked, count: 2 });
      if (type === 'Expand')
        this.#feed({ type: 'GraphGrown', run: 'run', index, asked, answer: this.#graphs[this.#idOf(index)] });
    }
  }

  #idOf(i: number): string {
    return this.state.runs.get('run')!.plan.entries[i]!.id;
  }

  /** Ends all that runs except these, until nothing else runs. */
  work(...except: string[]): this {
    const idOf = (batch: Batch): string => this.#idOf(batch.functions[0]!);
    for (;;) {
      const batch = [...this.state.batches.values()].find((each) => !except.includes(idOf(each)));
      if (batch === undefined) return this;
      const id = idOf(batch);
      const answers = Object.hasOwn(this.#graphs, id);
      this.ran.push(id);
      this.#feed({
        type: 'FunctionsEnded',
        batch: batch.id,
        first: 0,
        count: 1,
        exceptions: answers
          ? [{ index: 0, kind: 'expanded' }]
          : this.failing.has(id)
            ? [{ index: 0, kind: 'failed', error: new Error('on purpose'), retryable: true }]
            : [],
        durations: [],
        random: 0.5,
      });
    }
  }

  /** Loses results, and ends all that runs then except one function. Returns what ran, and the errors that are results now. */
  lose(ids: string | readonly string[], except = 'b[1]'): { ran: string[]; errors: unknown[] } {
    const before = this.ran.length;
    const commands = this.commands.length;
    const { plan } = this.state.runs.get('run')!;
    this.#feed({ type: 'ResultsLost', run: 'run', indexes: [ids].flat().map((id) => plan.indexOf(id)) });
    this.work(except);
    const errors = this.commands
      .slice(commands)
      .flatMap((each) => (each.type === 'Settled' ? [[this.#idOf(each.failed.index), each.failed.failure.kind]] : []));
    return { ran: this.ran.slice(before), errors };
  }

  /** The elements whose errors are their results. */
  get settled(): string[] {
    return this.commands.flatMap((each) =>
      each.type === 'Settled' ? [each.run.plan.entries[each.failed.index]!.id] : [],
    );
  }

  /** Why it waits. */
  get timers(): string[] {
    return [...this.state.timers.values()].map(({ kind }) => kind);
  }

  get end(): string | undefined {
    return this.commands.map(({ type }) => type).find((type) => type === 'FinishRun' || type === 'FailRun');
  }
}

it('an element that is not idempotent, of a map that settles, gives its error, and its inputs are not made again', () => {
  const world = new World({ map: { settle: true }, idempotent: false }).work('b[1]');
  expect(world.lose('b[0]')).toEqual({ ran: [], errors: [['b[0]', 'begun']] });
  expect(world.work().ran.slice(-2)).toEqual(['b[1]', 'last']);
  expect(world.end).toBe('FinishRun');
});

it('an element of such a map that was lost too often gives its error, too', () => {
  const world = new World({ map: { settle: true } }, { maxResultLosses: 1 }).work('b[1]');
  expect(world.lose('b[0]')).toEqual({ ran: ['list', 'a[0]', 'b[0]'], errors: [] });
  expect(world.lose('b[0]')).toEqual({ ran: [], errors: [['b[0]', 'lost']] });
  expect(world.work().end).toBe('FinishRun');
});

it('the error of a function of its graph takes the place of the result of an element that settles', () => {
  const graph = compile(new Dag('graph').add({ id: 'x', code }).add({ id: 'y', code, args: ['x'], idempotent: false }));
  const answer = { plan: graph, shape: 1, codes: new Int32Array(1) };
  const world = new World({ map: { settle: true } }, {}, { 'b[0]': answer }).work('b[1]');
  expect(world.lose('b[0]/y')).toEqual({ ran: [], errors: [['b[0]', 'begun']] });
  expect(world.lose('b[0]/y')).toEqual({ ran: [], errors: [] });
  expect(world.work().end).toBe('FinishRun');
});

it('nothing of a graph is recomputed when another of its results is lost together with the one that settles', () => {
  const graph = compile(new Dag('graph').add({ id: 'x', code }).add({ id: 'y', code, idempotent: false }));
  const answer = { plan: graph, shape: [0, 1], codes: new Int32Array(1) };
  const world = new World({ map: { settle: true } }, {}, { 'b[0]': answer }).work('b[1]');
  expect(world.lose(['b[0]/x', 'b[0]/y'])).toEqual({ ran: [], errors: [['b[0]', 'begun']] });
  expect(world.work().end).toBe('FinishRun');
});

it('the inputs of an element that fails because its result is lost are not recomputed', () => {
  const world = new World({ map: true, idempotent: false }, { keepGoing: true }).work('b[1]');
  expect(world.lose('b[0]')).toEqual({ ran: [], errors: [] });
  expect(world.work().ran.at(-1)).toBe('b[1]');
  expect(world.end).toBe('FailRun');
});

it('an element that is given up gives its place in the map to the next one', () => {
  const world = new World({ map: { concurrency: 1 }, maxRetries: 1, retryDelay: 50 }, { keepGoing: true });
  world.failing.add('b[0]');
  expect(world.work().ran.at(-1)).toBe('b[0]');
  world.failing.add('a[0]');
  expect(world.lose('a[0]').ran).toEqual(['list', 'a[0]']);
  expect(world.timers, 'it is not tried again').toEqual([]);
  expect(world.work().ran.at(-1)).toBe('b[1]');
  expect(world.end).toBe('FailRun');
});

it('a map whose graph is recomputed finishes although the inputs of its elements cannot be recomputed', () => {
  const graph = compile(new Dag('graph').add({ id: 'x', code }));
  const answer = { plan: graph, shape: 0, codes: new Int32Array(1) };
  const world = new World({ map: true }, { keepGoing: true, kept: null }, { 'b[0]': answer }, { idempotent: false });
  world.work('last');
  world.lose('extra', 'last');
  expect(world.lose('b[0]/x', 'last').ran).toEqual(['b[0]/x']);
  expect(world.work().end).toBe('FailRun');
});

it('the error of an element of a map inside the graph of an element that settles is the result of that', () => {
  const dag = new Dag('graph').add({ id: 'x', code }).add({ id: 'y', code, args: ['x'], map: true });
  const answer = { plan: compile(dag), shape: 1, codes: new Int32Array(1) };
  const world = new World({ map: { settle: true } }, {}, { 'b[0]': answer });
  world.failing.add('b[0]/y[1]');
  expect(world.work().end).toBe('FinishRun');
  expect(world.settled).toEqual(['b[0]']);
});
