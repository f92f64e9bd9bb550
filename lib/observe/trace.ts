/**
 * A run as Chrome trace events, which Perfetto and chrome://tracing open: a process per node, a thread per worker, a slice per attempt, an
 * arrow per dependency.
 *
 * Format: "Trace Event Format", Google, 2016 (`ph` X: complete event; M: metadata; s, f: start and end of a flow). Times in µs.
 */
import type { HandoffEvent } from './events.ts';

export interface TraceEvent {
  readonly name: string;
  readonly ph: 'X' | 'M' | 's' | 'f' | 'i';
  readonly pid: number;
  readonly tid: number;
  /** µs from the first event. */
  readonly ts: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: 'e';
  readonly s?: 'g';
  readonly args?: Readonly<Record<string, unknown>>;
}

/** What a trace needs to know of a DAG: its edges. */
export interface TracedGraph {
  readonly dagId: string;
  /** By function id: the ids it depends on. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>;
}

interface Slice {
  readonly node: string;
  readonly thread: number;
  readonly begun: number;
  readonly ended: number;
}

/** Gathers events; `toJSON` gives the trace. */
export class TraceRecorder {
  readonly #graph: TracedGraph;
  readonly #events: TraceEvent[] = [];
  readonly #running = new Map<string, { readonly at: number; readonly thread: number }>();
  readonly #finished = new Map<string, Slice>();
  readonly #pids = new Map<string, number>();
  readonly #threads = new Set<string>();
  #origin: number | undefined;

  constructor(graph: TracedGraph) {
    this.#graph = graph;
  }

  /** Takes in an event of any kind; those of other runs are passed over. */
  record(event: HandoffEvent): void {
    this.#origin ??= event.at;
    if (!('dagId' in event) || event.dagId !== this.#graph.dagId) return;
    switch (event.type) {
      case 'run:started': case 'run:finished': case 'run:failed':
        return void this.#events.push({ name: event.type, ph: 'i', s: 'g', pid: 0, tid: 0, ts: this.#micros(event.at), cat: 'run' });
      case 'function:started':
        return void this.#running.set(event.functionId, { at: event.at, thread: event.thread });
      case 'function:finished':
        return this.#slice(event, { begun: event.at - event.durationMs, thread: event.thread }, {});
      case 'function:retried': case 'function:failed': {
        const started = this.#running.get(event.functionId);
        if (started !== undefined) this.#slice(event, { begun: started.at, thread: started.thread }, { error: messageOf(event.error) });
      }
    }
  }

  /** The trace as the object that a trace file holds. */
  toJSON(): { readonly traceEvents: readonly TraceEvent[]; readonly displayTimeUnit: 'ms' } {
    return { traceEvents: [...this.#metadata(), ...this.#events, ...this.#flows()], displayTimeUnit: 'ms' };
  }

  #slice(
    event: { readonly functionId: string; readonly node: string; readonly attempt: number; readonly at: number },
    { begun, thread }: { readonly begun: number; readonly thread: number }, more: Readonly<Record<string, unknown>>,
  ): void {
    const { functionId, node, attempt, at } = event;
    this.#running.delete(functionId);
    this.#threads.add(`${this.#pid(node)}:${thread + 1}`);
    if (!('error' in more)) this.#finished.set(functionId, { node, thread, begun, ended: at });
    this.#events.push({
      name: functionId, ph: 'X', cat: 'function', pid: this.#pid(node), tid: thread + 1, ts: this.#micros(begun), dur: (at - begun) * 1000, args: { attempt, ...more },
    });
  }

  /** An arrow from the end of each producer to the start of each consumer. */
  *#flows(): Generator<TraceEvent> {
    let id = 0;
    for (const [consumer, producers] of this.#graph.dependencies) {
      const to = this.#finished.get(consumer);
      for (const producer of to === undefined ? [] : producers) {
        const from = this.#finished.get(producer);
        if (from === undefined) continue;
        id++;
        yield { name: 'result', cat: 'edge', ph: 's', id, pid: this.#pid(from.node), tid: from.thread + 1, ts: this.#micros(from.ended) };
        yield { name: 'result', cat: 'edge', ph: 'f', bp: 'e', id, pid: this.#pid(to!.node), tid: to!.thread + 1, ts: this.#micros(to!.begun) };
      }
    }
  }

  *#metadata(): Generator<TraceEvent> {
    for (const [node, pid] of this.#pids) yield { name: 'process_name', ph: 'M', pid, tid: 0, ts: 0, args: { name: `node ${node}` } };
    for (const key of this.#threads) {
      const [pid, tid] = key.split(':').map(Number) as [number, number];
      yield { name: 'thread_name', ph: 'M', pid, tid, ts: 0, args: { name: `worker ${tid - 1}` } };
    }
  }

  #pid(node: string): number {
    let pid = this.#pids.get(node);
    if (pid === undefined) this.#pids.set(node, (pid = this.#pids.size + 1));
    return pid;
  }

  #micros(at: number): number {
    return (at - this.#origin!) * 1000;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
