/** What this host knows at first hand, and so is the one to tell: its runs, and its own nodes, threads, actors and supervisors. */
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { EventOf, EventType, HandoffEvent } from '../../events/events.ts';
import { type RunGraph, toRunGraph } from '../../events/run-graph.ts';
import { Status } from '../../scheduling/scheduler/state.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import type { ActiveRun } from '../../engine/active-run.ts';
import type { Driver } from '../../engine/driver.ts';
import type { Tap } from './event-tap.ts';
import type { CostModel } from '../../scheduling/costs/cost-model.ts';

/** An event, and with `run:started` how to make its graph, which takes time. */
export interface OwnEvent {
  readonly event: HandoffEvent;
  readonly graph?: () => RunGraph;
}

/** A run that is under way. */
export interface OwnRun {
  /** As if it began now. */
  readonly event: EventOf<'run:started'>;
  readonly graph: () => RunGraph;
  /** Functions that are done. */
  readonly done: readonly number[];
}

// Finished runs that may still be asked about.
const mostRecent = 100;

export class OwnEvents {
  readonly #tap: Tap;
  readonly #driver: () => Driver;
  readonly #learned: CostModel;
  /** One for all who listen. */
  readonly #graphs = new WeakMap<ActiveRun, RunGraph>();
  /** Runs that were told of, the oldest first. What is kept of them is what the store keeps anyway. */
  readonly #recent = new Map<string, { readonly plan: WeakRef<CompiledDag>; readonly results: WeakRef<RunResults> }>();

  constructor(tap: Tap, driver: () => Driver, learned: CostModel) {
    this.#tap = tap;
    this.#driver = driver;
    this.#learned = learned;
  }

  /** @param listener must not throw */
  listen(types: Iterable<EventType>, listener: (own: OwnEvent) => void): () => void {
    return this.#tap.listen(types, (event) => {
      if (event.type === 'run:started') listener({ event, graph: this.#graphOf(this.#driver().runs.get(event.runId)!) });
      else if (event.type !== 'worker:crashed' || this.hostOf(event.node) === 0) listener({ event }); // of threads elsewhere, their own host tells
    });
  }

  underWay(): OwnRun[] {
    return this.#driver().active.map((active) => ({
      event: { type: 'run:started', at: performance.timeOrigin + active.startedAt, ...active.ids, functions: active.request.plan.size },
      graph: this.#graphOf(active),
      done: doneOf(active),
    }));
  }

  /** The number of the host of a node; 0: this one, undefined: there never was such a node. */
  hostOf(node: string): number | undefined {
    return this.#driver().state.nodeByName.get(node)?.host;
  }

  /** A run that is under way; or has been, was told of, and has its results still. */
  find(runId: string): { readonly plan: CompiledDag; readonly results: RunResults } | undefined {
    const active = this.#driver().runs.get(runId);
    if (active !== undefined) return { plan: active.request.plan, results: active.results };
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
      if (this.#recent.size <= mostRecent) break;
      this.#recent.delete(oldest);
    }
    return () => {
      const known = this.#graphs.get(active);
      if (known !== undefined) return known;
      const graph = toRunGraph(plan, active.id, (i) => this.#learned.durationOf(settings.codes[plan.code[i]!]!, plan.entries[i]!.id));
      this.#graphs.set(active, graph);
      return graph;
    };
  }
}

function doneOf({ run }: ActiveRun): number[] {
  const done: number[] = [];
  run?.status.forEach((status, i) => {
    if (status === Status.done) done.push(i);
  });
  return done;
}
