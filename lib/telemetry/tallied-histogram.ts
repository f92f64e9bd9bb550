/**
 * A prom-client histogram by function name that skips labels and hashing: one observation costs one bucket search. The
 * values are combined when they are read.
 */
import type { MetricsRegistry } from './metrics-options.ts';

/** Observations for one name. */
export class Tally {
  readonly #bounds: readonly number[];
  /** Per bucket, not cumulated; the last one is above all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  /** @param bounds upper bounds of the buckets, ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += value;
  }
}

/** The part of a metric that a registry uses: name, values and reset. */
export class TalliedHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly labelNames = ['function'] as const;
  readonly #bounds: readonly number[];
  readonly #tallies = new Map<string, Tally>();

  constructor(name: string, help: string, bounds: readonly number[], registry: MetricsRegistry) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    registry.registerMetric(this);
  }

  tallyOf(label: string): Tally {
    let tally = this.#tallies.get(label);
    if (tally === undefined) this.#tallies.set(label, (tally = new Tally(this.#bounds)));
    return tally;
  }

  async get(): Promise<unknown> {
    const { name, help, type, aggregator } = this;
    const values = [...this.#tallies].flatMap(([label, { counts, sum }]) => {
      let count = 0;
      const buckets = Array.from(counts, (more, k) => ({
        metricName: `${name}_bucket`,
        labels: { le: this.#bounds[k] ?? '+Inf', function: label },
        value: (count += more),
      }));
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels: { function: label }, value: sum },
        { metricName: `${name}_count`, labels: { function: label }, value: count },
      ];
    });
    return { name, help, type, aggregator, values };
  }

  reset(): void {
    for (const tally of this.#tallies.values()) {
      tally.counts.fill(0);
      tally.sum = 0;
    }
  }
}
