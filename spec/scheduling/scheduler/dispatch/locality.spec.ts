/** Where functions go that take large results of other hosts, step by step. */
import { describe, expect, it } from 'vitest';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../../lib/dag/dag.ts';
import type { FunctionSpec } from '../../../../lib/dag/types.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { createState, type Batch } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../../support/run-settings.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const mib = 2 ** 20;
type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

/** Two hosts of one node with one thread each, named after their numbers. */
class Cluster {
  readonly state = createState(new SimpleResourceTracker(), { batchSize: 1 });
  readonly running = new Map<string, Batch>();
  now = 0;
  timers: { readonly timer: number; readonly at: number }[] = [];

  constructor() {
    this.state.estimates.push(createEstimate());
    for (const host of [1, 2]) {
      this.feed({ type: 'NodeUp', node: `n${host}`, incarnation: 1, capabilities: {}, speed: 1, host });
      this.feed({ type: 'ThreadUp', node: `n${host}`, incarnation: 1, thread: 0 });
    }
  }

  submit(functions: readonly Omit<FunctionSpec, 'code'>[], more: Partial<RunSettings> = {}): void {
    const dag = new Dag('d');
    for (const each of functions) dag.add({ code, ...each } as FunctionSpec);
    const plan = compile(dag);
    this.feed({
      type: 'RunSubmitted',
      run: 'd',
      plan,
      settings: settingsOf(plan, more),
    });
  }

  /** A function ends after some ms, with a result of so many bytes. */
  end(id: string, ms: number, bytes: number): void {
    this.now += ms;
    const batch = this.running.get(id)!;
    this.running.delete(id);
    this.feed({
      type: 'FunctionsEnded',
      batch: batch.id,
      first: 0,
      count: 1,
      exceptions: [],
      durations: [],
      random: 0,
      ...(bytes > 0 && { large: [{ index: 0, bytes }] }),
    });
  }

  /** Lets time pass until the next timer. */
  wait(): void {
    this.timers.sort((a, b) => a.at - b.at);
    const { timer, at } = this.timers.shift()!;
    this.now = at;
    this.feed({ type: 'TimerFired', timer });
  }

  where(id: string): string | undefined {
    return this.running.get(id)?.thread.node.name;
  }

  feed(happening: Happening): void {
    for (const command of handle(this.state, { ...happening, now: this.now } as Event)) this.#note(command);
    validate(this.state);
  }

  #note(command: Command): void {
    if (command.type === 'Start')
      this.running.set(command.batch.run.plan.entries[command.batch.functions[0]!]!.id, command.batch);
    if (command.type === 'SetTimer') this.timers.push({ timer: command.timer, at: this.now + command.ms });
    if (command.type === 'ClearTimer') this.timers = this.timers.filter(({ timer }) => timer !== command.timer);
  }
}

describe('a function that takes a large result', () => {
  it('runs on the host that holds it, although another is declared first', () => {
    const cluster = new Cluster();
    cluster.submit([
      { id: 'made', node: 'n2' },
      { id: 'reads', args: ['made'] },
    ]);
    cluster.end('made', 10, 64 * mib);
    expect(cluster.where('reads')).toBe('n2');
  });

  it('runs there for a small one too, and anywhere for a plain value', () => {
    const cluster = new Cluster();
    cluster.submit([
      { id: 'made', node: 'n2' },
      { id: 'reads', args: ['made'] },
    ]);
    cluster.end('made', 10, 100_000);
    expect(cluster.where('reads')).toBe('n2');
    const other = new Cluster();
    other.submit([
      { id: 'made', node: 'n2' },
      { id: 'reads', args: ['made'] },
    ]);
    other.end('made', 10, 0);
    expect(other.where('reads')).toBe('n1');
  });

  it('waits for a thread of that host as long as the move would take, and then runs elsewhere', () => {
    const cluster = new Cluster();
    cluster.submit([
      { id: 'made', node: 'n2' },
      { id: 'long', node: 'n2', args: ['made'], priority: 9 },
      { id: 'reads', args: ['made'] },
    ]);
    cluster.end('made', 10, 64 * mib);
    expect([cluster.where('long'), cluster.where('reads')]).toEqual(['n2', undefined]);
    cluster.wait();
    expect(cluster.where('reads')).toBe('n1');
    expect(cluster.now).toBeGreaterThan(10 + 100);
  });

  it('runs there when a thread becomes free in time', () => {
    const cluster = new Cluster();
    cluster.submit([
      { id: 'made', node: 'n2' },
      { id: 'short', node: 'n2', args: ['made'], priority: 9 },
      { id: 'reads', args: ['made'] },
    ]);
    cluster.end('made', 10, 64 * mib);
    cluster.end('short', 50, 0);
    expect(cluster.where('reads')).toBe('n2');
  });

  it('holds up no other function meanwhile', () => {
    const cluster = new Cluster();
    cluster.submit([
      { id: 'made', node: 'n2' },
      { id: 'long', node: 'n2', args: ['made'], priority: 9 },
      { id: 'reads', args: ['made'] },
      { id: 'other', args: ['small'] },
      { id: 'small', node: 'n1' },
    ]);
    cluster.end('small', 5, 0);
    expect(cluster.where('other')).toBe('n1');
    cluster.end('made', 10, 64 * mib);
    cluster.end('other', 1, 0);
    expect([...cluster.running.keys()]).toEqual(['long']);
  });
});

describe('a function that will give a large result', () => {
  it('runs on the host that will need the result', () => {
    const cluster = new Cluster();
    cluster.submit(
      [
        { id: 'x', outputBytes: 64 * mib },
        { id: 'y', outputBytes: 64 * mib },
      ],
      { home: Int32Array.of(2, 1) },
    );
    expect([cluster.where('x'), cluster.where('y')]).toEqual(['n2', 'n1']);
  });

  it('leaves the threads of other hosts to others first', () => {
    const cluster = new Cluster();
    cluster.submit(
      ['w', 'x', 'y'].map((id) => ({ id, outputBytes: 64 * mib })),
      { home: Int32Array.of(2, 2, 1) },
    );
    expect([cluster.where('w'), cluster.where('x'), cluster.where('y')]).toEqual(['n2', undefined, 'n1']);
    cluster.end('w', 20, 64 * mib);
    expect(cluster.where('x')).toBe('n2');
  });
});
