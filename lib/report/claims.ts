/** What functions held of nodes over time, from when they ran and what they cost. */
import type { Cost } from '../dag/types.ts';

/** An amount over time: `level[k]` from `at[k]` until `at[k + 1]`; 0 before the first. */
export interface Steps {
  readonly at: readonly number[];
  readonly level: readonly number[];
}

/** What ran on a node, and what it held of it meanwhile. */
export interface Holding {
  readonly node: string;
  readonly begun: number;
  readonly ended: number;
  readonly cost: Cost;
}

/** By node and resource, in the order they were first held. */
export function claimsOf(holdings: Iterable<Holding>): Map<string, Map<string, Steps>> {
  const changes = new Map<string, Map<string, [number, number][]>>();
  for (const { node, begun, ended, cost } of holdings) {
    for (const [resource, amount] of Object.entries(cost)) {
      if (amount === 0) continue;
      let ofNode = changes.get(node);
      if (ofNode === undefined) changes.set(node, (ofNode = new Map()));
      let ofResource = ofNode.get(resource);
      if (ofResource === undefined) ofNode.set(resource, (ofResource = []));
      ofResource.push([begun, amount], [Math.max(begun, ended), -amount]);
    }
  }
  return new Map([...changes].map(([node, resources]) => [node, new Map([...resources].map(([resource, list]) => [resource, toSteps(list)]))]));
}

function toSteps(changes: [number, number][]): Steps {
  changes.sort(([a, plus], [b, minus]) => a - b || plus - minus); // what is given back at a moment may be claimed at it
  const at: number[] = [];
  const level: number[] = [];
  let sum = 0;
  for (const [when, change] of changes) {
    sum += change;
    if (Math.abs(sum) < 1e-9) sum = 0;
    if (at.at(-1) === when) {
      level[level.length - 1] = sum;
    } else {
      at.push(when);
      level.push(sum);
    }
  }
  return { at, level };
}

/** The amount at a moment. */
export function levelAt({ at, level }: Steps, when: number): number {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle]! <= when) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : level[low - 1]!;
}

/** The most that was held at once. */
export function peakOf({ level }: Steps): number {
  return level.reduce((most, each) => Math.max(most, each), 0);
}

/** The same with at most so many steps, where they are too many to draw: of those that are put together, the highest. */
export function thinned(steps: Steps, most: number): Steps {
  const { at, level } = steps;
  if (at.length <= most) return steps;
  const [first, last] = [at[0]!, at.at(-1)!];
  const width = (last - first) / (most - 1);
  const thin: { at: number[]; level: number[] } = { at: [], level: [] };
  for (let k = 0; k < at.length - 1;) {
    const slot = Math.floor((at[k]! - first) / width);
    const from = k;
    let highest = level[k]!;
    while (++k < at.length - 1 && Math.floor((at[k]! - first) / width) === slot) highest = Math.max(highest, level[k]!);
    thin.at.push(at[from]!);
    thin.level.push(highest);
  }
  thin.at.push(last);
  thin.level.push(level.at(-1)!);
  return thin;
}
