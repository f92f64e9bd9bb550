/**
 * Runs functions in the trace context they were sent with, so that spans of an OpenTelemetry SDK in this thread join
 * the trace. Without OpenTelemetry it has no effect.
 */
import { resolve, type ArgumentSources } from './arguments.ts';
import type { Callable } from './code.ts';
import { invoke } from './invoke.ts';

type Api = typeof import('@opentelemetry/api');

class TraceContext {
  /** Null: not installed. */
  #api: Api | null | undefined;

  /** Whether `load` has finished. */
  get isLoaded(): boolean {
    return this.#api !== undefined;
  }

  async load(): Promise<void> {
    this.#api ??= await import('@opentelemetry/api').catch(() => null);
  }

  /** Calls a function. */
  call(traceparent: string, fn: Callable, args: readonly unknown[]): unknown {
    return this.#within(traceparent, () => invoke(fn, args));
  }

  /** Resolves arguments, including inline functions. */
  resolve(traceparent: string, args: readonly unknown[], around: ArgumentSources): unknown[] | Promise<unknown[]> {
    return this.#within(traceparent, () => resolve(args, 0, args.length / 2, around));
  }

  /** @param traceparent W3C Trace Context: `version-traceId-spanId-flags` */
  #within<Result>(traceparent: string, work: () => Result): Result {
    if (this.#api === null || this.#api === undefined) return work();
    const { context, ROOT_CONTEXT, trace } = this.#api;
    const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
    return context.with(
      trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }),
      work,
    );
  }
}

export const traceContext = new TraceContext();
