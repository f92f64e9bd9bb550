/** The options of `collectMetrics`. */
import { special, text } from '../core/option-types.ts';
import { option, optionSet } from '../core/options.ts';
import { isRecord } from '../core/values.ts';

/**
 * Where metrics are registered: the part of prom-client's `Registry` that is used, so that neither the package nor its
 * types need to be installed.
 */
export interface MetricsRegistry {
  readonly contentType: string;
  metrics(): Promise<string>;
  registerMetric(metric: unknown): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
}

const isAscending = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((bound, k) => Number.isFinite(bound) && bound > 0 && (k === 0 || bound > value[k - 1]));

export const metricsSchema = optionSet({
  registry: option(
    special<MetricsRegistry>(
      (value) =>
        isRecord(value) && typeof value['registerMetric'] === 'function' && typeof value['metrics'] === 'function',
      'a Registry of prom-client',
    ),
    { description: 'The registry of prom-client that receives the metrics.', otherwise: 'a new one' },
  ),
  prefix: option(
    text('letters, digits, _ and :, not a digit first', (prefix) => /^([a-zA-Z_:][a-zA-Z0-9_:]*)?$/.test(prefix)),
    { description: 'The prefix of the metric names.', otherwise: "`'handoff_'`" },
  ),
  buckets: option(special<readonly number[]>(isAscending, 'ascending numbers above 0, in seconds'), {
    description: 'Upper bounds of the histogram buckets in seconds, ascending.',
    otherwise: 'from 0.0001 to 1800',
  }),
});
