/**
 * Improves a schedule by evolution of lists: the hybrid genetic algorithm of Valls, Ballestín and Quintanilla (2008, "A
 * hybrid genetic algorithm for the resource-constrained project scheduling problem") in a steady state. A child is a
 * list by rising finish. It is decoded backward and then forward, which justifies it in both directions with two
 * schedules instead of three (Li and Willis 1992; Debels and Vanhoucke 2005 also use both kinds of lists).
 */
import { mutate, twoPoint } from './crossover.ts';
import { dispatch } from './dispatch.ts';
import { fillKeys } from './keys.ts';
import { listBy } from './order.ts';
import type { Problem } from './problem.ts';
import type { Random } from '../../core/random.ts';
import type { Search } from './search.ts';

interface Individual {
  /** By rising finish. */
  readonly list: Int32Array;
  /** By function: its node. Undefined when there is only one node. */
  readonly node: Int32Array | undefined;
  readonly makespan: number;
  /** The sum of all finishes, which distinguishes schedules. */
  readonly sum: number;
}

/** The random share of the urgency of a founder's functions. A smaller graph allows more variation. */
export function founderNoise({ size }: Problem): number {
  return Math.max(0.5, Math.min(0.85, 0.9 - size / 300));
}

/** The share of founders from the parallel scheme, if it applies. It finds other schedules than the serial scheme. */
const dispatched = 0.6;
const mutationRate = 0.03;
/** The probability that a function stays on the node that both parents use. */
const loyalty = 0.8;

/**
 * Spends the budget of a search that has made its first pass. Evolution starts from the result of that pass, which is
 * in the draft.
 *
 * @param urgency higher goes earlier, where nothing else is known
 */
export function evolve(search: Search, urgency: Float64Array, dice: Random): void {
  const { problem, draft } = search;
  const { size, before, after, nodes } = problem;
  if (size < 2) return;
  const single = nodes.length === 1;
  const spare = new Uint8Array(size);
  const key = new Float64Array(size);
  const hint = single ? undefined : new Int32Array(size);
  const count = Math.max(8, Math.min(100, Math.round(Math.sqrt((search.budget * 160) / size))));
  const noise = founderNoise(problem);
  const population: Individual[] = [];
  if (search.left >= 2) population.push(justified(inOrder()));
  while (population.length < count && search.left >= 3) population.push(founder());
  while (search.left >= 2) {
    const child = breed(select(), select());
    if (!population.some(({ makespan, sum }) => makespan === child.makespan && sum === child.sum)) replace(child);
  }

  function founder(): Individual {
    fillKeys(problem, urgency, key, single ? noise : noise * dice.next(), dice);
    if (single && dice.next() < dispatched) search.note(dispatch(problem, key, false, draft));
    else search.forward(listBy(problem, before, after, key));
    return justified(inOrder());
  }

  /** All functions by rising finish in the draft. */
  function inOrder(): Int32Array {
    const list = problem.order.slice();
    search.sortByFinish(list);
    return list;
  }

  /** Decodes a list by rising finish backward and then forward. */
  function justified(list: Int32Array, nodeHint?: Int32Array): Individual {
    search.backward(list, nodeHint);
    // On the same nodes, the forward pass never makes it longer. A new choice of nodes may be better.
    if (!single && dice.next() < 0.5) nodeHint = draft.node.slice();
    const makespan = search.forward(list, nodeHint);
    search.sortByFinish(list);
    return {
      list,
      node: single ? undefined : draft.node.slice(),
      makespan,
      sum: draft.finish.reduce((sum, each) => sum + each, 0),
    };
  }

  function breed(mother: Individual, father: Individual): Individual {
    const list = new Int32Array(size);
    const length = Math.max(1, Math.floor(size * (0.25 + 0.5 * dice.next())));
    const from = dice.below(size - length + 1);
    twoPoint(mother.list, father.list, from, from + length, list, spare);
    mutate(list, mutationRate, before, dice);
    return justified(list, hint === undefined ? undefined : hintsOf(mother, father, hint));
  }

  /**
   * A function that both parents place on the same node mostly stays there. Any other goes to the node where it ends
   * first.
   */
  function hintsOf(mother: Individual, father: Individual, into: Int32Array): Int32Array {
    for (let i = 0; i < size; i++)
      into[i] = mother.node![i] === father.node![i] && dice.next() < loyalty ? mother.node![i]! : -1;
    return into;
  }

  function select(): Individual {
    const [a, b] = [population[dice.below(population.length)]!, population[dice.below(population.length)]!];
    return a.makespan <= b.makespan ? a : b;
  }

  /** Replaces the worst of three individuals, even if the child is worse, but never the best of all. */
  function replace(child: Individual): void {
    let worst = dice.below(population.length);
    for (let trial = 0; trial < 2; trial++) {
      const other = dice.below(population.length);
      if (population[other]!.makespan > population[worst]!.makespan) worst = other;
    }
    const least = population.reduce((best, { makespan }) => Math.min(best, makespan), Infinity);
    if (population[worst]!.makespan > least || child.makespan <= least) population[worst] = child;
  }
}
