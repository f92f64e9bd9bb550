/** What happens on this host and on others, as the readers of events take it in: dashboard, metrics, summaries, traces. */
import type { EventOf, EventType, HandoffEvent } from './events.ts';
import type { RunGraph } from './run-graph.ts';

/** An event, and the host it is from. */
export interface Told<Type extends EventType = EventType> {
  /**
   * Names a host for people: its address; of this host `'local'` when it has none, of others their id. Runs are from the host they were
   * started on, nodes and their threads from the host they are on.
   */
  readonly host: string;
  /**
   * Its time is by the clock of the host that reads it, wherever it happened. Errors of other hosts have their texts, cut where they are
   * long, causes, and plain fields; not the results or failures of their run.
   */
  readonly event: HandoffEvent & EventOf<Type>;
  /** Comes with `run:started`. Made when it is first read. */
  readonly graph?: RunGraph;
  /** Comes with the `run:started` of a run that was under way: functions, into the graph, that were done by then. */
  readonly done?: readonly number[];
}

export interface Feed {
  /**
   * Events of these types from now on, in order for each host, each once. Runs that are under way are told first of each host, as a
   * `run:started` that has the time they began: those of this host before it returns. When a host goes, its runs are told as failed, with
   * `NODE_DOWN`.
   *
   * @returns ends it
   */
  subscribe(types: readonly EventType[], listener: (told: Told) => void): () => void;
  /** Events, or attempts of `attempts`, that other hosts did not tell since this one could not keep up; and events they told that were malformed. */
  readonly dropped: number;
}
