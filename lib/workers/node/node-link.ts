/** A node as the scheduler's shell sees it, on this host or on another. */
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
  };
  /** The number of its host; 0: this one. */
  readonly host: number;
  /** Names its host for people: its address, or what it is known by; undefined: this one. */
  readonly hostName: string | undefined;
  /** What stands for a payload in a batch that is sent there. */
  travelling(data: PayloadData, run: number): PayloadData;
  /**
   * A payload will be taken there, though by nothing that has been sent. Undefined where every payload is there anyway.
   */
  ahead?(data: PayloadData, run: number): void;
  /** @throws V8's error when a value among the items cannot be sent; the thread is then as before */
  send(thread: number, batch: OutgoingBatch): void;
  /** Takes back up to `count` functions of a batch; gives how many; undefined when that will be told by `takenBack`. */
  takeBack(thread: number, batch: number, count: number): number | undefined;
  /**
   * Cancels a batch; gives how many of its functions were taken back; undefined when that will be told by `takenBack`.
   */
  cancel(thread: number, batch: number, why: 'aborted' | 'timeout'): number | undefined;
  /** How many functions of a batch have begun, as far as is known. */
  begun(thread: number, batch: number): number;
  /** What a thread imports now. Undefined where that is not known. */
  importing?(thread: number): Importing | undefined;
  /** Lets two threads of one process hand results to each other. */
  connect(thread: number, other: NodeLink, otherThread: number): void;
  /** By which other threads of its process know a thread; -1 when it is gone. */
  addressOf(thread: number): number;
  /**
   * Ends a thread, whatever it does.
   *
   * @param batch for what it runs: a thread that has ended that batch, and begun another, goes on
   * @returns false when it goes on; undefined when that will be told: by `threadDown`, or by `threadUp` when it goes on
   */
  kill(thread: number, batch?: number): boolean | undefined;
}

/** Whoever can look into code: a node. */
export interface Inspector {
  /**
   * Imports a module in a thread, and tells what it exports.
   *
   * @param givenUp rejects when nobody wants to know any more
   */
  describe(url: string, givenUp: Promise<never>): Promise<ModuleDescription>;
  /** The free variables of a function that is given as source. */
  freeVariables(source: string, givenUp: Promise<never>): Promise<SourceDescription>;
}

/** How far the batches of a dead thread had got. */
export type StartedBatches = readonly { readonly batch: number; readonly started: number }[];

/** What a node tells. Threads are numbered from 0. */
export interface NodeEvents extends Omit<ThreadEvents, 'up' | 'down'> {
  threadUp(thread: number): void;
  threadDown(thread: number, crash: ThreadCrash, started: StartedBatches): void;
  threadRestarted(thread: number): void;
  /** It looks into code, and can run nothing until it is free again. */
  threadBusy(thread: number): void;
  threadFree(thread: number): void;
  /** Functions of a batch from `limit` on had not begun and never will. */
  takenBack(batch: number, limit: number): void;
}
