/** Counts events for Prometheus as they arrive, and formats the metrics when they are read. */
/// <reference path="./prom-client-parts.d.ts" />
import Counter from 'prom-client/lib/counter.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import type { EventOf, EventType } from '../events/events.ts';
import type { Feed, FeedEvent } from '../events/feed.ts';
import { addGauges, type NodeUse } from './metrics-gauges.ts';
import { FunctionMetrics } from './metrics-functions.ts';
import type { MetricsRegistry } from './metrics-options.ts';
import type { RunShape } from './run-shape.ts';

export interface MetricsOptions {
  /** Registry that receives the metrics. Default: a new one. */
  readonly registry?: MetricsRegistry | undefined;
  /** Prefix of the metric names. Default `'handoff_'`. */
  readonly prefix?: string | undefined;
  /** Upper bounds of the histogram buckets in seconds, ascending. */
  readonly buckets?: readonly number[] | undefined;
  /** Capabilities, claims and usage of the nodes, read at each scrape. */
  readonly resources?: (() => Promise<Readonly<Record<string, NodeUse>>>) | undefined;
  /** The shape of a run of this host in progress. It is cheaper to get than the graph. */
  readonly shapeOf?: ((runId: string) => RunShape | undefined) | undefined;
}

export interface Metrics {
  /** The registry that was given, or a new one. */
  readonly registry: MetricsRegistry;
  /** The content type of `text`. */
  readonly contentType: string;
  /** All metrics of the registry in Prometheus' text format. */
  text(): Promise<string>;
  /** Stops counting and removes the metrics from the registry. */
  stop(): void;
}

// In seconds: functions take from tens of microseconds to hours.
const defaultBuckets = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800];

const types = [
  'run:started',
  'run:finished',
  'run:failed',
  'attempts',
  'function:retrying',
  'function:failed',
  'result:fetched',
  'result:lost',
  'result:recomputing',
  'worker:crashed',
  'worker:restarted',
  'supervisor:restarted',
] as const satisfies readonly EventType[];

/** @throws prom-client's error if the registry already has metrics with these names; it then keeps none of ours */
export function metricsOf(
  feed: Pick<Feed, 'subscribe'>,
  { registry = new Registry(), prefix = 'handoff_', ...options }: MetricsOptions = {},
): Metrics {
  const names: string[] = [];
  const remove = (): void => {
    for (const name of names) registry.removeSingleMetric(name);
  };
  const named = (name: string): string => {
    if (registry.getSingleMetric(prefix + name) !== undefined)
      throw new Error(`A metric with the name ${prefix}${name} has already been registered.`);
    names.push(prefix + name);
    return prefix + name;
  };
  try {
    const unsubscribe = feed.subscribe(types, recorder(registry as Registry, named, options));
    return {
      registry,
      contentType: registry.contentType,
      text: () => registry.metrics(),
      stop: () => {
        unsubscribe();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Registers the metrics and returns a function that counts events. */
function recorder(
  registry: Registry,
  named: (name: string) => string,
  { buckets = defaultBuckets, resources, shapeOf }: MetricsOptions,
): (received: FeedEvent) => void {
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
    new Counter({ name: named(name), help, labelNames, registers: [registry] });

  const started = counter('runs_started_total', 'Runs that started.');
  const ended = counter('runs_finished_total', 'Runs that ended, by outcome: succeeded, failed.', 'outcome');
  const duration = new Histogram({
    name: named('run_duration_seconds'),
    help: 'Duration of runs.',
    labelNames: ['outcome'],
    buckets: [...buckets],
    registers: [registry],
  });
  const fetched = counter('result_fetched_bytes_total', 'Bytes of results fetched from other hosts.');
  const lost = counter('results_lost_total', 'Lost results: not readable from disk, or their host is gone.');
  const recomputed = counter('results_recomputed_total', 'Results that were recomputed.');
  const crashed = counter('worker_crashes_total', 'Worker threads that died, by node and reason.', 'node', 'reason');
  const restarted = counter('worker_restarts_total', 'Worker threads that were restarted, by node.', 'node');
  const supervised = counter(
    'supervisor_restarts_total',
    'Children that supervisors restarted, by supervisor.',
    'supervisor',
  );
  const unread = counter('events_unread_total', 'Events that could not be counted because they were malformed.');
  const functions = new FunctionMetrics({ named, counter, registry, buckets, shapeOf });
  addGauges({ named, registry, resources, running: () => functions.running });

  const end = (host: string, { runId, durationMs }: EventOf<'run:finished' | 'run:failed'>, outcome: string): void => {
    functions.ended(host, runId);
    ended.inc({ outcome });
    duration.observe({ outcome }, durationMs / 1000);
  };
  const record = (received: FeedEvent): void => {
    const { event } = received;
    switch (event.type) {
      case 'run:started':
        started.inc();
        return functions.started(received as FeedEvent<'run:started'>);
      case 'run:finished':
        return end(received.host, event, 'succeeded');
      case 'run:failed':
        return end(received.host, event, 'failed');
      case 'attempts':
        return functions.spans(received.host, event);
      case 'function:retrying':
        return functions.failed(received.host, event, 'retried');
      case 'function:failed':
        return functions.failed(received.host, event, 'failed');
      case 'result:fetched':
        return fetched.inc(event.bytes);
      case 'result:lost':
        return lost.inc();
      case 'result:recomputing':
        return recomputed.inc();
      case 'worker:crashed':
        return crashed.inc({ node: event.node, reason: event.reason });
      case 'worker:restarted':
        return restarted.inc({ node: event.node });
      case 'supervisor:restarted':
        return supervised.inc({ supervisor: event.supervisor });
    }
  };
  return (received) => {
    try {
      record(received);
    } catch {
      unread.inc(); // a malformed event of another host must not end this process
    }
  };
}
