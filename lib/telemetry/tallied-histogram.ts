/**
 * A histogram of prom-client's by function name, fed without its labels and hashes: a function costs one look for its bucket. They are put
 * together when somebody asks.
 */
import type { Histogram, Registry } from 'prom-client';

/** What was seen of one name. */
export class Tally {
  readonly #bounds: readonly number[];
  /** By bucket, not cumulated; the last is that above all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  /** @param bounds the upper bounds of buckets, ascending */
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

/** What a registry wants of a metric: its name, its values, and that it can be set back. */
export class TalliedHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly #bounds: readonly number[];
  readonly #tallies = new Map<string, Tally>();

  constructor(name: string, help: string, bounds: readonly number[], registry: Registry) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    registry.registerMetric(this as unknown as Histogram);
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
        metricName: `${name}_bucket`, labels: { le: this.#bounds[k] ?? '+Inf', function: label }, value: (count += more),
      }));
      return [...buckets, { metricName: `${name}_sum`, labels: { function: label }, value: sum }, { metricName: `${name}_count`, labels: { function: label }, value: count }];
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
