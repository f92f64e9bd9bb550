/**
 * Public API of `handoffjs/otel`: OpenTelemetry traces of runs.
 *
 * @module handoffjs/otel
 */
import './core/node-version.ts'; // first, so that an old Node fails with a clear message
import type { Attributes, Tracer } from '@opentelemetry/api';
import type { CompiledDag } from './dag/compile/compiled-dag.ts';
import { HandoffError } from './core/errors.ts';
import type { EventOf, HandoffEvent } from './events/events.ts';
import { HandoffEmitter } from './runtime/emitter.ts';
import type { Handoff } from './runtime/handoff.ts';
import { invalidOption, parseOptions } from './core/options.ts';
import { context, trace } from './telemetry/otel-api.ts';
import { RunTrace } from './telemetry/run-trace.ts';
import { tracesSchema } from './telemetry/trace-options.ts';

export interface TraceOptions {
  /** The tracer. Default: `trace.getTracer('handoffjs')` of the registered provider. */
  readonly tracer?: Tracer | undefined;
  /** Attributes added to every span. */
  readonly attributes?: Attributes | undefined;
}

/**
 * Creates OpenTelemetry spans for all runs that start from now on. The span of a run is a child of the span that is
 * active where `execute` is called. Each attempt of a function, on any host, has a span that links to the attempts
 * whose results it takes. Inside a function, `context().traceparent` names the span of its attempt; spans that an SDK
 * in the worker thread starts there become its children.
 *
 * @param handoff whose runs are traced
 * @param options tracer and extra attributes
 * @returns a function that ends the tracing
 * @throws INVALID_OPTION if an option is invalid, or if this Handoff is already traced
 * @example
 * ```ts
 * import { traceRuns } from 'handoffjs/otel';
 *
 * const stop = traceRuns(handoff);
 * ```
 */
export function traceRuns(handoff: Handoff, options: TraceOptions = {}): () => void {
  if (!(handoff instanceof HandoffEmitter)) throw invalidOption('traceRuns', 'handoff', 'a Handoff', handoff);
  parseOptions('traceRuns', tracesSchema, options);
  const tracer = options.tracer ?? trace.getTracer('handoffjs');
  const runs = new Map<string, RunTrace>();
  const before = HandoffEmitter.setTracer(handoff, {
    begin: (runId: string, plan: CompiledDag, i: number, attempt: number, host: string | undefined) =>
      runs.get(runId)?.begin(plan, i, attempt, host ?? handoff.address ?? 'local'),
  });
  if (before !== undefined) {
    HandoffEmitter.setTracer(handoff, before);
    throw new HandoffError(
      'INVALID_OPTION',
      'traceRuns: this Handoff is already traced. End the first trace by calling the function that traceRuns returned.',
      { option: 'handoff' },
    );
  }

  const started = (event: EventOf<'run:started'>): void =>
    void runs.set(event.runId, new RunTrace(event, tracer, options.attributes ?? {}, context.active()));
  const record = (event: HandoffEvent & { readonly runId: string }): void => runs.get(event.runId)?.record(event);
  const ended = (event: EventOf<'run:finished' | 'run:failed'>): void => {
    record(event);
    runs.delete(event.runId);
  };
  handoff
    .on('run:started', started)
    .on('attempts', record)
    .on('function:retrying', record)
    .on('function:failed', record)
    .on('run:finished', ended)
    .on('run:failed', ended);
  return () => {
    handoff
      .off('run:started', started)
      .off('attempts', record)
      .off('function:retrying', record)
      .off('function:failed', record)
      .off('run:finished', ended)
      .off('run:failed', ended);
    HandoffEmitter.setTracer(handoff, undefined);
    for (const run of runs.values()) run.end();
    runs.clear();
  };
}
