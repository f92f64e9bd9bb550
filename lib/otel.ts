/** Runs as OpenTelemetry spans. Needs `@opentelemetry/api`, an optional peer dependency. */
export { type TraceOptions, traceRuns } from './telemetry/trace-runs.ts';
