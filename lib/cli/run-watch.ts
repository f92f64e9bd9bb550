/** Observes a run for `handoff run`: records it, samples the nodes, and passes both to the outputs. */
import { compile } from '../dag/compile/compile.ts';
import type { Dag } from '../dag/dag.ts';
import type { NodeActivity } from '../events/activity.ts';
import { type EventType, type HandoffEvent, timestamp } from '../events/events.ts';
import { toRunGraph } from '../events/run-graph.ts';
import { recordedEvents, RunRecord } from '../report/run-record.ts';
import type { SummaryNode } from '../report/summary.ts';
import { type Handoff, overviewOf } from '../runtime/handoff.ts';

/** Receives events after the record has taken them in. */
export interface Watcher {
  record(event: HandoffEvent): void;
  /** Receives the activity of the nodes. */
  sample?(at: number, nodes: readonly NodeActivity[]): void;
}

// ms to wait for the first sample of the nodes.
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
   * @param handoff that runs the DAG
   * @param dag to run
   * @param runId id of its run
   * @throws what `execute` throws if the DAG is invalid
   */
  constructor(handoff: Handoff, dag: Dag, runId: string) {
    this.#handoff = handoff;
    this.record = new RunRecord(toRunGraph(compile(dag), runId));
    // Learned durations are known once the run starts.
    this.#ends.push(
      overviewOf(handoff).ownFeed.subscribe(['run:started'], ({ event, graph }) => {
        if (event.type === 'run:started' && event.runId === runId && graph !== undefined) this.record.graph = graph;
      }),
    );
    this.#listen(recordedEvents, (event) => this.record.record(event));
  }

  /** The nodes seen so far, by name. */
  get nodes(): ReadonlyMap<string, SummaryNode> {
    return this.#nodes;
  }

  add(types: readonly EventType[], watcher: Watcher): void {
    this.#watchers.add(watcher);
    this.#listen(types, (event) => watcher.record(event));
  }

  /**
   * Starts to sample the nodes.
   *
   * @param pause ms between two samples; a sample takes a tenth of a second
   */
  sample(pause: number): void {
    this.#sampling = this.#sample(pause);
  }

  /** Stops listening. If the run was shorter than a sample, waits for that sample. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    for (const end of this.#ends) end();
    if (this.#nodes.size > 0 || this.record.startedAt === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    // Nodes that are stopping, or whose host is gone, may never answer.
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patience)));
    await Promise.race([this.#sampling, late]);
    clearTimeout(timer);
  }

  async #sample(pause: number): Promise<void> {
    const overview = overviewOf(this.#handoff);
    for (;;) {
      const at = timestamp(); // usage counts from the start of the sample
      const nodes = await overview.nodes().catch(() => undefined);
      if (nodes === undefined) return; // a host is leaving, or this one is stopping
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
        threads: Math.max(known?.threads ?? 0, threads.length),
        capabilities: declared,
        host,
        peakMemoryMb: used === null ? known?.peakMemoryMb : Math.max(known?.peakMemoryMb ?? 0, used.memory),
      });
    }
    for (const watcher of this.#watchers) watcher.sample?.(at, nodes);
  }
}
