/** How attempts get their place in somebody's trace: what they are sent with. */
import type { CompiledDag } from '../dag/compiled-dag.ts';

export interface AttemptTracer {
  /**
   * A function is about to be sent. It may be taken back and sent again as the same attempt.
   *
   * @param runId of the run
   * @param i the function, in the plan
   * @param attempt from 1
   * @param host names the host it runs on; undefined: this one
   * @returns the `traceparent` of W3C Trace Context; undefined: its run is not traced
   */
  begin(runId: string, plan: CompiledDag, i: number, attempt: number, host: string | undefined): string | undefined;
}
