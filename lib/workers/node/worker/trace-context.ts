/**
 * Runs functions inside the trace context that they were sent with, so that what an OpenTelemetry SDK of this thread
 * starts meanwhile becomes part of the trace. Where the thread has none, nothing happens.
 */
import { resolve, type Surroundings } from './arguments.ts';
import type { Callable } from './code.ts';
import { invoke } from './invoke.ts';

type Api = typeof import('@opentelemetry/api');

class TraceContext {
  /** Null: it is not installed. */
  #api: Api | null | undefined;

  /** Whether functions can be called in it. */
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

  /** Puts arguments together, with the inline functions among them. */
  resolve(traceparent: string, args: readonly unknown[], around: Surroundings): unknown[] | Promise<unknown[]> {
    return this.#within(traceparent, () => resolve(args, 0, args.length / 2, around));
  }

  /** @param traceparent as W3C Trace Context has it: `version-traceId-spanId-flags` */
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
