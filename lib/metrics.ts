/**
 * Public API of `handoffjs/metrics`: metrics for Prometheus.
 *
 * @module handoffjs/metrics
 */
import './core/node-version.ts'; // first, so that an old Node fails with a clear message
import { HandoffError } from './core/errors.ts';
import { type Metrics, metricsOf } from './telemetry/metrics.ts';
import { shapeOfPlan } from './telemetry/run-shape.ts';
import { HandoffEmitter } from './runtime/emitter.ts';
import { type Handoff, overviewOf } from './runtime/handoff.ts';
import { invalidOption, parseOptions } from './core/options.ts';
import { metricsSchema, type MetricsRegistry } from './telemetry/metrics-options.ts';

export type { Metrics } from './telemetry/metrics.ts';
export type { MetricsRegistry } from './telemetry/metrics-options.ts';

export interface CollectOptions {
  /** The registry of prom-client that receives the metrics. Default: a new one. */
  readonly registry?: MetricsRegistry | undefined;
  /** The prefix of the metric names. Default: `'handoff_'`. */
  readonly prefix?: string | undefined;
  /** Upper bounds of the histogram buckets in seconds, ascending. Default: from 0.0001 to 1800. */
  readonly buckets?: readonly number[] | undefined;
}

/**
 * Counts the events of this host as Prometheus metrics: its runs and their functions, wherever those run. Each scrape
 * also reads the capabilities, claims and usage of all nodes.
 *
 * @param handoff to observe, from now on
 * @param options registry, prefix and buckets
 * @returns `text()` for the response to a scrape, `contentType`, and `stop()`
 * @throws INVALID_OPTION if an option is invalid, or if the registry already has metrics with these names
 * @example
 * ```ts
 * import { collectMetrics } from 'handoffjs/metrics';
 *
 * const metrics = collectMetrics(handoff);
 * createServer(async (_, response) => {
 *   response.setHeader('content-type', metrics.contentType).end(await metrics.text());
 * }).listen(9464, '127.0.0.1');
 * ```
 */
export function collectMetrics(handoff: Handoff, options: CollectOptions = {}): Metrics {
  if (!(handoff instanceof HandoffEmitter)) throw invalidOption('collectMetrics', 'handoff', 'a Handoff', handoff);
  parseOptions('collectMetrics', metricsSchema, options);
  const overview = overviewOf(handoff);
  const shapeOf = (runId: string): ReturnType<typeof shapeOfPlan> | undefined => {
    const plan = overview.planOf(runId);
    return plan && shapeOfPlan(plan);
  };
  try {
    return metricsOf(overview.ownFeed, { ...options, shapeOf, resources: () => handoff.resources() });
  } catch (cause) {
    throw new HandoffError(
      'INVALID_OPTION',
      `collectMetrics: ${(cause as Error).message} Each Handoff of a process needs a registry or a prefix of its own.`,
      { option: 'registry', cause },
    );
  }
}
