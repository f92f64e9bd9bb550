/** Functions as metrics, by the names of their code: never by their ids, of which there is no end. */
import type { Counter, Registry } from 'prom-client';
import type { EventOf } from '../events/events.ts';
import type { Told } from '../events/feed.ts';
import { QueueTimes } from './queue-times.ts';
import { type RunShape, shapeOfGraph } from './run-shape.ts';
import { type Tally, TalliedHistogram } from './tallied-histogram.ts';

// So many names, and names of nodes, are told apart; the others are one, 'other'.
const mostNames = 200;

/** How metrics are made. */
export interface FunctionMetricsParts {
  /** The full name of a metric. */
  named(name: string): string;
  counter<Label extends string>(name: string, help: string, ...labels: Label[]): Counter<Label>;
  readonly registry: Registry;
  readonly buckets: readonly number[];
  readonly shapeOf: ((runId: string) => RunShape | undefined) | undefined;
}

/** What is known of a run that is under way. */
interface Running {
  /** Made when it is first asked for: it takes a while, and some runs are over sooner. */
  readonly counts: () => RunCounts | undefined;
}

interface RunCounts {
  readonly shape: RunShape;
  readonly queue: QueueTimes;
  /** By code. */
  readonly names: readonly string[];
  readonly durations: readonly Tally[];
  /** By code: functions of the event at hand that succeeded. */
  readonly succeeded: Int32Array;
}

export class FunctionMetrics {
  readonly #attempts: Counter<'function' | 'node' | 'outcome'>;
  readonly #bytes: Counter;
  readonly #durations: TalliedHistogram;
  readonly #queue: TalliedHistogram;
  readonly #shapeOf: (runId: string) => RunShape | undefined;
  readonly #functionNames = new BoundedNames(mostNames);
  readonly #nodeNames = new BoundedNames(mostNames);
  /** By host and DAG. */
  readonly #runs = new Map<string, Running>();

  constructor({ named, counter, registry, buckets, shapeOf = () => undefined }: FunctionMetricsParts) {
    this.#shapeOf = shapeOf;
    this.#attempts = counter('function_attempts_total', 'Attempts of functions, by the name of their code, node and outcome: succeeded, retried (it failed, and there is another), failed (for good).', 'function', 'node', 'outcome');
    this.#bytes = counter('result_stored_bytes_total', 'Bytes of results in shared memory, as they were stored.');
    this.#durations = new TalliedHistogram(named('function_duration_seconds'), 'How long attempts took that a thread has told of.', buckets, registry);
    this.#queue = new TalliedHistogram(named('function_queue_seconds'), 'How long functions waited after all that they need was there, until their first attempt began.', buckets, registry);
  }

  /** How many runs are under way. */
  get running(): number {
    return this.#runs.size;
  }

  started(told: Told<'run:started'>): void {
    const { host, event: { runId, at } } = told;
    let counts: RunCounts | undefined;
    this.#runs.set(keyOf(host, runId), { counts: () => (counts ??= this.#countsOf(this.#shapeOf(runId) ?? (told.graph && shapeOfGraph(told.graph)), at)) });
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
        if (i < 0 || !Number.isFinite(ended - begun)) continue; // one sum that is no number would be none for ever
        const code = shape.code[i]!;
        durations[code]!.observe((ended - begun) / 1000);
        if (attempts[k] === 1) queue.begun(i, begun);
        if (hasFailed) continue;
        queue.ended(i, ended);
        stored += bytes[k]! || 0;
        if (succeeded[code]!++ === 0) touched.push(code);
      }
    } finally { // also of an event that ends in the middle: counts that stay behind would not be counted again
      for (const code of touched) {
        this.#attempts.inc({ function: names[code]!, node: this.#nodeNames.of(node), outcome: 'succeeded' }, succeeded[code]!);
        succeeded[code] = 0;
      }
    }
    if (stored > 0) this.#bytes.inc(stored);
  }

  failed(host: string, { runId, functionId, node }: EventOf<'function:retrying' | 'function:failed'>, outcome: 'retried' | 'failed'): void {
    const counts = this.#runs.get(keyOf(host, runId))?.counts();
    const i = counts?.shape.indexOf(functionId) ?? -1;
    if (i >= 0) this.#attempts.inc({ function: counts!.names[counts!.shape.code[i]!]!, node: this.#nodeNames.of(node), outcome });
  }

  #countsOf(shape: RunShape | undefined, startedAt: number): RunCounts | undefined {
    if (shape === undefined) return undefined;
    const names = shape.names.map((name) => this.#functionNames.of(name));
    const waits = names.map((name) => this.#queue.tallyOf(name));
    return {
      shape, names,
      durations: names.map((name) => this.#durations.tallyOf(name)),
      succeeded: new Int32Array(names.length),
      queue: new QueueTimes(shape, startedAt, (i, ms) => waits[shape.code[i]!]!.observe(ms / 1000)),
    };
  }
}

/** Names as labels, but no more than so many: each is a series that Prometheus keeps. */
class BoundedNames {
  readonly #most: number;
  readonly #known = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  of(name: string): string {
    if (this.#known.has(name)) return name;
    if (this.#known.size >= this.#most) return 'other';
    this.#known.add(name);
    return name;
  }
}

function keyOf(host: string, runId: string): string {
  return `${host} ${runId}`;
}
