/**
 * A run as OpenTelemetry spans: one for the run, and one for each attempt, which links to the attempts whose results it
 * takes.
 *
 * ```
 *   handoff.run   ├──────────────────────────┤
 *   load            ├─────┤
 *   square                 ├───┤  links: load
 *   total                       ├──┤  links: square
 * ```
 *
 * The span of an attempt starts when the attempt is sent, so that spans of the function can become its children. It
 * ends when the end is reported. An attempt that was recalled or never reported has no span.
 */
import type { Attributes, Context, HrTime, Span, SpanContext, Tracer } from '@opentelemetry/api';
import { nameOf } from '../dag/code.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import type { EventOf, HandoffEvent } from '../events/events.ts';
import { isSpanContextValid, SpanStatusCode, trace } from './otel-api.ts';

/** An attempt that was sent and whose end is not reported yet. A backup copy belongs to the same attempt. */
interface Open {
  readonly span: Span;
  readonly attempt: number;
  readonly traceparent: string | undefined;
  /**
   * The SDK keeps this array, so that the start can be corrected once it is known. With an SDK that copies it, a span
   * starts when its attempt is sent.
   */
  readonly start: [number, number];
  /** Functions whose results it takes but that had not been sent yet, such as earlier parts of the same gang. */
  readonly unlinked: readonly number[];
  /** When it failed, in ms since the epoch. The error arrives with the next event. */
  failedAt: number | undefined;
}

export class RunTrace {
  readonly #tracer: Tracer;
  readonly #attributes: Attributes;
  readonly #span: Span;
  readonly #context: Context;
  #plan: CompiledDag | undefined;
  /** Indexed by function. */
  readonly #open = new Map<number, Open>();
  /** Indexed by function: the attempt that returned the result. */
  readonly #done = new Map<number, SpanContext>();

  /** @param parent context that the run belongs to */
  constructor(
    { runId, dagId, functions, at }: EventOf<'run:started'>,
    tracer: Tracer,
    attributes: Attributes,
    parent: Context,
  ) {
    this.#tracer = tracer;
    this.#attributes = { ...attributes, 'handoff.dag.id': dagId, 'handoff.run.id': runId };
    this.#span = tracer.startSpan(
      'handoff.run',
      { startTime: toHrTime(at), attributes: { ...this.#attributes, 'handoff.run.functions': functions } },
      parent,
    );
    this.#context = trace.setSpan(parent, this.#span);
  }

  /** See `AttemptTracer`. */
  begin(plan: CompiledDag, i: number, attempt: number, host: string): string | undefined {
    this.#plan = plan;
    const known = this.#open.get(i);
    if (known?.attempt === attempt) return known.traceparent;
    const { links, unlinked } = this.#linksOf(plan, i);
    const start = toHrTime(performance.timeOrigin + performance.now());
    const attributes = {
      ...this.#attributes,
      'handoff.function.id': plan.entries[i]!.id,
      'code.function.name': nameOf(plan.codes[plan.code[i]!]!),
      'handoff.attempt': attempt,
      'handoff.host': host,
    };
    const span = this.#tracer.startSpan(
      nameOf(plan.codes[plan.code[i]!]!),
      { startTime: start, attributes, links },
      this.#context,
    );
    const traceparent = toTraceparent(span.spanContext());
    this.#open.set(i, { span, attempt, traceparent, start, unlinked, failedAt: undefined });
    return traceparent;
  }

  /** Takes in an event of this run. */
  record(event: HandoffEvent): void {
    switch (event.type) {
      case 'attempts':
        return this.#spans(event);
      case 'function:retrying':
      case 'function:failed':
        return this.#failed(event);
      case 'run:finished':
        this.#span.setAttribute('handoff.run.retries', event.retries);
        return this.end(event.at);
      case 'run:failed':
        fail(this.#span, event.error, event.at);
        return this.end(event.at);
    }
  }

  /** Ends all open spans and the span of the run. */
  end(at?: number): void {
    for (const [i, open] of this.#open) {
      if (open.failedAt === undefined) continue;
      open.span.setStatus({ code: SpanStatusCode.ERROR, message: 'The run ended before this attempt was reported.' });
      this.#end(i, open, open.failedAt, false);
    }
    this.#span.end(at === undefined ? undefined : toHrTime(at));
  }

  #linksOf(plan: CompiledDag, i: number): { links: { context: SpanContext }[]; unlinked: number[] } {
    const links: { context: SpanContext }[] = [];
    const unlinked: number[] = [];
    for (const dep of new Set(plan.deps.subarray(plan.depOffset[i]!, plan.depOffset[i + 1]!))) {
      const context = this.#contextOf(dep);
      if (context === undefined) unlinked.push(dep);
      else links.push({ context });
    }
    return { links, unlinked };
  }

  #contextOf(i: number): SpanContext | undefined {
    return this.#open.get(i)?.span.spanContext() ?? this.#done.get(i);
  }

  #spans({ node, thread, functionIds, attempts, spans, failed }: EventOf<'attempts'>): void {
    const misses = new Set(failed);
    for (let k = 0; k < functionIds.length; k++) {
      const i = this.#plan?.indexOf(functionIds[k]!) ?? -1;
      const open = this.#open.get(i);
      if (open === undefined || open.attempt !== attempts[k]) continue;
      [open.start[0], open.start[1]] = toHrTime(spans[2 * k]!);
      open.span.setAttributes({ 'handoff.node': node, 'handoff.thread': thread });
      if (misses.has(k)) open.failedAt = spans[2 * k + 1]!;
      else this.#end(i, open, spans[2 * k + 1]!, true);
    }
  }

  /** Records a failed attempt. If no thread reported its end (it died or took too long), it ends now. */
  #failed({ functionId, attempt, node, error, at }: EventOf<'function:retrying' | 'function:failed'>): void {
    const i = this.#plan?.indexOf(functionId) ?? -1;
    const open = this.#open.get(i);
    if (open === undefined || open.attempt !== attempt) return;
    const endedAt = open.failedAt ?? at;
    open.span.setAttribute('handoff.node', node);
    fail(open.span, error, endedAt);
    this.#end(i, open, endedAt, false);
  }

  /** @param isDone whether the attempt returned the result of the function */
  #end(i: number, { span, unlinked }: Open, at: number, isDone: boolean): void {
    for (const dep of unlinked) {
      const context = this.#contextOf(dep);
      if (context !== undefined) span.addLink({ context });
    }
    if (isDone) this.#done.set(i, span.spanContext());
    this.#open.delete(i);
    span.end(toHrTime(at));
  }
}

function fail(span: Span, error: unknown, at: number): void {
  const exception = error instanceof Error ? error : String(error);
  span.recordException(exception, toHrTime(at));
  span.setStatus({ code: SpanStatusCode.ERROR, message: exception instanceof Error ? exception.message : exception });
}

/** @returns undefined without an SDK, because there is no trace */
function toTraceparent(context: SpanContext): string | undefined {
  if (!isSpanContextValid(context)) return undefined;
  return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, '0')}`;
}

/** @param at ms since the epoch */
function toHrTime(at: number): [number, number] & HrTime {
  const seconds = Math.trunc(at / 1000);
  return [seconds, Math.min(999_999_999, Math.round((at - seconds * 1000) * 1e6))];
}
