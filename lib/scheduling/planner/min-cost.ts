/**
 * Schedules of least price: as cheap as a deadline allows or, without one, as fast as slightly more than the least
 * price allows.
 *
 * A pass has a `thrift`: the time by which a function may end later for each unit of price that this saves. More thrift
 * gives a cheaper and slower schedule (a list scheduling that weighs price against time, as that of Arabnejad and
 * Barbosa 2014 does for a budget). Bisection finds the right thrift. The rest of the budget moves functions to cheaper
 * nodes while the deadline holds.
 */
import { createDraft, type Draft } from './decoder.ts';
import { fillKeys } from './keys.ts';
import { listBy } from './order.ts';
import { MultiNodeDecoder } from './multi-node-decoder.ts';
import { planSchedule, type SearchOptions } from './plan-schedule.ts';
import type { Problem } from './problem.ts';
import { keep, priceOf, type Schedule } from './schedule.ts';
import { urgencies } from './urgency.ts';

export interface CheapestOptions extends SearchOptions {
  /**
   * The maximum duration of the schedule in ms. Default: none; then price decides, and time counts only within `slack`.
   */
  readonly deadline?: number | undefined;
}

/** Without a deadline: the share of the least price that may be spent on top to save time. */
const slack = 0.04;
/** The maximum number of passes that search for the thrift. */
const bisections = 16;
/** In larger problems, candidates are expensive and evolution is slow. */
const walkable = 2000;
/** The minimum number of candidates. */
const fewest = 8;
/** At a highest price of 1, more thrift than this saves nothing: no schedule is a million times as long as another. */
const most = 1e9;

/** The cheapest schedule found within the deadline; if there is none, the fastest. */
export function planCheapest(problem: Problem, options: CheapestOptions = {}): Schedule {
  if (!isPriced(problem)) return planSchedule(problem, options);
  const { deadline, budget = 1 } = options;
  // A third of the budget for the fastest schedule, a third for the thrift, and a third for moves of single functions.
  const fast = planSchedule(problem, {
    ...options,
    budget: problem.size <= walkable ? Math.max(1, Math.floor(budget / 3)) : 1,
  });
  const search = new Thrifty(problem, fast, Math.max(fewest - 1, budget - fast.candidates));
  const isFine =
    deadline === undefined
      ? ({ price }: Found) => price <= search.leastPrice() * (1 + slack) + Number.EPSILON
      : ({ makespan }: Found) => makespan <= deadline * (1 + 1e-9);
  if (deadline === undefined) search.bisect(isFine, (a, b) => a.makespan - b.makespan || a.price - b.price, 'least');
  else search.bisect(isFine, (a, b) => a.price - b.price || a.makespan - b.makespan, 'most');
  if (deadline !== undefined && search.best !== undefined) search.moveToCheaper(deadline);
  const { start, finish, node, makespan } = search.best ?? fast;
  return {
    start,
    finish,
    node,
    makespan,
    lowerBound: fast.lowerBound,
    candidates: fast.candidates + search.candidates,
  };
}

/** Whether the price depends on where functions run. */
function isPriced({ price, speed }: Problem): boolean {
  return price.some((each, k) => each / speed[k]! !== price[0]! / speed[0]!);
}

interface Found extends Draft {
  readonly makespan: number;
  readonly price: number;
}

class Thrifty {
  best: Found | undefined;
  candidates = 0;
  readonly #problem: Problem;
  readonly #list: Int32Array;
  readonly #draft: Draft;
  readonly #fast: Found;
  readonly #budget: number;

  /** @param budget the maximum number of candidates */
  constructor(problem: Problem, fast: Schedule, budget: number) {
    this.#budget = budget;
    this.#problem = problem;
    const key = new Float64Array(problem.size);
    fillKeys(problem, urgencies(problem), key, 0);
    this.#list = listBy(problem, problem.before, problem.after, key);
    this.#draft = createDraft(problem);
    this.#fast = { ...fast, price: priceOf(problem, fast) };
  }

  /** The price of all functions on their cheapest eligible nodes. */
  leastPrice(): number {
    const { size, duration, group, placesOf, eligible, price, speed } = this.#problem;
    const work = new Map<number, { ms: number; readonly places: number }>(); // members of a group share a node
    let sum = 0;
    const cheapest = eligible.map((nodes) =>
      nodes.reduce((least, k) => Math.min(least, price[k]! / speed[k]!), Infinity),
    );
    for (let i = 0; i < size; i++) {
      const g = group === null ? -1 : group[i]!;
      if (g < 0) sum += duration[i]! * cheapest[placesOf[i]!]!;
      else if (work.has(g)) work.get(g)!.ms += duration[i]!;
      else work.set(g, { ms: duration[i]!, places: placesOf[i]! });
    }
    for (const { ms, places } of work.values()) sum += ms * cheapest[places]!;
    return sum;
  }

  /**
   * Searches for the best acceptable schedule.
   *
   * @param side `'most'`: more thrift is better while the schedule is acceptable; `'least'`: less thrift is better
   */
  bisect(isFine: (found: Found) => boolean, order: (a: Found, b: Found) => number, side: 'most' | 'least'): void {
    const take = (found: Found): boolean => {
      const fine = isFine(found);
      if (fine && (this.best === undefined || order(found, this.best) < 0)) this.best = found;
      return fine;
    };
    take(this.#fast);
    const [none, all] = [this.#pass(0), this.#pass(most / this.#highest())];
    const fineAtNone = take(none);
    const fineAtAll = take(all);
    if (side === 'most' ? fineAtAll : fineAtNone) return; // the end of the range is already acceptable
    let [low, high] = this.#range();
    for (let trial = 0; trial < bisections && this.candidates < Math.max(fewest, this.#budget * 0.6); trial++) {
      const middle = Math.sqrt(low * high);
      const fine = take(this.#pass(middle));
      if (fine === (side === 'most')) low = middle;
      else high = middle;
    }
  }

  /**
   * Moves functions to cheaper nodes, the largest savings first, while the schedule meets the deadline. A batch that is
   * too large is halved.
   */
  moveToCheaper(deadline: number): void {
    const { size, duration, placesOf, eligible, price, speed, group } = this.#problem;
    const placing = new MultiNodeDecoder(this.#problem);
    const cost = (i: number, k: number): number => (duration[i]! * price[k]!) / speed[k]!;
    let share = 0.5;
    const refused = new Set<number>();
    while (this.candidates < this.#budget && share * size >= 0.5) {
      const { node } = this.best!;
      const moves: { i: number; to: number; saves: number }[] = [];
      for (let i = 0; i < size; i++) {
        if (refused.has(i) || (group !== null && group[i]! >= 0)) continue;
        let to = node[i]!;
        for (const k of eligible[placesOf[i]!]!) if (cost(i, k) < cost(i, to) * (1 - 1e-9)) to = k;
        if (to !== node[i]) moves.push({ i, to, saves: cost(i, node[i]!) - cost(i, to) });
      }
      if (moves.length === 0) return;
      moves.sort((a, b) => b.saves - a.saves);
      const chosen = moves.slice(0, Math.max(1, Math.floor(moves.length * share)));
      const hint = node.slice();
      for (const { i, to } of chosen) hint[i] = to;
      const found = this.#decode(placing, hint);
      if (found.makespan <= deadline && found.price < this.best!.price) {
        this.best = found;
      } else if (chosen.length > 1) {
        share /= 2;
      } else {
        refused.add(chosen[0]!.i);
      }
    }
  }

  #pass(thrift: number): Found {
    return this.#decode(new MultiNodeDecoder(this.#problem, thrift), undefined);
  }

  #decode(placing: MultiNodeDecoder, hint: Int32Array | undefined): Found {
    this.candidates++;
    const makespan = placing.decode(this.#list, false, this.#draft, hint);
    return { ...keep(this.#draft, makespan), price: priceOf(this.#problem, this.#draft) };
  }

  /** The range of useful thrift: from the duration of a function to the whole time, per unit of price. */
  #range(): [low: number, high: number] {
    return [1e-3 / this.#highest(), 1e6 / this.#highest()];
  }

  #highest(): number {
    return this.#problem.price.reduce((top, each) => Math.max(top, each), 0);
  }
}
