/** Chooses a host for each function of a run, where moving large results between hosts would otherwise cost time. */
import { sortTopologically } from '../../dag/compile/links.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { partition } from './partition.ts';
import type { PlannerNode } from './problem.ts';

export interface HomesInput {
  readonly nodes: readonly PlannerNode[];
  /** ms on a node of speed 1, by function. */
  readonly durationOf: (i: number) => number;
  /** Bytes of the result, by function. */
  readonly bytesOf: (i: number) => number;
}

/** The size in bytes from which results influence the choice. */
const large = 2 ** 20;
/** In a DAG with more functions, the choice would take longer than it could save. */
const maxFunctions = 20_000;

/** By function: the preferred site, or -1 without a preference. Undefined when no function has a preference. */
export function homesOf(plan: CompiledDag, { nodes, durationOf, bytesOf }: HomesInput): Int32Array | undefined {
  const sites = [...new Set(nodes.map(({ site = -1 }) => site))];
  if (sites.length < 2 || plan.size > maxFunctions) return undefined;
  const matters = new Uint8Array(plan.size);
  let any = false;
  for (let i = 0; i < plan.size; i++) {
    if (bytesOf(i) < large) continue;
    any = true;
    matters[i] = 1;
    for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) matters[plan.outs[k]!] = 1;
  }
  if (!any) return undefined;
  const siteOf = (name: string | undefined): number =>
    sites.indexOf(nodes.find((node) => node.name === name)?.site ?? Number.NaN);
  const capacity = sites.map((site) =>
    nodes.reduce((sum, node) => sum + (node.site === site ? node.threads * node.speed : 0), 0),
  );
  const home = partition({
    links: plan,
    order: sortTopologically(plan),
    work: durationOf,
    bytes: bytesOf,
    capacity,
    fixed: (i) => siteOf(plan.pins.get(i)),
  });
  for (const { root, members, pin } of plan.groups) {
    const shared = pin === undefined ? home[root]! : siteOf(pin);
    for (const member of members) home[member] = shared;
  }
  return home.map((index, i) => (matters[i] === 1 ? sites[index]! : -1));
}
