/**
 * The whole state of the scheduler. Only `handle` changes it; `validate` checks its invariants.
 *
 * ```
 *   State ─┬─ nodes ── threads ─┬─ batches (at most two: one works, one waits behind it)
 *          │                    └─ or seats with one batch each, of concurrent functions (dispatch/seats.ts)
 *          └─ runs ─┬─ status, missing, attempts, …   (typed arrays, by function)
 *                   ├─ queue    ready functions, by their demands
 *                   └─ batches  the batches of this run
 * ```
 */
import type { ResourceTracker } from '../resources/resource-tracker.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Capabilities, Cost, Uses } from '../../dag/types.ts';
import type { LimitRule } from '../resources/limits.ts';
import type { Estimate } from './dispatch/estimate.ts';
import type { Growth } from './growth/span.ts';
import type { RunSettings } from './events.ts';
import type { FunctionFailure, Outcome } from './outcome.ts';
import type { ReadyClass, ReadyQueue } from './ready-queue.ts';

/** The part of a batch in a race with a copy. */
export interface Contest<B> {
  /** The other batch, while the race is open. */
  rival: B | null;
  readonly isCopy: boolean;
  /** Whether the other batch has won. */
  isLost: boolean;
}

/** The copies of a run. */
export interface Copies {
  started: number;
  won: number;
  /** The number of batches that have lost and still run. */
  losing: number;
}

/** The status of a function. */
export const Status = {
  /** An input is missing. Not held by anything. */
  waiting: 0,
  /** Can start. Held by `Run.queue`. */
  ready: 1,
  /** Waits for its next attempt. Held by a timer. */
  delayed: 2,
  /** Sent to a worker, started or not. Held by a batch. */
  dispatched: 3,
  /** Its result exists. */
  done: 4,
  /** Failed for good. */
  failed: 5,
  /** Can never run, because a dependency has failed for good. */
  unreachable: 6,
  /** Does not run, because its condition does not hold or an input that it needs was skipped. */
  skipped: 7,
  /** A map whose inputs exist, and that waits for the length of its list; or a function whose graph is being checked. */
  growing: 8,
  /** A map with elements that are not done, or a function that answered with a graph that is not done. */
  open: 9,
} as const;

export interface Node {
  readonly index: number;
  readonly name: string;
  /** The node's host; 0 is this host. Only threads of one host share memory. */
  host: number;
  /** Increases each time the node comes back. */
  incarnation: number;
  capabilities: Capabilities;
  speed: number;
  up: boolean;
  /** Down, but restarting. */
  returning: boolean;
  /** Up, but leaving: it finishes what it has started, and gets nothing more. */
  draining: boolean;
  readonly threads: Thread[];
  /** The number of threads that are up. */
  threadsUp: number;
  /** The number of idle threads. */
  idle: number;
  /** How many concurrent functions a thread holds. */
  concurrency: number;
  /** The threads with concurrent functions that have room for more. */
  readonly shared: Set<Thread>;
  /** The number of threads with concurrent functions. */
  sharing: number;
  /** The number of concurrent functions on its threads. */
  seated: number;
  /** The amounts that batches hold. */
  readonly claimed: Record<string, number>;
}

/** A worker thread. Runs one function at a time. */
export interface Thread {
  readonly node: Node;
  readonly index: number;
  up: boolean;
  /** In the order of sending. */
  readonly batches: Batch[];
  /** Its end was requested, so the function that it runs when it dies is not at fault. */
  killing: boolean;
  /** Another scheduler's work seems to occupy it: it was sent work and has not started any. */
  occupied: boolean;
  /** For a seat of a concurrent function: its thread. Null for a thread. See seats.ts. */
  readonly of: Thread | null;
  /** The seats that hold a batch. */
  readonly taken: Set<Thread>;
  /** Other seats, for later use. */
  readonly spare: Thread[];
  /** It gets no more concurrent functions until its seats are empty. */
  draining: boolean;
}

/** Functions sent to a thread in one message. They run in order. */
export interface Batch {
  readonly id: number;
  readonly run: Run;
  readonly thread: Thread;
  readonly functions: readonly number[];
  /** The number of functions that have ended. */
  done: number;
  /** The number of functions that will run: less than were sent if some were taken back. */
  size: number;
  /** The amounts that its functions claim of the node. */
  readonly claim: Cost | undefined;
  /** The limits of the program that its function uses. It has one function then. */
  readonly uses: Uses | undefined;
  /**
   * Whether it holds that claim. A batch that waits behind another with the same claim takes it over when that one
   * ends.
   */
  holds: boolean;
  /** The number of functions that do not depend on others of the batch. */
  heads: number;
  /** The expected duration in ms; 0 if too little is known. */
  expectedMs: number;
  /** Whether the durations of its functions are well known, so that a report of some of them can wait for more. */
  readonly steady: boolean;
  /**
   * The earliest possible start of the batch, in ms: when it was sent, or when the batch before it on its thread ended.
   */
  begunAt: number;
  /** The earliest possible start of the running function, in ms. */
  since: number;
  /** Runs alone, with nothing queued behind it. */
  readonly exclusive: boolean;
  cancelled: boolean;
  /** Whether its function has timed out. */
  timedOut: boolean;
  /** Whether the end of its thread was requested because of it. */
  isDoomed: boolean;
  /** Whether a request to give back functions is pending. */
  takingBack: boolean;
  /** The timer of its function's timeout, or of the grace period after it; -1 for none. */
  timer: number;
  /** Its connections to other batches of its gang; null if it is in none. */
  readonly gang: GangPart | null;
  /** Null if its last function never had a copy. */
  contest: Contest<Batch> | null;
}

/**
 * Batches that are sent to several threads together form a **gang**: workers hand results to each other as functions
 * finish, and so run ahead of the scheduler.
 *
 * ```
 *   thread 0   a ── c ── e ──      sources of thread 1's batch, by place: [0: thread 0's]   for d, which takes a
 *             ╲                  imports of thread 1's batch: a → place 0
 *   thread 1   b ── d ── f ──      exports of thread 0's batch: a (position 0) → thread 1's, place 0
 * ```
 */
export interface GangPart {
  /** By function: the place of its result, which comes from another batch of the gang. */
  readonly imports: Map<number, number>;
  /** By place: the batch that provides it. */
  readonly sources: Batch[];
  readonly exports: GangExport[];
}

/** A result that goes to another batch of the gang. */
export interface GangExport {
  /** The position of its function in its own batch. */
  readonly at: number;
  readonly to: Batch;
  /** Its place among the other batch's imports. */
  readonly place: number;
}

/** The order in which nodes take the functions of a planned run. */
export interface Sequence {
  /** By node. */
  readonly byNode: ReadonlyMap<number, Int32Array>;
  /** By node: the first function that has not been sent. */
  readonly next: Map<number, number>;
  /** By function: its index in the order of its node. */
  readonly at: Int32Array;
  /** By function: its planned start, in ms from the start of the run. */
  readonly start: Float64Array;
}

/** The amounts that groups bound to a node have yet to claim there. */
export interface Promised {
  groups: number;
  readonly amounts: Record<string, number>;
}

/** The first class of a run whose claim does not fit, because batches hold too much. */
export interface Short {
  from: ReadyClass;
  /** The time in ms since when the run waits for a claim. */
  readonly since: number;
  /** The length in ms of the last pause without a reservation, and its end. */
  pause: number;
  pausedUntil: number;
}

/** A limit of the program. See limits.ts. */
export interface Limit extends LimitRule {
  /** The amount that batches hold. */
  used: number;
  /** The amount that may start now; negative after a start that needed more than the burst. */
  tokens: number;
  /** The time in ms at which `tokens` was correct. */
  at: number;
  /** The class that waits for it first; null for none. */
  line: { readonly run: Run; readonly from: ReadyClass } | null;
  /** What other processes leave of it; null while this one does not share it. See shared-limits.ts. */
  share: LimitShare | null;
}

/** The part of a limit that a process has got from those with which it shares it. */
export interface LimitShare {
  /** The amount that may start now. */
  credit: number;
  /** The class for which it was asked last; null for none. */
  asker: { readonly run: Run; readonly from: ReadyClass } | null;
  /** What was asked for without an answer yet; null for nothing. */
  asked: Uses | null;
  /** What batches have given back in this event. */
  returned: number;
}

/** A node that is kept free for the first function of a class. */
export interface Reservation {
  readonly run: Run;
  readonly from: ReadyClass;
  readonly node: Node;
  readonly cost: Cost;
  /** The time in ms when the class got a reservation, of this node or of an earlier one. */
  readonly since: number;
  /** The time in ms when the node should be free. After that, others are considered. */
  readonly due: number;
  /** The number of batches that passed although they may delay it. */
  passed: number;
}

export interface Run {
  readonly id: string;
  /** It and the columns by function are replaced when the run grows. */
  plan: CompiledDag;
  settings: RunSettings;
  /** The index of a function of the submitted plan. */
  indexOf(id: string): number;
  /** The elements of its maps; null before the first is known. */
  growth: Growth | null;
  /** Maps whose lists, and functions whose graphs were asked for, and the number of the question. */
  readonly asked: Map<number, number>;
  status: Uint8Array;
  /** 1 for each function that has yet to be looked up. Null for a run without the cache. */
  readonly gated: Uint8Array | null;
  /** The number of inputs that are neither done nor skipped, counted per argument; one more while it is gated. */
  missing: Int32Array;
  /** The number of failed attempts. */
  attempts: Int32Array;
  /** The node a function was last sent to; -1 if none. */
  node: Int32Array;
  /**
   * For a dispatched function: its batch; `tally` has its position in the batch. For any other: the batch being
   * composed that last counted it; `tally` has the number of its missing inputs that this batch provides.
   */
  batch: Int32Array;
  tally: Int32Array;
  /** By function: the number of functions that have yet to read its result, or hold it. Null if all results are kept to the end. */
  unread: Int32Array | null;
  /** By function: how many of those only hold its result, to be made again from it. See readers.ts. */
  readonly lent: Map<number, number>;
  /** Functions that hold their inputs. */
  readonly holding: Set<number>;
  /** Results that were lost while functions only held them. */
  readonly gone: Set<number>;
  /** Functions whose result is only on another host, and would be made again if that were lost. */
  readonly remote: Set<number>;
  /** By group: its node; -1 if it is not bound yet. */
  groupNode: Int32Array;
  /** By group: the node that has promised it room; -1 for none. */
  promisedAt: Int32Array;
  /** By node: its promises. */
  readonly promised: Map<number, Promised>;
  /** By function: the node that an allocator chose, or -1. Null without an allocator. */
  assigned: Int32Array | null;
  /** Null if the run was not planned. */
  readonly sequence: Sequence | null;
  /** ms. */
  readonly submittedAt: number;
  /** By condition: whether its result is truthy. The first answer counts, even if the result is made again. */
  readonly conditions: Map<number, boolean>;
  /** By function: the node where it failed, which is tried last. */
  readonly avoid: Map<number, number>;
  /**
   * Functions that may have killed a thread before they started. Each is sent alone, so that the next death shows which
   * one did.
   */
  readonly suspects: Set<number>;
  /** By function: the size in bytes of its large result, which is best read where it is. */
  readonly large: Map<number, number>;
  /** The number of results on their way to this host that the run keeps to its end. */
  travelling: number;
  /** Whether results of functions that are not idempotent are kept to the end, because they cannot be made again. */
  readonly holdsOnce: boolean;
  /** Functions that are done by an earlier result, which can be read again at any time. */
  readonly cached: Set<number>;
  /** The results that are kept only for that reason, or can be read again. */
  readonly held: Set<number>;
  /** By function: how often its result was lost. */
  readonly losses: Map<number, number>;
  /** The timers of delayed functions. */
  readonly delays: Map<number, number>;
  readonly queue: ReadyQueue;
  readonly batches: Set<Batch>;
  /** The number of threads it uses. */
  threads: number;
  /** The number of its batches in gangs. */
  ganged: number;
  /** No gang forms before this time, in ms, because threads of an earlier one did not keep pace. */
  gangsFrom: number;
  /** The length of the last pause of gangs, in ms. */
  gangPause: number;
  /** The number of functions that are neither done nor failed nor unreachable nor skipped. */
  unfinished: number;
  skipped: number;
  retries: number;
  readonly copies: Copies;
  readonly failures: FunctionFailure[];
  /** Set if it ends without finishing. Then nothing new starts. */
  outcome: Outcome | undefined;
  /** The turn in which it found no room. */
  blocked: number;
  /** No function of a lower rank is left, unless its result was lost. */
  front: number;
  /** Null if no claim of it is known not to fit. */
  short: Short | null;
  /** The timer of the next request to a refusing tracker; -1 for none. */
  refusalTimer: number;
  /** The time in ms since when its claims are refused although nothing runs; -1 if they are not. */
  refusedSince: number;
}

/** The batches whose functions an idle thread may take over. */
export interface Stealing {
  /** Batches that another thread may run a part of. Those looked at last are at the end. */
  readonly divisible: Set<Batch>;
  /** Batches that have not reported anything, about in the order in which their threads came to them. */
  readonly silent: Set<Batch>;
  /** The number of divisible batches that have yet to be looked at in this round; 0 between rounds. */
  unseen: number;
  /** The earliest time in ms at which a batch that was looked at in this round may be divided. */
  due: number;
}

export type Timer =
  | { readonly kind: 'delay'; readonly run: Run; readonly index: number }
  | { readonly kind: 'timeout'; readonly batch: Batch }
  | { readonly kind: 'grace'; readonly batch: Batch }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'speculate' }
  | { readonly kind: 'refused'; readonly run: Run };

/** How many concurrent functions a thread holds unless its node says otherwise. */
export const defaultConcurrency = 64;

/** Parameters of decisions, in ms unless stated otherwise. */
export interface Tuning {
  /** The time between aborting a function and ending its thread. */
  readonly grace: number;
  /** The amount of work in a batch. */
  readonly batchMs: number;
  /**
   * The amount of work in a batch while a run has much more left, so that long functions do not cost a message each.
   */
  readonly longBatchMs: number;
  /**
   * The maximum expected duration of a thread's current batch for which more is sent ahead. The wait does not matter for
   * longer work.
   */
  readonly aheadMs: number;
  /** Less work than this does not justify a message of its own. */
  readonly minMs: number;
  /** The maximum number of functions in a batch. */
  readonly batchSize: number;
  /** The amount of work in each batch of a gang; 0 disables gangs. */
  readonly gangMs: number;
  /**
   * The maximum number of threads in gangs. It is the number that can really run at once, because threads of a gang wait
   * for each other.
   */
  readonly gangThreads: number;
  /**
   * The minimum duration of functions that are sent ahead. Shorter ones end before the scheduler has recorded the next.
   */
  readonly gangGrainMs: number;
  /** How much more work than another a thread of a gang may get, to keep dependent functions together. */
  readonly gangSlackMs: number;
  /** Whether functions that only need results of a batch follow in the same batch. */
  readonly fuse: boolean;
  /**
   * ms after which a batch that has not started is assumed to wait behind another scheduler's work. Infinity: no other
   * scheduler.
   */
  readonly stuckMs: number;
  /** The interval of requests to a tracker that refuses while nothing runs. */
  readonly refusalPoll: number;
  /** The time after which the run fails if the tracker keeps refusing. */
  readonly refusalLimit: number;
}

export const defaultTuning: Tuning = {
  grace: 100,
  batchMs: 0.25,
  longBatchMs: 12,
  aheadMs: 12,
  minMs: 0.02,
  batchSize: 1024,
  gangMs: 4,
  gangThreads: Infinity,
  gangGrainMs: 0.001,
  gangSlackMs: 0.06,
  fuse: true,
  stuckMs: Infinity,
  refusalPoll: 50,
  refusalLimit: 5000,
};

export interface State {
  readonly tuning: Tuning;
  readonly tracker: ResourceTracker;
  /** By name. */
  readonly limits: ReadonlyMap<string, Limit>;
  readonly nodes: Node[];
  readonly nodeByName: Map<string, Node>;
  readonly runs: Map<string, Run>;
  /** Runs that may have ready functions. */
  readonly hungry: Set<Run>;
  /** Maps that take the elements of another map, and can now grow. Handled at the end of an event. */
  readonly extensible: { readonly run: Run; readonly index: number }[];
  /** Runs to close at the end of this event. */
  readonly over: Set<Run>;
  readonly batches: Map<number, Batch>;
  /** Errors that a tracker threw on release of a claim. */
  readonly faults: { readonly run: Run; readonly error: unknown }[];
  readonly timers: Map<number, Timer>;
  readonly estimates: Estimate[];
  /** Threads with a single short batch, which may get another one. */
  readonly shallow: Set<Thread>;
  /** Null if every claim fits, or none could be met by waiting. */
  reservation: Reservation | null;
  /** The number of idle threads. */
  idle: number;
  /** The nodes with idle threads, in the order of `nodes`. */
  readonly idleNodes: Node[];
  /** The number of threads with concurrent functions that have room for more. */
  shared: number;
  /** The number of threads with concurrent functions. */
  sharing: number;
  /** The number of threads that drain. */
  draining: number;
  readonly stealing: Stealing;
  /** The number of batches in gangs. */
  ganged: number;
  /** Results hold more memory than allowed. */
  isPressed: boolean;
  /** Some node is on another host. */
  isSpread: boolean;
  /** Events about functions have a listener. */
  observed: boolean;
  /** A node has gone or shrunk since runs were checked against it, so some function may not fit any node. */
  shrunk: boolean;
  turn: number;
  lastId: number;
  /** The next scheduled pass: its timer, or -1, and its time in ms. */
  readonly wake: { timer: number; due: number };
  /** The number of runs with copies, the timer of the next check, or -1, and its time in ms. */
  readonly speculation: { runs: number; timer: number; due: number };
}

export function createState(
  tracker: ResourceTracker,
  tuning: Partial<Tuning> = {},
  limits: Readonly<Record<string, LimitRule>> = {},
): State {
  return {
    tuning: { ...defaultTuning, ...tuning },
    tracker,
    limits: createLimits(limits),
    nodes: [],
    nodeByName: new Map(),
    runs: new Map(),
    hungry: new Set(),
    extensible: [],
    over: new Set(),
    batches: new Map(),
    faults: [],
    timers: new Map(),
    estimates: [],
    shallow: new Set(),
    reservation: null,
    idle: 0,
    idleNodes: [],
    shared: 0,
    sharing: 0,
    draining: 0,
    stealing: { divisible: new Set(), silent: new Set(), unseen: 0, due: Infinity },
    ganged: 0,
    isPressed: false,
    isSpread: false,
    observed: false,
    shrunk: false,
    turn: 0,
    lastId: 0,
    wake: { timer: -1, due: 0 },
    speculation: { runs: 0, timer: -1, due: 0 },
  };
}

function createLimits(rules: Readonly<Record<string, LimitRule>>): Map<string, Limit> {
  return new Map(
    Object.entries(rules).map(([name, rule]) => [
      name,
      { ...rule, used: 0, tokens: rule.burst, at: -Infinity, line: null, share: null },
    ]),
  );
}

/**
 * Marks a run for closing when all its work is done, or when it is ending and has nothing on any thread. Batches that
 * have lost a race do not delay this.
 */
export function noteIfOver(state: State, run: Run): void {
  const { batches, outcome, copies, unfinished, travelling } = run;
  if (batches.size > (outcome === undefined ? copies.losing : 0)) return;
  if (((unfinished === 0 && travelling === 0) || outcome !== undefined) && state.runs.get(run.id) === run)
    state.over.add(run);
}

/** A number for a batch or a timer. It wraps after two thousand million, long after the last holder is gone. */
export function nextId(state: State): number {
  state.lastId = (state.lastId % 0x7fff_ffff) + 1;
  return state.lastId;
}
