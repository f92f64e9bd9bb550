/**
 * Everything the scheduler knows. Changed only by `handle`; held to its invariants by `validate`.
 *
 * ```
 *   State ─┬─ nodes ── lanes ── batches (at most two: one works, one waits behind it)
 *          └─ runs ─┬─ status, missing, attempts, …   (typed arrays, by function)
 *                   ├─ queue    ready functions, by what they ask for
 *                   └─ batches  those of this run
 * ```
 */
import type { ResourceTracker } from '../resources/resource-tracker.ts';
import type { CompiledDag } from '../../dag/compiled-dag.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import type { Estimate } from './estimate.ts';
import type { RunSettings } from './events.ts';
import type { FunctionFailure, Outcome } from './outcome.ts';
import type { ReadyQueue } from './ready-queue.ts';

/** What a batch is in a contest, or was. */
export interface Contest<B> {
  /** The other, as long as both may win. */
  rival: B | null;
  readonly isCopy: boolean;
  /** The other has won. */
  isLost: boolean;
}

/** Copies of a run. */
export interface Copies {
  started: number;
  won: number;
  /** Batches that have lost, and are not gone yet. */
  losing: number;
}

/** Where a function is on its way. */
export const Status = {
  /** A result that it needs is not there. Held by nothing. */
  waiting: 0,
  /** Could start. Held by `Run.queue`. */
  ready: 1,
  /** Waits for its next attempt. Held by a timer. */
  delayed: 2,
  /** With a worker, begun or not. Held by a batch. */
  dispatched: 3,
  /** Its result exists. */
  done: 4,
  /** Failed for good. */
  failed: 5,
  /** Can never run, as something it needs has failed for good. */
  unreachable: 6,
} as const;

export interface Node {
  readonly index: number;
  readonly name: string;
  /** The host it is on: 0 is this one. Its threads share memory with no other host's. */
  host: number;
  /** Rises each time it comes back. */
  incarnation: number;
  capabilities: Capabilities;
  speed: number;
  up: boolean;
  /** Down, but being restarted. */
  returning: boolean;
  /** Up, but leaving: it finishes what it has begun, and is given nothing more. */
  draining: boolean;
  readonly lanes: Lane[];
  /** Lanes that are up. */
  threads: number;
  /** Lanes that are up with nothing to do. */
  idle: number;
  /** What our batches hold of it. */
  readonly claimed: Record<string, number>;
}

/** A worker thread. Runs one function at a time. */
export interface Lane {
  readonly node: Node;
  readonly index: number;
  up: boolean;
  /** In the order they were sent. */
  readonly batches: Batch[];
  /** Its end has been asked for: whatever it runs when it dies is not to blame. */
  killing: boolean;
  /** Something of another scheduler's keeps it, as far as we can tell: we sent it something, and it has begun nothing. */
  occupied: boolean;
}

/** Functions sent to a lane in one message, run there in order. */
export interface Batch {
  readonly id: number;
  readonly run: Run;
  readonly lane: Lane;
  readonly functions: readonly number[];
  /** How many have ended. */
  done: number;
  /** How many will ever be run: less than were sent when some were taken back. */
  size: number;
  /** What its functions claim of the node. */
  readonly claim: Cost | undefined;
  /** Whether it holds that claim. A batch that waits behind another with the same claim takes it over when that one ends. */
  holds: boolean;
  /** How many do not depend on others of the same batch. */
  heads: number;
  /** What it should take, in ms; 0 when too little is known. */
  expectedMs: number;
  readonly sentAt: number;
  /** When the function that it runs can have begun at the earliest, in ms. */
  since: number;
  /** Runs alone, with nothing queued behind it. */
  readonly exclusive: boolean;
  cancelled: boolean;
  /** Its function's time is over. */
  timedOut: boolean;
  /** A request to give back functions is under way. */
  takingBack: boolean;
  /** The timer of its function's timeout, or of the grace after it; -1: none. */
  timer: number;
  /** What ties it to other batches of its gang; null when it is in none. */
  readonly gang: GangPart | null;
  /** Null as long as nothing else has run its last function. */
  contest: Contest<Batch> | null;
}

/**
 * Batches that are sent to several lanes at once are a **gang**: workers hand results to each other as they finish, and so run ahead of
 * what we know.
 *
 * ```
 *   lane 0   a ── c ── e ──      sources of lane 1's batch, by place: [0: lane 0's]   for d, which takes a
 *             ╲                  imports of lane 1's batch: a → place 0
 *   lane 1   b ── d ── f ──      exports of lane 0's batch: a (position 0) → lane 1's, place 0
 * ```
 */
export interface GangPart {
  /** Results that come from others of the gang, by function: their place. */
  readonly imports: Map<number, number>;
  /** By place: the batch that gives it. */
  readonly sources: Batch[];
  readonly exports: GangExport[];
}

/** A result that goes to another batch of the gang. */
export interface GangExport {
  /** Position of its function in its own batch. */
  readonly at: number;
  readonly to: Batch;
  /** Its place among what the other imports. */
  readonly place: number;
}

/** The order in which nodes are to take the functions of a run that was planned. */
export interface Sequence {
  /** By node. */
  readonly byNode: ReadonlyMap<number, Int32Array>;
  /** By node: the first that has not been sent. */
  readonly next: Map<number, number>;
  /** By function: its place in the order of its node. */
  readonly at: Int32Array;
  /** By function: when the plan has it start, in ms from the beginning. */
  readonly start: Float64Array;
}

/** What groups of a run that are bound to a node are yet to claim there. */
export interface Promised {
  groups: number;
  readonly amounts: Record<string, number>;
}

export interface Run {
  readonly id: string;
  readonly plan: CompiledDag;
  readonly settings: RunSettings;
  readonly status: Uint8Array;
  /** Results that are not there yet, counted as the arguments are. */
  readonly missing: Int32Array;
  /** Attempts that failed. */
  readonly attempts: Int32Array;
  /** The node a function was last sent to; -1: none yet. */
  readonly node: Int32Array;
  /**
   * While a function is dispatched: its batch, and in `tally` its position in it.
   * Before that: the batch being composed that last counted it, and in `tally` how many of its missing results that batch gives.
   */
  readonly batch: Int32Array;
  readonly tally: Int32Array;
  /** Functions that have yet to read a result; null when results are held to the end anyway. */
  readonly unread: Int32Array | null;
  /** By group: the node it was settled on; -1: none yet. */
  readonly groupNode: Int32Array;
  /** By group: the node that it was promised room on; -1: none. */
  readonly promisedAt: Int32Array;
  /** By node: what it is promised to. */
  readonly promised: Map<number, Promised>;
  /** By function: the node an allocator gave it, -1: none; null without one. */
  readonly assigned: Int32Array | null;
  /** Null when it was not planned. */
  readonly sequence: Sequence | null;
  /** ms. */
  readonly submittedAt: number;
  /** Functions that failed on a node that is not to be tried again first. */
  readonly avoid: Map<number, number>;
  /** Functions that a thread may have died of without beginning them: each is sent alone, so that the next death shows which it was. */
  readonly suspects: Set<number>;
  /** Bytes of results that are large, by function: they had better be read where they are. */
  readonly large: Map<number, number>;
  /** Results on their way to this host, which the run is to have in the end. */
  travelling: number;
  /** Whether results of functions that are not idempotent are kept to the end: they cannot be made again. */
  readonly holdsOnce: boolean;
  /** Those that are kept only for that. */
  readonly held: Set<number>;
  /** How often results were lost, by function. */
  readonly losses: Map<number, number>;
  /** Timers of delayed functions. */
  readonly delays: Map<number, number>;
  readonly queue: ReadyQueue;
  readonly batches: Set<Batch>;
  /** How many lanes it uses. */
  lanes: number;
  /** How many of its batches are in a gang. */
  ganged: number;
  /** No gang is formed before this time, in ms: lanes of earlier ones did not keep pace. */
  gangsFrom: number;
  /** How long that was put off, in ms. */
  gangPause: number;
  /** Functions that are neither done nor out of the question. */
  unfinished: number;
  retries: number;
  readonly copies: Copies;
  readonly failures: FunctionFailure[];
  /** Set when it is ending otherwise than by finishing: nothing new is started. */
  outcome: Outcome | undefined;
  /** The turn in which it found no room. */
  blocked: number;
  /** The timer of the next question to a tracker that refuses; -1: none. */
  refusalTimer: number;
  /** Since when, in ms, its claims are refused although nothing runs; -1: they are not. */
  refusedSince: number;
}

export type Timer =
  | { readonly kind: 'delay'; readonly run: Run; readonly index: number }
  | { readonly kind: 'timeout'; readonly batch: Batch }
  | { readonly kind: 'grace'; readonly batch: Batch }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'speculate' }
  | { readonly kind: 'refused'; readonly run: Run };

/** Numbers that shape decisions, in ms unless said otherwise. */
export interface Tuning {
  /** Between asking a function to stop and ending its thread. */
  readonly grace: number;
  /** How much work a batch holds. */
  readonly batchMs: number;
  /** How long what a lane works on may take for more to be sent ahead, so that the lane never waits for us. For longer work that wait does not matter. */
  readonly aheadMs: number;
  /** How little work is not worth a message of its own. */
  readonly minMs: number;
  /** The most functions a batch holds. */
  readonly batchSize: number;
  /** How much work each batch of a gang holds; 0: there are no gangs. */
  readonly gangMs: number;
  /** How many lanes may be in gangs at once: no more than can really run at once, as they wait for each other. */
  readonly gangLanes: number;
  /** How long functions must take to be sent ahead: shorter ones are over before we have written down the next. */
  readonly gangGrainMs: number;
  /** How much more work than another a lane of a gang may be given, to keep together what belongs together. */
  readonly gangSlackMs: number;
  /** Whether functions follow in the same batch that need nothing but what it gives. */
  readonly fuse: boolean;
  /**
   * ms after which what was sent to a lane and has not begun is taken to stand behind another scheduler's work; Infinity: nobody else
   * uses it.
   */
  readonly stuckMs: number;
  /** Between two questions to a tracker that refuses while nothing of ours runs. */
  readonly refusalPoll: number;
  /** How long it may refuse so before the run gives up. */
  readonly refusalLimit: number;
}

export const defaultTuning: Tuning = {
  grace: 100, batchMs: 0.25, aheadMs: 12, minMs: 0.02, batchSize: 1024, gangMs: 4, gangLanes: Infinity, gangGrainMs: 0.001, gangSlackMs: 0.06, fuse: true, stuckMs: Infinity, refusalPoll: 50, refusalLimit: 5000,
};

export interface State {
  readonly tuning: Tuning;
  readonly tracker: ResourceTracker;
  readonly nodes: Node[];
  readonly nodeByName: Map<string, Node>;
  readonly runs: Map<string, Run>;
  /** Runs that may have ready functions. */
  readonly hungry: Set<Run>;
  /** Runs to be closed at the end of this event. */
  readonly over: Set<Run>;
  readonly batches: Map<number, Batch>;
  /** What a tracker threw when a claim was given back. */
  readonly faults: { readonly run: Run; readonly error: unknown }[];
  readonly timers: Map<number, Timer>;
  readonly estimates: Estimate[];
  /** Lanes with one batch that will end soon, so that another may be sent ahead. */
  readonly shallow: Set<Lane>;
  /** Lanes that are up with nothing to do. */
  idle: number;
  /** Batches that are in a gang. */
  ganged: number;
  /** Results hold more memory than they may. */
  isPressed: boolean;
  /** Some node is on another host. */
  isSpread: boolean;
  /** Somebody listens to events about functions. */
  observed: boolean;
  /** A node has gone or offers less than when runs were checked against it: some function may fit none any more. */
  shrunk: boolean;
  turn: number;
  lastId: number;
  /** The next turn that comes by itself: its timer, -1: none, and when that is due, in ms. */
  readonly wake: { timer: number; due: number };
  /** How many runs have copies made of what takes long, and when the next is to be looked at, by which timer; -1: none. */
  readonly speculation: { runs: number; timer: number; due: number };
}

export function createState(tracker: ResourceTracker, tuning: Partial<Tuning> = {}): State {
  return {
    tuning: { ...defaultTuning, ...tuning }, tracker, nodes: [], nodeByName: new Map(), runs: new Map(), hungry: new Set(), over: new Set(), batches: new Map(), faults: [],
    timers: new Map(), estimates: [], shallow: new Set(), idle: 0, ganged: 0, isPressed: false, isSpread: false, observed: false, shrunk: false, turn: 0, lastId: 0, wake: { timer: -1, due: 0 },
    speculation: { runs: 0, timer: -1, due: 0 },
  };
}

/**
 * Marks a run for closing when nothing of it is left to do, or it is ending and nothing of it is on any lane. What has lost against a copy
 * keeps nobody waiting.
 */
export function noteIfOver(state: State, run: Run): void {
  const { batches, outcome, copies, unfinished, travelling } = run;
  if (batches.size > (outcome === undefined ? copies.losing : 0)) return;
  if (((unfinished === 0 && travelling === 0) || outcome !== undefined) && state.runs.get(run.id) === run) state.over.add(run);
}

/** A number for a batch or a timer. Comes round after two thousand million, long after the last holder is gone. */
export function nextId(state: State): number {
  state.lastId = (state.lastId % 0x7fff_ffff) + 1;
  return state.lastId;
}
