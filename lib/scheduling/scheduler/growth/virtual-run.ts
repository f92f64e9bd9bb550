/** The scheduler in virtual time, for plans: every function takes its stated duration, and nothing really runs. */
import FlatQueue from 'flatqueue';
import { SimpleResourceTracker } from '../../resources/resource-tracker.ts';
import type { CompiledDag } from '../../../dag/compile/compiled-dag.ts';
import type { Capabilities } from '../../../dag/types.ts';
import type { Command } from '../commands.ts';
import { createEstimate } from '../dispatch/estimate.ts';
import type { Event, RunSettings } from '../events.ts';
import { spanOf } from './growth.ts';
import { handleAll } from '../machine.ts';
import type { Outcome } from '../outcome.ts';
import { createState, type Run, type State } from '../state.ts';

export interface VirtualNode {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  readonly speed: number;
}

/** When and where a function ran, in ms from the start. */
export interface Scheduled {
  readonly index: number;
  readonly id: string;
  readonly node: string;
  readonly start: number;
  readonly finish: number;
}

export interface VirtualRun {
  /** In the order of their starts. */
  readonly schedule: readonly Scheduled[];
  readonly makespan: number;
  /** Set if the run did not finish: an allocator threw, or its answer could not be carried out. */
  readonly outcome?: Outcome;
}

type Happening = Event extends infer Each ? (Each extends { now: number } ? Omit<Each, 'now'> : never) : never;

/**
 * Runs a plan in virtual time, one function per thread at a time. A map has as many elements as it expects; 1 by default.
 *
 * @param durationOf ms on a node of speed 1, by function; for a map, of each element
 * @throws when the run cannot end, which a prior check of feasibility rules out
 */
export function runVirtually(
  plan: CompiledDag,
  nodes: readonly VirtualNode[],
  settings: RunSettings,
  durationOf: (i: number) => number,
): VirtualRun {
  // Batches have one function: batching saves messages, and there are none here.
  const state = createState(new SimpleResourceTracker(), { batchSize: 1 });
  for (const code of settings.codes) state.estimates[code] = createEstimate();
  const schedule: Scheduled[] = [];
  const happenings: Happening[] = [];
  const times = new FlatQueue<number>();
  let now = 0;
  let over = false;
  let outcome: Outcome | undefined;

  for (const { name, capabilities, speed, threads } of nodes) {
    feed({ type: 'NodeUp', node: name, incarnation: 1, capabilities, speed });
    for (let thread = 0; thread < threads; thread++) feed({ type: 'ThreadUp', node: name, incarnation: 1, thread });
  }
  feed({ type: 'RunSubmitted', run: plan.dagId, plan, settings });
  while (!over) {
    const next = times.peekValue();
    if (next === undefined) throw new Error(`the plan of ${plan.dagId} came to a halt: ${stuck(state)}`);
    now = next;
    const together: Happening[] = [];
    while (times.peekValue() === now) together.push(happenings[times.pop()!]!);
    feed(...together);
  }
  return { schedule, makespan: now, ...(outcome !== undefined && { outcome }) };

  function feed(...together: readonly Happening[]): void {
    for (const command of handleAll(
      state,
      together.map((happening) => ({ ...happening, now }) as Event),
    ))
      carryOut(command);
  }

  function later(ms: number, happening: Happening): void {
    times.push(happenings.push(happening) - 1, now + ms);
  }

  function carryOut(command: Command): void {
    if (command.type === 'Start') {
      const { id, run, functions, thread } = command.batch;
      const index = functions[0]!;
      const ms = durationOf(mapOf(run, index)) / thread.node.speed;
      schedule.push({ index, id: run.plan.entries[index]!.id, node: thread.node.name, start: now, finish: now + ms });
      later(ms, { type: 'FunctionsEnded', batch: id, first: 0, count: 1, exceptions: [], durations: [], random: 0 });
    } else if (command.type === 'Grow') {
      const { run, index, asked } = command;
      later(0, { type: 'RunGrown', run: run.id, index, asked, count: plan.entries[index]!.traits.map?.expect ?? 1 });
    } else if (command.type === 'SetTimer') {
      later(command.ms, { type: 'TimerFired', timer: command.timer });
    } else if (command.type === 'FinishRun' || command.type === 'FailRun') {
      over = true;
      if (command.type === 'FailRun') outcome = command.outcome;
    }
  }
}

/** The map that a function is an element of, however deep; otherwise the function itself. */
function mapOf(run: Run, i: number): number {
  return spanOf(run, i)?.owner ?? i;
}

function stuck(state: State): string {
  return [...state.runs.values()]
    .map((run) => `${run.unfinished} functions of ${run.id} are left, ${run.queue.size} of them ready`)
    .join('; ');
}
