/** Tells Prometheus of a Handoff. */
import './core/node-version.ts'; // first, so that it is what an old Node hears
import type { Registry } from 'prom-client';
import { HandoffError } from './core/errors.ts';
import { type Metrics, metricsOf } from './telemetry/metrics.ts';
import { shapeOfPlan } from './telemetry/run-shape.ts';
import { HandoffEmitter } from './runtime/emitter.ts';
import { type Handoff, overviewOf } from './runtime/handoff.ts';
import { checkOptions, invalidOption, isRecord } from './core/schema.ts';

export type { Metrics } from './telemetry/metrics.ts';

export interface CollectOptions {
  /** A Registry of prom-client that the metrics are put into, beside its others. Default: one of their own. */
  readonly registry?: Registry | undefined;
  /** What the names of the metrics begin with. Default `'handoff_'`. */
  readonly prefix?: string | undefined;
  /** The upper bounds of the histograms' buckets, ascending, in seconds. Default: from 0.0001 to 1800. */
  readonly buckets?: readonly number[] | undefined;
}

const isAscending = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((bound, k) => Number.isFinite(bound) && bound > 0 && (k === 0 || bound > value[k - 1]));

const schema = {
  registry: { expected: 'a Registry of prom-client', holds: (value: unknown) => isRecord(value) && typeof value['registerMetric'] === 'function' && typeof value['metrics'] === 'function' },
  prefix: { expected: 'letters, digits, _ and :, not a digit first', holds: (value: unknown) => typeof value === 'string' && /^([a-zA-Z_:][a-zA-Z0-9_:]*)?$/.test(value) },
  buckets: { expected: 'ascending numbers above 0, in seconds', holds: isAscending },
};

/**
 * Counts what happens on this host, from now on, as metrics of Prometheus: its runs with their functions, wherever they run, and at each scrape
 * what nodes have and what is claimed and used of it.
 *
 * ```ts
 * import { collectMetrics } from 'handoffjs/metrics';
 *
 * const metrics = collectMetrics(handoff);
 * createServer(async (_, response) => {
 *   response.setHeader('content-type', metrics.contentType).end(await metrics.text());
 * }).listen(9464, '127.0.0.1');
 * ```
 *
 * @throws `INVALID_OPTION`; also when the registry has metrics of these names already
 */
export function collectMetrics(handoff: Handoff, options: CollectOptions = {}): Metrics {
  if (!(handoff instanceof HandoffEmitter)) throw invalidOption('collectMetrics', 'handoff', 'a Handoff', handoff);
  checkOptions('collectMetrics', schema, options);
  const overview = overviewOf(handoff);
  const shapeOf = (runId: string): ReturnType<typeof shapeOfPlan> | undefined => {
    const plan = overview.planOf(runId);
    return plan && shapeOfPlan(plan);
  };
  try {
    return metricsOf(overview.ownFeed, { ...options, shapeOf, resources: () => handoff.resources() });
  } catch (cause) {
    throw new HandoffError('INVALID_OPTION', `collectMetrics: ${(cause as Error).message} Each Handoff of a process needs a registry or a prefix of its own.`, { option: 'registry', cause });
  }
}
