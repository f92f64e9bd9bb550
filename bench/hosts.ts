/** The growth of the scheduler with the number of hosts: CPU time of each function, in virtual time. */
import { compile } from '../lib/dag/compile/compile.ts';
import type { CompiledDag } from '../lib/dag/compile/compiled-dag.ts';
import { strategies } from '../lib/scheduling/allocation/strategy.ts';
import { SimpleResourceTracker } from '../lib/scheduling/resources/resource-tracker.ts';
import type { Command } from '../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event } from '../lib/scheduling/scheduler/events.ts';
import { handle } from '../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState, type State } from '../lib/scheduling/scheduler/state.ts';
import { EventQueue } from '../lib/scheduling/simulation/event-queue.ts';
import { independent, toDag, type Vertex } from './support/graphs.ts';
import { median } from './support/measure.ts';
import type { Row } from './support/report.ts';

const functionCount = 20_000;
const latencyMs = 0.1;

type EventBody = Event extends infer Each ? (Each extends Event ? Omit<Each, 'now'> : never) : never;

/** A thread of a host in virtual time. */
interface VirtualThread {
  readonly queue: { readonly batch: Batch; limit: number; begun: number }[];
}

export function hosts({ rounds, full }: { readonly rounds: number; readonly full: boolean }): Row[] {
  const counts = full ? [2, 8, 20, 100, 1000] : [2, 20, 1000];
  const costs = new Map(counts.map((count) => [count, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const count of counts) {
      const cost = costOf(count);
      if (round >= 0) costs.get(count)!.push(cost);
    }
  }
  const of = (count: number): number => median(costs.get(count)!);
  return counts.map((count) => ({
    group: 'hosts',
    name: `functions of 1 ms on ${count.toLocaleString('en')} virtual hosts: CPU of each`,
    unit: 'µs',
    ours: of(count),
    goal: { atMost: 1.3 * of(2) },
  }));
}

function costOf(hostCount: number): number {
  return runOn(hostCount, independent(functionCount)) / functionCount;
}

/** µs of a run: those of the scheduler, and of the virtual world around it. */
export function runOn(hostCount: number, vertices: readonly Vertex[], functionMs = 1, threadsEach = 2): number {
  const plan = compile(toDag(vertices));
  const eventQueue = new EventQueue();
  const state = createState(new SimpleResourceTracker(), { gangThreads: 2, stuckMs: 20, refusalLimit: Infinity });
  state.estimates[0] = createEstimate();
  const threads = new Map<string, VirtualThread>();
  const timers = new Map<number, () => void>();
  let isDone = false;
  const feed = (body: EventBody): void => {
    const event = { ...body, now: eventQueue.now } as Event;
    for (const command of handle(state, event)) carryOut(command);
  };
  const carryOut = (command: Command): void => {
    switch (command.type) {
      case 'Start': {
        const { batch } = command;
        const key = `${batch.thread.node.name}/${batch.thread.index}`;
        const thread = threads.get(key)!;
        eventQueue.in(latencyMs, () => {
          thread.queue.push({ batch, limit: batch.functions.length, begun: 0 });
          if (thread.queue.length === 1) next(thread);
        });
        return;
      }
      case 'TakeBack':
        return void eventQueue.in(latencyMs, () => {
          const { thread, id } = command.batch;
          const entry = threads.get(`${thread.node.name}/${thread.index}`)!.queue.find(({ batch }) => batch.id === id);
          if (entry === undefined) return;
          entry.limit = Math.max(entry.begun, entry.limit - command.count);
          const { limit } = entry;
          eventQueue.in(latencyMs, () => feed({ type: 'TakenBack', batch: id, limit }));
        });
      case 'SetTimer':
        return void timers.set(
          command.timer,
          eventQueue.in(command.ms, () => feed({ type: 'TimerFired', timer: command.timer })),
        );
      case 'ClearTimer':
        return timers.get(command.timer)?.();
      case 'FinishRun':
        isDone = true;
        return;
      default:
    }
  };
  /** Runs the first batch of a thread to its end. */
  const next = (thread: VirtualThread): void => {
    const entry = thread.queue[0];
    if (entry === undefined) return;
    entry.begun = entry.limit;
    const count = entry.limit;
    eventQueue.in(count * functionMs, () => {
      thread.queue.shift();
      if (count > 0)
        eventQueue.in(latencyMs, () =>
          feed({
            type: 'FunctionsEnded',
            batch: entry.batch.id,
            first: 0,
            count,
            exceptions: [],
            durations: [{ code: 0, count, ms: count * functionMs }],
            random: 0.5,
          }),
        );
      next(thread);
    });
  };
  for (let host = 0; host < hostCount; host++) {
    const name = `n${host}`;
    feed({ type: 'NodeUp', node: name, incarnation: 1, capabilities: { cpu: threadsEach }, speed: 1, host });
    for (let thread = 0; thread < threadsEach; thread++) {
      threads.set(`${name}/${thread}`, { queue: [] });
      feed({ type: 'ThreadUp', node: name, incarnation: 1, thread });
    }
  }
  const begun = process.threadCpuUsage();
  submit(state, plan, feed);
  while (!isDone) if (!eventQueue.step()) throw new Error('the run does not end');
  const { user, system } = process.threadCpuUsage(begun);
  return user + system;
}

function submit(state: State, plan: CompiledDag, feed: (body: EventBody) => void): void {
  state.estimates[0] ??= createEstimate();
  feed({
    type: 'RunSubmitted',
    run: 'r',
    plan,
    settings: {
      maxRetries: 0,
      maxConcurrency: Infinity,
      keepGoing: false,
      kept: null,
      strategy: strategies['first-available'],
      assigned: null,
      codes: new Int32Array(plan.codes.length),
    },
  });
}
