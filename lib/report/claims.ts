/** The resources that functions held on nodes over time, computed from their runs and costs. */
import type { Cost } from '../dag/types.ts';

/** An amount over time: `level[k]` from `at[k]` until `at[k + 1]`, and 0 before the first. */
export interface Steps {
  readonly at: readonly number[];
  readonly level: readonly number[];
}

/** A function that ran on a node, with its cost. */
export interface Holding {
  readonly node: string;
  readonly begun: number;
  readonly ended: number;
  readonly cost: Cost;
}

/** Keyed by node and resource, in the order they were first held. */
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
  return new Map(
    [...changes].map(([node, resources]) => [
      node,
      new Map([...resources].map(([resource, list]) => [resource, toSteps(list)])),
    ]),
  );
}

function toSteps(changes: [number, number][]): Steps {
  changes.sort(([a, plus], [b, minus]) => a - b || plus - minus); // a release comes before a claim at the same time
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

/** The amount at a point in time. */
export function levelAt({ at, level }: Steps, when: number): number {
  let [low, high] = [0, at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle]! <= when) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : level[low - 1]!;
}

/** The highest amount. */
export function peakOf({ level }: Steps): number {
  return level.reduce((maxSteps, each) => Math.max(maxSteps, each), 0);
}

/** The same curve with at most this many steps. Each merged step takes the highest level. */
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
