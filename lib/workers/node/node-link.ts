/** A node as the engine sees it, on this host or another. */
import type { Capabilities } from '../../dag/types.ts';
import type { PayloadData } from '../store/payload.ts';
import type { Importing, ThreadCrash, ThreadEvents, OutgoingBatch } from './thread-messages.ts';
import type { ModuleDescription, SourceDescription } from './wire.ts';

export interface NodeLink extends Inspector {
  readonly settings: {
    readonly name: string;
    readonly capabilities: Capabilities;
    readonly threads: number;
    readonly speed: number;
    readonly price?: number;
    readonly concurrency: number;
  };
  /** The number of its host; 0: this one. */
  readonly host: number;
  /** The name or address of its host, for messages; undefined: this one. */
  readonly hostName: string | undefined;
  /** What a batch for this node carries in place of a payload. */
  travelling(data: PayloadData, run: number): PayloadData;
  /** Announces a payload that this node will need later. Undefined where every payload is there anyway. */
  prefetch?(data: PayloadData, run: number): void;
  /** @throws V8's error when a value cannot be sent; the thread is then unchanged */
  send(thread: number, batch: OutgoingBatch): void;
  /** Takes back up to `count` functions of a batch. @returns how many; undefined: `takenBack` will report it */
  takeBack(thread: number, batch: number, count: number): number | undefined;
  /** Cancels a batch. @returns how many of its functions were taken back; undefined: `takenBack` will report it */
  cancel(thread: number, batch: number, why: 'aborted' | 'timeout'): number | undefined;
  /** How many functions of a batch are known to have begun. */
  begun(thread: number, batch: number): number;
  /** The module that a thread imports now. Undefined where this is unknown. */
  importing?(thread: number): Importing | undefined;
  /**
   * Sets the time, by `performance.now()`, from which on it reports the functions of patient batches soon. Undefined
   * where it always does.
   */
  reportFrom?(at: number): void;
  /** Connects two threads of one process, so that they can pass results to each other. */
  connect(thread: number, other: NodeLink, otherThread: number): void;
  /** The address by which other threads of its process know this one; -1: it is gone. */
  addressOf(thread: number): number;
  /**
   * Ends a thread at once.
   *
   * @param batch only if it still runs this batch: a thread that has gone on to another one continues
   * @returns false when it continues; undefined: `threadDown` will report the end, or `threadUp` that it continues
   */
  kill(thread: number, batch?: number): boolean | undefined;
}

/** Inspects code: a node. */
export interface Inspector {
  /**
   * Imports a module in a thread and describes its exports.
   *
   * @param givenUp rejects when the answer is no longer needed
   */
  describe(url: string, givenUp: Promise<never>): Promise<ModuleDescription>;
  /** The free variables of a function given as source. */
  freeVariables(source: string, givenUp: Promise<never>): Promise<SourceDescription>;
}

/** How many functions of each batch had begun when their thread died. */
export type StartedBatches = readonly { readonly batch: number; readonly started: number }[];

/** What a node reports. Threads are numbered from 0. */
export interface NodeEvents extends Omit<ThreadEvents, 'up' | 'down' | 'blocked'> {
  threadUp(thread: number): void;
  threadDown(thread: number, crash: ThreadCrash, started: StartedBatches): void;
  threadRestarted(thread: number): void;
  threadBlocked(thread: number, batch: number | undefined, ms: number): void;
  /** The thread inspects code, and runs no functions until `threadFree`. */
  threadBusy(thread: number): void;
  threadFree(thread: number): void;
  /** Functions of a batch from index `limit` on never begin. */
  takenBack(batch: number, limit: number): void;
}
