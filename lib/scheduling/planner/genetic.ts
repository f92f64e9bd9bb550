/**
 * Improvement by evolution of lists: the hybrid genetic algorithm of Valls, Ballestín and Quintanilla (2008, "A hybrid genetic algorithm
 * for the resource-constrained project scheduling problem") in a steady state. A child is a list by rising finish; it is decoded
 * backward at once and then forward, which justifies it both ways in two schedules instead of three (Li and Willis 1992; Debels and
 * Vanhoucke 2005 work on both kinds of lists too).
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
  /** By function, its node; undefined where there is but one. */
  readonly node: Int32Array | undefined;
  readonly makespan: number;
  /** All finishes added up: tells schedules apart. */
  readonly sum: number;
}

/** How much of the urgency of a founder's functions is chance: the smaller a graph, the more of what it allows can be tried. */
export function founderNoise({ size }: Problem): number {
  return Math.max(0.5, Math.min(0.85, 0.9 - size / 300));
}

/** How many founders come of the parallel scheme, where there is one: it finds other schedules than the serial one. */
const dispatched = 0.6;
const mutationRate = 0.03;
/** How often a function stays on a node that both parents have it on. */
const loyalty = 0.8;

/**
 * Uses up the budget of a search that has made its first pass, which is still in the draft and is where evolution starts from.
 *
 * @param urgency higher is earlier, where nothing else is known
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

  /** What becomes of a list by rising finish that is decoded backward and forward again. */
  function justified(list: Int32Array, nodeHint?: Int32Array): Individual {
    search.backward(list, nodeHint);
    // Going forward on the same nodes never makes it longer; choosing anew may find better ones.
    if (!single && dice.next() < 0.5) nodeHint = draft.node.slice();
    const makespan = search.forward(list, nodeHint);
    search.sortByFinish(list);
    return { list, node: single ? undefined : draft.node.slice(), makespan, sum: draft.finish.reduce((sum, each) => sum + each, 0) };
  }

  function breed(mother: Individual, father: Individual): Individual {
    const list = new Int32Array(size);
    const length = Math.max(1, Math.floor(size * (0.25 + 0.5 * dice.next())));
    const from = dice.below(size - length + 1);
    twoPoint(mother.list, father.list, from, from + length, list, spare);
    mutate(list, mutationRate, before, dice);
    return justified(list, hint === undefined ? undefined : hintsOf(mother, father, hint));
  }

  /** Where both parents have a function on the same node it mostly stays; where not, it goes where it ends first. */
  function hintsOf(mother: Individual, father: Individual, into: Int32Array): Int32Array {
    for (let i = 0; i < size; i++) into[i] = mother.node![i] === father.node![i] && dice.next() < loyalty ? mother.node![i]! : -1;
    return into;
  }

  function select(): Individual {
    const [a, b] = [population[dice.below(population.length)]!, population[dice.below(population.length)]!];
    return a.makespan <= b.makespan ? a : b;
  }

  /** The worst of three goes, whether the child is better or not; but never the best of all. */
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
