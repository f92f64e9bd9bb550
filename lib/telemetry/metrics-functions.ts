/** Metrics of functions, labelled by the name of their code. Ids are not labels, because their number is unbounded. */
import type { Counter, Registry } from 'prom-client';
import type { EventOf } from '../events/events.ts';
import type { FeedEvent } from '../events/feed.ts';
import { QueueTimes } from './queue-times.ts';
import { type RunShape, shapeOfGraph } from './run-shape.ts';
import { type Tally, TalliedHistogram } from './tallied-histogram.ts';

// Functions and nodes get a label up to this many names; all further ones share `other`.
const maxNames = 200;

/** Access to the registry for a group of metrics. */
export interface FunctionMetricsParts {
  /** The full name of a metric, with its prefix. */
  named(name: string): string;
  counter<Label extends string>(name: string, help: string, ...labels: Label[]): Counter<Label>;
  readonly registry: Registry;
  readonly buckets: readonly number[];
  readonly shapeOf: ((runId: string) => RunShape | undefined) | undefined;
}

/** Counts of a run in progress. */
interface Running {
  /** Built on first access: building takes time, and short runs may end before. */
  readonly counts: () => RunCounts | undefined;
}

interface RunCounts {
  readonly shape: RunShape;
  readonly queue: QueueTimes;
  /** Indexed by code. */
  readonly names: readonly string[];
  readonly durations: readonly Tally[];
  /** Indexed by code: functions of the current event that succeeded. */
  readonly succeeded: Int32Array;
}

export class FunctionMetrics {
  readonly #attempts: Counter<'function' | 'node' | 'outcome'>;
  readonly #bytes: Counter;
  readonly #durations: TalliedHistogram;
  readonly #queue: TalliedHistogram;
  readonly #shapeOf: (runId: string) => RunShape | undefined;
  readonly #functionNames = new BoundedNames(maxNames);
  readonly #nodeNames = new BoundedNames(maxNames);
  /** Keyed by host and DAG. */
  readonly #runs = new Map<string, Running>();

  constructor({ named, counter, registry, buckets, shapeOf = () => undefined }: FunctionMetricsParts) {
    this.#shapeOf = shapeOf;
    this.#attempts = counter(
      'function_attempts_total',
      'Attempts of functions by name of their code, node and outcome: succeeded, retried (failed, another attempt follows), failed (no attempt is left).',
      'function',
      'node',
      'outcome',
    );
    this.#bytes = counter('result_stored_bytes_total', 'Bytes of results stored in shared memory.');
    this.#durations = new TalliedHistogram(
      named('function_duration_seconds'),
      'Duration of attempts that a thread reported.',
      buckets,
      registry,
    );
    this.#queue = new TalliedHistogram(
      named('function_queue_seconds'),
      'Time from when all inputs of a function were available until its first attempt started.',
      buckets,
      registry,
    );
  }

  /** How many runs are in progress. */
  get running(): number {
    return this.#runs.size;
  }

  started(received: FeedEvent<'run:started'>): void {
    const {
      host,
      event: { runId, at },
    } = received;
    let counts: RunCounts | undefined;
    this.#runs.set(keyOf(host, runId), {
      counts: () =>
        (counts ??= this.#countsOf(this.#shapeOf(runId) ?? (received.graph && shapeOfGraph(received.graph)), at)),
    });
  }

  ended(host: string, runId: string): void {
    this.#runs.delete(keyOf(host, runId));
  }

  spans(host: string, { runId, node, functionIds, attempts, spans, bytes, failed }: EventOf<'attempts'>): void {
    const counts = this.#runs.get(keyOf(host, runId))?.counts();
    if (counts === undefined) return;
    const { shape, queue, names, durations, succeeded } = counts;
    const touched: number[] = [];
    let stored = 0;
    let next = 0;
    try {
      for (let k = 0; k < functionIds.length; k++) {
        const i = shape.indexOf(functionIds[k]!);
        const hasFailed = failed[next] === k;
        if (hasFailed) next++;
        const begun = spans[2 * k]!;
        const ended = spans[2 * k + 1]!;
        if (i < 0 || !Number.isFinite(ended - begun)) continue; // one NaN would make the sum NaN forever
        const code = shape.code[i]!;
        durations[code]!.observe((ended - begun) / 1000);
        if (attempts[k] === 1) queue.begun(i, begun);
        if (hasFailed) continue;
        queue.ended(i, ended);
        stored += bytes[k]! || 0;
        if (succeeded[code]!++ === 0) touched.push(code);
      }
    } finally {
      // also after an event that fails midway: leftover counts would distort the next event
      for (const code of touched) {
        this.#attempts.inc(
          { function: names[code]!, node: this.#nodeNames.of(node), outcome: 'succeeded' },
          succeeded[code]!,
        );
        succeeded[code] = 0;
      }
    }
    if (stored > 0) this.#bytes.inc(stored);
  }

  failed(
    host: string,
    { runId, functionId, node }: EventOf<'function:retrying' | 'function:failed'>,
    outcome: 'retried' | 'failed',
  ): void {
    const counts = this.#runs.get(keyOf(host, runId))?.counts();
    const i = counts?.shape.indexOf(functionId) ?? -1;
    if (i >= 0)
      this.#attempts.inc({ function: counts!.names[counts!.shape.code[i]!]!, node: this.#nodeNames.of(node), outcome });
  }

  #countsOf(shape: RunShape | undefined, startedAt: number): RunCounts | undefined {
    if (shape === undefined) return undefined;
    const names = shape.names.map((name) => this.#functionNames.of(name));
    const waits = names.map((name) => this.#queue.tallyOf(name));
    return {
      shape,
      names,
      durations: names.map((name) => this.#durations.tallyOf(name)),
      succeeded: new Int32Array(names.length),
      queue: new QueueTimes(shape, startedAt, (i, ms) => waits[shape.code[i]!]!.observe(ms / 1000)),
    };
  }
}

/** Names used as labels, bounded, because Prometheus keeps a series for each. */
class BoundedNames {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  of(name: string): string {
    if (this.#known.has(name)) return name;
    if (this.#known.size >= this.#max) return 'other';
    this.#known.add(name);
    return name;
  }
}

function keyOf(host: string, runId: string): string {
  return `${host} ${runId}`;
}
