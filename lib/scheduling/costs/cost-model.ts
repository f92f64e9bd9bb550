/**
 * Learned costs of functions: their durations and the sizes of their large results. Costs are kept per code, and
 * individually for functions that are long or have large results, because two functions with the same code may differ
 * widely.
 *
 * ```
 *   code  tasks.ts#work    mean 12 ms, of all          the estimate that the scheduler itself updates
 *           ├── work#3     mean 5 ms, 0 bytes
 *           └── work#9     mean 5 s, 80 MB
 * ```
 */
import { sureAfter } from '../scheduler/dispatch/batching.ts';
import { createEstimate, createMoments, type Estimate, type Moments, observe } from '../scheduler/dispatch/estimate.ts';

// A function that takes at least this many ms has an entry of its own, until it takes less than half of that.
export const longFrom = 1;

// The number of runs that a mean remembers. Earlier runs fade.
const memory = 8;

// From this mean duration of a code, in ms, ordering its functions by duration is worthwhile.
const slowFrom = 0.5;

// For faster code, ordering is worthwhile if functions with entries of their own take in total this many ms per
// function to be ordered. That is several times the cost of ordering, because a thread that was delayed for a moment
// looks like a long function.
const orderingMs = 0.005;

// A delayed thread makes a short function look long. So a function whose code takes at most this many ms gets its own
// entry only after it was long twice, or longer than threads are typically delayed. The constants below are that delay
// in ms and the number of candidates kept.
const trivialBelow = 0.01;
const surelyFrom = 20;
const maxDoubted = 256;

export interface FunctionCosts {
  /**
   * On a node of speed 1. A count of 0 means a share of a time measured for several functions together, any of which
   * may be the long one.
   */
  readonly ms: Moments;
  readonly bytes: Moments;
  /** The value of the use counter at its last use. */
  used: number;
}

export interface CodeCosts {
  readonly estimate: Estimate;
  /** The functions with entries of their own. */
  readonly functions: Map<string, FunctionCosts>;
  /** The sum of their durations. */
  ms: number;
  /** Functions that were long once, possibly by chance. */
  readonly doubted: Set<string>;
}

/** The measurements of one run of a function. */
interface Observed {
  /** On a node of speed 1; undefined if unknown. */
  readonly ms: number | undefined;
  /** Whether `ms` was measured for this function alone, and is not the mean of several. */
  readonly isAlone: boolean;
  /** The size of its result in shared memory or a file; 0 for any other result. */
  readonly bytes: number;
}

export interface CostModelTuning {
  /**
   * The maximum number of functions with entries of their own. Beyond it, the least recently used are dropped. Default
   * 100,000.
   */
  readonly most?: number;
  /**
   * Whether to learn durations and sizes. Without it, added entries are used. Running estimates are kept in any case.
   * Default true.
   */
  readonly learns?: boolean;
  /** The size in bytes from which a result is large, so that its function gets its own entry. Default 65,536. */
  readonly largeBytes?: number;
}

// A function whose mean differs by at most this share from that of its code may differ by chance.
const alike = 0.15;

export class CostModel {
  readonly #nameOf: (code: number) => string;
  readonly #maxFunctions: number;
  readonly #largeBytes: number;
  readonly #learns: boolean;
  /**
   * By the number of the code, without learning: the running estimates of the scheduler, apart from the added entries.
   */
  readonly #running: Estimate[] = [];
  readonly #byName = new Map<string, CodeCosts>();
  /** By the number of the code; filled on demand. */
  readonly #byNumber: CodeCosts[] = [];
  #functions = 0;
  #uses = 0;
  /** Whether anything was learned since construction. */
  isChanged = false;

  /**
   * @param nameOf the stable name of a code, equal in every process
   */
  constructor(
    nameOf: (code: number) => string,
    { most = 100_000, learns = true, largeBytes = 2 ** 16 }: CostModelTuning = {},
  ) {
    this.#nameOf = nameOf;
    this.#maxFunctions = most;
    this.#learns = learns;
    this.#largeBytes = largeBytes;
  }

  /** The learned costs, by name of the code. */
  get codes(): ReadonlyMap<string, CodeCosts> {
    return this.#byName;
  }

  /** The costs of a code; created on demand. */
  named(name: string): CodeCosts {
    let costs = this.#byName.get(name);
    if (costs === undefined) {
      costs = { estimate: createEstimate(), functions: new Map(), ms: 0, doubted: new Set() };
      this.#byName.set(name, costs);
    }
    return costs;
  }

  /** The estimate that the scheduler uses and updates. */
  estimateOf(code: number): Estimate {
    const { estimate } = this.#of(code);
    return this.#learns ? estimate : (this.#running[code] ??= structuredClone(estimate));
  }

  /** The duration of a function in ms on a node of speed 1; undefined when nothing is known of it or its code. */
  durationOf(code: number, functionId: string): number | undefined {
    const { estimate, functions } = this.#of(code);
    const own = this.#use(functions, functionId);
    if (own !== undefined && own.ms.mean > 0) return own.ms.mean;
    return estimate.count > 0 ? estimate.mean : undefined;
  }

  /**
   * The same, but the duration of its code if the function differs little from it: a chance difference is no reason to
   * reorder.
   */
  typicalOf(code: number, functionId: string): number | undefined {
    const own = this.durationOf(code, functionId);
    const { mean, count } = this.#of(code).estimate;
    return own !== undefined && count > 0 && Math.abs(own - mean) < alike * mean ? mean : own;
  }

  /** The bytes of its result, likewise; 0 for results outside shared memory. */
  bytesOf(code: number, functionId: string): number | undefined {
    const { estimate, functions } = this.#of(code);
    const own = this.#use(functions, functionId);
    if (own !== undefined) return own.bytes.mean;
    return estimate.bytes.count > 0 ? estimate.bytes.mean : undefined;
  }

  /** The functions of this code with entries of their own. */
  functionsOf(code: number): ReadonlyMap<string, FunctionCosts> {
    return this.#of(code).functions;
  }

  /** Whether functions of these codes are long enough to be worth ordering by duration. O(codes). */
  isSlow(codes: Iterable<number>, size: number): boolean {
    let ms = 0;
    for (const code of codes) {
      const costs = this.#of(code);
      if (costs.estimate.mean >= slowFrom) return true;
      ms += costs.ms;
    }
    return ms > 0 && ms >= size * orderingMs;
  }

  /** Records that functions measured together include a long one, so that each is measured alone next time. */
  suspect(code: number, functionIds: readonly string[], ms: number): void {
    if (!this.#learns) return;
    const costs = this.#of(code);
    for (const id of functionIds) {
      if (!costs.functions.has(id) && !isDoubtful(costs, id, ms)) {
        this.add(costs, id, { ...createMoments(), mean: ms / functionIds.length }, createMoments());
      }
    }
  }

  /**
   * Records a run of a function. The function gets or keeps its own entry if it was long, its result was large, or it
   * has one already.
   */
  observe(code: number, functionId: string, { ms, isAlone, bytes }: Observed): void {
    if (!this.#learns) return;
    const costs = this.#of(code);
    let own = this.#use(costs.functions, functionId);
    if (own === undefined) {
      const isLong = isAlone && ms! >= longFrom && !isDoubtful(costs, functionId, ms!);
      if (!isLong && bytes < this.#largeBytes) return;
      own = this.add(costs, functionId, createMoments(), createMoments());
    }
    costs.ms -= own.ms.mean;
    if (ms !== undefined) observe(own.ms, 1, ms, memory);
    observe(own.bytes, 1, bytes, memory);
    costs.ms += own.ms.mean;
    const isSuspect = own.ms.count === 0 && own.ms.mean > 0;
    if (!isSuspect && own.ms.mean < longFrom / 2 && own.bytes.mean < this.#largeBytes / 2)
      this.#forget(costs, functionId);
  }

  /** Gives a function its own entry, in place of an earlier one. */
  add(costs: CodeCosts, functionId: string, ms: Moments, bytes: Moments): FunctionCosts {
    if (costs.functions.has(functionId)) this.#forget(costs, functionId);
    const own: FunctionCosts = { ms, bytes, used: ++this.#uses };
    costs.functions.set(functionId, own);
    costs.ms += ms.mean;
    if (++this.#functions > this.#maxFunctions) this.#forgetOldest();
    return own;
  }

  #of(code: number): CodeCosts {
    return (this.#byNumber[code] ??= this.named(this.#nameOf(code)));
  }

  #use(functions: ReadonlyMap<string, FunctionCosts>, functionId: string): FunctionCosts | undefined {
    if (functions.size === 0) return undefined;
    const own = functions.get(functionId);
    if (own !== undefined) own.used = ++this.#uses;
    return own;
  }

  #forget(costs: CodeCosts, functionId: string): void {
    costs.ms -= costs.functions.get(functionId)!.ms.mean;
    costs.functions.delete(functionId);
    if (costs.functions.size === 0) costs.ms = 0; // clears rounding errors of the differences
    this.#functions--;
  }

  /** Drops a tenth of the entries at once, which spreads the cost over many additions. */
  #forgetOldest(): void {
    const all = [...this.#byName.values()].flatMap((costs) =>
      [...costs.functions].map(([id, { used }]) => ({ costs, id, used })),
    );
    all.sort((a, b) => a.used - b.used);
    for (const { costs, id } of all.slice(0, Math.ceil(this.#maxFunctions / 10))) this.#forget(costs, id);
  }
}

/** Whether a long run may be due to chance. A second long run is not. */
function isDoubtful({ estimate, doubted }: CodeCosts, functionId: string, ms: number): boolean {
  if (ms >= surelyFrom || estimate.mean >= trivialBelow || estimate.count < sureAfter || doubted.delete(functionId))
    return false;
  doubted.add(functionId);
  if (doubted.size > maxDoubted) doubted.delete(doubted.values().next().value!);
  return true;
}
