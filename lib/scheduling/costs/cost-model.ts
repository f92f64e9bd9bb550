/**
 * What was learned of functions while they ran: how long they take, and how large results they give. Of each code in general, and of each
 * function that is long or large by itself, as two functions of the same code may have little in common.
 *
 * ```
 *   code  tasks.ts#work    mean 12 ms, of all          the scheduler's own estimate, which it learns by itself
 *           ├── work#3     mean 5 ms, 0 bytes
 *           └── work#9     mean 5 s, 80 MB
 * ```
 */
import { sureAfter } from '../scheduler/batching.ts';
import { createEstimate, createMoments, type Estimate, type Moments, observe } from '../scheduler/estimate.ts';

// A function that takes this long, in ms, is known by itself, until it takes less than half of it.
export const longFrom = 1;

// So many runs of a function count; what was before fades.
const memory = 8;

// Functions of code that takes so long, in ms, are worth ordering by it.
const slowFrom = 0.5;

// Of other code it is worth it when functions of it are known that take this long in all, in ms, for each that is to be ordered: several times what
// that costs, as a thread that was held up for a moment looks the same.
const orderingMs = 0.005;

// A thread that is held up for a moment makes a function look long that is not. So a function of code that takes no longer than this, in ms, is
// believed to be long when it was so twice, or longer than threads are held up, in ms. So many of each code are remembered until then.
const trivialBelow = 0.01;
const surelyFrom = 20;
const mostDoubted = 256;

export interface FunctionCosts {
  /** On a node of speed 1. With a count of 0: its part of what several took that were timed together, any of which may be the long one. */
  readonly ms: Moments;
  readonly bytes: Moments;
  /** Rises with use. */
  used: number;
}

export interface CodeCosts {
  readonly estimate: Estimate;
  /** Those that are known by themselves. */
  readonly functions: Map<string, FunctionCosts>;
  /** What they take in all. */
  ms: number;
  /** Those that were long once, when that may have been chance. */
  readonly doubted: Set<string>;
}

/** What one run of a function showed. */
interface Observed {
  /** On a node of speed 1; undefined: it is not known. */
  readonly ms: number | undefined;
  /** Whether that is its own time, and not the mean of several that were timed together. */
  readonly isAlone: boolean;
  /** Of its result in shared memory or a file; 0 for any other. */
  readonly bytes: number;
}

export interface CostModelTuning {
  /** How many functions are known by themselves. Beyond that, the least recently used are dropped. Default 100,000. */
  readonly most?: number;
  /** False: durations and sizes are not learned; those that were added are used. The scheduler still uses its running estimates. Default true. */
  readonly learns?: boolean;
  /** Bytes from which a result counts as large, so that its function is known by itself. Default 65,536. */
  readonly largeBytes?: number;
}

// So far, of the mean, a function may be off what is usual of its code by chance.
const alike = 0.15;

export class CostModel {
  readonly #nameOf: (code: number) => string;
  readonly #most: number;
  readonly #largeBytes: number;
  readonly #learns: boolean;
  /** By the number of the code, where nothing is learned: what the scheduler learns into, apart from what was added. */
  readonly #running: Estimate[] = [];
  readonly #byName = new Map<string, CodeCosts>();
  /** By the number of the code, where it has been asked for. */
  readonly #byNumber: CodeCosts[] = [];
  #functions = 0;
  #uses = 0;
  /** Something was learned since it was made. */
  isChanged = false;

  /**
   * @param nameOf the same for the same code in every process
   */
  constructor(nameOf: (code: number) => string, { most = 100_000, learns = true, largeBytes = 2 ** 16 }: CostModelTuning = {}) {
    this.#nameOf = nameOf;
    this.#most = most;
    this.#learns = learns;
    this.#largeBytes = largeBytes;
  }

  /** What there is, by name. */
  get codes(): ReadonlyMap<string, CodeCosts> {
    return this.#byName;
  }

  /** The costs of some code, made when there are none yet. */
  named(name: string): CodeCosts {
    let costs = this.#byName.get(name);
    if (costs === undefined) this.#byName.set(name, (costs = { estimate: createEstimate(), functions: new Map(), ms: 0, doubted: new Set() }));
    return costs;
  }

  /** What the scheduler goes by, and learns into. */
  estimateOf(code: number): Estimate {
    const { estimate } = this.#of(code);
    return this.#learns ? estimate : (this.#running[code] ??= structuredClone(estimate));
  }

  /** ms that a function takes on a node of speed 1; undefined: nothing is known of it or its code. */
  durationOf(code: number, functionId: string): number | undefined {
    const { estimate, functions } = this.#of(code);
    const own = this.#use(functions, functionId);
    if (own !== undefined && own.ms.mean > 0) return own.ms.mean;
    return estimate.count > 0 ? estimate.mean : undefined;
  }

  /** The same, but that of its code where the function is much like others of it: what differs by chance is no reason to change an order. */
  typicalOf(code: number, functionId: string): number | undefined {
    const own = this.durationOf(code, functionId);
    const { mean, count } = this.#of(code).estimate;
    return own !== undefined && count > 0 && Math.abs(own - mean) < alike * mean ? mean : own;
  }

  /** Bytes of its result, likewise; 0 for results that are not in shared memory. */
  bytesOf(code: number, functionId: string): number | undefined {
    const { estimate, functions } = this.#of(code);
    const own = this.#use(functions, functionId);
    if (own !== undefined) return own.bytes.mean;
    return estimate.bytes.count > 0 ? estimate.bytes.mean : undefined;
  }

  /** The functions of this code that are known by themselves. */
  functionsOf(code: number): ReadonlyMap<string, FunctionCosts> {
    return this.#of(code).functions;
  }

  /** Whether functions of these codes are long enough to be worth an order by what they take. O(codes). */
  isSlow(codes: Iterable<number>, size: number): boolean {
    let ms = 0;
    for (const code of codes) {
      const costs = this.#of(code);
      if (costs.estimate.mean >= slowFrom) return true;
      ms += costs.ms;
    }
    return ms > 0 && ms >= size * orderingMs;
  }

  /** Functions have run that were timed together, and one of them took long: the next time they had better be measured. */
  suspect(code: number, functionIds: readonly string[], ms: number): void {
    if (!this.#learns) return;
    const costs = this.#of(code);
    for (const id of functionIds) {
      if (!costs.functions.has(id) && !isDoubtful(costs, id, ms)) this.add(costs, id, { ...createMoments(), mean: ms / functionIds.length }, createMoments());
    }
  }

  /** A function has run. It is remembered by itself when that was long, or its result large, or it was known already. */
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
    if (!isSuspect && own.ms.mean < longFrom / 2 && own.bytes.mean < this.#largeBytes / 2) this.#forget(costs, functionId);
  }

  /** Makes a function known by itself, in place of what was known of it. */
  add(costs: CodeCosts, functionId: string, ms: Moments, bytes: Moments): FunctionCosts {
    if (costs.functions.has(functionId)) this.#forget(costs, functionId);
    const own: FunctionCosts = { ms, bytes, used: ++this.#uses };
    costs.functions.set(functionId, own);
    costs.ms += ms.mean;
    if (++this.#functions > this.#most) this.#forgetOldest();
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
    if (costs.functions.size === 0) costs.ms = 0; // sums of differences are off in the last digits
    this.#functions--;
  }

  /** A tenth of them at once, so that it need not be done for each. */
  #forgetOldest(): void {
    const all = [...this.#byName.values()].flatMap((costs) => [...costs.functions].map(([id, { used }]) => ({ costs, id, used })));
    all.sort((a, b) => a.used - b.used);
    for (const { costs, id } of all.slice(0, Math.ceil(this.#most / 10))) this.#forget(costs, id);
  }
}

/** Whether a function that was long may have been so by chance; the second time it is not. */
function isDoubtful({ estimate, doubted }: CodeCosts, functionId: string, ms: number): boolean {
  if (ms >= surelyFrom || estimate.mean >= trivialBelow || estimate.count < sureAfter || doubted.delete(functionId)) return false;
  doubted.add(functionId);
  if (doubted.size > mostDoubted) doubted.delete(doubted.values().next().value!);
  return true;
}
