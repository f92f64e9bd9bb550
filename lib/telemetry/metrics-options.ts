/** The options of `collectMetrics`. */
import type { Registry } from 'prom-client';
import { special, text } from '../core/option-types.ts';
import { option, optionSet } from '../core/options.ts';
import { isRecord } from '../core/values.ts';

const isAscending = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((bound, k) => Number.isFinite(bound) && bound > 0 && (k === 0 || bound > value[k - 1]));

export const metricsSchema = optionSet({
  registry: option(
    special<Registry>(
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
