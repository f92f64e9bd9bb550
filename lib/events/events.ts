/** Everything that can be watched: one union, the only source for logs, progress, traces, metrics and dashboards. */
import type { Capabilities } from '../dag/types.ts';

interface Common {
  /** ms since the epoch, with fractions. */
  readonly at: number;
}

interface OfRun extends Common {
  /** Of the run, on the host it was started on. */
  readonly runId: string;
  /** The label that its DAG has. */
  readonly dagId: string;
}

interface OfFunction extends OfRun {
  readonly functionId: string;
}

interface OfAttempt extends OfFunction {
  readonly node: string;
  /** From 1. */
  readonly attempt: number;
}

/**
 * What `function:started`, `function:finished` and `result:stored` tell, in columns: for those who draw or count every function, at a
 * fraction of what an object for each costs. One list entry for each attempt that ended, whether well or not.
 */
export interface SpanColumns {
  readonly node: string;
  readonly thread: number;
  readonly functionIds: readonly string[];
  /** Where they are in the graph of their run, so that whoever has that need not look for them. */
  readonly indexes?: readonly number[];
  /** From 1. */
  readonly attempts: readonly number[];
  /** `begun, ended, …` in ms since the epoch. */
  readonly spans: readonly number[];
  /** Bytes of results in shared memory; 0 for results that are held as plain values. */
  readonly bytes: readonly number[];
  /** Positions of those that threw. */
  readonly failed: readonly number[];
}

export type HandoffEvent =
  | (OfRun & { readonly type: 'run:started'; readonly functions: number })
  | (OfRun & { readonly type: 'run:finished'; readonly functions: number; readonly retries: number; readonly durationMs: number })
  | (OfRun & { readonly type: 'run:failed'; readonly error: unknown; readonly durationMs: number })
  /** All that it needs is there. */
  | (OfFunction & { readonly type: 'function:ready' })
  | (OfAttempt & { readonly type: 'function:started'; readonly thread: number })
  | (OfAttempt & { readonly type: 'function:finished'; readonly thread: number; readonly durationMs: number })
  /**
   * It takes long, and is run once more on this thread, as the same attempt: see `speculate` of `execute`. The first of the two to finish is
   * told, by `function:finished` and in `attempts`; of the other nothing more is.
   */
  | (OfAttempt & { readonly type: 'function:speculated'; readonly thread: number })
  /** What ended on a thread, many at once: see `SpanColumns`. Not among what `'event'` tells. */
  | (OfRun & SpanColumns & { readonly type: 'attempts' })
  /** An attempt failed, and there will be another after `delayMs`. */
  | (OfAttempt & { readonly type: 'function:retrying'; readonly error: unknown; readonly delayMs: number })
  /** It failed for good. */
  | (OfAttempt & { readonly type: 'function:failed'; readonly error: unknown })
  /** It called `context().log(…)`; or printed something, with `output: 'events'`. */
  | (OfFunction & { readonly type: 'function:log'; readonly node: string; readonly attempt: number; readonly values: readonly unknown[] })
  /** It uses more memory than its cost says. Told once for each attempt, where a host was asked to look; see `monitorInterval`. */
  | (OfFunction & { readonly type: 'function:memory-exceeded'; readonly node: string; readonly claimedMb: number; readonly usedMb: number })
  /** Its result is in the store. `bytes` of shared memory; 0 for results that are held as plain values. */
  | (OfFunction & { readonly type: 'result:stored'; readonly node: string; readonly bytes: number })
  /** Its result has come here from the host of `node`. */
  | (OfFunction & { readonly type: 'result:fetched'; readonly node: string; readonly bytes: number })
  /** Its result is gone: it could not be read from disk, or its host is gone. It is made again if it is still needed. */
  | (OfFunction & { readonly type: 'result:lost' })
  /** A result that was lost, or had been dropped and is needed for one that was, is being made again. */
  | (OfFunction & { readonly type: 'result:recomputing' })
  /**
   * A result could not be written to disk. Until the next try, in `retryIn` ms, results stay in memory, whatever `budget` says; they hold
   * `bytes` now.
   */
  | (Common & { readonly type: 'spill:failed'; readonly error: unknown; readonly budget: number; readonly bytes: number; readonly retryIn: number })
  | (Common & { readonly type: 'node:up'; readonly node: string; readonly capabilities: Capabilities; readonly threads: number })
  /** A node of another host is not used, since another node has its name. `host`: its address. */
  | (Common & { readonly type: 'node:name-conflict'; readonly node: string; readonly host: string })
  /**
   * This host and another have nothing to do with each other: one does not prove what the other asks for. `peer`: its address; `dialled`:
   * whether this host dialled; `others`: how many were refused since the last that was told, as at most ten a second are.
   */
  | (Common & { readonly type: 'connection:refused'; readonly peer: string; readonly dialled: boolean; readonly error: unknown; readonly others: number })
  | (Common & { readonly type: 'node:down'; readonly node: string; readonly error: unknown })
  | (Common & { readonly type: 'node:capabilities-changed'; readonly node: string; readonly capabilities: Capabilities })
  /** The `probe` of a node threw, or gave something that no capabilities are. They stay as they were. */
  | (Common & { readonly type: 'probe:failed'; readonly node: string; readonly error: unknown })
  | (Common & { readonly type: 'worker:crashed'; readonly node: string; readonly thread: number; readonly reason: string; readonly error: unknown })
  | (Common & { readonly type: 'worker:restarted'; readonly node: string; readonly thread: number })
  /** A method that an actor was told to run threw, or it was lost. Of those that it is asked for, whoever asks hears. */
  | (Common & { readonly type: 'actor:error'; readonly actor: string; readonly method: string; readonly error: unknown })
  | (Common & { readonly type: 'supervisor:restarted'; readonly supervisor: string; readonly child: string; readonly error: unknown });

export type EventType = HandoffEvent['type'];

/** The event of a type. */
export type EventOf<Type extends EventType> = Extract<HandoffEvent, { readonly type: Type }>;

/** Every type, for whoever wants them all. */
export const eventTypes = [
  'run:started', 'run:finished', 'run:failed',
  'function:ready', 'function:started', 'function:finished', 'function:speculated', 'attempts', 'function:retrying', 'function:failed', 'function:log', 'function:memory-exceeded',
  'result:stored', 'result:fetched', 'result:lost', 'result:recomputing', 'spill:failed', 'node:up', 'node:name-conflict', 'connection:refused', 'node:down', 'node:capabilities-changed', 'probe:failed', 'worker:crashed', 'worker:restarted', 'actor:error', 'supervisor:restarted',
] as const satisfies readonly EventType[];

// Fails to compile when a type is missing above.
type Missing = Exclude<EventType, (typeof eventTypes)[number]>;
const complete: [Missing] extends [never] ? true : Missing = true;
void complete;

/** ms since the epoch, with fractions. */
export function timestamp(): number {
  return performance.timeOrigin + performance.now();
}
