/** Runs, functions and nodes as metrics of Prometheus. */
export type { Metrics } from './observe/metrics.ts';
export { collectMetrics, type CollectOptions } from './telemetry/collect-metrics.ts';
