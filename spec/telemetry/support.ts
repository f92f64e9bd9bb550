/** A tracer of the real SDK that keeps its spans, and what specs ask of them. */
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Dag } from '../../lib/index.ts';
import { dagOf, t } from '../support/handoff.ts';

const exporter = new InMemorySpanExporter();
export const tracer = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }).getTracer('spec');
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

/** The spans that have ended since the last call. */
export function takeSpans(): ReadableSpan[] {
  const spans = [...exporter.getFinishedSpans()];
  exporter.reset();
  return spans;
}

export const idOf = (span: ReadableSpan): string => span.spanContext().spanId;
export const functionOf = (span: ReadableSpan): string => span.attributes['handoff.function.id'] as string;
export const traceparentOf = (span: ReadableSpan): string => `00-${span.spanContext().traceId}-${idOf(span)}-01`;
export const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;

/** The span of the run, and those of attempts. */
export function split(spans: readonly ReadableSpan[]): {
  readonly run: ReadableSpan;
  readonly attempts: readonly ReadableSpan[];
} {
  const runs = spans.filter((span) => span.name === 'handoff.run');
  if (runs.length !== 1) throw new Error(`expected the span of one run, got ${runs.length}`);
  return { run: runs[0]!, attempts: spans.filter((span) => span !== runs[0]) };
}

/** `from -> to`, of every link. */
export function linksOf(attempts: readonly ReadableSpan[]): string[] {
  const byId = new Map(attempts.map((span) => [idOf(span), functionOf(span)]));
  return attempts
    .flatMap((span) =>
      span.links.map(({ context: { spanId } }) => `${byId.get(spanId) ?? 'nobody'} -> ${functionOf(span)}`),
    )
    .sort();
}

/** `from -> to`, of every edge. */
export function edgesOf(dag: Dag): string[] {
  return dag
    .toJSON()
    .functions.flatMap(({ id, args = [] }) =>
      [...new Set(args.map((arg) => (typeof arg === 'string' ? arg : (arg as { readonly id: string }).id)))].map(
        (from) => `${from} -> ${id}`,
      ),
    )
    .sort();
}

/** Layers of functions, each of which takes two results of the layer before. */
export function layered(layers: number, width: number): Dag {
  return dagOf(
    ...Array.from({ length: layers * width }, (_, k) => {
      const layer = Math.floor(k / width);
      const args = [k * 7 + 3, k * 13 + 8].map((pick) => `${layer - 1},${pick % width}`);
      return { id: `${layer},${k % width}`, code: t.add, args: layer === 0 ? [] : args };
    }),
  );
}
