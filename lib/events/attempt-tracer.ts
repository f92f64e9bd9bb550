/** Gives each attempt its place in a distributed trace. */
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';

export interface AttemptTracer {
  /**
   * Called right before a function is sent. The scheduler may recall it and send it again as the same attempt.
   *
   * @param runId of the run
   * @param i index of the function in the plan
   * @param attempt from 1
   * @param host name of the host it runs on; undefined for this host
   * @returns a W3C Trace Context `traceparent`; undefined if the run is not traced
   */
  begin(runId: string, plan: CompiledDag, i: number, attempt: number, host: string | undefined): string | undefined;
}
