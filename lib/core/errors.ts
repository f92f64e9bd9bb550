/**
 * The one error class of the library, and every code it can carry.
 *
 * Codes are stable and meant for programs; messages are meant for people and say what was wrong, what was expected and,
 * where we know it, how to mend it.
 */

/** Every error code with what it means, in one line. The README's table and this list are held equal by a spec. */
export const errorCodes = {
  INVALID_OPTION: 'an option is unknown or has a bad value',
  INVALID_FUNCTION: 'a function of a DAG is malformed: its id, code, arguments, cost or another field',
  DUPLICATE_FUNCTION: 'two functions of a DAG have the same id',
  MISSING_FUNCTION: 'an argument names a function that the DAG does not have',
  CYCLIC_DEPENDENCY: 'functions depend on each other in a circle',
  INVALID_INLINE_FUNCTION: 'an inline function has a field that only regular functions can have, such as node, cost or timeout, or expands without bound',
  INVALID_INPUT_FUNCTION: 'an input function has arguments, code, cost or init',
  INVALID_COLLOCATION: 'a function is collocated with one that is missing, inline, an input, or in a circle',
  FUNCTION_NOT_FOUND: 'a module is missing or does not export the function',
  MODULE_FAILED: 'a module is there and cannot be imported: it throws, has a syntax error, or takes too long',
  INLINE_CLOSURE: 'a function given as source uses a variable from around it',
  NOT_SERIALIZABLE: 'a value cannot leave its thread',
  ALLOCATION_ERROR: 'no known node could ever run a function, or an allocator answered nonsense',
  FUNCTION_FAILED: 'a function failed for good and ended its run',
  FUNCTION_TIMEOUT: 'an attempt took longer than its timeout',
  MEMORY_EXCEEDED: 'a function used more memory than it claimed, on a node with `enforceMemory`',
  RESULT_TOO_LARGE: 'a result is larger than the `memoryBudget`',
  RESULT_LOST: 'a result is gone with its host or its disk and cannot be made again, or was lost more than `maxResultLosses` times',
  WORKER_CRASHED: 'a worker thread died while it worked',
  NODE_DOWN: 'a node is gone and no other can take its place',
  ABORTED: 'the run was aborted by its signal',
  RUN_TIMEOUT: 'the run took longer than its timeout',
  RUN_CONFLICT: 'a run with this `runId` is under way',
  NOT_FOUND: 'there is no such value, location, node, run or context',
  RESULT_TIMEOUT: 'a result did not appear in time',
  ACTOR_NOT_FOUND: 'no actor has this name',
  ASK_TIMEOUT: 'an actor did not answer in time',
  MAILBOX_FULL: 'a message was not taken, or was dropped, because the mailbox of an actor is full',
  RESOURCES_UNAVAILABLE: 'a resource tracker threw, or kept refusing a claim although nothing of ours was running',
  UNAUTHORIZED: 'a peer has not proved what was asked for (the secret, a certificate), or refuses what this host has shown',
  PROTOCOL_ERROR: 'a peer sent something that is not our protocol',
  VERSION_MISMATCH: 'two hosts, or two threads of one, have different versions of a module, or two hosts of the protocol',
  STOPPED: 'this Handoff has been stopped',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** The codes that validation of a DAG can give. */
export type DagErrorCode =
  | 'INVALID_FUNCTION'
  | 'DUPLICATE_FUNCTION'
  | 'MISSING_FUNCTION'
  | 'CYCLIC_DEPENDENCY'
  | 'INVALID_INLINE_FUNCTION'
  | 'INVALID_INPUT_FUNCTION'
  | 'INVALID_COLLOCATION'
  | 'NOT_SERIALIZABLE';

/** An error of validation. */
export type DagError = HandoffError & { readonly code: DagErrorCode };

/** Facts about the failure, by name. Only those that make sense for the code are there. */
export interface ErrorDetails {
  /** The function it is about. */
  readonly functionId?: string;
  /** `MISSING_FUNCTION`: the id that no function has. */
  readonly missing?: string;
  /** The nearest name that does exist. */
  readonly suggestion?: string;
  /** `CYCLIC_DEPENDENCY`: each function of the circle once, in the order in which values would flow. */
  readonly cycle?: readonly string[];
  /** The node it happened on, or that was asked for. */
  readonly node?: string;
  /** `FUNCTION_FAILED`: how many times the function was tried: once, and `maxRetries` (default 3) times more. */
  readonly attempts?: number;
  /** The run it is about. */
  readonly runId?: string;
  /** The DAG it is about, or whose run it is about. */
  readonly dagId?: string;
  /** `FUNCTION_FAILED` with `failurePolicy: 'continue'`: the error of each function that failed for good, in the order in which they failed. */
  readonly failures?: readonly HandoffError[];
  /** `FUNCTION_FAILED` with `failurePolicy: 'continue'`: the results that exist, by function id, of those that `collect` asked for. */
  readonly results?: Readonly<Record<string, unknown>>;
  /** `ALLOCATION_ERROR`: what was asked for. */
  readonly cost?: Readonly<Record<string, number>>;
  /** `ALLOCATION_ERROR`: the first resource that is short everywhere. */
  readonly resource?: string;
  /** `ALLOCATION_ERROR`: what each node offers. */
  readonly offers?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** `INVALID_OPTION`: the option's name. */
  readonly option?: string;
  /** `FUNCTION_NOT_FOUND`, `MODULE_FAILED`, `VERSION_MISMATCH`: the module. */
  readonly module?: string;
  /** `MODULE_FAILED`, `VERSION_MISMATCH` on one host: the path of the file at fault, where that is known, and the line in it, from 1. */
  readonly file?: string;
  readonly line?: number;
  /** `VERSION_MISMATCH`: the hosts that differ. */
  readonly hosts?: readonly string[];
  /** `INLINE_CLOSURE`: the variable. */
  readonly variable?: string;
  /** `FUNCTION_TIMEOUT`, `RUN_TIMEOUT`, `RESULT_TIMEOUT`, `ASK_TIMEOUT`, `MODULE_FAILED`: the limit in ms. */
  readonly timeout?: number;
  /** `WORKER_CRASHED`: why: `'exit'`, `'uncaught'`, `'out-of-memory'` or `'killed'`. */
  readonly reason?: string;
  /** `WORKER_CRASHED` by `process.exit`: the code. */
  readonly exitCode?: number;
  /** `NOT_SERIALIZABLE`: where in the value, as `result.items[3].go`. */
  readonly path?: string;
}

// A registered symbol, so that two copies of this package in one process recognise each other's errors.
const brand = Symbol.for('handoffjs.error');

/**
 * Every error this library makes. Read `code`; `cause` is what lies beneath; other details are plain fields.
 *
 * `instanceof HandoffError` also holds for errors made by another copy of the package.
 *
 * @param code one of `errorCodes`
 * @param message for people
 * @param details plain fields; `cause` among them is the error beneath
 */
export class HandoffError extends Error {
  readonly code: ErrorCode;

  static {
    // On the prototype, so that neither shows up among an error's own fields.
    Object.defineProperty(HandoffError.prototype, brand, { value: true });
    Object.defineProperty(HandoffError.prototype, 'name', { value: 'HandoffError', writable: true, configurable: true });
  }

  constructor(code: ErrorCode, message: string, details: ErrorDetails & { readonly cause?: unknown } = {}) {
    const { cause, ...fields } = details;
    super(message, 'cause' in details ? { cause } : undefined);
    this.code = code;
    Object.assign(this, fields);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== HandoffError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && brand in value;
  }
}

// The details are own fields of the error; declared here so that they can be read without a cast.
export interface HandoffError extends ErrorDetails {}

/** Whether `value` is a `HandoffError`, with this code when one is given. */
export function isHandoffError(value: unknown, code?: ErrorCode): value is HandoffError {
  return value instanceof HandoffError && (code === undefined || value.code === code);
}
