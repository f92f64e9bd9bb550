/** The events that this host reports: about its runs, nodes, threads, actors and supervisors. */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { type EventOf, type EventType, type HandoffEvent, timestamp } from '../../events/events.ts';
import type { Earlier } from '../../events/feed.ts';
import { type RunGraph, toRunGraph } from '../../events/run-graph.ts';
import { Status } from '../../scheduling/scheduler/state.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import type { ActiveRun } from '../../engine/active-run.ts';
import type { Driver } from '../../engine/driver.ts';
import { grownEvents } from '../../engine/grown-graph.ts';
import type { Tap } from './event-tap.ts';
import type { CostModel } from '../../scheduling/costs/cost-model.ts';

/** An event. With `run:started`, a function that builds the graph on demand. */
export interface OwnEvent {
  readonly event: HandoffEvent;
  readonly graph?: () => RunGraph;
}

/** A running DAG. */
export interface OwnRun {
  /** As if the run began now. */
  readonly event: EventOf<'run:started'>;
  readonly graph: () => RunGraph;
  readonly earlier: Earlier;
}

// How many finished runs can still be queried.
const maxRecent = 100;

export class OwnEvents {
  readonly #tap: Tap;
  readonly #driver: Driver;
  readonly #learned: CostModel;
  /** Shared by all listeners. */
  readonly #graphs = new WeakMap<ActiveRun, RunGraph>();
  /** Reported runs, oldest first. Weak references: the result store decides how long results live. */
  readonly #recent = new Map<string, { readonly plan: WeakRef<CompiledDag>; readonly results: WeakRef<RunResults> }>();

  constructor(tap: Tap, driver: Driver, learned: CostModel) {
    this.#tap = tap;
    this.#driver = driver;
    this.#learned = learned;
  }

  /** @param listener must not throw */
  listen(types: Iterable<EventType>, listener: (own: OwnEvent) => void): () => void {
    return this.#tap.listen(types, (event) => {
      if (event.type === 'run:started') listener({ event, graph: this.#graphOf(this.#driver.runs.get(event.runId)!) });
      // the host of a thread reports its crash
      else if (event.type !== 'worker:crashed' || this.hostOf(event.node) === 0) listener({ event });
    });
  }

  underWay(): OwnRun[] {
    return this.#driver.active.map((active) => ({
      event: {
        type: 'run:started',
        at: performance.timeOrigin + active.startedAt,
        ...active.ids,
        functions: active.request.plan.size,
      },
      graph: this.#graphOf(active),
      earlier: earlierOf(active),
    }));
  }

  /** The number of the host of a node; 0 is this host, undefined an unknown node. */
  hostOf(node: string): number | undefined {
    return this.#driver.state.nodeByName.get(node)?.host;
  }

  /** A running DAG, or a reported one whose results are still kept. */
  find(runId: string): { readonly plan: CompiledDag; readonly results: RunResults } | undefined {
    const active = this.#driver.runs.get(runId);
    if (active !== undefined) return { plan: active.plan, results: active.results };
    const known = this.#recent.get(runId);
    const plan = known?.plan.deref();
    const results = known?.results.deref();
    return plan === undefined || results === undefined ? undefined : { plan, results };
  }

  #graphOf(active: ActiveRun): () => RunGraph {
    const { plan, settings } = active.request;
    this.#recent.delete(active.id);
    this.#recent.set(active.id, { plan: new WeakRef(plan), results: new WeakRef(active.results) });
    for (const [oldest] of this.#recent) {
      if (this.#recent.size <= maxRecent) break;
      this.#recent.delete(oldest);
    }
    return () => {
      const known = this.#graphs.get(active);
      if (known !== undefined) return known;
      const graph = toRunGraph(plan, active.id, (i) =>
        this.#learned.durationOf(settings.codes[plan.code[i]!]!, plan.entries[i]!.id),
      );
      this.#graphs.set(active, graph);
      return graph;
    };
  }
}

function earlierOf({ run }: ActiveRun): Earlier {
  if (run === undefined) return { grown: [], done: [], skipped: [], failed: [] };
  const done: number[] = [];
  const skipped: number[] = [];
  const failed: number[] = [];
  for (let i = 0; i < run.plan.size; i++) {
    const status = run.status[i];
    if (status === Status.done || (status === Status.open && run.growth!.expansions.has(i))) done.push(i);
    else if (status === Status.skipped) skipped.push(i);
    else if (status === Status.failed) failed.push(i);
  }
  return { grown: grownEvents(run, timestamp()), done, skipped, failed };
}
