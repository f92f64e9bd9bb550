/** A function in its thread, from its begin to its report. */
import { toErrorWire } from '../../../core/error-wire.ts';
import { FromThread } from '../wire.ts';
import type { ActorCalls } from './actor-calls.ts';
import type { Batch } from './batch.ts';
import { checkProgress, type TaskContext } from './context.ts';
import type { Post } from './report.ts';

/** A function that runs or is about to. */
export interface Item {
  readonly batch: Batch;
  readonly index: number;
  readonly code: number;
  /** Undefined when it was not sent, because no code here uses contexts. */
  readonly functionId: string | undefined;
  readonly attempt: number;
  /** The code of its `retryIf`; -1: none. */
  readonly retryIf: number;
  /** Whether another function takes its result. */
  readonly isRead: boolean;
  /** Its place in a trace; undefined: not traced. */
  readonly traceparent: string | undefined;
  /** Its result is wrapped as `{ ok: true, value }`. */
  readonly settles: boolean;
  begun: number;
  controller: AbortController | undefined;
}

/** What a context needs of its thread. */
export interface ContextParts {
  /** The node's name. */
  readonly node: string;
  readonly post: Post;
  readonly actorCalls: ActorCalls;
}

/** What the function sees of itself. */
export function contextOf(item: Item, { node, post, actorCalls }: ContextParts): TaskContext {
  const { functionId = '', attempt, traceparent } = item;
  const { origin, runId, dagId } = item.batch;
  return {
    get signal() {
      if (item.controller === undefined) {
        item.controller = new AbortController();
        if (item.batch.aborted !== undefined) item.controller.abort(item.batch.aborted);
      }
      return item.controller.signal;
    },
    attempt,
    runId,
    dagId,
    functionId,
    traceparent,
    node,
    actor: (name) => actorCalls.to(name),
    progress(fraction, note) {
      checkProgress(fraction, note);
      post([FromThread.progress, origin, runId, dagId, functionId, attempt, fraction, note]);
    },
    log: (...values) => post([FromThread.log, origin, runId, dagId, functionId, attempt, values.map(toErrorWire)]),
  };
}
