/**
 * The one error class of the library, and every code it can carry.
 *
 * Codes are stable and meant for programs. Messages are meant for people: they say what was wrong, what was expected
 * and, where known, how to fix it.
 */

/** Every error code and its meaning in one line. A spec keeps the table in the docs equal to this list. */
export const errorCodes = {
  INVALID_OPTION: 'an option is unknown or has a bad value',
  INVALID_FUNCTION: 'a function of a DAG is malformed: its id, code, arguments, cost or another field',
  DUPLICATE_FUNCTION: 'two functions of a DAG have the same id',
  MISSING_FUNCTION: 'an argument names a function that the DAG does not have',
  CYCLIC_DEPENDENCY: 'functions depend on each other in a circle',
  INVALID_INLINE_FUNCTION:
    'an inline function has a field that only regular functions can have, such as node, cost or timeout, or expands without bound',
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
  RESULT_LOST:
    'a result is gone with its host or its disk and cannot be made again, or was lost more than `maxResultLosses` times, or another run did not keep it',
  NOT_ITERABLE: 'a map was given something that is neither an array nor a typed array',
  TOO_MANY_FUNCTIONS: 'a map would make a run larger than `maxFunctions`',
  WORKER_CRASHED: 'a worker thread died while it worked',
  NODE_DOWN: 'a node is gone and no other can take its place',
  ABORTED: 'the run was aborted by its signal',
  RUN_TIMEOUT: 'the run took longer than its timeout',
  RUN_CONFLICT: 'a run with this `runId` is under way, or the journal has another DAG under it',
  JOURNAL_FAILED: 'the journal cannot be opened, read or written',
  FENCED: 'another process has taken over the run, because this one seemed to be gone',
  FUNCTION_IN_DOUBT:
    'a function that is not idempotent had started when the process of its run died, and may have taken effect',
  NOT_FOUND: 'there is no such value, location, node, run or context',
  RESULT_TIMEOUT: 'a result did not appear in time',
  ACTOR_NOT_FOUND: 'no actor has this name',
  ASK_TIMEOUT: 'an actor did not answer in time',
  MAILBOX_FULL: 'a message was not taken, or was dropped, because the mailbox of an actor is full',
  RESOURCES_UNAVAILABLE: 'a resource tracker threw, or kept refusing a claim although nothing of ours was running',
  UNAUTHORIZED:
    'a peer has not proved what was asked for (the secret, a certificate), or refuses what this host has shown',
  PROTOCOL_ERROR: 'a peer sent something that is not our protocol',
  VERSION_MISMATCH:
    'two hosts, or two threads of one, have different versions of a module, or two hosts of the protocol',
  STOPPED: 'this Handoff has been stopped',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** The codes of errors that validation of a DAG finds. */
export type DagErrorCode =
  | 'INVALID_FUNCTION'
  | 'DUPLICATE_FUNCTION'
  | 'MISSING_FUNCTION'
  | 'CYCLIC_DEPENDENCY'
  | 'INVALID_INLINE_FUNCTION'
  | 'INVALID_INPUT_FUNCTION'
  | 'INVALID_COLLOCATION'
  | 'NOT_SERIALIZABLE';

/** An error that validation found. */
export type DagError = HandoffError & { readonly code: DagErrorCode };

/** Facts about the failure. Only those that apply to the code are set. */
export interface ErrorDetails {
  /** The function that failed. */
  readonly functionId?: string;
  /** `MISSING_FUNCTION`: the id that no function has. */
  readonly missing?: string;
  /** The nearest existing name. */
  readonly suggestion?: string;
  /** `CYCLIC_DEPENDENCY`: each function of the cycle once, in the direction of the data flow. */
  readonly cycle?: readonly string[];
  /** The node where it happened, or the requested node. */
  readonly node?: string;
  /** `FUNCTION_FAILED`: the number of attempts made, at most 1 + `maxRetries` (default 3). */
  readonly attempts?: number;
  /** The run that failed. */
  readonly runId?: string;
  /** The DAG that failed, or the DAG of the run. */
  readonly dagId?: string;
  /**
   * `FUNCTION_FAILED` with `failurePolicy: 'continue'`: the error of each function that failed for good, in order of
   * failure.
   */
  readonly failures?: readonly HandoffError[];
  /**
   * `FUNCTION_FAILED` with `failurePolicy: 'continue'`: the existing results among those that `collect` requests, by
   * function id.
   */
  readonly results?: Readonly<Record<string, unknown>>;
  /** `ALLOCATION_ERROR`: the requested amounts. */
  readonly cost?: Readonly<Record<string, number>>;
  /** `ALLOCATION_ERROR`: the first resource of which every node has too little. */
  readonly resource?: string;
  /** `ALLOCATION_ERROR`: the capabilities of each node. */
  readonly offers?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** `INVALID_OPTION`: the option's name. */
  readonly option?: string;
  /** `FUNCTION_NOT_FOUND`, `MODULE_FAILED`, `VERSION_MISMATCH`: the module. */
  readonly module?: string;
  /** `MODULE_FAILED`, `VERSION_MISMATCH` on one host: the path of the file at fault, if known. */
  readonly file?: string;
  readonly line?: number;
  /** `VERSION_MISMATCH`: the hosts that differ. */
  readonly hosts?: readonly string[];
  /** `INLINE_CLOSURE`: the variable. */
  readonly variable?: string;
  /** `FUNCTION_TIMEOUT`, `RUN_TIMEOUT`, `RESULT_TIMEOUT`, `ASK_TIMEOUT`, `MODULE_FAILED`: the limit in ms. */
  readonly timeout?: number;
  /** `WORKER_CRASHED`: the reason, one of `'exit'`, `'uncaught'`, `'out-of-memory'` or `'killed'`. */
  readonly reason?: string;
  /** `WORKER_CRASHED` by `process.exit`: the exit code. */
  readonly exitCode?: number;
  /** `NOT_SERIALIZABLE`: the path within the value, such as `result.items[3].go`. */
  readonly path?: string;
}

// A registered symbol, so that two copies of this package in one process recognise each other's errors.
const brand = Symbol.for('handoffjs.error');

/**
 * The class of every error that this library creates. `code` says what happened; `cause` is the underlying error; other
 * details are plain fields.
 *
 * `instanceof HandoffError` also holds for errors made by another copy of the package.
 *
 * @param code one of `errorCodes`
 * @param message a text for people
 * @param details plain fields of the error; `cause` is the underlying error
 */
export class HandoffError extends Error {
  readonly code: ErrorCode;

  static {
    // On the prototype, so that neither is an own field of the error.
    Object.defineProperty(HandoffError.prototype, brand, { value: true });
    Object.defineProperty(HandoffError.prototype, 'name', {
      value: 'HandoffError',
      writable: true,
      configurable: true,
    });
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

// The details are own fields of the error. This declaration makes them readable without a cast.
export interface HandoffError extends ErrorDetails {}

/**
 * Whether `value` is a `HandoffError`.
 *
 * @param code when given, the error must also have this code
 * @returns true also for errors made by another copy of the package
 */
export function isHandoffError(value: unknown, code?: ErrorCode): value is HandoffError {
  return value instanceof HandoffError && (code === undefined || value.code === code);
}
