/** The events of this host and of others, for readers such as the dashboard, metrics, summaries and traces. */
import type { EventOf, EventType, HandoffEvent } from './events.ts';
import type { RunGraph } from './run-graph.ts';

/** An event with the host it comes from. */
export interface FeedEvent<Type extends EventType = EventType> {
  /**
   * Display name of the host: its address. A host without an address is `'local'` if it is this one, else its id. Runs
   * belong to the host that started them, nodes and threads to the host they are on.
   */
  readonly host: string;
  /**
   * Times are by the clock of the reading host. Errors of other hosts carry their message (cut if long), causes and
   * plain fields, but not the results or failures of their run.
   */
  readonly event: HandoffEvent & EventOf<Type>;
  /** Sent with `run:started`. Built on first access. */
  readonly graph?: RunGraph;
  /** Sent with the `run:started` of a run that is already in progress. */
  readonly earlier?: Earlier;
}

/** What has become of a run before its first event. Functions are indexes into its graph, as it has grown. */
export interface Earlier {
  /** What it has grown by, in order. */
  readonly grown: readonly EventOf<'run:grown'>[];
  /** Includes functions that answered with a graph that is not done. */
  readonly done: readonly number[];
  readonly skipped: readonly number[];
  readonly failed: readonly number[];
}

export interface Feed {
  /**
   * Subscribes to events of these types. Events of one host arrive in order, each once. Runs in progress come first, as
   * a `run:started` with the time they began and what has become of them since; those of this host arrive before the
   * call returns. When a host goes, its runs are reported as failed with `NODE_DOWN`.
   *
   * @returns a function that ends the subscription
   */
  subscribe(types: readonly EventType[], listener: (received: FeedEvent) => void): () => void;
  /**
   * How many events, or attempts of `attempts`, of other hosts were not received because this host could not keep up,
   * or were malformed.
   */
  readonly dropped: number;
}
