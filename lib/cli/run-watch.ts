/** What `handoff run` looks at while a DAG runs: the record of it, what nodes use, and where all of it goes. */
import { compile } from '../dag/compile.ts';
import type { Dag } from '../dag/dag.ts';
import type { NodeActivity } from '../events/activity.ts';
import { type EventType, type HandoffEvent, timestamp } from '../events/events.ts';
import { toRunGraph } from '../events/run-graph.ts';
import { RunRecord } from '../report/run-record.ts';
import type { SummaryNode } from '../report/summary.ts';
import { type Handoff, overviewOf } from '../runtime/handoff.ts';

/** Who takes in events, after the record has. */
export interface Watcher {
  record(event: HandoffEvent): void;
  /** What nodes are about. */
  sample?(at: number, nodes: readonly NodeActivity[]): void;
}

/** What a `RunRecord` needs. */
const recordedEvents = ['run:started', 'run:finished', 'run:failed', 'attempts', 'function:retrying', 'function:failed', 'result:fetched', 'result:recomputing'] as const satisfies readonly EventType[];

// For so long, in ms, a first look at the nodes is waited for.
const patience = 500;

export class RunWatch {
  readonly record: RunRecord;
  readonly #handoff: Handoff;
  readonly #watchers = new Set<Watcher>();
  readonly #ends: (() => void)[] = [];
  readonly #nodes = new Map<string, SummaryNode>();
  #stopped = false;
  #sampling: Promise<void> = Promise.resolve();
  #wake = (): void => {};

  /**
   * @param handoff to run on
   * @param dag to be run
   * @param runId the id that its run will have
   * @throws whatever is wrong with the DAG, as `execute` does
   */
  constructor(handoff: Handoff, dag: Dag, runId: string) {
    this.#handoff = handoff;
    this.record = new RunRecord(toRunGraph(compile(dag), runId));
    // What was learned of how long functions take is known from when the run begins.
    this.#ends.push(overviewOf(handoff).ownFeed.subscribe(['run:started'], ({ event, graph }) => {
      if (event.type === 'run:started' && event.runId === runId && graph !== undefined) this.record.graph = graph;
    }));
    this.#listen(recordedEvents, (event) => this.record.record(event));
  }

  /** Nodes that were seen, by name. */
  get nodes(): ReadonlyMap<string, SummaryNode> {
    return this.#nodes;
  }

  add(types: readonly EventType[], watcher: Watcher): void {
    this.#watchers.add(watcher);
    this.#listen(types, (event) => watcher.record(event));
  }

  /**
   * Looks at the nodes from now on.
   *
   * @param pause ms between two looks, each of which takes a tenth of a second
   */
  sample(pause: number): void {
    this.#sampling = this.#sample(pause);
  }

  /** Listens no more. Of a run that was shorter than a look at the nodes it waits for that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    for (const end of this.#ends) end();
    if (this.#nodes.size > 0 || this.record.startedAt === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    // Nodes that are being stopped, or are on a host that is gone, may never answer.
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patience)));
    await Promise.race([this.#sampling, late]);
    clearTimeout(timer);
  }

  async #sample(pause: number): Promise<void> {
    const overview = overviewOf(this.#handoff);
    for (;;) {
      const at = timestamp(); // what is in use is that from now on, for a moment
      const nodes = await overview.nodes().catch(() => undefined);
      if (nodes === undefined) return; // a host is leaving, or this one is being stopped
      this.#seen(at, nodes);
      if (this.#stopped) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #listen(types: readonly EventType[], listener: (event: HandoffEvent) => void): void {
    for (const type of types) {
      this.#handoff.on(type, listener as never);
      this.#ends.push(() => this.#handoff.off(type, listener as never));
    }
  }

  #seen(at: number, nodes: readonly NodeActivity[]): void {
    for (const { name, host, isUp, declared, used, threads } of nodes) {
      const known = this.#nodes.get(name);
      if (!isUp && known === undefined) continue;
      this.#nodes.set(name, {
        threads: Math.max(known?.threads ?? 0, threads.length), capabilities: declared, host,
        peakMemoryMb: used === null ? known?.peakMemoryMb : Math.max(known?.peakMemoryMb ?? 0, used.memory),
      });
    }
    for (const watcher of this.#watchers) watcher.sample?.(at, nodes);
  }
}
