/** Counts candidate schedules and keeps the best. */
import { createDraft, type Decoder, type Draft, turn } from './decoder.ts';
import { sortBy } from './order.ts';
import type { Problem } from './problem.ts';
import { keep } from './schedule.ts';

export class Search {
  readonly problem: Problem;
  readonly decoder: Decoder;
  readonly budget: number;
  readonly lowerBound: number;
  /** The last schedule made. */
  readonly draft: Draft;
  candidates = 0;
  best: (Draft & { readonly makespan: number }) | undefined;
  readonly #spare: Int32Array;

  constructor(problem: Problem, decoder: Decoder, budget: number, lowerBound: number) {
    this.problem = problem;
    this.decoder = decoder;
    this.budget = budget;
    this.lowerBound = lowerBound;
    this.draft = createDraft(problem);
    this.#spare = new Int32Array(problem.size);
  }

  /** The number of candidates left; 0 once the best schedule is known to be optimal. */
  get left(): number {
    return this.best !== undefined && this.best.makespan <= this.lowerBound * (1 + 1e-12)
      ? 0
      : this.budget - this.candidates;
  }

  /** Records the forward schedule in the draft. */
  note(makespan: number): number {
    this.candidates++;
    if (this.best === undefined || makespan < this.best.makespan) this.best = keep(this.draft, makespan);
    return makespan;
  }

  forward(list: Int32Array, hint?: Int32Array): number {
    return this.note(this.decoder.decode(list, false, this.draft, hint));
  }

  /** Moves everything as late as possible, last first. `list` is by rising finish before and by rising start after. */
  backward(list: Int32Array, hint?: Int32Array): void {
    this.candidates++;
    list.reverse();
    turn(this.draft, this.decoder.decode(list, true, this.draft, hint));
    list.reverse();
    sortBy(list, this.draft.start, this.#spare);
  }

  /** Sorts by finish in the draft. */
  sortByFinish(list: Int32Array): void {
    sortBy(list, this.draft.finish, this.#spare);
  }
}
